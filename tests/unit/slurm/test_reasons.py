"""Why jobs wait, in plain words: every code that Slurm has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.backend import SeenState
from gridmap.resources import Resources
from gridmap_slurm import reasons, sizes

from .recordings import read

SIZES = read("sinfo-sizes")


@pytest.mark.parametrize("code", read("reasons").split())
def test_every_code_is_explained(code: str) -> None:
    """Each has a meaning, and says what to do."""
    told = reasons.explain(code)
    assert told.reason == code
    assert told.meaning
    assert told.advice


@pytest.mark.parametrize(
    ("words", "meaning", "state"),
    [
        ("Resources", "it waits for nodes to become free", SeenState.QUEUED),
        (
            "ReqNodeNotAvail, UnavailableNodes:n1",
            "a node it may use is not available",
            SeenState.QUEUED,
        ),
        ("JobHeldUser", "it is on hold", SeenState.HELD),
        (
            "launch failed requeued held",
            "a node could not start it, and it is on hold",
            SeenState.HELD,
        ),
        (
            "QOSMaxMemoryPerJob",
            "more memory for one job than the QOS grants",
            SeenState.BLOCKED,
        ),
        (
            "AssocMaxGRESPerNode",
            (
                "more graphics processors or other GRES on one node than your account "
                "grants"
            ),
            SeenState.BLOCKED,
        ),
        (
            "AssocGrpCpuLimit",
            "your account is at its limit of cores",
            SeenState.QUEUED,
        ),
        (
            "QOSMaxCpuPerUserLimit",
            "you are at the limit of cores that the QOS sets for one user",
            SeenState.QUEUED,
        ),
        (
            "QOSMinCpuNotSatisfied",
            "the QOS is for jobs that ask for more cores",
            SeenState.BLOCKED,
        ),
        (
            (
                "Memory specification can not be satisfied; Batch job submission failed: "
                "Requested node configuration is not available"
            ),
            "no node has what was asked for",
            SeenState.BLOCKED,
        ),
    ],
)
def test_a_code_means_this(words: str, meaning: str, state: SeenState) -> None:
    """In plain words, and whether waiting helps."""
    found = reasons.find(words)
    assert found is not None
    assert (found.meaning, found.state) == (meaning, state)


def test_what_nobody_knows_stands_for_itself() -> None:
    """Without a meaning that might be wrong."""
    assert reasons.find("SomethingNew") is None
    assert str(reasons.explain("SomethingNew")) == "SomethingNew"


@given(words=st.text(max_size=60))
def test_any_words_are_explained(words: str) -> None:
    """No word raises, and each is kept."""
    assert reasons.explain(words).reason == words


@pytest.mark.parametrize(
    ("asked", "advice"),
    [
        (
            Resources(cores=64),
            (
                "asked for 64 cores; the largest node of partition main has 4: ask for at "
                "most 4"
            ),
        ),
        (
            Resources(cores=8),
            (
                "asked for 8 cores; the largest node of partition main has 4: ask for at "
                "most 4, or use partition fat"
            ),
        ),
        (
            Resources(memory="500G"),
            (
                "asked for 500 GiB of memory; the largest node of partition main has "
                "7.81 GiB: ask for at most 7.81 GiB"
            ),
        ),
        (
            Resources(walltime="2h", queue="other"),
            (
                "asked for 7200 s; partition other grants 3600 s: ask for at most 3600 s, "
                "or use partition fat or main"
            ),
        ),
        (
            Resources(gpus=7),
            (
                "asked for 7 graphics processors; the largest node of partition main has "
                "1: ask for at most 1"
            ),
        ),
        (Resources(cores=4), ""),
    ],
    ids=["cores", "elsewhere", "memory", "time", "gpus", "fits"],
)
def test_a_request_is_held_against_the_nodes(asked: Resources, advice: str) -> None:
    """What is too large is named, with the largest that would do."""
    assert sizes.compare(asked, sizes.parse(SIZES)) == advice


@given(output=st.text(max_size=200))
def test_any_output_is_read(output: str) -> None:
    """No output raises; without nodes there is no advice."""
    shapes = sizes.parse(output)
    assert sizes.compare(Resources(cores=3), shapes) == "" or shapes
    sizes.parse("\n".join(f"gridmap|{line}" for line in output.splitlines()))
