"""Vitals over time stay bounded, and keep what matters."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gridmap.events import JobsDone, RunnerVitals
from gridmap_mail import vitals
from gridmap_mail.vitals import MOST_POINTS, Series, Vitals


def beat(job: int | None, running_s: float = 1.0, rss: int = 1) -> RunnerVitals:
    return RunnerVitals(
        run="r",
        at=0.0,
        runner=1,
        cpu_s=0.0,
        rss=rss,
        peak_rss=rss,
        io_bytes=0,
        job=job,
        running_s=running_s,
    )


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=3000))
def test_points_are_bounded_and_the_peak_stays(held: list[int]) -> None:
    """However many beats there are, few points are kept, and the peak among them."""
    series = Series()
    for number, rss in enumerate(held):
        series.add(10.0 * number, rss, float(number))
        assert len(series) < MOST_POINTS
    series.close()
    assert max(series.memory) == max(held)
    assert series.times[-1] == 10.0 * (len(held) - 1)
    assert list(series.times) == sorted(series.times)
    assert len(series.times) == len(series.memory) == len(series.cores)


@given(st.integers(2, 2000), st.floats(0.1, 64.0))
def test_processor_use_is_a_rate(beats: int, cores: float) -> None:
    """A job that keeps so many processors busy shows as many, thinned or not."""
    series = Series()
    for number in range(beats):
        series.add(10.0 * number, 1, 10.0 * number * cores)
    series.close()
    late = itertools.islice(series.cores, 2, None)  # the first points begin at 0
    assert all(abs(rate - cores) < 0.01 * cores for rate in late)


def test_beats_at_almost_the_same_time_are_one_point() -> None:
    """A beat right after another tells no processor use, but its memory counts."""
    series = Series()
    series.add(1.0, 10, 1.0)
    series.add(1.001, 99, 1.2)
    series.close()
    assert list(series.times) == [1.0]
    assert list(series.memory) == [99]


def test_jobs_that_returned_are_forgotten() -> None:
    """What is kept is what runs."""
    known = Vitals()
    for job in range(100):
        known.beat(beat(job))
    known.beat(beat(None))
    known.done(
        JobsDone(run="r", at=0.0, first=10, stop=1_000_000_000, runner=1, seconds=1)
    )
    assert len(known) == 10
    known.done(JobsDone(run="r", at=0.0, first=3, stop=5, runner=1, seconds=1))
    assert len(known) == 8
    assert known.take(3) is None
    assert known.take(5) is not None
    assert known.take(5) is None


def test_a_job_that_begins_anew_has_a_new_series() -> None:
    """The attempt before is not in the picture of the next."""
    known = Vitals()
    known.beat(beat(1, 100.0, rss=5))
    known.beat(beat(1, 2.0, rss=3))
    series = known.take(1)
    assert series is not None
    assert list(series.memory) == [3]


def test_jobs_are_bounded() -> None:
    """A great crowd of jobs takes no more room than a crowd."""
    known = Vitals()
    for job in range(vitals.MOST_JOBS + 5):
        known.beat(beat(job))
    assert len(known) == vitals.MOST_JOBS
