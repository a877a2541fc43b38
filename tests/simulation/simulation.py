"""One run from its first job to its last runner's end."""

from __future__ import annotations

import functools
import random
import re
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from tests.simulation.driver import SimJournal
from tests.simulation.faults import Faults
from tests.simulation.invariants import check_books, check_told, fingerprint
from tests.simulation.jobs import Deed, SimJob
from tests.simulation.judge import CONNECT_S
from tests.simulation.monitor import SimMonitor
from tests.simulation.network import Clock, Node
from tests.simulation.plan import Plan, draw
from tests.simulation.scheduler import SimScheduler
from tests.simulation.truth import Truth
from tests.simulation.world import World

from gridmap.backend import Capabilities
from gridmap.lifecycle import JobState
from gridmap.monitor import facts as f
from gridmap.monitor.ledger import Ledger
from gridmap.monitor.policy import Policy
from gridmap.monitor.restoration import segments

if TYPE_CHECKING:
    from gridmap.monitor.books import Books

ORPHAN_S = 60.0

PATIENCE_S = 2500.0
"""In so long at least one job more must have ended, once nothing goes wrong any more."""

PARTING_S = 400.0
"""By then a run that was closed must be over."""


_MOST_QUESTIONS = 2

_STALL_S = 45.0
"""What each job that stalls at first may cost the only runner there is."""

_NO_TIME_S = (1e-6, 1e-4)
"""How long jobs take that take next to no time."""

_PROMPT_S = 0.5
"""Runners that wait no longer are up before anybody asks where they are."""


