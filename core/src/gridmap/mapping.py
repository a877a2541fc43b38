"""One map, from what its caller gave to the list of results."""

from __future__ import annotations

import contextlib
import functools
import math
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gridmap.arguments import items
from gridmap.calls import arguments, encode_still, is_still
from gridmap.display.observing import is_wanted, make_progress
from gridmap.monitor.expectation import Call
from gridmap.monitor.monitor import JobMonitor
from gridmap.monitor.store import encode_apart, encode_call
from gridmap.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gridmap.job import Job
    from gridmap.monitor.outcomes import Outcomes
    from gridmap.payload import Parcel
    from gridmap.resources import Resources
    from gridmap.retry import RetryRules
    from gridmap.settings import Settings

_WINDOW: Final = 10_000
"""Inputs of a generator that are held at a time, at least: read, and not yet done."""

_EACH: Final = 20
"""Likewise for each runner there may be: else many would be given jobs one by one."""

_CHUNK: Final = 1_000

_SOON_S: Final = 0.1
"""How long the inputs that a generator has given wait for its next ones."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How a run that can be resumed goes on without its script; see `gridmap attach`.

    Attributes:
        name: Name of the map.
        temp_dir: As for `grid_map`.
        max_workers: Likewise.
        jobs_per_runner: Likewise.
        retry: Likewise.
        return_exceptions: Likewise.
        settings: Settings that the script named.
    """

    name: str
    temp_dir: str | None
    max_workers: int | None
    jobs_per_runner: int | None
    retry: RetryRules
    return_exceptions: bool
    settings: dict[str, object]


