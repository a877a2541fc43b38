"""The rules of a runner, one case at a time."""

from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from gridmap.backend import Coming, Notice
from gridmap.protocol import messages as m
from gridmap.runner import actions as ra
from gridmap.runner import machine as rm
from gridmap.runner.departure import LAST_WORDS_S
from gridmap.runner.interruption import AskCheckpoint

HELLO = m.Hello(
    version=1, nonce="n", job="1", task=None, node="a", pid=1, python=(3, 11, 0),
    gridmap="1",
)  # fmt: skip
WELCOME = m.Welcome(version=1, interval=10.0, orphan=60.0)
IDLE = (None, 0.0)

_T = TypeVar("_T")


class Bench:
    """A machine with its actions sorted, and a clock that is moved by hand."""

    def __init__(self, *, ready: bool = True) -> None:
        self.now = 100.0
        self.machine = rm.RunnerMachine(HELLO, self.now)
        self.actions: list[ra.Action] = []
        self.do(self.machine.connected(self.now))
        if ready:
            self.hear(WELCOME)
            self.do(self.machine.worker_ready())

    def do(self, actions: list[ra.Action]) -> None:
        self.actions += actions

    def hear(self, *messages: m.FromMonitor) -> None:
        for message in messages:
            self.do(self.machine.heard(message, self.now))

    def take(self, kind: type[_T]) -> list[_T]:
        """Return and forget the actions of a kind; of messages, what is said."""
        found: list[_T] = []
        rest: list[ra.Action] = []
        for action in self.actions:
            what: object = action.message if isinstance(action, ra.Say) else action
            if isinstance(what, kind):
                found.append(what)
            else:
                rest.append(action)
        self.actions = rest
        return found

    def fed(self) -> list[tuple[int, int]]:
        return [
            (feed.grant, job)
            for feed in self.take(ra.Feed)
            for job in range(feed.first, feed.stop)
        ]

    def result(self, first: int, count: int = 1, seconds: float = 1.0) -> None:
        self.do(self.machine.results(first, count, (), seconds, ["x"], self.now))

    def worker_ends(
        self, job: int | None, *, signal: int | None = 9, status: int | None = None
    ) -> None:
        end = ra.WorkerEnd(
            job=job, seconds=1.0, status=status, signal=signal, peak=5,
            out_of_memory=False, tail="bye",
        )  # fmt: skip
        self.do(self.machine.worker_ended(end, self.now))

    def worker_starts(self) -> None:
        assert self.take(ra.StartWorker)
        assert self.take(ra.SetUp)
        self.do(self.machine.worker_ready())

    def tick(self, seconds: float = 0.0, running: Any = IDLE) -> None:
        self.now += seconds
        job, seconds = running
        self.do(self.machine.tick(ra.Glance(job=job, seconds=seconds), self.now))

    def beat(self) -> m.Beat:
        self.take(m.Beat)
        self.tick(10.0)
        (beat,) = self.take(m.Beat)
        return beat


def work(grant: int, first: int, count: int) -> m.Work:
    return m.Work(grant=grant, first=first, count=count, attempt=1, function=b"f")


def test_nothing_is_done_before_the_welcome() -> None:
    """Work from a monitor that has not let it in is no work."""
    bench = Bench(ready=False)
    assert bench.take(m.Hello) == [HELLO]
    bench.hear(work(1, 0, 3))
    bench.tick(20)
    assert not bench.actions
    bench.hear(WELCOME)
    assert bench.take(ra.SetUp) == [ra.SetUp(welcome=WELCOME)]


def test_jobs_of_unknown_length_go_one_by_one() -> None:
    """What is handed to the worker cannot be handed back."""
    bench = Bench()
    bench.hear(work(1, 0, 10))
    assert bench.fed() == [(1, 0)]
    bench.result(0)
    assert bench.fed() == [(1, 1)]


def test_quick_jobs_go_in_slices_without_a_gap() -> None:
    """All jobs are handed over once, in order, and their grants are dropped."""
    bench = Bench()
    bench.hear(work(1, 0, 40), work(2, 60, 5))
    done: list[tuple[int, int]] = []
    while slice_ := bench.fed():
        for _, job in slice_:
            bench.result(job, seconds=0.002)
        done += slice_
    assert done == [(1, job) for job in range(40)] + [(2, j) for j in range(60, 65)]
    assert [drop.grant for drop in bench.take(ra.DropGrant)] == [1, 2]
    assert sum(report.count for report in bench.take(m.Report)) == 45


