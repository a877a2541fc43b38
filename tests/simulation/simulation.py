"""One run from its first job to its last runner's end."""

from __future__ import annotations

import functools
import random

import attrs
from tests.simulation.faults import Faults
from tests.simulation.invariants import check_books
from tests.simulation.jobs import SimJob
from tests.simulation.monitor import SimMonitor
from tests.simulation.network import Node
from tests.simulation.plan import Plan, draw
from tests.simulation.scheduler import SimScheduler
from tests.simulation.truth import Truth
from tests.simulation.world import World

from gridmap.backend import Capabilities
from gridmap.lifecycle import JobState
from gridmap.monitor import facts as f
from gridmap.monitor.ledger import Ledger
from gridmap.monitor.policy import Policy

ORPHAN_S = 60.0

PATIENCE_S = 2500.0
"""By then every job must have ended, once nothing goes wrong any more. Runners that
end after each job take longer: a wait in the queue for every attempt."""

PARTING_S = 400.0
"""By then a run that was closed must be over."""


class Simulation:
    """A run and its surroundings."""

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        self.world = World(seed)
        self.plan = plan or draw(random.Random(f"plan {seed}"))  # noqa: S311 - it hides nothing
        self.world.tell(f"seed {seed}: {self.plan}")
        self.closing = False
        self.jobs: list[SimJob] = []
        plan = self.plan
        self.nodes = [
            Node(f"node{number}", slots, broken=number <= plan.broken_nodes)
            for number, slots in enumerate(plan.nodes, 1)
        ]
        policy = Policy(
            max_workers=plan.max_workers,
            most_workers=50,
            jobs_per_runner=plan.jobs_per_runner,
            resubmits=plan.resubmits,
            interval_s=2.0,
            silence_s=20.0,
            stall_s=30.0,
            start_timeout_s=plan.start_timeout_s,
            connect_s=15.0,
            query_s=10.0,
            orphan_s=ORPHAN_S,
            retry=plan.decide,
        )
        self.ledger = Ledger(policy, 0.0)
        self.books = self.ledger._books
        self.truth = Truth(self)
        self.scheduler = SimScheduler(self)
        self.monitor = SimMonitor(self, self.ledger)
        self.faults = Faults(self)
        capabilities = Capabilities(requeue=plan.requeue, accounting=plan.accounting)
        ready = f.BackendReady(capabilities=capabilities)
        self.world.after(0.05, lambda: self.monitor.feed(ready))

    # The user -----------------------------------------------------------------------

    def add(self, count: int, *, final: bool = False) -> None:
        """Hand in jobs, alike in what they need."""
        chance = self.world.random
        first = len(self.jobs)
        for number in range(first, first + count):
            deed = chance.choice(self.plan.deeds)
            self.jobs.append(SimJob(number, deed, chance.uniform(*self.plan.seconds)))
        fact = f.JobsAdded(
            first=first,
            stop=first + count,
            function=chance.choice([b"f", b"g"]),
            resources=chance.choice(self.plan.groups),
            more=not final and chance.random() < 0.5,
            final=final,
        )
        self.monitor.feed(fact)

    def cancel(self, first: int, stop: int) -> None:
        """Take jobs back."""

        def cancelled() -> None:
            for number in range(first, stop):
                job = self.jobs[number]
                job.cancelled = job.cancelled or not job.delivered
            self.world.tell(f"cancelled: jobs {first}-{stop - 1}")
            self.monitor.feed(f.JobsCancelled(first=first, stop=stop))

        self.monitor._when_awake(cancelled)

    def close(self) -> None:
        """End the run."""
        self.closing = True
        self.world.tell(f"closed, kill={self.plan.kill}")
        self.monitor.feed(f.Closed(kill=self.plan.kill))

    @property
    def settled(self) -> bool:
        """Whether every job has ended, as the user sees it."""
        return all(job.delivered or job.cancelled for job in self.jobs)

    # Proof --------------------------------------------------------------------------

    def check(self) -> None:
        """See that all is well, now."""
        check_books(self.books)
        states = self.books.jobs.states
        for job, byte in zip(self.jobs, states, strict=False):
            state = JobState(byte)
            cancelled = state is JobState.CANCELLED
            assert job.delivered == (state.final and not cancelled), f"{job} {state}"
            assert not cancelled or job.cancelled or self.closing, f"{job}"

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
        for _ in range(plan.faults):
            world.after(world.between(0, plan.faulty_s), self.faults.strike)

    def finish(self) -> None:
        """End all faults, let all jobs end, close, and look for what is left."""
        world = self.world
        if not self.plan.close_early:
            self.faults.end()
            patience = PATIENCE_S
            if self.plan.jobs_per_runner is not None:
                attempts = len(self.jobs) * (self.plan.resubmits + 1)
                patience += attempts * (self.plan.queue_s + 20.0)
            settled = world.run(patience, lambda: self.settled)
            assert settled, f"jobs never end: {self._unsettled()}"
            world.run(30.0)
        self.close()
        self.faults.end()
        closed = world.run(PARTING_S, lambda: self.monitor.closed)
        assert closed, f"the run never ends: {list(self.books.fleet)}"
        world.run(ORPHAN_S + 60.0)
        left = [str(t.handle) for t in self.scheduler.tasks.values() if not t.over]
        assert not left, f"still in the queue: {left}"
        processes = [p.task.handle for node in self.nodes for p in node.processes]
        assert not processes, f"still alive: {processes}"
        assert not self.ledger._early

    def _unsettled(self) -> str:
        states = self.books.jobs.states
        open_jobs = [
            (job.number, JobState(states[job.number]).name, job.deed.value)
            for job in self.jobs
            if not job.delivered and not job.cancelled
        ]
        runners = [(r.number, r.state.name, str(r.handle)) for r in self.books.fleet]
        return f"{open_jobs[:10]} {runners[:10]} {self.books.jobs.groups.values()}"


def _pieces(count: int, pieces: int) -> list[int]:
    pieces = min(pieces, count)
    return [count // pieces + (n < count % pieces) for n in range(pieces)]


@attrs.frozen
class Failure:
    """A seed that shows a bug.

    Attributes:
        seed: The seed.
        error: What was wrong.
        story: All that happened, line by line.
    """

    seed: int
    error: BaseException
    story: list[str]


def run_seed(seed: int) -> Failure | None:
    """Run one seed; return what it shows, None if all is well."""
    simulation = Simulation(seed)
    try:
        simulation.run()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return Failure(seed, error, simulation.world.story)
    return None
