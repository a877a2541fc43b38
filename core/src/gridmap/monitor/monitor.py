"""`JobMonitor`: a run, as its user holds it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from gridmap import early
from gridmap.arguments import check_count, check_mapping, check_text
from gridmap.backend import Reach
from gridmap.environment import encodable, not_inherited, portable
from gridmap.errors import GridMapError
from gridmap.job import job_path, own_path, working_directory
from gridmap.monitor import facts
from gridmap.monitor.observers import installed_observers
from gridmap.monitor.opening import Opened, choose_backend, open_run, refuse_nested
from gridmap.monitor.outcomes import Outcomes, Sink
from gridmap.monitor.plan import RunPlan, settings_for
from gridmap.monitor.store import encode_apart
from gridmap.monitor.surroundings import Surroundings
from gridmap.monitor.watchers import Watchers
from gridmap.resources import Resources
from gridmap.retry import RetryRules, make_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from gridmap.desk import Desk
    from gridmap.events import AnyEvent
    from gridmap.monitor.engine import Engine
    from gridmap.monitor.expectation import Call
    from gridmap.monitor.resumption import Resumption
    from gridmap.payload import Parcel
    from gridmap.plugins import InstalledBackend
    from gridmap.settings import Settings


class JobMonitor:
    """The user's end of a run: opens it, takes jobs, hands out what came of them.

    A context manager. Leaving it by an exception, Ctrl-C too, kills every runner of
    the run and waits until they are gone; leaving it otherwise lets them end by
    themselves. Its methods may be called from any thread.

    Attributes:
        home_address: What runners are given to connect to, once it is open.
        outcomes: What came of jobs, unless another sink was given.

    Example:
        >>> with JobMonitor(backend="local") as monitor:
        ...     jobs = monitor.add(abs, [((-3,), None)])
        ...     monitor.seal()
        ...     [outcome.value for outcome in monitor.outcomes.take()]
        [3]
    """

    def __init__(
        self,
        temp_dir: str | None = None,
        *,
        backend: str | InstalledBackend | None = None,
        name: str = "gridmap",
        max_workers: int | None = None,
        jobs_per_runner: int | None = None,
        require_cluster: bool = False,
        retry: RetryRules = None,
        settings: Mapping[str, object] | None = None,
        function: Callable[..., Any] | None = None,
        sink: Sink | None = None,
        observers: Sequence[tuple[str, Callable[[AnyEvent], None]]] = (),
        job_name: Callable[[int], str] = "job {}".format,
        completion_mail: bool = False,
        resume: str | None = None,
        keep_failures: bool = False,
        terms: object = None,
    ) -> None:
        """Check what can be checked; nothing is opened yet.

        Args:
            temp_dir: Directory under which the run's own is made; None: the settings.
            backend: Name of the backend, or one that `gridmap.plugins` found; None:
                the settings, else the best there is.
            name: The run's name, for people and the scheduler.
            max_workers: Runners at most, at a time; None: see `grid_map`.
            jobs_per_runner: Jobs after which a runner ends; None: no bound.
            require_cluster: Whether to refuse to run on this machine alone.
            retry: Rules by which jobs that ended badly are run again; see `grid_map`.
            settings: Any settings, by name; they come before all other sources.
            function: The function whose module runners must be able to import; None:
                the script's directory is put on their path.
            sink: Where outcomes go; None: to `outcomes`.
            observers: Names and functions that are told of every event, besides the
                installed observer plugins.
            job_name: How a job is called in errors.
            completion_mail: Whether the user wants to be mailed at the end.
            resume: Name under which the run can be resumed, and is if it was begun
                before; None: it ends with this process. Say what it consists of
                with `expect`.
            keep_failures: Whether jobs that ended badly before are over; else they
                are run again when the run is resumed.
            terms: What `gridmap attach` has to know of such a run.

        Raises:
            InvalidRequestError: If a number is out of range or a setting is unknown, or
                this is a job itself and the setting ``nested`` does not allow that.
            UnknownBackendError, BackendUnavailableError, DRMAANotPresentException:
                If there is no such backend, or it cannot be used here.
        """
        check_text("name", name)
        check_text("resume", resume, optional=True)
        check_mapping("settings", settings, "names to values")
        max_workers = check_count("max_workers", max_workers)
        jobs_per_runner = check_count("jobs_per_runner", jobs_per_runner)
        named = backend if isinstance(backend, str) else None
        self.settings: Settings = settings_for(
            backend=named,
            temp_dir=temp_dir,
            max_workers=max_workers,
            settings=settings or {},
        )
        refuse_nested(self.settings)
        self._backend = choose_backend(
            self.settings.backend if named or backend is None else backend,
            require_cluster=require_cluster,
        )
        self.home_address = ""
        self.outcomes = Outcomes(job_name)
        watching = installed_observers(self.settings, completion_mail=completion_mail)
        self._plan = RunPlan(
            name=name,
            settings=self.settings,
            job_path=job_path(function),
            jobs_per_runner=jobs_per_runner,
            rules=make_rules(retry),
            sink=sink or self.outcomes,
            observers=(*watching, *observers),
            job_name=job_name,
            completion_mail=completion_mail,
        )
        self._resumption = _resumption(resume, keep_failures, terms)
        self._surroundings: list[Surroundings] = []
        self._watchers = Watchers()
        self._engine: Engine | None = None
        self._desk: Desk | None = None
        if self.settings.dashboard:  # who opens a page wants to see it move
            self.watch()

    # Opening and closing ------------------------------------------------------------

    def __enter__(self) -> Self:
        """Open the run.

        Raises:
            RunError: If its directory, address or port cannot be had.
        """
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the run; by an exception, kill its runners first."""
        self.close(kill=kind is not None, error=error)

    def open(self) -> None:
        """Open the run; see `__enter__`. Not to be called twice."""
        opened = self._open()
        try:
            engine = self._start(opened)
        except BaseException:
            opened.abandon()
            self._leave(opened, keep_logs=False)
            raise
        self._engine = engine
        self._desk = opened.plugins.context.desk
        self._watchers.open(engine.tell)

    def _open(self) -> Opened:
        self._surroundings.clear()
        backend, name, job_path = self._backend, self._plan.name, self._plan.job_path
        if self._resumption is None:
            return open_run(backend, self.settings, name=name, job_path=job_path)
        return self._resumption.open(
            backend,
            self.settings,
            name=name,
            job_path=job_path,
            surroundings=self._surroundings,
        )

    def _start(self, opened: Opened) -> Engine:
        # Not imported before, since backends begin to start runners when a run is
        # opened, and those take as long to import what they need.
        from gridmap.monitor.engine import Engine  # noqa: PLC0415 - see above

        self.home_address = opened.socket.addresses[0]
        self.surround(portable(os.environ), working_directory())
        engine = Engine(opened, self._plan, self._surroundings, self._resumption)
        engine.start(self.surround, self.watch)
        return engine

    def expect(self, calls: Sequence[Call], *, complete: bool) -> None:
        """Say what a run that can be resumed consists of, before it is opened.

        Args:
            calls: All calls, or the first of them; they are handed in as usual
                afterwards.
            complete: Whether they are all.
        """
        if self._resumption is not None:
            self._resumption.expect(calls, complete=complete)

    def close(self, *, kill: bool = False, error: BaseException | None = None) -> None:
        """End the run, if it is this process's. Idempotent.

        Args:
            kill: Whether to kill running jobs and see every runner gone, instead of
                letting runners end by themselves.
            error: What the run ended with, for observers.
        """
        engine, self._engine = self._engine, None
        if engine is None:
            early.drop(self._backend.info.name)
        if engine is None or engine.forked:
            return
        self._watchers.close()
        # Whoever cannot wait and interrupts one of these comes to the next.
        try:
            engine.end_runners(kill=kill)
        finally:
            try:
                engine.end_threads(error)
            finally:
                keep = self.settings.keep_logs
                failed = engine.failed or error is not None
                logs = keep == "always" or (keep == "failed" and failed)
                self._leave(engine.opened, keep_logs=logs)

    def _leave(self, opened: Opened, *, keep_logs: bool) -> None:
        """Take away what the run kept, if nobody is to resume it."""
        if self._resumption is not None:
            self._resumption.close()
        else:
            opened.directory.remove(keep_logs=keep_logs)

    # Jobs ---------------------------------------------------------------------------

    def add(
        self,
        function: Callable[..., Any],
        calls: Iterable[tuple[Sequence[Any], Mapping[str, Any] | None]],
        resources: Resources | None = None,
        *,
        final: bool = False,
    ) -> range:
        """Hand in calls of one function.

        Args:
            function: What is called.
            calls: For each call its positional and its keyword arguments (or None).
            resources: What each of them needs; None: the site's defaults.
            final: Whether these are the last, as after `seal`.

        Returns:
            The numbers of the jobs.

        Raises:
            UnpicklableError: If the function or an argument cannot be sent.
            InvalidRequestError: If the scheduler cannot be asked for the resources.
            GridMapError: If the run is not open.
        """
        encoded = [
            encode_apart(tuple(args), dict(kwargs) if kwargs else None, number)
            for number, (args, kwargs) in enumerate(calls)
        ]
        return self.add_encoded(function, encoded, resources, final=final)

    def add_encoded(
        self,
        function: Callable[..., Any],
        inputs: Sequence[bytes | Parcel],
        resources: Resources | None = None,
        *,
        surroundings: int = 0,
        more: bool = False,
        final: bool = False,
        names: Sequence[str] = (),
    ) -> range:
        """Hand in calls whose arguments were encoded before.

        Args:
            function: What is called.
            inputs: The arguments of each call, made by `store.encode_call`.
            resources: What each of them needs; None: the site's defaults.
            surroundings: What `surround` returned; 0: this process as it was when the
                run was opened.
            more: Whether others follow at once; runners are asked for then.
            final: Whether these are the last, as after `seal`.
            names: What observers are to call them, one name for each; empty: nothing.

        Returns:
            The numbers of the jobs.

        Raises:
            UnpicklableError: If the function cannot be sent.
            InvalidRequestError: If the scheduler cannot be asked for the resources.
            GridMapError: If the run is not open.
        """
        if (engine := self._engine) is None:
            msg = "the monitor is not open: use it in a with statement"
            raise GridMapError(msg)
        return engine.intake.add(
            function,
            inputs,
            resources or Resources(),
            surroundings=surroundings,
            more=more,
            final=final,
            names=names,
        )

    def surround(self, environment: Mapping[str, str], directory: str) -> int:
        """Return the number of these surroundings, for `add`.

        Args:
            environment: Variables that go along, all of them that can.
            directory: Working directory.
        """
        variables: dict[str, str | None] = {**encodable(environment)}
        engine = self._engine
        if engine is not None and engine.opened.capabilities.reach is Reach.HOST:
            variables |= not_inherited(os.environ, environment)
        around = Surroundings(variables, directory, own_path())
        if around not in self._surroundings:
            self._surroundings.append(around)
            if self._resumption is not None:
                self._resumption.run.surround(len(self._surroundings) - 1, around)
        return self._surroundings.index(around)

    def seal(self) -> None:
        """Say that no more jobs will come, so that queued runners can be let go."""
        self._tell(facts.Sealed())

    def cancel(self, jobs: range) -> None:
        """Take jobs back; those that run are ended."""
        self._tell(facts.JobsCancelled(first=jobs.start, stop=jobs.stop))

    def _tell(self, fact: facts.Fact) -> None:
        """Tell the rules something, if the run is open."""
        if (engine := self._engine) is not None:
            engine.tell(fact)

    def watch(self, *, output: bool = False) -> Callable[[], None]:
        """Have runners say within a second what else they say with heartbeats.

        Observers then see `gridmap.events.JobProgress` and, if asked for,
        `gridmap.events.JobOutput` as they happen. May be called from any thread,
        before the run is open too; as long as nobody does, it costs nothing.

        Args:
            output: Whether what jobs print is wanted too.

        Returns:
            What is to be called when one looks no more.
        """
        return self._watchers.watch(output=output)

    @property
    def known(self) -> int:
        """How many jobs a run that was resumed knew when it was opened."""
        return self._resumption.known if self._resumption is not None else 0

    @property
    def queries(self) -> dict[str, int]:
        """How many queries the scheduler got so far, by purpose.

        Names are those of `gridmap.desk.Purpose`; what never happened is not there,
        nor are answers that another run of the user's had asked for. They are there
        after the end, too.
        """
        return {} if self._desk is None else self._desk.counts


def _resumption(
    name: str | None, keep_failures: bool, terms: object
) -> Resumption | None:
    if name is None:
        return None
    from gridmap.monitor.resumption import (  # noqa: PLC0415 - few runs need it
        Resumption,
    )

    return Resumption(name, keep_failures=keep_failures, terms=terms)