def test_work_heard_twice_is_done_once() -> None:
    """Hearing of a grant again changes nothing."""
    bench = Bench()
    bench.hear(work(1, 0, 1), work(1, 0, 1))
    assert bench.fed() == [(1, 0)]
    bench.result(0)
    assert bench.fed() == []


def test_recall_hands_back_what_is_not_started() -> None:
    """The rest of the grant stays, and a second recall finds nothing."""
    bench = Bench()
    bench.hear(work(1, 0, 10), m.Recall(grant=1), m.Recall(grant=1), m.Recall(grant=9))
    (back,) = bench.take(m.Returned)
    assert (back.grant, back.first, back.count) == (1, 1, 9)
    assert not bench.take(ra.DropGrant)
    bench.result(0)
    assert [drop.grant for drop in bench.take(ra.DropGrant)] == [1]


def _with_a_queue() -> Bench:
    """Return a bench whose worker is at job 1 of a grant, with others behind it."""
    bench = Bench()
    bench.hear(work(1, 0, 200))
    bench.result(0, seconds=0.001)
    assert len(bench.fed()) > 10
    return bench


def test_what_waits_behind_a_long_job_is_withdrawn_and_handed_back() -> None:
    """Jobs that were quick before say nothing of those that come."""
    bench = _with_a_queue()
    bench.hear(m.Recall(grant=1))
    bench.take(m.Returned)
    bench.tick(0.05, (1, 0.05))
    assert not bench.take(ra.Withdraw)
    bench.tick(0.5, (1, 0.55))
    bench.tick(0.5, (1, 1.05))
    assert len(bench.take(ra.Withdraw)) == 1
    bench.do(bench.machine.withdrawn(1, bench.now))
    (back,) = bench.take(m.Returned)
    assert back.first == 2
    bench.result(1, seconds=2.0)
    assert bench.fed() == []
    bench.do(bench.machine.cleared(bench.now))
    assert bench.fed() == []
    assert [drop.grant for drop in bench.take(ra.DropGrant)] == [1]


def test_what_was_withdrawn_is_run_when_nobody_else_wants_it() -> None:
    """In order, once each, and not before the worker has read the mark."""
    bench = _with_a_queue()
    bench.tick(0.5, (1, 0.5))
    bench.do(bench.machine.withdrawn(1, bench.now))
    bench.result(1, seconds=2.0)
    assert bench.fed() == []
    bench.do(bench.machine.cleared(bench.now))
    assert bench.fed()[0] == (1, 2)
    assert not bench.take(m.Returned)


def test_a_job_that_was_about_to_begin_is_not_lost() -> None:
    """The worker said it was at it, and found that it may not: it was not begun."""
    bench = _with_a_queue()
    bench.tick(0.5, (1, 0.5))
    bench.do(bench.machine.withdrawn(2, bench.now))
    bench.result(1, seconds=0.5)
    bench.do(bench.machine.cleared(bench.now))
    assert bench.fed()[0] == (1, 2)


def test_a_recall_is_remembered_for_what_turns_out_not_to_be_begun() -> None:
    """Asked once, a runner hands back what it finds later."""
    bench = _with_a_queue()
    bench.hear(m.Recall(grant=1))
    bench.take(m.Returned)
    bench.tick(0.5, (1, 0.5))
    bench.do(bench.machine.withdrawn(None, bench.now))
    assert not bench.take(m.Returned)
    bench.result(1, seconds=0.5)
    bench.do(bench.machine.cleared(bench.now))
    (back,) = bench.take(m.Returned)
    assert back.first == 2
    assert bench.fed() == []


def test_a_worker_that_dies_withdrawn_leaves_the_next_one_free() -> None:
    """What it was not to begin goes to the next one, which has no mark to read."""
    bench = _with_a_queue()
    bench.tick(0.5, (1, 0.5))
    bench.do(bench.machine.withdrawn(1, bench.now))
    bench.worker_ends(1)
    bench.worker_starts()
    assert bench.fed()[0] == (1, 2)
    bench.do(bench.machine.cleared(bench.now))
    assert not bench.take(m.Returned)


