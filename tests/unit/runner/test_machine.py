"""The rules of a runner, one case at a time: its life."""

import pytest
from msgspec.structs import replace
from tests.unit.runner.bench import HELLO, WELCOME, Bench, work

from gridmap.protocol import messages as m
from gridmap.runner import actions as ra
from gridmap.runner.departure import LAST_WORDS_S, MOVES_S


def test_nothing_is_done_before_the_welcome() -> None:
    """Work from a monitor that has not let it in is no work."""
    bench = Bench(ready=False)
    assert bench.take(m.Hello) == [HELLO]
    bench.hear(work(1, 0, 3))
    bench.tick(20)
    assert not bench.actions
    bench.hear(WELCOME)
    assert bench.take(ra.SetUp) == [ra.SetUp(welcome=WELCOME)]


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
    bench.tick(MOVES_S + 0.1)
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
