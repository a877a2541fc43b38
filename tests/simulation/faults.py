"""Everything that goes wrong."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from tests.simulation.jobs import Fault
from tests.simulation.scheduler import Task, TaskState
from tests.simulation.world import Dice

from gridmap.backend import Ending

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.network import Connection, Node
    from tests.simulation.process import SimRunner
    from tests.simulation.simulation import Simulation

_COMMON: Final = (
    "worker_killed",
    "runner_crashed",
    "runner_signalled",
    "connection_torn",
    "cable_pulled",
    "node_dies",
    "runner_stopped",
    "runner_hangs",
    "driver_dies",
)
"""They need a runner that is up."""

_RARE: Final = (
    "monitor_stopped",
    "person_kills_one",
    "person_kills_all",
    "requeued",
    "scheduler_down",
    "submissions_rejected",
    "queue_disabled",
    "held",
    "user_cancels",
    "suspended",
    "preempted",
    "clock_set",
    "cores_stopped",
    "user_kills",
    "disk_full",
)

_STAYS_DEAD = 0.3
"""How often a node that lost power does not come back."""


class Faults:
    """Strikes at random, as long as it is allowed to."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._world = sim.world
        self._dice = Dice(self._world.seed)
        self._ended = False
        self.struck = 0
        self.muted: frozenset[int] = frozenset()

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return what can go wrong; the first of them do so more often."""
        return (*_COMMON, *_RARE)

    def plan(self, stroke: int, seconds: float) -> None:
        """Let something go wrong within some time, most likely soon.

        Each stroke has dice of its own, so that it does not change when others are
        left out.
        """
        dice = Dice(f"{self._world.seed} stroke {stroke}")
        if stroke not in self.muted:
            at = seconds * dice.random() ** 2
            self._world.after(at, lambda: self.strike(dice))

    def strike(self, dice: Dice) -> None:
        """Let something go wrong, as long as it may."""
        if self._ended:
            return
        self.struck += 1
        self._dice = dice
        kind = dice.choice([*_COMMON, *_COMMON, *_COMMON, *self.names()])
        getattr(self, kind)()

    def end(self) -> None:
        """Let nothing go wrong any more, and mend what is broken."""
        if self._ended:
            return
        self._world.tell("-- no more faults")
        self._ended = True
        scheduler = self._sim.scheduler
        scheduler.troubled = self._world.now
        scheduler.down = scheduler.full = False
        scheduler.rejects = 0.0
        for node in self._sim.nodes:
            if node.gone and any(other.alive for other in self._sim.nodes):
                continue  # the others have to do
            node.alive = True
            self._plug_in(node)
            for process in list(node.processes):
                if Fault.HUNG not in process.faults:
                    process.thaw()
        for task in scheduler.tasks.values():
            self._let_go(task)

    def _soon(self, most: float, act: Callable[[], None]) -> None:
        self._world.after(self._dice.between(0.5, most), act)

    def _process(self) -> SimRunner | None:
        processes = [p for node in self._sim.nodes for p in node.processes]
        return self._dice.choice(processes) if processes else None

    def _node(self) -> Node:
        return self._dice.choice(self._sim.nodes)

    def _task(self, *states: TaskState) -> Task | None:
        tasks = [t for t in self._sim.scheduler.tasks.values() if t.state in states]
        return self._dice.choice(tasks) if tasks else None

    # Processes ----------------------------------------------------------------------

    def worker_killed(self) -> None:
        """Somebody kills a worker with -9."""
        process = self._process()
        if process is not None and process.worker.alive:
            job = process.worker.job
            self._world.tell(f"{process}: worker killed in {job}")
            if job is not None:
                self._sim.truth.shot(process, process.worker.grant, job)
            else:
                process.struck(Fault.IDLE_DEATH)
            process.worker.die(None, 9)

    def runner_crashed(self) -> None:
        """Somebody kills a runner with -9."""
        process = self._process()
        if process is not None:
            self._world.tell(f"{process}: crashes")
            process.struck(Fault.CRASHED)
            process.crash(hint=self._dice.chance(0.9))

    def runner_signalled(self) -> None:
        """Somebody tells a runner to end."""
        process = self._process()
        if process is not None:
            self._world.tell(f"{process}: gets SIGTERM")
            process.struck(Fault.SIGNALLED)
            process.signal()

    def runner_stopped(self) -> None:
        """A runner gets SIGSTOP."""
        process = self._process()
        if process is not None:
            seconds = self._dice.between(1, 60)
            self._world.tell(f"{process}: stopped for {seconds:.1f} s")
            process.struck(Fault.FROZEN)
            process.freeze(seconds)

    def runner_hangs(self) -> None:
        """A runner's process waits for a disk that never answers."""
        process = self._process()
        if process is not None and not process.machine.departure.said:
            self._world.tell(f"{process}: hangs")
            process.struck(Fault.HUNG)
            process.freeze(float("inf"))

    def suspended(self) -> None:
        """The scheduler suspends a runner with its worker, and resumes it later."""
        task = self._task(TaskState.RUNNING)
        if task is not None and task.process is not None:
            seconds = self._dice.choice([1.0, 10.0, 100.0])
            self._world.tell(f"{task.process}: suspended for {seconds} s")
            task.process.struck(Fault.FROZEN)
            self._sim.scheduler.suspended(task, seconds)

    def monitor_stopped(self) -> None:
        """The user's process gets SIGSTOP."""
        seconds = self._dice.choice([0.5, 7.0, 30.0, 100.0])
        self._world.tell(f"monitor: stopped for {seconds:.1f} s")
        self._sim.monitor.stop(seconds)

    # Network ------------------------------------------------------------------------

    def connection_torn(self) -> None:
        """A connection breaks."""
        process = self._process()
        if process is not None and process.connection is not None:
            self._world.tell(f"{process}: connection breaks")
            process.struck(Fault.CUT_OFF)
            process.connection.tear(hint=self._dice.chance(0.7))

    def cable_pulled(self) -> None:
        """A node is cut off, for a moment or for long."""
        node = self._node()
        if not node.cable:
            return
        seconds = self._dice.choice([1.0, 5.0, 15.0, 60.0, 150.0])
        self._world.tell(f"{node.name}: cable pulled for {seconds} s")
        node.cable = False
        for process in node.processes:
            process.struck(Fault.CUT_OFF)
            if self._sim.plan.gives_up:
                give_up = functools.partial(self._sim.scheduler.cut_off, node, process)
                self._world.after(self._dice.between(10, 100), give_up)
            connection = process.connection
            if connection is not None:
                hint = self._dice.chance(0.5)
                time_out = functools.partial(
                    self._time_out, node, connection, hint=hint
                )
                self._soon(40, time_out)
        self._world.after(seconds, lambda: self._plug_in(node))

    @staticmethod
    def _time_out(node: Node, connection: Connection, *, hint: bool) -> None:
        if not node.cable:
            connection.tear(hint=hint)

    def _plug_in(self, node: Node) -> None:
        if node.cable:
            return
        self._world.tell(f"{node.name}: cable plugged in")
        node.cable = True
        for process in list(node.processes):
            if process.connection is not None:
                process.connection.plugged_in()
        self._sim.scheduler.plugged_in(node)

    def node_dies(self) -> None:
        """A node loses power, and has it again some time later."""
        node = self._node()
        if node.alive:
            self._world.tell(f"{node.name}: dies")
            self._sim.scheduler.node_dies(node)

            node.gone = self._dice.chance(_STAYS_DEAD)

            def revive() -> None:
                node.alive = True

            if not node.gone:
                self._soon(100, revive)

    # The scheduler and people -------------------------------------------------------

    def clock_set(self) -> None:
        """Somebody sets the clock of a node, or of the user's machine."""
        clocks = [self._sim.monitor.clock, *(n.clock for n in self._sim.nodes)]
        clock = self._dice.choice(clocks)
        clock.wrong = self._dice.choice([-3600.0, -30.0, 0.0, 30.0, 3600.0])
        self._world.tell(f"a clock is set {clock.wrong} s ahead")

    def cores_stopped(self) -> None:
        """A virtual node is stopped as a whole, and goes on as if nothing was."""
        node = self._node()
        seconds = self._dice.choice([3.0, 30.0])
        self._world.tell(f"{node.name}: stopped for {seconds} s")
        node.clock.stop(seconds)
        for process in list(node.processes):
            process.struck(Fault.FROZEN)
            process.suspend(seconds)

    def person_kills_one(self) -> None:
        """Somebody kills a runner through the scheduler."""
        task = self._task(TaskState.QUEUED, TaskState.RUNNING)
        if task is not None:
            self._kill([task])

    def person_kills_all(self) -> None:
        """Somebody kills a whole array."""
        task = self._task(TaskState.QUEUED, TaskState.RUNNING)
        if task is not None and self._dice.chance(0.3):
            tasks = self._sim.scheduler.tasks.values()
            self._kill([t for t in tasks if t.handle.job == task.handle.job])

    def _kill(self, tasks: list[Task]) -> None:
        for task in tasks:
            if not task.over:
                self._world.tell(f"{task.handle}: killed by a person")
                task.struck(Fault.PERSON)
                self._sim.scheduler.end(task, Ending.PERSON)

    def requeued(self) -> None:
        """The scheduler ends a runner and queues it again under its handle."""
        task = self._task(TaskState.RUNNING)
        if task is not None and task.ending is None:
            self._world.tell(f"{task.handle}: requeued")
            task.struck(Fault.REQUEUED)
            self._sim.scheduler.requeue(task)

    def preempted(self) -> None:
        """The scheduler needs the place of a runner for another."""
        task = self._task(TaskState.RUNNING)
        if task is not None and task.ending is None:
            self._world.tell(f"{task.handle}: preempted")
            task.struck(Fault.PREEMPTED)
            self._sim.scheduler.end(task, Ending.PREEMPTION)

    def scheduler_down(self) -> None:
        """The master does not answer for a while."""
        scheduler = self._sim.scheduler
        self._world.tell("scheduler: down")
        scheduler.down = True

        def up() -> None:
            self._world.tell("scheduler: up")
            scheduler.down = False
            scheduler.troubled = self._world.now

        self._soon(60, up)

    def submissions_rejected(self) -> None:
        """The scheduler turns runners away for a while."""
        scheduler = self._sim.scheduler
        self._world.tell("scheduler: rejects")
        scheduler.rejects = self._dice.choice([0.1, 0.5, 1.0])

        def accept() -> None:
            scheduler.rejects = 0.0
            scheduler.troubled = self._world.now

        self._soon(40, accept)

    def queue_disabled(self) -> None:
        """Nothing is started for a while."""
        scheduler = self._sim.scheduler
        self._world.tell("scheduler: queue disabled")
        scheduler.full = True

        def enable() -> None:
            scheduler.full = False

        self._soon(60, enable)

    def held(self) -> None:
        """A queued runner is put on hold."""
        task = self._task(TaskState.QUEUED)
        if task is not None:
            self._world.tell(f"{task.handle}: held")
            task.state = TaskState.HELD
            self._soon(60, lambda: self._let_go(task))

    def _let_go(self, task: Task) -> None:
        if task.state is TaskState.HELD:
            self._sim.scheduler._queue(task)

    def driver_dies(self) -> None:
        """The user's process is killed, and his script started again later."""
        if self._sim.plan.journaled and not self._sim.monitor.dead:
            when = self._dice.choice(["before", "after", "amid", "amid"])
            self._world.tell(f"driver: is to die, {when} it writes")
            self._sim.monitor.doom(when)

    def disk_full(self) -> None:
        """The journal cannot be written for a while; its driver may die meanwhile."""
        journal = self._sim.journal
        if self._sim.plan.journaled and not journal.full:
            self._world.tell("disk: full")
            journal.full = True
            self._soon(60, journal.room)
            if self._dice.chance(0.7):
                self._soon(50, self._sim.monitor.die)

    def user_kills(self) -> None:
        """The user kills jobs, through the command."""
        count = len(self._sim.jobs)
        if count:
            first = self._dice.randrange(count)
            self._sim.kill_jobs(first, first + self._dice.choice([1, 1, 3, 20]))

    def user_cancels(self) -> None:
        """The user takes jobs back. Who resumes a run does not do that."""
        if self._sim.plan.journaled:
            return
        count = len(self._sim.jobs)
        if count:
            first = self._dice.randrange(count)
            stop = min(count, first + self._dice.choice([1, 1, 3, 20]))
            self._sim.cancel(first, stop)
