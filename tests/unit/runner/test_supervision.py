"""How a worker is minded, one case at a time."""

from gridmap.protocol import messages as m
from gridmap.protocol.sessions import Unacknowledged
from gridmap.runner import actions as ra
from gridmap.runner.reports import Reports
from gridmap.runner.supervision import MOST_IDLE_DEATHS, Supervision
from gridmap.runner.workload import LONG_S, Workload

WELCOME = m.Welcome(version=1, interval=10.0, orphan=60.0)


class Bench:
    """A worker that is set up, and a workload of one grant."""

    def __init__(self, count: int = 10) -> None:
        self.out: list[ra.Action] = []
        self.workload = Workload(self.out.append)
        reports = Reports(Unacknowledged(), self.out.append)
        self.supervision = Supervision(self.workload, reports, self.out.append)
        self.supervision.ready()
        work = m.Work(grant=1, first=0, count=count, attempt=1, function=b"f")
        self.workload.take(work)

    def fed(self) -> list[int]:
        """Feed; return the jobs that the worker was handed."""
        self.out.clear()
        self.supervision.feed()
        feeds = [act for act in self.out if isinstance(act, ra.Feed)]
        return [job for feed in feeds for job in range(feed.first, feed.stop)]

    def ended(self, job: int | None, signal: int = 11) -> bool:
        """End the worker; return whether a job ended with it."""
        end = ra.WorkerEnd(
            job=job, seconds=1.0, status=None, signal=signal, peak=0,
            out_of_memory=False, tail="",
        )  # fmt: skip
        return self.supervision.ended(end) is not None

    def quick(self) -> None:
        """Have the worker be through with job 0, which took next to nothing."""
        assert self.fed() == [0]
        assert self.supervision.done(0, 1, 0.002) == 1


def test_only_a_worker_that_is_set_up_is_fed() -> None:
    """A fresh one is not, until it says so."""
    bench = Bench()
    assert bench.fed() == [0]
    assert bench.ended(0)
    bench.supervision.start_another(WELCOME)
    assert bench.out[-2:] == [ra.StartWorker(), ra.SetUp(welcome=WELCOME)]
    assert bench.fed() == []
    bench.supervision.ready()
    assert bench.fed() == [1]


def test_deaths_in_a_row_without_a_job_are_hopeless() -> None:
    """A job that is through, or one that ended with its worker, begins the count anew."""
    bench = Bench()
    for _ in range(MOST_IDLE_DEATHS - 1):
        assert not bench.ended(None)
    bench.supervision.ready()
    assert bench.fed() == [0]
    assert bench.ended(0)
    for _ in range(MOST_IDLE_DEATHS - 1):
        assert not bench.ended(None)
        assert not bench.supervision.hopeless
    bench.supervision.ready()
    assert bench.fed() == [1]
    bench.supervision.done(1, 1, 1.0)
    bench.ended(None)
    assert not bench.supervision.hopeless
    bench.ended(None)
    bench.ended(None)
    assert bench.supervision.hopeless


def test_a_worker_that_was_ended_for_its_job_has_not_died_idle() -> None:
    """It was we who killed it, and its job is wanted by nobody."""
    bench = Bench()
    for job in range(MOST_IDLE_DEATHS):
        assert bench.fed() == [job]
        bench.supervision.cancel(m.Cancel(grant=1, first=job, count=1))
        assert bench.supervision.killing
        assert not bench.ended(None, signal=9)
        bench.supervision.ready()
    assert not bench.supervision.hopeless


def test_a_worker_is_ended_once_for_a_job_that_was_cancelled() -> None:
    """It is handed nothing more, lest that be lost with it."""
    bench = Bench()
    bench.quick()
    assert len(bench.fed()) > 1
    bench.out.clear()
    bench.supervision.cancel(m.Cancel(grant=1, first=1, count=1))
    bench.supervision.mind(1, 1.0)
    assert bench.out == [ra.KillWorker()]
    assert bench.supervision.killing
    assert bench.fed() == []


def test_what_waits_behind_a_long_job_is_withdrawn_once() -> None:
    """Not before it is long, and not where nothing waits."""
    bench = Bench()
    bench.quick()
    waiting = bench.fed()
    bench.out.clear()
    bench.supervision.mind(1, LONG_S)
    bench.supervision.mind(waiting[-1], 1.0)
    assert bench.out == []
    bench.supervision.mind(1, LONG_S + 0.01)
    bench.supervision.mind(1, 1.0)
    assert bench.out == [ra.Withdraw()]
    bench.supervision.withdrawn(1, 0.0)
    assert bench.fed() == []
    bench.supervision.done(1, 1, 1.0)
    bench.supervision.cleared(0.0)
    assert bench.fed()[:1] == [2]


def test_nothing_is_handed_to_a_worker_that_is_ended_for_good() -> None:
    """Not even if it says that it is set up, which it may have done just before."""
    bench = Bench()
    bench.supervision.end()
    assert bench.out == [ra.KillWorker()]
    bench.supervision.ready()
    assert bench.fed() == []
