"""How a run stands is what its events come to, and what is held of it is bounded."""

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap import events as ev
from gridmap import overview as o
from gridmap.lifecycle import JobState
from gridmap.overview import Overview, Readings
from gridmap.verdict import Cause, Verdict

JOBS = 12
RAISED = Verdict(cause=Cause.RAISED)
OVER = {JobState.DONE, JobState.FAILED, JobState.CANCELLED}


def fold(events: Iterable[ev.Event]) -> Overview:
    """Return what these events come to."""
    overview = Overview()
    for event in events:
        overview.take(event)
    return overview


def up(runner: int, at: float = 1.0) -> ev.RunnerUp:
    return ev.RunnerUp(
        run="r", at=at, runner=runner, handle=f"7.{runner}", node="n1", pid=9
    )


def queued(stop: int, first: int = 0, at: float = 0.0) -> ev.JobsQueued:
    return ev.JobsQueued(run="r", at=at, first=first, stop=stop)


def failed(job: int, *, again: bool = False, delay_s: float = 0.0) -> ev.JobFailed:
    return ev.JobFailed(
        run="r", at=1.0, job=job, verdict=RAISED, again=again, delay_s=delay_s
    )


class Model:
    """The same for few jobs, each by itself."""

    def __init__(self) -> None:
        self.states = dict.fromkeys(range(JOBS), JobState.QUEUED)
        self.holders: dict[int, int] = {}

    def take(self, event: ev.Event) -> None:
        match event:
            case ev.JobsGranted() | ev.JobsDone():
                granted = isinstance(event, ev.JobsGranted)
                for job in range(event.first, event.stop):
                    self.states[job] = JobState.GRANTED if granted else JobState.DONE
                    self.holders[job] = event.runner
            case ev.JobsCancelled():
                for job in range(event.first, event.stop):
                    if self.states[job] not in OVER:
                        self.states[job] = JobState.CANCELLED
            case ev.JobFailed(again=False):
                self.states[event.job] = JobState.FAILED
            case ev.JobFailed():
                later = event.delay_s > 0
                self.states[event.job] = JobState.DELAYED if later else JobState.QUEUED
            case ev.RunnerGone():
                self.lose(event.runner)

    def lose(self, runner: int) -> None:
        for job, holder in self.holders.items():
            if holder == runner and self.states[job] is JobState.GRANTED:
                self.states[job] = JobState.QUEUED


SPANS = st.tuples(st.integers(0, JOBS - 1), st.integers(1, JOBS)).map(
    lambda pair: (pair[0], min(JOBS, sum(pair)))
)
RUNNERS = st.integers(1, 3)
EVENTS = st.one_of(
    st.builds(
        lambda span, runner, attempt: ev.JobsGranted(
            run="r", at=1.0, first=span[0], stop=span[1], runner=runner, attempt=attempt
        ),
        SPANS, RUNNERS, st.integers(1, 3),
    ),
    st.builds(
        lambda span, runner: ev.JobsDone(
            run="r", at=1.0, first=span[0], stop=span[1], runner=runner, seconds=1.0
        ),
        SPANS, RUNNERS,
    ),
    st.builds(
        lambda span: ev.JobsCancelled(run="r", at=1.0, first=span[0], stop=span[1]),
        SPANS,
    ),
    st.builds(
        lambda job, again, delay_s: failed(job, again=again, delay_s=delay_s),
        st.integers(0, JOBS - 1), st.booleans(), st.sampled_from([0.0, 5.0]),
    ),
    st.builds(lambda n: ev.RunnerGone(run="r", at=1.0, runner=n, text="ended"), RUNNERS),
    st.builds(up, RUNNERS),
)  # fmt: skip


@given(events=st.lists(EVENTS, max_size=30))
def test_ranges_come_to_what_single_jobs_come_to(events: list[ev.Event]) -> None:
    """Whatever happens in whatever order, each job is where the last event put it."""
    overview, model = fold([queued(JOBS)]), Model()
    for event in events:
        overview.take(event)
        model.take(event)
    for job in range(JOBS):
        view = overview.job(job)
        assert (view.state, view.runner) == (model.states[job], model.holders.get(job))
    assert sum(map(overview.count, JobState)) == overview.total == JOBS
    for state in JobState:
        found = [view.job for view in overview.find(state)]
        assert found == [job for job in range(JOBS) if model.states[job] is state]