def test_a_job_that_was_left_out_is_accounted_for_once() -> None:
    """A cancelled job that was passed over comes by again with those around it."""
    bench = _with_a_queue()
    bench.hear(m.Cancel(grant=1, first=5, count=1))
    bench.tick(0.5, (1, 0.5))
    bench.do(bench.machine.withdrawn(1, bench.now))
    bench.result(1, seconds=0.5)
    bench.do(bench.machine.cleared(bench.now))
    bench.worker_ends(2)
    bench.worker_starts()
    done = [job for _, job in bench.fed()]
    while done:
        for job in done:
            bench.result(job, seconds=0.001)
        assert not bench.take(ra.DropGrant) or done[-1] == 199
        done = [job for _, job in bench.fed()]
    reported = sum(report.count for report in bench.take(m.Report))
    assert reported == 200 - 1 - 1  # without the cancelled one, and the lost one


def test_a_job_that_is_not_started_is_cancelled_in_silence() -> None:
    """It is left out; the others are run."""
    bench = Bench()
    bench.hear(work(1, 0, 4), m.Cancel(grant=1, first=1, count=2))
    bench.result(0)
    bench.result(3)
    assert bench.fed() == [(1, 0), (1, 3)]
    assert not bench.take(ra.KillWorker)
    assert bench.beat().holds == (1,)  # the reports are not acknowledged
    numbers = tuple(report.number for report in bench.take(m.Report))
    bench.hear(m.Ack(numbers=numbers))
    assert bench.beat().holds == ()


def test_a_whole_grant_can_be_cancelled() -> None:
    """Whatever its span is: the monitor says all it can say."""
    bench = Bench()
    bench.hear(work(1, 5, 3), work(2, 8, 2), m.Cancel(grant=2, first=0, count=2**53))
    assert [drop.grant for drop in bench.take(ra.DropGrant)] == [2]
    bench.hear(m.Cancel(grant=1, first=0, count=2**53))
    assert bench.take(ra.KillWorker)
    bench.worker_ends(5)
    assert [drop.grant for drop in bench.take(ra.DropGrant)] == [1]
    assert not bench.take(m.WorkerLost)


def test_cancelling_the_running_job_ends_the_worker() -> None:
    """Nobody is told of a loss, and the next job is run by a new worker."""
    bench = Bench()
    bench.hear(work(1, 0, 2), m.Cancel(grant=1, first=0, count=1))
    assert bench.take(ra.KillWorker)
    bench.fed()
    bench.worker_ends(0)
    bench.worker_starts()
    assert bench.fed() == [(1, 1)]
    assert not bench.take(m.WorkerLost)


def test_a_kill_that_hits_the_next_job_is_not_that_jobs_fault() -> None:
    """The cancelled job ended just before: the next one is run again."""
    bench = Bench()
    bench.hear(work(1, 0, 200))
    bench.result(0, seconds=0.001)
    bench.fed()
    bench.hear(m.Cancel(grant=1, first=1, count=1))
    assert bench.take(ra.KillWorker)
    bench.result(1, seconds=0.001)
    bench.worker_ends(2)
    bench.worker_starts()
    assert not bench.take(m.WorkerLost)
    assert bench.fed()[0] == (1, 2)


def test_a_crash_at_the_moment_of_a_kill_is_still_a_crash() -> None:
    """Only SIGKILL is ours."""
    bench = Bench()
    bench.hear(work(1, 0, 200))
    bench.result(0, seconds=0.001)
    bench.hear(m.Cancel(grant=1, first=1, count=1))
    bench.result(1, seconds=0.001)
    bench.worker_ends(2, signal=11)
    (lost,) = bench.take(m.WorkerLost)
    assert (lost.job, lost.signal) == (2, 11)


def test_a_cancelled_job_behind_gathered_results_is_ended() -> None:
    """Results of quick jobs gather in the worker: the first handed over is done."""
    bench = Bench()
    bench.hear(work(1, 0, 200))
    bench.result(0, seconds=0.001)
    bench.hear(m.Cancel(grant=1, first=2, count=1))
    assert not bench.take(ra.KillWorker)
    bench.tick(0.5, running=(2, 0.5))
    assert bench.take(ra.KillWorker)


def test_nothing_is_handed_to_a_worker_that_is_to_end() -> None:
    """It would be lost with it."""
    bench = Bench()
    bench.hear(work(1, 0, 1), m.Cancel(grant=1, first=0, count=1))
    bench.fed()
    bench.hear(work(2, 0, 1))  # the same job again, as after a stall
    assert bench.fed() == []
    bench.worker_ends(0)
    bench.worker_starts()
    assert bench.fed() == [(2, 0)]
    bench.result(0)
    assert [report.grant for report in bench.take(m.Report)] == [2]


