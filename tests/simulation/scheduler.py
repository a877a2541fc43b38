"""A scheduler: queues, nodes, accounting, and people who kill."""

from __future__ import annotations

import enum
import functools
from typing import TYPE_CHECKING

import attrs
from tests.simulation.jobs import Fault
from tests.simulation.process import SimRunner

from gridmap import backend as b
from gridmap.verdict import Cause

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.simulation.network import Node  # noqa: TC004 - nobody resolves it
    from tests.simulation.simulation import Simulation

    from gridmap.monitor.instructions import SubmitRunners


class TaskState(enum.Enum):
    """Where a task of the scheduler's is."""

    QUEUED = "queued"
    HELD = "held"
    RUNNING = "running"
    ENDED = "ended"


@attrs.define(eq=False)
class Task:
    """A runner, as the scheduler knows it."""

    handle: b.Handle
    group: object
    avoid: frozenset[str]
    walltime: float | None
    state: TaskState = TaskState.QUEUED
    process: SimRunner | None = None
    node: Node | None = None
    started: float = 0.0
    ended: float = 0.0
    lingers: float = 0.0
    starts: int = 0
    lives: list[SimRunner] = attrs.field(factory=list)
    shown: list[tuple[float, b.Seen | None]] = attrs.field(factory=list)
    ending: b.Ending | None = None
    limit: b.Limit | None = None
    exit_status: int | None = None
    signal: int | None = None
    booked: float = 0.0
    faults: set[Fault] = attrs.field(factory=set)

    @property
    def over(self) -> bool:
        """Whether it will not run any more."""
        return self.state is TaskState.ENDED

    def struck(self, fault: Fault) -> None:
        """Remember what really happened to it, and to the process it is or was."""
        self.faults.add(fault)
        if self.lives and not self.over:
            self.lives[-1].faults.add(fault)


