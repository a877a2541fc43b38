"""The rules of a runner, one case at a time: its end is near."""

from msgspec.structs import replace
from tests.unit.runner.bench import HELLO, WELCOME, Bench, work

from gridmap.backend import Coming, Notice
from gridmap.protocol import messages as m
from gridmap.runner import actions as ra
from gridmap.runner import machine as rm
from gridmap.runner.interruption import AskCheckpoint

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


def test_another_driver_is_told_that_no_work_is_wanted() -> None:
    """Only once it has given some; and not again while that is on its way."""
    bench = Bench()
    warn(bench, STAY, None)
    (first,) = bench.take(m.Warned)
    bench.hear(work(1, 0, 1))  # sent before the warning was heard
    assert not bench.take(m.Warned)
    bench.hear(m.Ack(numbers=(first.number,)))
    bench.hear(work(2, 1, 1))
    (second,) = bench.take(m.Warned)
    assert replace(second, number=first.number) == first
    assert [back.grant for back in bench.take(m.Returned)] == [1, 2]
    bench.hear(work(3, 2, 1))
    assert not bench.take(m.Warned)