def test_a_job_of_two_grants_is_handed_over_once_at_a_time() -> None:
    """A result says which job it is of, not which grant."""
    bench = Bench()
    bench.hear(work(1, 0, 9))
    bench.result(0, seconds=0.002)
    assert bench.fed() == [(1, job) for job in range(9)]
    bench.hear(m.Cancel(grant=1, first=8, count=1), work(2, 7, 2))
    for job in range(1, 6):
        bench.result(job, seconds=0.002)
    assert bench.fed() == []  # there is room, but the worker has both of them yet
    bench.result(6, seconds=0.002)
    bench.result(7, seconds=0.002)
    assert bench.take(ra.KillWorker)
    bench.worker_ends(8)
    bench.worker_starts()
    assert bench.fed() == [(2, 7), (2, 8)]


def test_a_death_in_mid_slice_costs_one_job() -> None:
    """What was finished is reported, what was not begun is handed over anew."""
    bench = Bench()
    bench.hear(work(1, 0, 40))
    bench.result(0, seconds=0.002)
    fed = bench.fed()
    assert len(fed) > 3
    bench.result(1, seconds=0.002)
    bench.worker_ends(2, signal=11)
    (lost,) = bench.take(m.WorkerLost)
    assert (lost.grant, lost.job, lost.signal, lost.tail) == (1, 2, 11, "bye")
    bench.worker_starts()
    assert bench.fed()[0] == (1, 3)


def test_a_result_lost_with_the_worker_is_made_again() -> None:
    """A job before the one that died has no result: it is run again, that one not."""
    bench = Bench()
    bench.hear(work(1, 0, 4))
    bench.result(0, seconds=0.002)
    assert bench.fed() == [(1, job) for job in range(4)]
    bench.worker_ends(2, signal=11)
    bench.worker_starts()
    assert bench.fed() == [(1, 1), (1, 3)]
    bench.result(1, seconds=0.002)
    bench.result(3, seconds=0.002)
    assert [drop.grant for drop in bench.take(ra.DropGrant)] == [1]


def test_results_heard_twice_count_once() -> None:
    """A dead worker's last words may come by two ways."""
    bench = Bench()
    bench.hear(work(1, 0, 2))
    bench.result(0)
    bench.result(0)
    assert len(bench.take(m.Report)) == 1


def test_a_worker_that_cannot_be_kept_up_ends_the_runner() -> None:
    """Three idle deaths in a row: the node is broken, and that is said."""
    bench = Bench()
    for _ in range(2):
        bench.worker_ends(None, signal=None, status=1)
        bench.worker_starts()
    bench.hear(work(1, 0, 2))
    bench.worker_ends(0)  # it had a job: that is no idle death
    bench.worker_starts()
    for _ in range(2):
        bench.worker_ends(None, signal=None, status=1)
        bench.worker_starts()
    assert not bench.take(m.Goodbye)
    bench.worker_ends(None, signal=None, status=1)
    (goodbye,) = bench.take(m.Goodbye)
    assert goodbye.reason == "broken"
    assert "status 1: bye" in goodbye.text


def test_only_of_a_job_that_runs_it_is_asked_where_it_is() -> None:
    """And only of one that still runs it is told."""
    bench = Bench()
    bench.hear(work(1, 0, 2), m.Examine(job=0), m.Examine(job=1), m.Examine(job=9))
    assert bench.take(ra.Examine) == [ra.Examine(job=0)]
    bench.do(bench.machine.examined(0, "in f"))
    assert bench.take(m.Stack) == [m.Stack(job=0, text="in f")]
    bench.result(0)
    bench.do(bench.machine.examined(0, "in f"))
    assert bench.take(m.Stack) == []


def test_stop_without_work_is_goodbye_at_once() -> None:
    """The runner leaves when its last word was heard."""
    bench = Bench()
    bench.hear(m.Stop())
    assert bench.take(ra.KillWorker)
    bench.worker_ends(None)
    (goodbye,) = bench.take(m.Goodbye)
    assert (goodbye.reason, goodbye.job) == ("stopped", None)
    assert not bench.take(ra.Leave)
    bench.hear(m.Ack(numbers=(goodbye.number,)))
    assert bench.take(ra.Leave) == [ra.Leave(status=0)]


