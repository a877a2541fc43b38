"""What really happened, and whether the monitor told it so."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs
from tests.simulation.judge import OWN, Judge

from gridmap import events
from gridmap.lifecycle import RunnerState
from gridmap.monitor import doubles
from gridmap.verdict import Cause

if TYPE_CHECKING:
    from tests.simulation.jobs import Parcel, SimJob
    from tests.simulation.process import SimRunner  # noqa: TC004 - nobody resolves it
    from tests.simulation.simulation import Simulation

    from gridmap.monitor import instructions as i
    from gridmap.monitor.past import Restored
    from gridmap.protocol import messages as m


@attrs.define(eq=False)
class Try:
    """One attempt of one job, as it really was.

    Attributes:
        grant: The grant it was sent out with.
        attempt: Its number.
        runner: The process it was sent to.
        at: When it was sent.
        begun: Whether it was begun there.
        finished: Whether it came to its own end there.
        crashed: Whether it took its worker along.
        shot: Whether its worker was killed from outside in the middle of it.
    """

    grant: int
    attempt: int
    runner: SimRunner
    at: float
    begun: bool = False
    finished: bool = False
    crashed: bool = False
    shot: bool = False


class Truth:
    """The judge of the judge.

    Attributes:
        delivered: For each job, whether something was handed to the user: 0 or 1.
        cancelled: For each job, whether he took it back before.
        open: For how many jobs neither is so.
        tries: For each job that was sent out and is not over, how it was tried.
        store: The checkpoints that the monitor keeps.
        again: For each of them, one less than the number of its present attempt.
        runs_twice: How often a job came to its own end again, and was right to.
        sent_out: How often a job was sent to a runner.
        seconds: Jobs that have a second attempt, with the number of that.
        outcomes: How often such attempts ended in which way.
        killed: Jobs that the user had killed, over or not.
    """

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._judge = Judge(sim)
        self.delivered = bytearray()
        self.cancelled = bytearray()
        self.open = 0
        self.tries: dict[int, list[Try]] = {}
        self._made: dict[bytes, tuple[int, float]] = {}
        self.store: set[bytes] = set()
        self._inherited: set[bytes] = set()
        self.again: dict[int, int] = {}
        self.runs_twice = 0
        self.sent_out = 0
        self.seconds: dict[int, int] = {}
        self.outcomes: Counter[str] = Counter()
        self.killed: set[int] = set()
        self._highest: dict[int, int] = {}

    def added(self, count: int) -> None:
        """Jobs are about to be handed in."""
        self.delivered += bytes(count)
        self.cancelled += bytes(count)
        self.open += count

    def cancel(self, number: int) -> None:
        """The user takes a job back: from now on he is told nothing of it."""
        if not self.over(number):
            self.cancelled[number] = 1
            self._close(number)

    def over(self, number: int) -> bool:
        """Whether a job has ended, as the user sees it."""
        return bool(self.delivered[number] or self.cancelled[number])

    def _close(self, number: int) -> None:
        self.open -= 1
        self.tries.pop(number, None)
        self.again.pop(number, None)
        self._highest.pop(number, None)

    def resumed(self, past: Restored) -> None:
        """The script was started again: what the user had been told must still hold."""
        jobs = self._sim.jobs
        self.store = {digest for digest in past.contents if digest in self._made}
        self._inherited = set(self.store)
        kept = bytearray(len(jobs))
        self.again = {job: again.attempt - 1 for job, again in past.attempts.items()}
        self._highest = dict(past.doubled)
        self.seconds.clear()
        for first, stop, state, grant in past.parts(0, past.known):
            for number in range(first, stop):
                kept[number] = state.final
                jobs[number].owner = grant
                if grant:
                    self._held(past, grant, number)
        for number in range(len(jobs)):
            if self.delivered[number] and not kept[number]:
                assert self._sim.journal.lost, f"job {number} was lost"
                self.delivered[number] = 0
                self.open += 1
            if kept[number] and not self.delivered[number]:
                self._deliver(number)

    def _held(self, past: Restored, number: int, job: int) -> None:
        """A job was given to a runner, though perhaps not sent."""
        tries = self.tries.setdefault(job, [])
        if not any(attempt.grant == number for attempt in tries):
            grant = past.grant(number)
            nonce = past.runners[grant.runner].nonce.encode()
            runner = self._sim.scheduler.runners[nonce]
            at = self._sim.world.now
            tries.append(Try(number, grant.attempt, runner, at))

    # Checkpoints --------------------------------------------------------------------

    def saved(self, job: SimJob, done: float) -> bytes:
        """A worker made a checkpoint when so much of a job was done; return its name."""
        digest = b"checkpoint %d of job %d" % (len(self._made), job.number)
        self._made[digest] = (job.number, done)
        return digest

    def done_of(self, job: SimJob, function: bytes) -> float:
        """Return how much of a job is done in what is called for it."""
        number, done = self._made.get(function, (job.number, 0.0))
        assert number == job.number, f"job {job.number} goes on as job {number}"
        return done

    def kept(self, job: int, digest: bytes) -> None:
        """The monitor keeps a checkpoint, which must be of a job that needs it."""
        assert self._made[digest][0] == job, f"{digest!r} kept for job {job}"
        assert not self.over(job), f"{digest!r} kept, but job {job} is over"
        self.store.add(digest)
        own = self.store - self._inherited
        assert len(own) <= 2 * self.open, f"{len(own)} checkpoints, {self.open} jobs"

    def dropped(self, digest: bytes) -> None:
        """The monitor forgets a checkpoint."""
        self.store.discard(digest)

    # What the runners do ------------------------------------------------------------

    def _find(self, runner: SimRunner, grant: int, job: SimJob) -> Try | None:
        for attempt in self.tries.get(job.number, ()):
            if attempt.grant == grant and attempt.runner is runner:
                return attempt
        return None

    def begun(self, runner: SimRunner, grant: int, job: SimJob) -> None:
        """A worker begins a job."""
        attempt = self._find(runner, grant, job)
        if attempt is not None:
            attempt.begun = True

    def finished(self, runner: SimRunner, grant: int, job: SimJob) -> None:
        """A job came to its own end: once, unless nobody can know of the first time."""
        attempt = self._find(runner, grant, job)
        if attempt is None:
            return
        attempt.finished = True
        for other in self.tries[job.number]:
            if other is not attempt and other.finished:
                self.runs_twice += 1
                same = other.attempt == attempt.attempt
                # One that is cut off may go on for longer than who has its job now.
                known = not self._gone(other.runner) and not self._gone(runner)
                assert not same or not known or self._sim.journal.lost, (
                    f"job {job.number} ran to its end in {runner}, and did in "
                    f"{other.runner}, which lives"
                )

    def crashed(self, runner: SimRunner, grant: int, job: SimJob) -> None:
        """A job takes its worker along."""
        attempt = self._find(runner, grant, job)
        if attempt is not None:
            attempt.crashed = True

    def shot(self, runner: SimRunner, grant: int, job: SimJob) -> None:
        """Somebody kills a worker in the middle of a job."""
        attempt = self._find(runner, grant, job)
        if attempt is not None:
            attempt.shot = True

    def _gone(self, runner: SimRunner) -> bool:
        """Whether a runner is dead, or was taken for dead when all was considered."""
        if not runner.alive:
            return True
        known = self._sim.books.fleet.by_handle.get(runner.task.handle)
        mine = known is not None and known.nonce == runner.peer.decode()
        if not mine or known is None:
            return True
        return known.given_up or known.state is RunnerState.STOPPING

    # What the monitor does ----------------------------------------------------------

    def sent(self, peer: bytes, work: m.Work) -> None:
        """Jobs were sent to a runner: from now on only this grant counts."""
        runner = self._sim.scheduler.runners[peer]
        self._sim.world.tell(
            f"grant {work.grant} to {runner}: jobs {work.first}-"
            f"{work.first + work.count - 1}, attempt {work.attempt}"
        )
        self.sent_out += work.count
        known = work.function not in self._made or work.function in self.store
        assert known, f"{work.function!r} is called, but was forgotten"
        for number in range(work.first, work.first + work.count):
            assert not self.over(number), f"job {number} is sent out after its end"
            if self.seconds.get(number) != work.attempt:
                again = self.again.get(number, 0)
                what = f"attempt {work.attempt} of job {number}"
                assert work.attempt == again + 1, what
                self._sim.jobs[number].owner = work.grant
            attempt = Try(work.grant, work.attempt, runner, self._sim.world.now)
            self.tries.setdefault(number, []).append(attempt)

    def results(
        self, deliver: i.Deliver, report: m.Report, batch: list[Parcel]
    ) -> None:
        """Results were handed to the user: they must be the right ones."""
        jobs = range(deliver.first, deliver.stop)
        self._sim.world.tell(
            f"delivered: jobs {jobs.start}-{jobs.stop - 1} from grant {report.grant}"
        )
        failed = {deliver.first + x.offset for x in deliver.failures}
        for number in jobs:
            job = self._sim.jobs[number]
            parcel = batch[deliver.offset + number - deliver.first]
            assert parcel.job == number, f"job {number} got the value of {parcel.job}"
            assert job.owner == report.grant, (
                f"job {number} delivered from grant {report.grant}, not {job.owner}"
            )
            last = next(t for t in self.tries[number] if t.grant == report.grant)
            assert last.finished, f"job {number} delivered, but not done"
            assert str(last.runner) == parcel.runner, f"job {number}: {parcel}"
            assert (number in failed) == (job.deed in OWN), f"job {number} {job.deed}"
            self._deliver(number)

    def verdict_delivered(self, deliver: i.DeliverVerdict) -> None:
        """A verdict was handed to the user."""
        number, verdict = deliver.job, deliver.verdict
        self._sim.world.tell(f"job {number}: {verdict.cause}")
        assert verdict.cause not in {Cause.RETURNED, Cause.RAISED}
        self._judge.judge(number, verdict, self._last(number))
        self._deliver(number)

    def _last(self, number: int) -> Try | None:
        """Return the attempt a verdict must be about; None: it waits for a runner."""
        tries, attempt = self.tries.get(number, ()), self.again.get(number, 0) + 1
        return next((t for t in reversed(tries) if t.attempt == attempt), None)

    def _deliver(self, number: int) -> None:
        assert not self.cancelled[number], f"job {number} delivered, but was cancelled"
        assert not self.delivered[number], f"job {number} delivered twice"
        self.delivered[number] = 1
        self._close(number)

    def published(self, publish: i.Publish) -> None:
        """An observer was told something: no verdict may be false."""
        event = publish.event
        if isinstance(event, events.JobFailed):
            verdict, again = event.verdict, ", again" if event.again else ""
            self._sim.world.tell(
                f"job {event.job} failed: {verdict.cause.value}{again} "
                f"{[s.text for s in verdict.statements]}"
            )
            expected = self.again.get(event.job, 0) + 1
            assert verdict.attempt == expected, f"job {event.job}: {verdict}"
            self._judge.judge(event.job, verdict, self._last(event.job))
            if event.again:
                if event.job not in self.seconds:
                    self._judge.again(event.job, verdict)
                highest = self._highest.get(event.job, 0)
                self.again[event.job] = max(expected, highest)
        elif isinstance(event, events.JobSpeculated):
            self._speculated(event)
        elif isinstance(event, events.SpeculationEnded):
            self._speculation_ended(event)
        elif isinstance(event, events.RunnerGone):
            self._sim.world.tell(f"runner {event.runner} is gone: {event.text}")
        elif isinstance(event, events.RunnerUp):
            self._sim.world.tell(f"runner {event.runner} is up: {event.handle}")

    # Second attempts ----------------------------------------------------------------

    def _speculated(self, event: events.JobSpeculated) -> None:
        job, policy = event.job, self._sim.policy
        self._sim.world.tell(
            f"job {job} is begun a second time, after {event.ran_s:.1f} s of "
            f"{event.patience_s:.1f} s, attempt {event.attempt}"
        )
        assert policy.speculate
        assert not self.over(job), f"job {job} is begun a second time after its end"
        assert job not in self.seconds, f"job {job} has two attempts already"
        assert job not in self._highest, f"job {job} was begun a second time before"
        assert event.attempt == self.again.get(job, 0) + 2
        assert event.ran_s > event.patience_s >= doubles.LEAST_S
        assert event.runner != event.first
        self.seconds[job] = self._highest[job] = event.attempt

    def _speculation_ended(self, event: events.SpeculationEnded) -> None:
        job = event.job
        self._sim.world.tell(
            f"second attempt of job {job} {event.outcome}: {event.text}"
        )
        assert self.seconds.pop(job) == event.attempt, f"job {job}: {event}"
        self.outcomes[event.outcome] += 1
        if event.outcome in {"won", "took over"}:
            assert not self.over(job), f"job {job} goes on after its end"
            self.again[job] = event.attempt - 1
            attempt = self._last(job)
            assert attempt is not None, f"job {job}: {event}, but it was never sent"
            self._sim.jobs[job].owner = attempt.grant
            assert event.outcome == "took over" or attempt.finished, f"{event}"

    def check_seconds(self) -> None:
        """See that of every second attempt it was told how it ended."""
        assert not self.seconds, f"nobody knows of {self.seconds}"
