"""When a job is begun a second time: arithmetic, and numbers that are used once."""

from hypothesis import given
from hypothesis import strategies as st

from gridmap.monitor import doubles
from gridmap.monitor.doubles import Doubles, Durations
from gridmap.monitor.jobs import Grant, Group, Span
from gridmap.resources import Resources

SECONDS = st.floats(0, 1e6)
MANY = st.lists(SECONDS, min_size=doubles.ENOUGH, max_size=50)


def after(seconds: list[float]) -> Durations:
    """Return what is known when jobs took so long."""
    durations = Durations()
    for each in seconds:
        durations.add(each, 1)
    return durations


def grant(jobs: int) -> Grant:
    """Return a grant that was given at 100 s."""
    group, span = Group(Resources()), Span(0, jobs, 1, b"f")
    return Grant(1, 1, group, span, 100.0, 0, jobs, bytearray(b"\1" * jobs))


@given(MANY)
def test_only_what_is_longer_than_nearly_all_others_is_long(
    seconds: list[float],
) -> None:
    """At most one in twenty of those that returned was, and by no little."""
    patience_s = after(seconds).patience_s(still=1)
    assert patience_s is not None
    assert patience_s >= doubles.LEAST_S
    assert sum(each > patience_s for each in seconds) <= len(seconds) / 20


@given(MANY, st.integers(1, 10**6))
def test_nothing_is_long_before_enough_have_returned(
    seconds: list[float], still: int
) -> None:
    """Five, and no fewer than are left: else the rest may be as long as it is."""
    known = after(seconds).patience_s(still) is not None
    assert known == (len(seconds) >= still)
    assert after(seconds[:4]).patience_s(1) is None


@given(MANY, st.floats(1, 100))
def test_longer_jobs_are_given_more_time(seconds: list[float], times: float) -> None:
    """Whatever they take, in proportion, from some seconds on."""
    short, long = after(seconds), after([each * times for each in seconds])
    before, now = short.patience_s(1), long.patience_s(1)
    assert before is not None
    assert now is not None
    assert now >= before


def test_what_is_remembered_is_bounded() -> None:
    """The latest count; how many there were is known all the same."""
    durations = Durations()
    durations.add(1e9, 10**6)
    durations.add(1000.0, 1000)
    assert durations.count == 10**6 + 1000
    assert durations.patience_s(1) == doubles.LEAST_S


@given(st.integers(1, 10**6))
def test_a_quarter_at_a_time_and_one_at_least(still: int) -> None:
    """However few jobs are left; of none, none."""
    assert 1 <= doubles.at_once(still) <= max(1, still / 4)
    assert doubles.at_once(0) == 0


def test_a_job_is_as_old_as_is_known() -> None:
    """By its runner's word; else since it was given, if it was given by itself."""
    assert doubles.age_s(grant(1), 0, 0, 103.0, 110.0) == 7.0
    assert doubles.age_s(grant(1), 0, None, None, 110.0) == 10.0
    assert doubles.age_s(grant(2), 1, 1, 103.0, 110.0) == 7.0
    assert doubles.age_s(grant(2), 1, None, None, 110.0) is None
    assert doubles.age_s(grant(1), 0, 7, 103.0, 110.0) is None, "it is at another job"


@given(st.integers(1, 9), st.lists(st.booleans(), max_size=20))
def test_no_number_of_an_attempt_is_used_twice(first: int, ends: list[bool]) -> None:
    """Whether the second attempt took over at some time, or failed at once."""
    table, present = Doubles(), first
    second = grant(1)
    second.span = Span(0, 1, table.after(0, present), b"f")
    table.begin(grant(1), second)
    used = [first, second.span.attempt]
    for took_over in ends:
        if took_over and len(used) == 2:
            present = second.span.attempt
        else:
            present = table.after(0, present)
            used.append(present)
    assert len(set(used)) == len(used)
    assert table.after(1, present) == present + 1