def test_a_gentle_stop_finishes_the_running_job() -> None:
    """The others are handed back first; then it says goodbye."""
    bench = Bench()
    bench.hear(work(1, 0, 5), m.Stop())
    (back,) = bench.take(m.Returned)
    assert (back.first, back.count) == (1, 4)
    assert not bench.take(ra.KillWorker)
    bench.result(0)
    bench.worker_ends(None)
    (report,) = bench.take(m.Report)
    (goodbye,) = bench.take(m.Goodbye)
    assert report.number < goodbye.number
    bench.hear(m.Ack(numbers=(back.number, goodbye.number)))
    assert not bench.take(ra.Leave)  # the report has not been heard
    bench.hear(m.Ack(numbers=(report.number,)))
    assert bench.take(ra.Leave)


def test_a_stop_now_names_the_job_it_ends() -> None:
    """What it was running is told with the goodbye, not as a loss of its own."""
    bench = Bench()
    bench.hear(work(1, 0, 5), m.Stop(now=True))
    assert bench.take(ra.KillWorker)
    bench.worker_ends(0)
    (goodbye,) = bench.take(m.Goodbye)
    assert goodbye.job == 0
    assert not bench.take(m.WorkerLost)


def test_a_signal_is_told_with_its_number() -> None:
    """So that a verdict can name it; nothing more is begun."""
    bench = Bench()
    bench.hear(work(1, 0, 5))
    bench.fed()
    bench.do(bench.machine.depart("signal", "told to end", bench.now, signal=15))
    bench.do(bench.machine.depart("signal", "again", bench.now, signal=2))
    bench.result(0)
    assert bench.fed() == []
    bench.worker_ends(None)
    (goodbye,) = bench.take(m.Goodbye)
    assert (goodbye.reason, goodbye.signal, goodbye.job) == ("signal", 15, None)
    assert not bench.take(ra.StartWorker)


def departing() -> Bench:
    """Return a runner that was told to end, and has a result to tell."""
    bench = Bench()
    bench.hear(m.Work(grant=1, first=0, count=1, attempt=1, function=b"f"))
    bench.result(0)
    bench.do(bench.machine.depart("signal", "told to end", bench.now, signal=15))
    bench.worker_ends(None)
    return bench


def test_a_result_that_is_on_its_way_is_waited_for() -> None:
    """While it moves, and within the grace that the runner has."""
    bench, passed = departing(), 0.0
    while passed + 1.0 < WELCOME.grace:
        bench.machine.departure.moved = bench.now
        bench.tick(1.0)
        passed += 1.0
        assert not bench.take(ra.Leave)
    bench.machine.departure.moved = bench.now
    bench.tick(1.1)
    assert bench.take(ra.Leave) == [ra.Leave(status=1)]


def test_a_result_that_does_not_move_any_more_is_not_waited_for() -> None:
    bench = departing()
    bench.machine.departure.moved = bench.now + 10.0
    bench.tick(10.0)
    assert not bench.take(ra.Leave)
    bench.tick(LAST_WORDS_S + 0.1)
    assert bench.take(ra.Leave) == [ra.Leave(status=1)]


def test_last_words_are_not_waited_for_long() -> None:
    """A scheduler follows its first signal by SIGKILL."""
    bench = Bench()
    bench.do(bench.machine.depart("signal", "told to end", bench.now, signal=15))
    bench.tick(LAST_WORDS_S + 0.1)
    assert bench.take(ra.Leave) == [ra.Leave(status=1)]


def test_last_words_have_their_time_however_long_nothing_was_heard() -> None:
    """It counts from when the runner leaves: a job was finished before."""
    bench = Bench()
    bench.hear(work(1, 0, 1), m.Stop())
    bench.now += 9.0
    bench.result(0)
    bench.worker_ends(None)
    assert bench.take(m.Goodbye)
    bench.tick(LAST_WORDS_S - 0.1)
    assert not bench.take(ra.Leave)
    bench.tick(0.2)
    assert bench.take(ra.Leave)


def test_who_was_not_let_in_leaves_without_a_word() -> None:
    """Nobody knows it, so nobody waits for its goodbye."""
    bench = Bench(ready=False)
    bench.do(bench.machine.depart("signal", "told to end", bench.now, signal=15))
    assert bench.take(ra.Leave) == [ra.Leave(status=1)]
    assert not bench.take(m.Goodbye)