class Map(msgspec.Struct, frozen=True, kw_only=True):
    """One map, from the arguments on."""

    name: str
    temp_dir: str | None
    quiet: bool | None
    backend: str | None
    max_workers: int | None
    jobs_per_runner: int | None
    retry: RetryRules
    require_cluster: bool
    return_exceptions: bool
    progress: bool | Callable[..., None] | None
    resume: str | None
    settings: Mapping[str, object] | None
    completion_mail: bool = False
    live_output: bool | None = None

    def monitor(
        self,
        function: Callable[..., Any] | None,
        total: int | None,
        job_name: Callable[[int], str],
    ) -> tuple[JobMonitor, Callable[[], None]]:
        """Return a monitor that is not open yet, and what ends the display."""
        settings = load_settings(dict(self.settings or {}))[0]
        shown = is_wanted(self.progress, settings.progress, self.quiet)
        printed = settings.live_output if self.live_output is None else self.live_output
        observers, finish = make_progress(
            self.progress if callable(self.progress) else shown,
            total,
            quiet=self.quiet,
            name=self.name,
            printed=job_name if printed else None,
            brief=self.progress is not True,
        )
        monitor = JobMonitor(
            self.temp_dir,
            backend=self.backend,
            name=self.name,
            max_workers=self.max_workers,
            jobs_per_runner=self.jobs_per_runner,
            retry=self.retry,
            require_cluster=self.require_cluster,
            settings=self.settings,
            function=function,
            observers=observers,
            job_name=job_name,
            completion_mail=self.completion_mail,
            resume=self.resume,
            keep_failures=self.return_exceptions,
            terms=self._terms() if self.resume is not None else None,
        )
        if shown or printed:
            monitor.watch(output=printed)
        return monitor, finish

    def _terms(self) -> Terms:
        return Terms(
            name=self.name,
            temp_dir=self.temp_dir,
            max_workers=self.max_workers,
            jobs_per_runner=self.jobs_per_runner,
            retry=self.retry,
            return_exceptions=self.return_exceptions,
            settings=dict(self.settings or {}),
        )

    def calls(self, template: Job, args_list: Iterable[Any]) -> list[Any]:
        """Map one function.

        Args:
            template: What all calls have alike.
            args_list: What each is called with; see `calls.arguments`. If it has a
                length it is read at once.
        """
        gathered = _Gathered(return_exceptions=self.return_exceptions)
        with gathered.handed_on():
            return self._calls(gathered, template, args_list)

    def _calls(
        self, gathered: _Gathered, template: Job, args_list: Iterable[Any]
    ) -> list[Any]:
        several = items("args_list", args_list, "the inputs, one for each call of f")
        sized = hasattr(args_list, "__len__")
        still = sized and is_still(args_list)
        calls = arguments(args_list if still else several, still=still)
        # The parts of a run that is resumed must be what they were.
        patience_s = math.inf if sized or self.resume else _SOON_S
        window = max(_WINDOW, _EACH * (self.max_workers or 0))
        most = None if sized else _CHUNK
        inputs = _Inputs(calls, most, patience_s, window, still)
        encoded = inputs.read()
        total = inputs.count if inputs.complete else None
        monitor, finish = self.monitor(
            template.function, total, lambda job: f"{self.name}{job}"
        )
        if not encoded:
            return []
        gathered.outcomes = monitor.outcomes
        template = _with_settings(template, monitor)
        monitor.expect([_call(0, template, encoded)], complete=inputs.complete)
        with _finishing(finish), monitor:
            around = monitor.surround(template.environment, template.working_dir)
            add = functools.partial(
                monitor.add_encoded,
                template.function,
                resources=template.request,
                surroundings=around,
            )
            add(encoded, final=inputs.complete)
            del encoded
            while not inputs.over(len(gathered.values)):
                reading = inputs.wanted(len(gathered.values))
                if reading:
                    more = inputs.read()
                    add(more, final=inputs.complete)
                    if inputs.complete and not more:
                        monitor.seal()
                gathered.gather(wait=not reading)
        return [gathered.values[job] for job in range(inputs.count)]

    def jobs(self, jobs: list[Job], white_list: Iterable[str] | None) -> list[Any]:
        """Run jobs of their own kinds."""
        gathered = _Gathered(return_exceptions=self.return_exceptions, jobs=jobs)
        with gathered.handed_on():
            return self._jobs(gathered, jobs, white_list)

    def _jobs(
        self, gathered: _Gathered, jobs: list[Job], white_list: Iterable[str] | None
    ) -> list[Any]:
        nodes = tuple(white_list or ())
        encoded = [
            encode_call(tuple(job.args), dict(job.kwlist) if job.kwlist else None, n)
            for n, job in enumerate(jobs)
        ]
        function = jobs[0].function if jobs else None
        monitor, finish = self.monitor(
            function, len(jobs), lambda number: f"{jobs[number].name} (job {number})"
        )
        if not jobs:
            return []
        gathered.outcomes = monitor.outcomes
        for number, job in enumerate(jobs):
            job.ret, job.exception, job.traceback, job.id = None, None, None, number
        expected = [
            _call(number, _with_settings(job, monitor), [call], nodes)
            for number, (job, call) in enumerate(zip(jobs, encoded, strict=True))
        ]
        monitor.expect(expected, complete=True)
        named = len({job.name for job in jobs}) > 1
        with _finishing(finish), monitor:
            for call in expected:
                last = call.stop == len(jobs)
                monitor.add_encoded(
                    call.function,
                    call.inputs,
                    call.resources,
                    surroundings=monitor.surround(call.environment, call.directory),
                    more=not last,
                    final=last,
                    names=[jobs[call.first].name] if named else (),
                )
            while len(gathered.values) < len(jobs):
                gathered.gather()
        return [gathered.values[number] for number in range(len(jobs))]


