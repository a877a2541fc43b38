"""What to ask for next time: always enough, never more than now for nothing, and final."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gridmap.display.advice import Advice, Used, advise, enough_memory, enough_time_s

USED = st.builds(
    Used,
    memory=st.none() | st.integers(2**20, 2**40),
    peak=st.just(0) | st.integers(1, 2**40),
    walltime_s=st.none() | st.integers(1, 30 * 86400),
    longest_s=st.just(0.0) | st.floats(0.001, 30 * 86400),
    cores=st.integers(1, 128),
    busy_cores=st.none() | st.floats(0, 256),
)


@given(USED)
def test_what_is_advised_is_enough(used: Used) -> None:
    """With something to spare, so that the next map does not die of it."""
    advice = advise(used)
    if advice.memory is not None:
        assert advice.memory >= 1.1 * used.peak
    if advice.walltime_s is not None:
        assert advice.walltime_s >= 1.4 * used.longest_s
    if advice.cores is not None:
        assert used.busy_cores is not None
        assert advice.cores >= used.busy_cores - 0.2


@given(USED)
def test_who_follows_it_is_told_nothing_more(used: Used) -> None:
    """The same jobs with what was advised give no advice."""
    advice = advise(used)
    changes = {k: v for k, v in msgspec.structs.asdict(advice).items() if v is not None}
    assert advise(msgspec.structs.replace(used, **changes)) == Advice()


@given(USED)
def test_less_is_advised_only_where_it_matters(used: Used) -> None:
    """Half of it at most; and nothing is advised of what is not known."""
    advice = advise(used)
    if advice.memory is not None and used.memory is not None:
        near = used.peak * 1.05 > used.memory
        assert near or advice.memory <= used.memory / 2
    if not used.peak:
        assert advice.memory is None
    if used.walltime_s is None or not used.longest_s:
        assert advice.walltime_s is None
    if used.busy_cores is None:
        assert advice.cores is None


@given(st.integers(1, 2**40), st.integers(1, 2**40))
def test_more_use_never_means_less(one: int, other: int) -> None:
    """Of memory and of time."""
    low, high = sorted((one, other))
    assert enough_memory(low) <= enough_memory(high)
    assert enough_time_s(low / 1e5) <= enough_time_s(high / 1e5)


def test_a_common_case() -> None:
    """8 GiB and four cores for jobs of 400 MiB that keep one busy."""
    used = Used(
        memory=8 * 2**30, peak=400 * 2**20, walltime_s=86400, longest_s=1000,
        cores=4, busy_cores=0.97,
    )  # fmt: skip
    advice = Advice(memory=512 * 2**20, walltime_s=1800, cores=1)
    assert advise(used) == advice