def test_a_refused_runner_leaves_at_once() -> None:
    """Thrown out in the middle of work just as at the door."""
    bench = Bench()
    bench.hear(work(1, 0, 5), m.Refuse(text="no"))
    assert bench.take(ra.KillWorker)
    assert bench.take(ra.Leave) == [ra.Leave(status=4)]
    bench.hear(m.Refuse(text="no"))
    assert not bench.take(ra.Leave)


def test_after_a_reconnection_all_is_said_again() -> None:
    """Hello names what is held; what was not acknowledged follows, in order."""
    bench = Bench()
    bench.take(m.Hello)
    bench.hear(work(1, 0, 2), work(2, 5, 1))
    bench.result(0)
    bench.result(1)
    reports = bench.take(m.Report)
    bench.do(bench.machine.connected(bench.now))
    assert bench.take(m.Hello) == [replace(HELLO, holds=(1, 2), connection=2)]
    assert bench.take(m.Report) == reports
    bench.hear(m.Ack(numbers=tuple(report.number for report in reports)))
    bench.do(bench.machine.connected(bench.now))
    assert bench.take(m.Hello) == [replace(HELLO, holds=(2,), connection=3)]
    assert bench.take(m.Report) == []


def test_a_second_welcome_does_not_set_up_again() -> None:
    """A reconnection is not a start."""
    bench = Bench()
    bench.take(ra.SetUp)
    bench.hear(replace(WELCOME, interval=3.0))
    assert not bench.take(ra.SetUp)
    assert bench.machine.presence.interval == 3.0


def test_what_is_not_acknowledged_is_said_again_with_the_beats() -> None:
    """Not at once, and not twice in one interval."""
    bench = Bench()
    bench.tick()
    bench.hear(work(1, 0, 1))
    bench.result(0)
    (report,) = bench.take(m.Report)
    bench.tick(4.0)
    assert bench.take(m.Report) == []
    bench.tick(6.5)
    assert bench.take(m.Report) == [report]


def test_beats_count_and_tell_what_runs() -> None:
    """The job that runs is told only while it is this runner's."""
    bench = Bench()
    bench.hear(work(1, 4, 2))
    bench.tick(10.0, running=(4, 2.5))
    bench.tick(10.0, running=(99, 1.0))
    one, two = bench.take(m.Beat)
    assert (one.number, one.job, one.running, one.holds) == (1, 4, 2.5, (1,))
    assert (two.number, two.job) == (2, None)


def test_beats_end_with_the_goodbye() -> None:
    """Who took leave is not there any more."""
    bench = Bench()
    bench.hear(m.Stop())
    bench.worker_ends(None)
    bench.tick(1.0)
    assert not bench.take(m.Beat)


@pytest.mark.parametrize("heard", [True, False])
def test_a_runner_alone_for_too_long_is_an_orphan(heard: bool) -> None:
    """Any word of the monitor's counts."""
    bench = Bench()
    bench.now += 50.0
    if heard:
        bench.hear(m.Echo(number=1))
    bench.now += 20.0
    assert bench.machine.presence.orphaned(bench.now) is not heard


def test_a_broken_connection_ends_who_has_said_all() -> None:
    """Told to stop and gone: the monitor does not wait for it either."""
    bench = Bench()
    bench.do(bench.machine.disconnected())
    assert not bench.take(ra.Leave)
    bench.hear(m.Stop())
    bench.worker_ends(None)
    bench.do(bench.machine.disconnected())
    assert bench.take(ra.Leave)


# Warnings and checkpoints -------------------------------------------------------------

END = Notice(coming=Coming.END, text="the end")
STAY = Notice(coming=Coming.END, text="the end", stay=True)


def warn(bench: Bench, notice: Notice, running: int | None) -> None:
    bench.do(bench.machine.warned(notice, 12, running, bench.now))


def save(bench: Bench, job: int) -> None:
    bench.do(bench.machine.checkpointed(job, b"digest", 1.0, ["state"], bench.now))