class Simulation:
    """A run and its surroundings."""

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        self.world = World(seed)
        self.plan = plan or draw(random.Random(f"plan {seed}"))  # noqa: S311 - it hides nothing
        self.world.tell(f"seed {seed}: {self.plan}")
        self.closing = self.polite = False
        self._checked: object = None
        self._unchecked = 0
        self.jobs: list[SimJob] = []
        self._drags = random.Random(f"drags {seed}")  # noqa: S311 - likewise
        plan = self.plan
        clock = functools.partial(self._clock, random.Random(f"clock {seed}"))  # noqa: S311 - likewise
        self.nodes = [
            Node(f"node{number}", clock(), slots, broken=number <= plan.broken_nodes)
            for number, slots in enumerate(plan.nodes, 1)
        ]
        self.policy = Policy(
            max_workers=plan.max_workers,
            most_workers=plan.most_workers,
            jobs_per_runner=plan.jobs_per_runner,
            resubmits=plan.resubmits,
            interval_s=2.0,
            silence_s=20.0,
            stall_s=30.0,
            start_timeout_s=plan.start_timeout_s,
            connect_s=CONNECT_S,
            query_s=10.0,
            orphan_s=ORPHAN_S,
            retry=plan.decide,
            rules=plan.rules,
            journaled=plan.journaled,
            speculate=plan.speculate,
        )
        self.journal = SimJournal()
        self.handed_in: list[f.JobsAdded] = []
        monitors = clock()
        self.ledger = Ledger(self.policy, monitors.now)
        self.truth = Truth(self)
        self.scheduler = SimScheduler(self)
        self.monitor = SimMonitor(self, self.ledger, monitors)
        self.faults = Faults(self)
        self.world.after(0.05, self._ready)

    def _clock(self, chance: random.Random) -> Clock:
        drift, wrong = self.plan.drift, self.plan.clocks
        return Clock(
            self.world,
            offset=chance.choice([0.0, chance.uniform(0, 1e7)]),
            rate=1 + chance.uniform(-drift, drift),
            wrong=chance.uniform(-wrong, wrong),
        )

    @property
    def books(self) -> Books:
        """The tables of the ledger there is."""
        return self.ledger._books

    def _ready(self) -> None:
        plan = self.plan
        capabilities = Capabilities(requeue=plan.requeue, accounting=plan.accounting)
        self.monitor.feed(f.BackendReady(capabilities=capabilities))

    # The user -----------------------------------------------------------------------

    def add(self, count: int, *, final: bool = False) -> None:
        """Hand in jobs, alike in what they need."""
        chance = self.world.random
        first = len(self.jobs)
        self.truth.added(count)
        for number in range(first, first + count):
            deed = chance.choice(self.plan.deeds)
            quick = number < self.plan.quick
            bounds = _NO_TIME_S if quick else self.plan.seconds
            job = SimJob(number, deed, chance.uniform(*bounds))
            if self._drags.random() < self.plan.drags:
                job.drags_s = self._drags.uniform(*self.plan.drags_s)
            job.saves = chance.random() < self.plan.saves
            self.jobs.append(job)
        fact = f.JobsAdded(
            first=first,
            stop=first + count,
            function=chance.choice([b"f", b"g"]),
            resources=chance.choice(self.plan.groups),
            more=not final and chance.random() < 0.5,
            final=final,
        )
        self.handed_in.append(fact)
        self.monitor.feed(fact)

    def cancel(self, first: int, stop: int) -> None:
        """Take jobs back."""

        def cancelled() -> None:
            for number in range(first, stop):
                self.truth.cancel(number)
            self.world.tell(f"cancelled: jobs {first}-{stop - 1}")
            self.monitor.feed(f.JobsCancelled(first=first, stop=stop))

        self.monitor._when_awake(cancelled)

    def kill_jobs(self, first: int, stop: int) -> None:
        """Kill jobs through the command: each that is not over gets a verdict."""

        def killed() -> None:
            self.truth.killed.update(range(first, stop))
            self.world.tell(f"killed: jobs {first}-{stop - 1}")
            self.monitor.feed(f.JobsKilled(first=first, stop=stop, by="gridmap kill"))

        self.monitor._when_awake(killed)

    def driver_died(self) -> None:
        """Start the user's script again some time later."""
        self.world.tell("driver: dead")
        self.journal.forget()
        self.world.after(self.world.between(0.1, 1.5 * ORPHAN_S), self.resume)

    def resume(self) -> None:
        """Go on from the journal; what it does not know is handed in again."""
        past = self.journal.read()
        self.world.tell(f"driver: resumes, {past.known} jobs are known")
        self.ledger = Ledger(self.policy, self.monitor.clock.now)
        self.ledger.restore(past, segments(past) if past.known else [])
        self.truth.resumed(past)
        self._checked = None
        self.monitor = SimMonitor(self, self.ledger, self.monitor.clock)
        for nonce, messages in list(self.journal.parked.items()):
            for message, parcels in messages:
                parked = f.Parked(nonce=nonce, message=message)
                self.monitor.feed(parked, list(parcels))
            if not self.monitor.dead:
                del self.journal.parked[nonce]
        self._ready()
        for fact in self.handed_in:
            if fact.first >= past.known:
                self.monitor.feed(fact)
        if self.handed_in and self.handed_in[-1].final:
            self.monitor.feed(f.Sealed())
        if self.closing:
            self.close()

    def close(self) -> None:
        """End the run."""
        self.closing = True
        self.world.tell(f"closed, kill={self.plan.kill}")
        self.monitor.feed(f.Closed(kill=self.plan.kill))

    @property
    def settled(self) -> bool:
        """Whether every job has ended, as the user sees it."""
        return not self.truth.open

    @property
    def _progress(self) -> tuple[int, int]:
        """How many jobs are over, and how many attempts of those that are not."""
        attempts = sum(map(len, self.books.jobs.histories.values()))
        return len(self.jobs) - self.truth.open, attempts

    # Proof --------------------------------------------------------------------------

    def check(self) -> None:
        """See that all is well, now."""
        truth, books = self.truth, self.books
        cancelled = truth.cancelled
        if self.closing:
            cancelled = bytearray(b"\1" * len(self.jobs))
        check_told(books, truth.delivered, cancelled)
        self._unchecked += 1
        if self._unchecked * 20 < len(books.fleet) + len(self.jobs) / 10:
            return  # where there is much to check, it is not done every time
        self._unchecked = 0
        seen = fingerprint(books)
        if seen != self._checked:
            self._checked = seen
            check_books(self.ledger)

    @property
    def tally(self) -> Tally:
        """How much was simulated so far."""
        return Tally(
            hours=self.world.now / 3600,
            jobs=len(self.jobs),
            attempts=self.truth.sent_out,
            runners=len(self.scheduler.runners),
            faults=self.faults.struck,
            twice=self.truth.runs_twice,
            seconds=sum(self.truth.outcomes.values()),
            won=self.truth.outcomes["won"],
            took_over=self.truth.outcomes["took over"],
        )

    def run(self) -> None:
        """Live through the plan, and see that everything comes to its end."""
        plan, world = self.plan, self.world
        self.play()
        seconds = plan.faulty_s
        world.run(
            world.between(0, seconds) if plan.close_early else seconds, self._over
        )
        self.finish()

    def _over(self) -> bool:
        return len(self.jobs) >= self.plan.jobs and self.settled

    def play(self) -> None:
        """Plan what the user does and what goes wrong."""
        plan, world = self.plan, self.world
        sizes = _pieces(plan.jobs, plan.batches)
        at = 0.0
        for number, size in enumerate(sizes, 1):
            final = number == len(sizes)
            world.after(at, functools.partial(self.add, size, final=final))
            at += world.between(0, plan.pause_s)
        for stroke in range(1, plan.faults + 1):
            self.faults.plan(stroke, plan.faulty_s)

    def finish(self) -> None:
        """End all faults, let all jobs end, close, and look for what is left."""
        world = self.world
        if not self.plan.close_early:
            self.faults.end()
            patience = max(PATIENCE_S, _STALL_S * len(self.jobs))
            settled, before = False, (-1, 0)
            while not settled and self._progress > before:  # who is slow is not stuck
                before = self._progress
                settled = world.run(patience, lambda: self.settled)
            assert settled, f"jobs never end: {self._unsettled()}"
            self._check_politeness()
            world.run(30.0)
        self.close()
        self.faults.end()
        closed = world.run(PARTING_S, lambda: self.monitor.closed)
        assert closed, f"the run never ends: {list(self.books.fleet)}"
        world.run(ORPHAN_S + 60.0)
        # A driver that died as it ended may have come back only now.
        closed = world.run(PARTING_S, lambda: self.monitor.closed)
        assert closed, f"the run never ends again: {list(self.books.fleet)}"
        left = [str(t.handle) for t in self.scheduler.tasks.values() if not t.over]
        assert not left, f"still in the queue: {left}"
        processes = [p.task.handle for node in self.nodes for p in node.processes]
        assert not processes, f"still alive: {processes}"
        check_books(self.ledger)
        self.truth.check_seconds()

    def _check_politeness(self) -> None:
        """Where nothing went wrong and nobody waited, it was hardly ever asked."""
        plan = self.plan
        healthy = not plan.faults and not plan.broken_nodes and not plan.backlogged
        prompt = plan.queue_s <= _PROMPT_S and plan.walltime is None
        tame = not plan.wild and not plan.drift and set(plan.deeds) == {Deed.VALUE}
        room = sum(plan.nodes) >= (plan.max_workers or plan.most_workers)
        if healthy and prompt and tame and room:
            self.polite = True
            asked = self.scheduler.asked  # once or twice where a greeting was late
            assert asked <= _MOST_QUESTIONS, f"asked {asked} times"

    def _unsettled(self) -> str:
        states = self.books.jobs.states
        open_jobs = [
            (job.number, JobState(states[job.number]).name, job.deed.value)
            for job in self.jobs
            if not self.truth.over(job.number)
        ]
        runners = [(r.number, r.state.name, str(r.handle)) for r in self.books.fleet]
        return f"{open_jobs[:10]} {runners[:10]} {self.books.jobs.groups.values()}"