class _Gathered(msgspec.Struct):
    """Results so far.

    Attributes:
        return_exceptions: As for `grid_map`.
        jobs: Those that are told what came of them.
        outcomes: Where results come from; None before there is a monitor.
        values: The results, by number.
    """

    return_exceptions: bool
    jobs: Sequence[Job] | None = None
    outcomes: Outcomes | None = None
    values: dict[int, Any] = {}

    @contextlib.contextmanager
    def handed_on(self) -> Iterator[None]:
        """Have whatever ends the map, Ctrl-C too, say what was finished."""
        try:
            yield
        except BaseException as error:
            with contextlib.suppress(AttributeError, TypeError):
                error.gridmap_results = self.values  # type: ignore[attr-defined]
            self._sweep()
            raise

    def _sweep(self) -> None:
        """Take what came behind that, or was not looked at yet; Ctrl-C ends it."""
        left = 0 if self.outcomes is None else self.outcomes.waiting
        for _ in range(left):
            with contextlib.suppress(Exception):  # one is why the map ends already
                self.gather(wait=False)

    def gather(self, *, wait: bool = True) -> None:
        """Take what has come; raise the first exception.

        Args:
            wait: Whether to wait for something if there is nothing.
        """
        assert self.outcomes is not None, "no monitor"  # noqa: S101 - a bug of ours
        into = self.values if self.jobs is None else None
        for outcome in self.outcomes.take(wait=wait, into=into):
            if self.jobs is not None:
                _record(self.jobs[outcome.job], outcome.value, outcome.error)
            if outcome.error is None:
                self.values[outcome.job] = outcome.value
            elif self.return_exceptions:
                self.values[outcome.job] = outcome.error
            else:
                raise outcome.error


def _call(
    first: int,
    job: Job,
    inputs: Sequence[bytes | Parcel],
    nodes: tuple[str, ...] = (),
) -> Call:
    """Return jobs that are alike, kept to some nodes if they name none themselves."""
    request = job.request
    if nodes and not request.nodes:
        request = msgspec.structs.replace(request, nodes=nodes)
    return Call(
        first=first,
        function=job.function,
        inputs=inputs,
        resources=request,
        environment=job.environment,
        directory=job.working_dir,
    )


def _record(job: Job, value: Any, error: BaseException | None) -> None:
    job.ret = value if error is None else error
    job.exception = error
    if error is not None:
        job.traceback = str(error.__cause__ or error)


def _with_settings(job: Job, monitor: JobMonitor) -> Job:
    """Return the job with what the settings say where its user said nothing."""
    job.request = apply_settings(job.request, monitor.settings)
    return job


def apply_settings(request: Resources, settings: Settings) -> Resources:
    """Return a request with what the settings say where it says nothing."""
    options = dict(request.options)
    if request.cores > 1:
        options.setdefault("par_env", settings.parallel_environment)
    return msgspec.structs.replace(
        request,
        queue=request.queue or settings.queue,
        memory=request.memory or ("1G" if settings.use_mem_free else None),
        options=options,
    )


class _Inputs(msgspec.Struct):
    """The inputs of a map, as they are read.

    Attributes:
        count: How many were read.
        complete: Whether there are no more.
    """

    _calls: Iterator[tuple[Any, ...]]
    _most: int | None
    _patience_s: float
    _window: int
    _still: bool
    count: int = 0
    complete: bool = False

    def over(self, done: int) -> bool:
        """Tell whether so many done are all."""
        return self.complete and done == self.count

    def wanted(self, done: int) -> bool:
        """Tell whether more are to be read, so many being done."""
        return not self.complete and self.count - done < self._window

    def read(self) -> list[bytes | Parcel]:
        """Return the next calls as they travel: as many as may be, or come soon.

        Each is encoded before the next is read: a generator may fill the same array
        again for its next item.
        """
        if self._still:
            encoded = encode_still(self._calls)
            self.count, self.complete = len(encoded), True
            return encoded
        encoded = []
        until = time.monotonic() + self._patience_s
        self.complete = True
        for args in self._calls:
            encoded.append(encode_apart(tuple(args), None, self.count))
            self.count += 1
            if len(encoded) == self._most or time.monotonic() > until:
                self.complete = False
                break
        return encoded


@contextlib.contextmanager
def _finishing(finish: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    finally:
        finish()