def test_a_checkpoint_goes_before_the_goodbye() -> None:
    """And the goodbye names the job; the others were handed back."""
    bench = Bench()
    bench.hear(work(1, 0, 3))
    warn(bench, END, 0)
    (warned,) = bench.take(m.Warned)
    assert (warned.ending, warned.job, warned.signal) == (True, 0, 12)
    (back,) = bench.take(m.Returned)
    assert (back.first, back.count) == (1, 2)
    assert bench.take(AskCheckpoint) == [AskCheckpoint(job=0)]
    save(bench, 0)
    (saved,) = bench.take(m.Checkpoint)
    assert (saved.grant, saved.job, saved.digest) == (1, 0, b"digest")
    assert bench.take(ra.KillWorker)
    bench.worker_ends(0)
    (goodbye,) = bench.take(m.Goodbye)
    assert (goodbye.reason, goodbye.signal, goodbye.job) == ("signal", 12, 0)
    assert saved.number < goodbye.number
    assert not bench.take(m.WorkerLost)


def test_a_large_checkpoint_has_time_to_travel() -> None:
    """The runner waits for its acknowledgement as long as one may take."""
    bench = Bench()
    bench.hear(work(1, 0, 1))
    warn(bench, END, 0)
    save(bench, 0)
    bench.worker_ends(0)
    bench.tick(59.0)
    assert not bench.take(ra.Leave)
    numbers = [message.number for message in bench.machine.unacknowledged.messages()]
    bench.hear(m.Ack(numbers=tuple(numbers)))
    assert bench.take(ra.Leave) == [ra.Leave(status=1)]


def test_a_checkpoint_that_nobody_takes_does_not_hold_for_ever() -> None:
    """The monitor may be gone."""
    bench = Bench()
    bench.hear(work(1, 0, 1))
    warn(bench, END, 0)
    save(bench, 0)
    bench.worker_ends(0)
    bench.tick(60.5)
    assert bench.take(ra.Leave) == [ra.Leave(status=1)]


def test_a_runner_that_stays_beats_and_begins_nothing() -> None:
    """It holds its job until it is killed, and hands everything else back."""
    bench = Bench()
    bench.hear(work(1, 0, 1))
    bench.fed()
    warn(bench, STAY, 0)
    save(bench, 0)
    bench.hear(work(2, 5, 2))
    assert [(b.grant, b.count) for b in bench.take(m.Returned)] == [(2, 2)]
    assert not bench.fed()
    assert not bench.take(ra.KillWorker)
    beat = bench.beat()
    assert beat.holds >= (1,)
    assert not bench.take(m.Goodbye)


def test_the_deadline_asks_once() -> None:
    """At a quarter before the end; a job that cannot is left alone."""
    hello = replace(HELLO, remaining=100.0)
    bench = Bench()
    bench.machine = rm.RunnerMachine(hello, bench.now)
    bench.do(bench.machine.connected(bench.now))
    bench.hear(WELCOME)
    bench.do(bench.machine.worker_ready())
    bench.hear(work(1, 0, 1))
    for can_save, expected in [(False, 0), (True, 1), (True, 0)]:
        bench.now = 176.0
        seen = ra.Glance(job=0, seconds=1.0, can_save=can_save)
        bench.do(bench.machine.tick(seen, bench.now))
        assert len(bench.take(AskCheckpoint)) == expected
    save(bench, 0)
    bench.worker_ends(0)
    (goodbye,) = bench.take(m.Goodbye)
    assert (goodbye.reason, goodbye.job) == ("deadline", 0)


def test_a_hello_said_again_tells_the_time_that_is_left_now() -> None:
    """What was left at the start is not what is left after a reconnection."""
    bench = Bench()
    bench.machine = rm.RunnerMachine(replace(HELLO, remaining=100.0), bench.now)
    bench.do(bench.machine.connected(bench.now + 30.0))
    (hello,) = bench.take(m.Hello)[-1:]
    assert hello.remaining == 70.0


def test_a_checkpoint_that_fails_lets_the_job_go_on() -> None:
    """Of a time limit that is near; the monitor is told, and the next job is fed."""
    bench = Bench()
    bench.hear(work(1, 0, 2))
    bench.fed()
    warn(bench, Notice(coming=Coming.TIME_LIMIT, text="soon"), 0)
    bench.take(m.Warned)
    bench.do(bench.machine.not_checkpointed(0, "OSError", bench.now))
    (warned,) = bench.take(m.Warned)
    assert "OSError" in warned.text
    bench.result(0)
    assert bench.fed() == [(1, 1)]


def test_a_runner_that_is_not_let_in_yet_just_ends() -> None:
    """There is nobody to tell."""
    bench = Bench(ready=False)
    warn(bench, STAY, None)
    assert bench.take(ra.Leave)
