"""How many jobs a runner is given at a time."""

from hypothesis import given
from hypothesis import strategies as st

from gridmap.monitor.dispatch import (
    LARGEST,
    LATE_S,
    MOST_GRANTS,
    PREFETCH_S,
    TARGET_S,
    WORTH_S,
    batch_size,
    is_late,
    wants_more,
)

MEANS = st.floats(0, 1e6) | st.sampled_from([0.0, 1e-12, 1e9])
COUNTS = st.integers(1, 10**7)


@given(queued=COUNTS, runners=COUNTS)
def test_before_anything_is_measured_jobs_go_one_by_one(
    queued: int, runners: int
) -> None:
    """A batch of unknown jobs might be a day's work."""
    assert batch_size(queued=queued, runners=runners, mean_s=None) == 1


@given(queued=COUNTS, runners=st.integers(0, 10**5), mean=MEANS)
def test_a_batch_is_bounded_on_every_side(
    queued: int, runners: int, mean: float
) -> None:
    """At least one; no more than a half share, a target of work, a message."""
    size = batch_size(queued=queued, runners=runners, mean_s=mean)
    assert 1 <= size <= LARGEST
    if size > 1:
        assert size * mean <= TARGET_S * 1.000001
        assert size <= queued
        share = -(-queued // (2 * max(runners, 1)))
        assert size <= share or size * mean <= WORTH_S * 1.000001


@given(queued=COUNTS, runners=st.integers(1, 10**5), mean=st.none() | MEANS)
def test_jobs_that_may_take_longer_are_shared_out(
    queued: int, runners: int, mean: float | None
) -> None:
    """However quick others were, nobody gets more than a half share of them."""
    size = batch_size(queued=queued, runners=runners, mean_s=mean, evenly=True)
    assert 1 <= size <= max(1, -(-queued // (2 * runners)))


@given(queued=st.integers(1, LARGEST), runners=st.integers(1, 10**5))
def test_work_that_is_not_worth_a_message_is_not_shared(
    queued: int, runners: int
) -> None:
    """With thousands of runners a share of quick jobs is a handful."""
    mean = WORTH_S / LARGEST / 1.01
    assert batch_size(queued=queued, runners=runners, mean_s=mean) == queued


@given(count=st.integers(1, LARGEST), mean=st.none() | MEANS)
def test_a_batch_is_late_at_last(count: int, mean: float | None) -> None:
    """Not before what was expected, and a moment later whatever was measured."""
    expected = count * (mean or 0.0)
    assert not is_late(count=count, mean_s=mean, age_s=expected)
    assert is_late(count=count, mean_s=mean, age_s=2.001 * expected + 2 * LATE_S)


@given(
    queued=COUNTS, runners=COUNTS, mean=st.floats(1e-9, 1e5), left=st.floats(1e-3, 1e6)
)
def test_a_runner_near_its_end_gets_only_what_it_can_finish(
    queued: int, runners: int, mean: float, left: float
) -> None:
    """Nothing if not even one job fits."""
    size = batch_size(queued=queued, runners=runners, mean_s=mean, remaining_s=left)
    assert (size == 0) == (max(mean, 1e-7) > left)
    assert size * mean <= left * 1.000001 or size == 1


def test_the_tail_is_handed_out_one_by_one() -> None:
    """The last jobs must not wait behind one another."""
    assert batch_size(queued=2, runners=4, mean_s=WORTH_S) == 1


@given(left=st.integers(0, 10**6), grants=st.integers(0, 10), mean=st.none() | MEANS)
def test_more_is_wanted_by_the_idle_and_the_nearly_idle(
    left: int, grants: int, mean: float | None
) -> None:
    """Who has nothing always; who has plenty, or many grants, never."""
    wanted = wants_more(left=left, grants=grants, mean_s=mean)
    if left == 0:
        assert wanted
    elif grants >= MOST_GRANTS or mean is None:
        assert not wanted
    else:
        assert wanted == (left * mean < PREFETCH_S)
