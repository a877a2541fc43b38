"""A runner's process: the real machine in a shell of ours, and a worker of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation.jobs import Deed, Fault
from tests.simulation.network import Connection

from gridmap.backend import Coming, Notice
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.runner import actions as ra
from gridmap.runner import machine as rm
from gridmap.runner.interruption import AskCheckpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.simulation.network import Node
    from tests.simulation.scheduler import Task
    from tests.simulation.simulation import Simulation
from tests.simulation.worker import SimWorker

_PATIENCE_S = 60.0


class SimRunner:
    """A runner's process on a node."""

    def __init__(self, sim: Simulation, task: Task, node: Node, nonce: str) -> None:
        self.sim = sim
        self.world = sim.world
        self.task = task
        self.node = node
        self.peer = nonce.encode()
        self.alive = True
        self.connection: Connection | None = None
        self.worker = SimWorker(self)
        self.names = {str(task.handle)}
        self.faults: set[Fault] = set()
        self.suspended = False
        self.ended: float | None = None
        self._resumed: list[Callable[[], None]] = []
        self.born = sim.world.now
        self._frozen = False
        self._backlog: list[Callable[[], None]] = []
        self._cpu = 0.0
        remaining = None
        if task.walltime is not None:
            remaining = task.started + task.walltime - self.world.now
            remaining -= node.clock.wrong  # the scheduler told it a time of day
        hello = m.Hello(
            version=m.VERSION,
            nonce=nonce,
            job=task.handle.job,
            task=task.handle.task,
            node=node.name,
            pid=1,
            python=(3, 11, 0),
            gridmap="0",
            remaining=remaining,
        )
        self.machine = rm.RunnerMachine(hello, self.now)
        node.processes.append(self)
        if node.broken:
            self.world.after(self.world.between(0.1, 1), lambda: self.exit(1))
        else:
            self.world.after(self.world.between(0.1, 1), self._connect)

    def __str__(self) -> str:
        """Return what it is called in stories."""
        return f"{self.task.handle}/{self.peer.decode()}"

    # Being a process ----------------------------------------------------------------

    @property
    def now(self) -> float:
        """What its clock shows."""
        return self.node.clock.now

    def struck(self, fault: Fault) -> None:
        """Remember what really happened to it."""
        self.faults.add(fault)
        self.task.faults.add(fault)

    def suspend(self, seconds: float) -> None:
        """Stop it and its worker, as a scheduler does that suspends a job."""
        if self.alive and not self._frozen:
            self.suspended = True
            self.freeze(seconds)

    def when_resumed(self, act: Callable[[], None]) -> None:
        """Let something happen in the worker once it goes on."""
        self._resumed.append(act)

    def later(
        self, seconds: float, act: Callable[[], Iterable[ra.Action] | None]
    ) -> None:
        """Let something happen in this process, once it is not frozen and if it lives."""

        def happen() -> None:
            if not self.alive:
                return
            if self._frozen:
                self._backlog.append(happen)
                return
            self._do(act() or ())

        self.world.after(seconds, happen)

    def freeze(self, seconds: float) -> None:
        """Stop it, as SIGSTOP does; its worker goes on."""
        if self.alive and not self._frozen:
            self._frozen = True
            if seconds < float("inf"):
                self.world.after(seconds, self.thaw)

    def thaw(self) -> None:
        """Let it go on."""
        if not self._frozen:
            return
        if Fault.HUNG in self.faults:
            self.suspended = False
            return
        self._frozen = self.suspended = False
        for acts in (self._resumed, self._backlog):
            waiting = acts[:]
            acts.clear()
            for act in waiting:
                act()

    def signal(self, number: int = 15) -> None:
        """Tell it to end, or warn it."""
        self.struck(Fault.WARNED)
        if self.sim.plan.notices:
            stay = self.sim.plan.notices == "stay"
            notice = Notice(coming=Coming.END, text="its end is near", stay=stay)
            self.later(0.0, lambda: self._warned(notice, number))
            return
        self.later(
            0.0,
            lambda: self.machine.depart(
                "signal", "told to end", self.now, signal=number
            ),
        )

    def _warned(self, notice: Notice, number: int) -> Iterable[ra.Action]:
        job = self.worker.job if self.worker.saves else None
        running = job.number if job is not None else None
        return self.machine.warned(notice, number, running, self.now)

    def exit(self, status: int) -> None:
        """End in order: what was said is sent, and what nobody took is left behind."""
        kept = self.machine.unacknowledged.kept()
        if self.sim.plan.journaled and kept and self.node.cable:
            self.sim.journal.parked[self.peer.decode()] = [*kept]
        if self.connection is not None:
            self.connection.close()
        self._gone(status, None)

    def crash(self, *, hint: bool = True) -> None:
        """Be ended by SIGKILL, or lose power."""
        if self.connection is not None:
            self.connection.tear(hint=hint)
        self._gone(None, 9)

    def _gone(self, status: int | None, number: int | None) -> None:
        if not self.alive:
            return
        self.alive = self.worker.alive = False
        self.ended = self.world.now
        self.node.processes.remove(self)
        self.sim.scheduler.process_ended(self, status, number)

    # Being connected ----------------------------------------------------------------

    def _connect(self) -> None:
        if not self.alive or self.connection is not None:
            return
        if self._frozen or not self.node.cable:
            self.world.after(self.world.between(0.2, 2), self._connect)
            return
        first = self.machine.phase is rm.Phase.GREETING
        if self.sim.monitor.dead:
            if first and self.world.now - self.born > _PATIENCE_S:
                self.exit(3)
            else:
                self.world.after(self.world.between(0.2, 2), self._connect)
            return
        if first and self.sim.monitor.closed:
            self.exit(3)  # nobody listens there any more
            return
        wild = self.sim.plan.wild
        self.connection = Connection(self.world, self, self.sim.monitor, wild)
        self.sim.monitor.accept(self.connection)
        self._do(self.machine.connected(self.now))
        if first and not self._ticking:
            self._ticking = True
            self.later(0.0, self._tick)

    _ticking = False

    def hung_up(self, connection: Connection) -> None:
        """Notice that the connection broke, and look for another."""
        if self.connection is connection:
            self.connection = None
            self.world.after(self.world.between(0.05, 1), self._connect)
            self.later(0.0, self.machine.disconnected)

    def arrive(self, data: bytes) -> None:
        """Hear a message."""
        message = codec.decode_from_monitor(data)
        self.later(0.0, lambda: self.machine.heard(message, self.now))

    # Being a runner -----------------------------------------------------------------

    def _tick(self) -> Iterable[ra.Action]:
        worker, now = self.worker, self.now
        job = worker.job if worker.alive else None
        if job is not None and job.deed is not Deed.STALL:
            self._cpu = now
        seen = ra.Glance(
            vitals=ra.Vitals(cpu=self._cpu, rss=1, peak=2),
            job=job.number if job else None,
            seconds=self.world.now - worker.since if job else 0.0,
            can_save=worker.saves,
        )
        actions = self.machine.tick(seen, now)
        if self.machine.presence.orphaned(now):
            self.world.tell(f"{self}: orphaned")
            self.struck(Fault.ORPHANED)
            self.machine.phase = rm.Phase.GONE
            self.exit(1)
            return ()
        self.later(self.sim.plan.tick_s, self._tick)
        return actions

    def _do(self, actions: Iterable[ra.Action]) -> None:
        for action in actions:
            if not self.alive:
                return
            match action:
                case ra.Say():
                    self._say(action.message, action.frames)
                case ra.SetUp():
                    self._set_up()
                case ra.Feed():
                    self._feed(action)
                case ra.Withdraw() | AskCheckpoint():
                    self._ask_worker(action)
                case ra.KillWorker():
                    self._kill_worker()
                case ra.StartWorker():
                    assert not self.worker.alive
                    self.worker = SimWorker(self)
                case ra.Leave():
                    self.exit(action.status)

    def _say(self, message: Any, parcels: Any) -> None:
        if isinstance(message, m.Goodbye) and message.reason == "deadline":
            self.struck(Fault.OWN_CLOCK)
        if isinstance(message, m.Report):
            assert len(parcels) == message.count
            jobs = [parcel.job for parcel in parcels]
            assert jobs == list(range(message.first, message.first + message.count))
        if self.connection is not None:
            self.connection.up.send(codec.encode(message), list(parcels))

    def _set_up(self) -> None:
        worker = self.worker

        def ready() -> Iterable[ra.Action]:
            return self.machine.worker_ready() if worker is self.worker else ()

        self.later(self.world.between(0.01, 0.3), ready)

    def _ask_worker(self, action: ra.Withdraw | AskCheckpoint) -> None:
        if isinstance(action, ra.Withdraw):
            self._withdraw()
        else:
            self._ask(action.job)

    def _ask(self, job: int) -> None:
        worker = self.worker
        delay = self.world.random.choice([0.001, 0.1, 1.0, 30.0])
        self.later(delay, lambda: worker.ask(job))

    def _feed(self, feed: ra.Feed) -> None:
        jobs = range(feed.first, feed.stop)
        worker = self.worker
        self.later(0.0002, lambda: worker.feed(feed.grant, jobs, feed.function))

    def _withdraw(self) -> None:
        worker = self.worker
        worker.withdraw()

        def withdrawn() -> Iterable[ra.Action]:
            if worker is not self.worker:
                return ()
            return self.machine.withdrawn(worker.glimpsed(), self.now)

        self.later(0.0002, worker.mark)

        # It looks a moment later, and what it sees may be out of date by then.
        self.later(self.world.random.choice([0.0, 0.001, 0.001, 0.1]), withdrawn)

    def _kill_worker(self) -> None:
        worker = self.worker
        delay = self.world.between(0, 0.005)  # the signal takes its time
        self.later(delay, lambda: worker.die(None, 9))