def test_runners_come_and_go() -> None:
    """A runner waits with the scheduler's reason, works, and is remembered."""
    overview = fold(
        [
            ev.RunnersSubmitted(
                run="r", at=1.0, runners=(1, 2), handles=("7.1", "7.2")
            ),
            ev.RunnerPending(
                run="r", at=2.0, runner=1, handle="7.1", reason="queue full"
            ),
        ]
    )
    assert overview.pending == {"queue full": 1, "": 1}
    overview.take(up(1, 3.0))
    vitals = ev.RunnerVitals(
        run="r", at=4.0, runner=1, cpu_s=2.5, rss=100, peak_rss=150, io_bytes=7,
        job=3, running_s=0.5,
    )  # fmt: skip
    overview.take(vitals)
    assert (overview.pending, overview.rss, overview.cpu_s) == ({"": 1}, 100, 2.5)
    assert [(r.node, r.job, r.heard) for r in overview.up] == [("n1", 3, 4.0)]
    overview.take(
        ev.JobProgress(run="r", at=4.5, runner=1, job=3, done=2, total=8, text="fold")
    )
    assert overview.runners[1].progress == "2 of 8 fold"
    overview.take(ev.RunnerGone(run="r", at=5.0, runner=1, text="ended"))
    assert (overview.up, overview.rss, overview.cpu_s) == ([], 0, 2.5)
    assert overview.runners[1].reason == "ended"


def test_a_run_that_was_taken_over_stands_where_it_stood() -> None:
    """The states of its jobs are known at once."""
    states = bytes([JobState.DONE, JobState.FAILED, JobState.QUEUED])
    event = ev.JobsRestored(run="r", at=1.0, jobs=3, done=1, failed=1, states=states)
    overview = fold([event])
    assert [overview.job(n).state for n in range(3)] == [
        JobState.DONE, JobState.FAILED, JobState.QUEUED,
    ]  # fmt: skip


def test_rate_and_time_left_follow_the_present() -> None:
    """Ten jobs a second leave nine seconds for ninety jobs."""
    overview = fold([queued(100)])
    assert overview.rate() is None
    overview.take(ev.JobsDone(run="r", at=1.0, first=0, stop=10, runner=1, seconds=1.0))
    assert overview.rate() == pytest.approx(10.0)
    assert overview.remaining_s() == pytest.approx(9.0)


def test_what_was_done_before_a_run_was_resumed_makes_it_no_faster() -> None:
    """Ninety jobs that the journal knows of are not done in the first second."""
    states = bytes([JobState.DONE] * 90 + [JobState.QUEUED] * 10)
    restored = ev.JobsRestored(
        run="r", at=1.0, jobs=100, done=90, failed=0, states=states
    )
    begun = ev.RunStarted(run="r", at=0.0, name="n", backend="b", directory="/d")
    overview = fold([begun, restored])
    assert overview.rate() is None
    overview.take(
        ev.JobsDone(run="r", at=3.0, first=90, stop=92, runner=1, seconds=1.0)
    )
    assert overview.rate() == pytest.approx(1.0)
    assert overview.remaining_s() == pytest.approx(8.0)
    overview.take(ev.RunEnded(run="r", at=5.0, error=None))
    assert overview.rate() == pytest.approx(0.5)


def test_what_is_held_is_bounded() -> None:
    """A hundred thousand jobs and failures leave as much as the bounds allow."""
    overview = fold([queued(100_000)])
    for number in range(3 * o.MOST_FAILURES):
        overview.take(failed(number))
        overview.take(up(number, at=float(number)))
        gone = ev.RunnerGone(run="r", at=float(number), runner=number, text="ended")
        overview.take(gone)
    assert len(overview.failures) == o.MOST_FAILURES
    assert max(overview.failures) == 3 * o.MOST_FAILURES - 1
    assert overview.causes == {"raised": 3 * o.MOST_FAILURES}
    assert len(overview.runners) <= o.MOST_GONE
    assert len(overview.notices) == o.MOST_NOTICES
    assert len(overview.samples) < o.MOST_SAMPLES
    assert overview.samples[0].at == 0.0
    assert overview.count(JobState.FAILED) == 3 * o.MOST_FAILURES


def test_what_is_held_of_bad_ends_is_bounded() -> None:
    """The latest thousand are known, and of the latest of these where they were."""
    overview = Overview()
    overview.take(queued(3000))
    for job in range(3000):
        event = failed(job)
        overview.take(msgspec.structs.replace(event, traceback=f"line {job}"))
        overview.take(msgspec.structs.replace(event, traceback=f"line {job}"))
    traced = [job for job, end in overview.failures.items() if end.traceback]
    assert list(overview.failures) == [*range(2000, 3000)]
    assert traced == [*range(2900, 3000)]  # each counts twice
    assert overview.failures[2999].traceback == "line 2999"


def test_heartbeats_that_are_kept_are_bounded() -> None:
    """However many runners there are, and however long they run."""
    overview = Overview()
    for beat in range(300):
        for runner in range(200):
            overview.take(
                ev.RunnerVitals(
                    run="r",
                    at=10.0 * beat,
                    runner=runner,
                    cpu_s=beat,
                    rss=beat,
                    peak_rss=beat,
                    io_bytes=0,
                    job=runner,
                    running_s=0.0,
                )
            )
    kept = sum(map(len, overview.readings.values()))
    assert 5_000 < kept <= o.MOST_READINGS + 200 * 24
    assert Readings.from_bytes(overview.readings[0].to_bytes()) == overview.readings[0]
    with pytest.raises(ValueError, match="no readings"):
        Readings.from_bytes(b"x")


