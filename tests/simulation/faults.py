"""Everything that goes wrong."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tests.simulation.scheduler import Fault, Task, TaskState

from gridmap.backend import Ending

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.network import Connection, Node
    from tests.simulation.process import SimRunner
    from tests.simulation.simulation import Simulation

_COMMON = 7


class Faults:
    """Strikes at random, as long as it is allowed to."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._world = sim.world
        self._ended = False
        self.kinds: tuple[Callable[[], None], ...] = (
            self.worker_killed,
            self.runner_crashed,
            self.runner_signalled,
            self.connection_torn,
            self.cable_pulled,
            self.node_dies,
            self.runner_stopped,
            self.monitor_stopped,
            self.person_kills_one,
            self.person_kills_all,
            self.requeued,
            self.scheduler_down,
            self.submissions_rejected,
            self.queue_disabled,
            self.held,
            self.user_cancels,
        )

    def strike(self) -> None:
        """Let something go wrong."""
        if not self._ended:
            often = self.kinds[:_COMMON] * 3  # they need a runner that is up
            self._world.random.choice((*often, *self.kinds))()

    def end(self) -> None:
        """Let nothing go wrong any more, and mend what is broken."""
        if self._ended:
            return
        self._world.tell("-- no more faults")
        self._ended = True
        scheduler = self._sim.scheduler
        scheduler.down = scheduler.full = False
        scheduler.rejects = 0.0
        for node in self._sim.nodes:
            node.alive = True
            self._plug_in(node)
            for process in list(node.processes):
                process.thaw()
        for task in scheduler.tasks.values():
            self._let_go(task)

    def _soon(self, most: float, act: Callable[[], None]) -> None:
        self._world.after(self._world.between(0.5, most), act)

    def _process(self) -> SimRunner | None:
        processes = [p for node in self._sim.nodes for p in node.processes]
        return self._world.random.choice(processes) if processes else None

    def _node(self) -> Node:
        return self._world.random.choice(self._sim.nodes)

    def _task(self, *states: TaskState) -> Task | None:
        tasks = [t for t in self._sim.scheduler.tasks.values() if t.state in states]
        return self._world.random.choice(tasks) if tasks else None

    # Processes ----------------------------------------------------------------------

    def worker_killed(self) -> None:
        """Somebody kills a worker with -9."""
        process = self._process()
        if process is not None and process.worker.alive:
            job = process.worker.job
            self._world.tell(f"{process.task.handle}: worker killed in {job}")
            process.task.faults.add(Fault.CRASHED)
            if job is not None:
                job.shot = True
            process.worker.die(None, 9)

    def runner_crashed(self) -> None:
        """Somebody kills a runner with -9."""
        process = self._process()
        if process is not None:
            self._world.tell(f"{process.task.handle}: crashes")
            process.task.faults.add(Fault.CRASHED)
            process.crash(hint=self._world.chance(0.9))

    def runner_signalled(self) -> None:
        """Somebody tells a runner to end."""
        process = self._process()
        if process is not None:
            self._world.tell(f"{process.task.handle}: gets SIGTERM")
            process.task.faults.add(Fault.SIGNALLED)
            process.signal()

    def runner_stopped(self) -> None:
        """A runner gets SIGSTOP."""
        process = self._process()
        if process is not None:
            seconds = self._world.between(1, 60)
            self._world.tell(f"{process.task.handle}: stopped for {seconds:.1f} s")
            process.task.faults.add(Fault.FROZEN)
            process.freeze(seconds)

    def monitor_stopped(self) -> None:
        """The user's process gets SIGSTOP."""
        seconds = self._world.between(1, 60)
        self._world.tell(f"monitor: stopped for {seconds:.1f} s")
        self._sim.monitor.stop(seconds)

    # Network ------------------------------------------------------------------------

    def connection_torn(self) -> None:
        """A connection breaks."""
        process = self._process()
        if process is not None and process.connection is not None:
            self._world.tell(f"{process.task.handle}: connection breaks")
            process.task.faults.add(Fault.CUT_OFF)
            process.connection.tear(hint=self._world.chance(0.7))

    def cable_pulled(self) -> None:
        """A node is cut off, for a moment or for long."""
        node = self._node()
        if not node.cable:
            return
        seconds = self._world.random.choice([1.0, 5.0, 15.0, 60.0, 150.0])
        self._world.tell(f"{node.name}: cable pulled for {seconds} s")
        node.cable = False
        for process in node.processes:
            process.task.faults.add(Fault.CUT_OFF)
            connection = process.connection
            if connection is not None:
                hint = self._world.chance(0.5)
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

            def revive() -> None:
                node.alive = True

            self._soon(100, revive)

    # The scheduler and people -------------------------------------------------------

    def person_kills_one(self) -> None:
        """Somebody kills a runner through the scheduler."""
        task = self._task(TaskState.QUEUED, TaskState.RUNNING)
        if task is not None:
            self._kill([task])

    def person_kills_all(self) -> None:
        """Somebody kills a whole array."""
        task = self._task(TaskState.QUEUED, TaskState.RUNNING)
        if task is not None and self._world.chance(0.3):
            tasks = self._sim.scheduler.tasks.values()
            self._kill([t for t in tasks if t.handle.job == task.handle.job])

    def _kill(self, tasks: list[Task]) -> None:
        for task in tasks:
            if not task.over:
                self._world.tell(f"{task.handle}: killed by a person")
                task.faults.add(Fault.PERSON)
                self._sim.scheduler.end(task, Ending.PERSON)

    def requeued(self) -> None:
        """The scheduler ends a runner and queues it again under its handle."""
        task = self._task(TaskState.RUNNING)
        if task is not None and task.ending is None:
            self._world.tell(f"{task.handle}: requeued")
            task.faults.add(Fault.REQUEUED)
            self._sim.scheduler.requeue(task)

    def scheduler_down(self) -> None:
        """The master does not answer for a while."""
        scheduler = self._sim.scheduler
        self._world.tell("scheduler: down")
        scheduler.down = True

        def up() -> None:
            self._world.tell("scheduler: up")
            scheduler.down = False

        self._soon(60, up)

    def submissions_rejected(self) -> None:
        """The scheduler turns runners away for a while."""
        scheduler = self._sim.scheduler
        self._world.tell("scheduler: rejects")
        scheduler.rejects = self._world.random.choice([0.1, 0.5, 1.0])

        def accept() -> None:
            scheduler.rejects = 0.0

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

    def user_cancels(self) -> None:
        """The user takes jobs back."""
        count = len(self._sim.jobs)
        if count:
            first = self._world.random.randrange(count)
            stop = min(count, first + self._world.random.choice([1, 1, 3, 20]))
            self._sim.cancel(first, stop)
