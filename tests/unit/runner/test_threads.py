"""Threads of libraries are bounded by the cores granted, and by nothing the user set."""

from hypothesis import given
from hypothesis import strategies as st

from gridmap.runner.threads import CORES, bounded

NAMES = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "X"]
variables = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["3", "7"]))


def test_every_library_is_told() -> None:
    """The variables of those in use, and gridmap's own."""
    made = bounded({}, {}, 4)
    assert set(made.values()) == {"4"}
    assert {*NAMES[:3], "NUMEXPR_NUM_THREADS", CORES} <= set(made)


def test_openmps_variable_counts_for_those_that_follow_it() -> None:
    """One of their own would take precedence over what the user said."""
    for made in (
        bounded({"OMP_NUM_THREADS": "2"}, {}, 4),
        bounded({}, {"OMP_NUM_THREADS": "2"}, 4),
    ):
        assert "MKL_NUM_THREADS" not in made
        assert "OPENBLAS_NUM_THREADS" not in made
        assert made["NUMBA_NUM_THREADS"] == "4"


def test_what_is_to_be_unset_is_nobodys_wish() -> None:
    """The runner inherited it, and the job was not to have it."""
    made = bounded({"OMP_NUM_THREADS": None}, {"OMP_NUM_THREADS": "9"}, 4)
    assert made["OMP_NUM_THREADS"] == "4"


@given(environment=variables, own=variables, cores=st.none() | st.integers(1, 99))
def test_nothing_that_is_set_is_changed(
    environment: dict[str, str | None], own: dict[str, str], cores: int | None
) -> None:
    """Neither by the user nor on the node; without a number nothing is added."""
    made = bounded(environment, own, cores)
    assert made.items() >= environment.items()
    assert not {name for name in NAMES if name in own} & (set(made) - set(environment))
    assert cores is not None or made == environment