def test_names_are_those_of_the_jobs_that_have_some() -> None:
    """Whoever hands jobs in one by one is told of once."""
    overview = Overview()
    overview.take(queued(2))
    overview.take(msgspec.structs.replace(queued(4, first=2), names=("c", "d")))
    assert overview.names == ["", "", "c", "d"]
    assert [overview.job(n).name for n in (1, 3)] == ["", "d"]
    assert [notice.text for notice in overview.notices] == ["4 jobs were handed in"]


def test_one_is_not_told_as_many() -> None:
    """Of jobs and of runners."""
    overview = Overview()
    overview.take(queued(1))
    overview.take(ev.RunnersSubmitted(run="r", at=1.0, runners=(1,), handles=("7.1",)))
    overview.take(
        ev.RunnersRejected(run="r", at=2.0, count=1, reason="full", again_s=2.0)
    )
    overview.take(
        ev.RunnersRejected(run="r", at=2.0, count=3, reason="full", again_s=None)
    )
    assert [notice.text for notice in overview.notices] == [
        "1 job was handed in",
        "1 runner submitted: 7.1",
        "a runner turned away, asked for again in 2 s: full",
        "3 runners turned away, not asked for again: full",
    ]


@pytest.mark.parametrize("outcome", ["won", "took over", "failed", "dropped"])
def test_a_job_that_is_run_twice_counts_once(outcome: str) -> None:
    """Both runners are seen to have it, and one of them in the end, or none."""
    begun: dict[str, float | int] = {"job": 0, "runner": 2, "attempt": 2}
    grant = ev.JobsGranted(run="r", at=1.0, first=0, stop=1, runner=1, attempt=1)
    told: list[ev.Event] = [queued(2), up(1), up(2), grant]
    told.append(
        ev.JobSpeculated(run="r", at=9.0, first=1, ran_s=8.0, patience_s=3.0, **begun)  # type: ignore[arg-type]
    )
    overview = fold(told)
    assert overview.count(JobState.GRANTED) == 1
    assert [runner.job for runner in overview.up] == [0, 0]
    assert overview.notices[-1].text == (
        "job 0 has run for 8 s, longer than others: begun a second time on n1"
    )
    if outcome == "took over":
        overview.take(failed(0, again=True))
    overview.take(
        ev.SpeculationEnded(run="r", at=10.0, outcome=outcome, text="so it is", **begun)  # type: ignore[arg-type]
    )
    assert overview.notices[-1].text == f"job 0, second attempt {outcome}: so it is"
    counts = outcome in {"won", "took over"}
    if counts:
        overview.take(
            ev.JobsGranted(run="r", at=10.0, first=0, stop=1, runner=2, attempt=2)
        )
    assert overview.count(JobState.GRANTED) == 1
    assert [runner.job for runner in overview.up] == (
        [None, 0] if counts else [0, None]
    )
    ended = 2 if counts else 1
    overview.take(
        ev.JobsDone(run="r", at=11.0, first=0, stop=1, runner=ended, seconds=2.0)
    )
    assert overview.count(JobState.DONE) == 1
    assert [runner.job for runner in overview.up] == [None, None]


def test_a_runner_has_the_job_that_it_runs() -> None:
    """When one is over it goes on with the next of its jobs, without a heartbeat."""
    granted = ev.JobsGranted(run="r", at=2.0, first=0, stop=2, runner=1, attempt=1)
    first = ev.JobsDone(run="r", at=5.0, first=0, stop=1, runner=1, seconds=3.0)
    told = ev.JobProgress(run="r", at=4.0, job=0, runner=1, done=9, total=10)
    overview = fold([queued(4), up(1), granted, told])
    runner = overview.runners[1]
    assert (runner.job, runner.job_since, runner.progress) == (0, 2.0, "9 of 10")
    overview.take(first)
    assert (runner.job, runner.job_since, runner.progress) == (1, 5.0, "")
    overview.take(
        ev.RunnerVitals(
            run="r", at=5.5, runner=1, cpu_s=1, rss=1, peak_rss=1, io_bytes=0,
            job=None, running_s=0.0,
        )
    )  # fmt: skip
    assert overview.runners[1].job == 1  # the heartbeat is from between the two
    overview.take(msgspec.structs.replace(failed(1), at=7.0))
    assert (runner.job, runner.job_since) == (None, None)
    assert overview.seconds[1] == 2.0  # it raised before any heartbeat