def _pieces(count: int, pieces: int) -> list[int]:
    pieces = min(pieces, count)
    return [count // pieces + (n < count % pieces) for n in range(pieces)]


@attrs.frozen
class Failure:
    """What a run shows that must not be.

    Attributes:
        error: What was wrong.
        story: All that happened, line by line.
    """

    error: BaseException
    story: list[str]

    @property
    def kind(self) -> str:
        """What tells it from other bugs: where it showed, and how, without numbers."""
        frame = traceback.extract_tb(self.error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        text = f"{type(self.error).__name__} {self.error}"
        return f"{place} {re.sub(r'[0-9.]+', 'N', text)}"[:90]


@attrs.define
class Tally:
    """How much was simulated.

    Attributes:
        hours: Hours that passed in it.
        jobs: Jobs that were handed in.
        attempts: How often one was sent out.
        runners: Processes that were started.
        faults: Things that went wrong.
        twice: Jobs that rightly ran to their end twice: their runner was gone, or they
            were begun a second time.
        seconds: Jobs that were begun a second time.
        won: Of these, those that returned first.
        took_over: Of these, those whose first attempt ended badly.
    """

    hours: float = 0.0
    jobs: int = 0
    attempts: int = 0
    runners: int = 0
    faults: int = 0
    twice: int = 0
    seconds: int = 0
    won: int = 0
    took_over: int = 0

    def add(self, other: Tally) -> None:
        """Add what another run simulated."""
        for field in attrs.fields(Tally):
            name = field.name
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def __str__(self) -> str:
        """Return it in words."""
        return (
            f"{self.hours:.0f} simulated hours, {self.jobs} jobs, {self.attempts} "
            f"grants of one, {self.runners} runners, {self.faults} faults, "
            f"{self.twice} jobs run twice for good reasons, {self.seconds} begun a "
            f"second time, of which {self.won} won and {self.took_over} took over"
        )


def run_seed(run: Simulation | int) -> Failure | None:
    """Run one seed; return what it shows, None if all is well."""
    simulation = Simulation(run) if isinstance(run, int) else run
    try:
        simulation.run()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return Failure(error, simulation.world.story)
    return None
