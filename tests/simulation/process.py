"""A runner's process: the real machine in a shell of ours, and a worker of ours."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from tests.simulation.jobs import Deed, Fault, Parcel, SimJob
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

_GATHER_S = 0.01
_PATIENCE_S = 60.0
_CRASHES = {
    Deed.CRASH: (None, 11, False),
    Deed.CRASH_ONCE: (3, None, False),
    Deed.MEMORY: (None, 9, True),
}
_KINDS = {
    Deed.RAISE: m.Kind.RAISED,
    Deed.EXIT: m.Kind.EXITED,
    Deed.UNPICKLABLE: m.Kind.UNPICKLABLE,
}


class SimWorker:
    """The process in which jobs are run, one after another.

    Values of quick jobs gather in memory that outlives it, as those of the real one.
    """

    def __init__(self, runner: SimRunner) -> None:
        self._runner = runner
        self._world = runner.sim.world
        self._queue: deque[tuple[int, int, bytes]] = deque()
        self._halted = False
        self._withdrawing = self._marked = False
        self._left_out: int | None = None
        self._gathered: list[Parcel] = []
        self._seconds = 0.0
        self._grant = 0
        self._sent = 0.0
        self.alive = True
        self.grant = 0
        self.job: SimJob | None = None
        self.since = 0.0
        self.done = 0.0
        self._run = 0

    def feed(self, grant: int, jobs: range, function: bytes) -> None:
        """Take in jobs."""
        if self.alive and not self._halted:
            self._queue.extend((grant, job, function) for job in jobs)
            if self.job is None:
                self._begin()

    def _begin(self) -> None:
        if self._withdrawing:
            self._leave_out()
        if not self._queue:
            self.job = None
            self._flush()
            return
        grant, number, function = self._queue.popleft()
        if grant != self._grant:
            self._flush()
            self._grant = grant
        job = self.job = self._runner.sim.jobs[number]
        self.grant = grant
        self.since = self._world.now
        job.runs += 1
        run = self._run = job.runs
        self._runner.sim.truth.begun(self._runner, grant, job)
        if job.deed is Deed.STALL and run == 1:
            return
        self.done = done = self._runner.sim.truth.done_of(job, function)
        seconds = job.seconds * (1 - done) + job.drags_s * (run == 1)
        self._world.after(seconds, lambda: self._end(job, run))

    def _end(self, job: SimJob, run: int) -> None:
        if not self.alive or self.job is not job or self._run != run or self._halted:
            return
        if self._runner.suspended:
            self._runner.when_resumed(lambda: self._end(job, run))
            return
        crash = _CRASHES.get(job.deed)
        if job.deed is Deed.CRASH_ONCE and job.crashes:
            crash = None
        if crash is not None:
            job.crashes += 1
            self._runner.sim.truth.crashed(self._runner, self.grant, job)
            self.die(*crash)
            return
        job.finished += 1
        self._runner.sim.truth.finished(self._runner, self.grant, job)
        kind = _KINDS.get(job.deed)
        if kind is not None:
            self._flush()
        self._gathered.append(Parcel(job.number, run, str(self._runner)))
        self._seconds += self._world.now - self.since
        status = 3 if job.deed is Deed.EXIT else None
        failure = m.Failure(offset=0, kind=kind, status=status) if kind else None
        if failure is not None or self._world.now - self._sent > _GATHER_S:
            self._flush(failure)
        self._begin()

    def _flush(self, failure: m.Failure | None = None) -> None:
        parcels, self._gathered = self._gathered, []
        seconds, self._seconds = self._seconds, 0.0
        self._sent = self._world.now
        if not parcels:
            return
        runner, failures = self._runner, (failure,) if failure else ()
        runner.later(
            0.0005,
            lambda: runner.machine.results(
                parcels[0].job,
                len(parcels),
                failures,
                seconds,
                parcels,
                runner.now,
            ),
        )

    def withdraw(self) -> None:
        """Begin nothing of what was handed over until the mark comes."""
        self._withdrawing, self._left_out = True, None

    def mark(self) -> None:
        """Here is the mark; it is read behind all that was handed over before."""
        self._marked = True
        if self.job is None:
            self._begin()

    def glimpsed(self) -> int | None:
        """Return the job it says it is at: it says so, then looks whether it may."""
        if not self.alive:
            return None
        if self.job is None and self._world.chance(0.5):
            return self._left_out
        return self.job.number if self.job else None

    def _leave_out(self) -> None:
        if self._queue and self._left_out is None:
            self._left_out = self._queue[0][1]
        self._queue.clear()
        if not self._marked:
            return
        self._withdrawing = self._marked = False
        self._flush()
        runner = self._runner

        def cleared() -> Iterable[ra.Action]:
            return runner.machine.cleared(runner.now) if self is runner.worker else ()

        runner.later(0.0005, cleared)

    @property
    def saves(self) -> bool:
        """Whether the job it runs can be asked for a checkpoint."""
        return self.job is not None and self.job.saves and self.alive

    def ask(self, number: int) -> None:
        """Make a checkpoint of a job, if it is being run, and do nothing more."""
        job, runner, now = self.job, self._runner, self._world.now
        if not self.alive or self._halted or job is None or job.number != number:
            return
        seconds = now - self.since
        if self._world.chance(0.2):
            runner.later(
                0.0005,
                lambda: runner.machine.not_checkpointed(number, "no", runner.now),
            )
            return
        self._halted = True
        done = self.done + (1 - self.done) * min(0.9, seconds / job.seconds)
        digest = runner.sim.truth.saved(job, done)
        runner.later(
            0.0005,
            lambda: runner.machine.checkpointed(
                number, digest, seconds, [digest], runner.now
            ),
        )

    def die(
        self, status: int | None, number: int | None, out_of_memory: bool = False
    ) -> None:
        """End; the runner reads what was written and then hears of it."""
        if not self.alive:
            return
        self.alive = False
        self._flush()
        end = ra.WorkerEnd(
            job=self.job.number if self.job else None,
            seconds=self._world.now - self.since,
            status=status,
            signal=number,
            peak=1000,
            out_of_memory=out_of_memory,
            tail="the end",
        )
        runner = self._runner
        delay = self._world.between(0.001, 0.01)
        runner.later(delay, lambda: runner.machine.worker_ended(end, runner.now))


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