class SimScheduler:
    """The scheduler; its verbs are those of a backend."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._world = sim.world
        self.tasks: dict[b.Handle, Task] = {}
        self.down = False
        self.rejects = 0.0
        self.full = False
        self.refused = False
        self.troubled = 0.0
        self.runners: dict[bytes, SimRunner] = {}
        self.asked = 0
        self._jobs = 0
        self._nonces = 0

    # Verbs --------------------------------------------------------------------------

    def submit(self, errand: SubmitRunners) -> dict[int, b.Handle | b.Rejected]:
        """Take runners in, as one array."""
        if self.down:
            text = b.Rejected(transient=True, text="cannot reach the master")
            return dict.fromkeys(errand.runners, text)
        self._jobs += 1
        return {
            runner: self._submit_one(errand, index)
            for index, runner in enumerate(errand.runners, 1)
        }

    def _submit_one(self, errand: SubmitRunners, index: int) -> b.Handle | b.Rejected:
        world, plan = self._world, self._sim.plan
        if world.chance(self.rejects):
            final = world.chance(0.1)
            self.refused |= final
            return b.Rejected(transient=not final, text="over quota")
        nodes = {node.name for node in self._sim.nodes}
        if plan.rejects_hopeless and nodes <= errand.avoid:
            self.refused = True
            return b.Rejected(transient=False, text="no node is left")
        handle = b.Handle(str(self._jobs), str(index) if plan.arrays else None)
        if handle in self.tasks:
            self._jobs += 1
            handle = b.Handle(str(self._jobs))
        task = Task(handle, errand.resources, errand.avoid, plan.walltime)
        self.tasks[handle] = task
        self._queue(task)
        return handle

    def kill(self, handles: Iterable[b.Handle]) -> dict[b.Handle, b.Killed]:
        """End tasks, as the monitor asks."""
        return {handle: self._kill_one(handle) for handle in sorted(handles)}

    def _kill_one(self, handle: b.Handle) -> b.Killed:
        if self.down or self._world.chance(self.rejects / 2):
            return b.Killed.FAILED
        task = self.tasks.get(handle)
        if task is None or task.over:
            return b.Killed.GONE
        task.struck(Fault.OURS)
        self.end(task, b.Ending.PERSON)
        return b.Killed.KILLED

    def observe(self, handles: Iterable[b.Handle]) -> b.Observation:
        """Show tasks."""
        self.asked += 1
        if self.down:
            return b.NotAsked(text="cannot reach the master")
        seen, absent = {}, set()
        for handle in sorted(handles):
            task = self.tasks.get(handle)
            shown = self._show(task) if task else None
            if shown is None:
                absent.add(handle)
            else:
                seen[handle] = shown
        return b.Observed(seen=seen, absent=frozenset(absent))

    def attach(self) -> dict[b.Handle, b.Seen] | b.NotAsked:
        """Show all of the run that are not over."""
        if self.down:
            return b.NotAsked(text="cannot reach the master")
        shown = {h: self._show(t) for h, t in self.tasks.items() if not t.over}
        return {handle: seen for handle, seen in shown.items() if seen is not None}

    def _show(self, task: Task) -> b.Seen | None:
        """Show what it knew a while ago, and what it was told by the monitor."""
        known = self._world.now - self._sim.plan.lag_s
        while len(task.shown) > 1 and task.shown[1][0] <= known:
            task.shown.pop(0)
        shown = task.shown[0][1]
        if shown and shown.state is b.SeenState.ENDED:
            since = task.shown[0][0]
            return shown if known - since <= task.lingers else None
        return shown

    def _changed(self, task: Task) -> None:
        node = task.node.name if task.node else None
        state = {
            TaskState.QUEUED: b.SeenState.QUEUED,
            TaskState.HELD: b.SeenState.HELD,
            TaskState.RUNNING: b.SeenState.RUNNING,
            TaskState.ENDED: b.SeenState.ENDED,
        }[task.state]
        if state is b.SeenState.RUNNING and task.ending is not None:
            state = b.SeenState.ENDING
        elif task.process is not None and task.process.suspended:
            state = b.SeenState.SUSPENDED
        reason = "busy" if state is b.SeenState.QUEUED else ""
        seen = b.Seen(state=state, node=node, reason=reason)
        task.shown.append((self._world.now, seen))

    def postmortem(self, handles: Iterable[b.Handle]) -> dict[b.Handle, b.Autopsy]:
        """Say what is in the books."""
        if self.down or not self._sim.plan.accounting:
            return {}
        tasks = [self.tasks[handle] for handle in sorted(handles)]
        found = {task.handle: self._book(task) for task in tasks if task.over}
        return {handle: book for handle, book in found.items() if book is not None}

    def _book(self, task: Task) -> b.Autopsy | None:
        node = task.node.name if task.node else None
        if self._world.now >= task.booked:
            return b.Autopsy(
                ending=task.ending,
                limit=task.limit,
                exit_status=task.exit_status,
                signal=task.signal,
                node=node,
            )
        return b.Autopsy(node=node) if self._sim.plan.half_booked else None

    def resubmit(self, handle: b.Handle, _: Cause) -> b.Resubmitted | None:
        """Start a task again in place, or as another one."""
        task = self.tasks[handle]
        if self.down or task.over or self._world.chance(0.2):
            return None
        task.struck(Fault.RESUBMITTED)
        if self._world.chance(0.7):
            self.requeue(task)
            return b.Resubmitted(handle=handle, in_place=True)
        self.end(task, b.Ending.PERSON)
        self._jobs += 1
        other = Task(b.Handle(str(self._jobs)), task.group, task.avoid, task.walltime)
        other.faults |= task.faults
        other.lives += task.lives
        for process in task.lives:
            process.names.add(str(other.handle))
        self.tasks[other.handle] = other
        self._queue(other)
        return b.Resubmitted(handle=other.handle, in_place=False)

    # Life of a task -----------------------------------------------------------------

    def _queue(self, task: Task) -> None:
        task.state = TaskState.QUEUED
        self._changed(task)
        task.starts += 1
        start = task.starts
        wait = self._world.between(0, self._sim.plan.queue_s)
        self._world.after(wait, lambda: self._try_to_start(task, start))

    def _try_to_start(self, task: Task, start: int) -> None:
        if task.state is not TaskState.QUEUED or task.starts != start:
            return
        nodes = [n for n in self._sim.nodes if n.free and n.name not in task.avoid]
        if self.full or self.down or not nodes:
            self._world.after(2.0, lambda: self._try_to_start(task, start))
            return
        task.node = self._world.random.choice(nodes)
        task.state = TaskState.RUNNING
        task.started = self._world.now
        self._nonces += 1
        process = SimRunner(self._sim, task, task.node, f"n{self._nonces}")
        task.process = self.runners[process.peer] = process
        task.lives.append(process)
        self._changed(task)
        if task.node.broken:
            task.struck(Fault.BROKEN)
        self._world.tell(f"{process}: starts on {task.node.name}")
        if task.walltime is not None:
            self._world.after(task.walltime, lambda: self._time_is_up(task, start))

    def _time_is_up(self, task: Task, start: int) -> None:
        if task.state is TaskState.RUNNING and task.starts == start:
            self._world.tell(f"{task.handle}: its time is up")
            task.struck(Fault.LIMIT)
            task.limit = b.Limit.TIME
            self.end(task, b.Ending.SCHEDULER_LIMIT)

    def process_ended(
        self, process: SimRunner, status: int | None, number: int | None
    ) -> None:
        """A process ended by itself, or was ended; the scheduler notices."""
        task = process.task
        if task.process is not process:
            return
        self._world.tell(f"{process}: process ended ({status}, {number})")
        task.process = None
        if task.state is TaskState.RUNNING:
            if task.ending is None:
                task.ending = b.Ending.ITSELF
            task.exit_status, task.signal = status, number
            delay = self._world.between(0, 1)
            start = task.starts
            self._world.after(delay, lambda: self._over(task, start))

    def _over(self, task: Task, start: int) -> None:
        if task.state is not TaskState.RUNNING or task.starts != start:
            return
        task.state = TaskState.ENDED
        task.ended = self._world.now
        self._changed(task)
        task.lingers = self._world.random.choice([0.0, 0.0, 5.0, 300.0])
        task.booked = self._world.now + self._world.random.choice([0, 0, 1, 3, 1000])

    def end(self, task: Task, ending: b.Ending) -> None:
        """End a task for some reason."""
        if task.over:
            return
        if task.state is not TaskState.RUNNING:
            task.ending = ending
            task.state = TaskState.RUNNING
            self._over(task, task.starts)
            return
        task.ending = task.ending or ending
        self._changed(task)
        process = task.process
        if process is None:
            return  # ended already; about to be noticed
        if not process.node.cable:
            return  # the order does not get through; see `plugged_in`
        if self._sim.plan.warns:
            process.signal()
            self._world.after(2.0, process.crash)
        else:
            self._world.after(self._world.between(0, 0.5), process.crash)

    def plugged_in(self, node: Node) -> None:
        """A node is back: it hears what it is to end, and what no longer exists.

        Until then such runners are ghosts: they greet the monitor, which has given
        their jobs to others.
        """
        for process in list(node.processes):
            if process.task.ending is not None or process.task.process is not process:
                self._world.after(self._world.random.choice([0, 1, 20]), process.crash)

    def requeue(self, task: Task) -> None:
        """End a task's process and queue the task again under the same handle."""
        process, task.process = task.process, None
        if task.over:
            return
        task.ending = task.limit = task.signal = task.exit_status = None
        task.node = None
        if process is not None and process.node.cable:
            if self._sim.plan.warns:
                process.signal()
                self._world.after(2.0, process.crash)
            else:
                process.crash()
        self._queue(task)

    def suspended(self, task: Task, seconds: float) -> None:
        """Stop a task, and let it go on later."""
        if task.process is not None:
            task.process.suspend(seconds)
            self._changed(task)
            self._world.after(seconds, lambda: self._resumed(task))

    def _resumed(self, task: Task) -> None:
        if task.state is TaskState.RUNNING:
            self._changed(task)

    def cut_off(self, node: Node, process: SimRunner) -> None:
        """A node has not been heard for long: what was on it is taken for dead."""
        task = process.task
        if node.cable or task.process is not process:
            return
        self._world.tell(f"{process}: given up by the scheduler")
        task.struck(Fault.GIVEN_UP)
        task.process = None
        self._missed(task, task.starts)

    def node_dies(self, node: Node) -> None:
        """A node loses power; the scheduler finds out after a while."""
        node.alive = False
        for process in list(node.processes):
            task = process.task
            process.struck(Fault.NODE)
            if task.process is not process:
                process.crash(hint=False)
                continue
            task.process = None
            process.crash(hint=False)
            start = task.starts
            missed = functools.partial(self._missed, task, start)
            noticed = self._world.random.choice([1, 3, 10, 60])
            self._world.after(noticed * self._world.between(0.5, 1), missed)

    def _missed(self, task: Task, start: int) -> None:
        if task.starts != start or task.state is not TaskState.RUNNING:
            return
        if task.ending is None and self._world.chance(0.3):
            task.struck(Fault.REQUEUED)
            self.requeue(task)
        else:
            task.ending = task.ending or b.Ending.NODE
            self._over(task, start)
