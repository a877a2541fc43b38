"""`grid_map` and `process_jobs`: a map from beginning to end, in one call."""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from gridmap import payload
from gridmap.errors import InvalidRequestError
from gridmap.job import Job
from gridmap.monitor.monitor import JobMonitor
from gridmap.monitor.opening import check_count
from gridmap.monitor.store import encode_call
from gridmap.progress import make_progress
from gridmap.retry import RetryRules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gridmap.job import ResourceRequest
    from gridmap.payload import Parcel
    from gridmap.resources import Resources
    from gridmap.settings import Settings

_WINDOW: Final = 10_000
"""Inputs of a generator that are held at a time: read, and not yet done."""

_CHUNK: Final = 1_000


def grid_map(
    f: Callable[..., Any],
    args_list: Iterable[Any],
    cleanup: bool = True,
    mem_free: str | int | None = None,
    name: str = "gridmap_job",
    num_slots: int = 1,
    temp_dir: str | None = None,
    white_list: Iterable[str] | None = None,
    queue: str | None = None,
    quiet: bool = True,
    local: bool = False,
    max_processes: int | None = None,
    interpreting_shell: str | None = None,
    copy_env: bool = True,
    add_env: Mapping[str, object] | None = None,
    project: str | None = None,
    validation_level: str | None = None,
    os_distribution: str | None = None,
    os_minor: str | None = None,
    gpu: int = 0,
    h_vmem: str | int | None = None,
    h_rt: str | float | None = None,
    resources: ResourceRequest = None,
    completion_mail: bool = False,
    require_cluster: bool = False,
    par_env: str | None = None,
    *,
    backend: str | None = None,
    max_workers: int | None = None,
    jobs_per_runner: int | None = None,
    retry: RetryRules = None,
    return_exceptions: bool = False,
    progress: bool | Callable[..., None] | None = None,
    settings: Mapping[str, object] | None = None,
) -> list[Any]:
    """Call a function on each input, on the batch scheduler, and return the results.

    Blocks until all are done. The positional parameters and their order are
    GridMap's; those not explained here are those of `Job`.

    Args:
        f: The function. Lambdas, closures, partials and functions of the script
            itself will do.
        args_list: The inputs. One that is a list is spread as positional arguments,
            anything else is the one argument. A generator is read as capacity comes.
        cleanup: See `Job`.
        mem_free: See `Job`.
        name: Name of the map; its jobs are called ``name`` with their number.
        num_slots: See `Job`.
        temp_dir: Directory under which the run keeps its files; nodes must see it.
            None: the settings.
        white_list: Names of nodes that may be used; None: any.
        queue: See `Job`.
        quiet: Whether to be silent; False shows progress and what was submitted.
        local: GridMap's word for ``backend="local"``.
        max_processes: GridMap's word for *max_workers* when run locally; a cluster
            was never limited by it, and is not now.
        interpreting_shell: See `Job`.
        copy_env: See `Job`.
        add_env: See `Job`.
        project: See `Job`.
        validation_level: See `Job`.
        os_distribution: See `Job`.
        os_minor: See `Job`.
        gpu: See `Job`.
        h_vmem: See `Job`.
        h_rt: See `Job`.
        resources: See `Job`.
        completion_mail: Whether to mail when done, if mail is set up.
        require_cluster: Whether to raise rather than run on this machine.
        par_env: See `Job`.
        backend: ``"sge"``, ``"slurm"``, ``"local"``, or any installed plugin's; None:
            the setting, else the best there is.
        max_workers: Runners at most at a time; None: this machine's cores on local,
            one a job on a cluster.
        jobs_per_runner: Jobs after which a runner ends; 1 gives every job a scheduler
            job of its own. None: no bound.
        retry: Rules by which jobs that ended badly are run again: a `Retry`, an
            `Escalate`, or a list of these in the order in which they are asked. None,
            and where no rule has an opinion: what the infrastructure did is tried
            again, ``num_resubmits`` times.
        return_exceptions: Whether an exception takes the place of its result in the
            list, instead of stopping the map.
        progress: Whether to show progress on standard error; a function is called
            with every event instead. None: if standard error is a terminal and
            *quiet* is false.
        settings: Any settings, by name.

    Returns:
        The results, in the order of the inputs.

    Raises:
        Exception: The first exception a job raised, as it was, with the remote
            traceback as its cause. What was finished is in its attribute
            ``gridmap_results``, a mapping of input number to value.
        JobException: If a job ended without value and exception; has the verdict.
        UnpicklableError: If the function or an input cannot be sent.
        InvalidRequestError: If an argument makes no sense. Nothing was submitted.
        RunError: If the run cannot be set up.

    Example:
        >>> from gridmap import grid_map
        >>> grid_map(pow, [[2, 3], [3, 2]], backend="local")
        [8, 9]
    """
    template = Job(
        f,
        (),
        None,
        cleanup,
        mem_free,
        name,
        num_slots,
        queue,
        interpreting_shell,
        copy_env,
        add_env,
        project,
        validation_level,
        os_distribution,
        os_minor,
        par_env,
        gpu,
        h_vmem,
        h_rt,
        resources,
        white_list=white_list,
    )
    calls = (list(item) if isinstance(item, list) else (item,) for item in args_list)
    return _Map(
        name=name,
        temp_dir=temp_dir,
        quiet=quiet,
        backend=_backend(backend, local=local),
        max_workers=_workers(max_workers, max_processes, backend, local=local),
        jobs_per_runner=jobs_per_runner,
        retry=retry,
        require_cluster=require_cluster and not local,
        return_exceptions=return_exceptions,
        progress=progress,
        settings=_log_settings(settings, cleanup=cleanup),
        completion_mail=completion_mail,
    ).calls(template, calls, sized=hasattr(args_list, "__len__"))


def process_jobs(
    jobs: Iterable[Job],
    temp_dir: str | None = None,
    white_list: Iterable[str] | None = None,
    quiet: bool = True,
    max_processes: int | None = None,
    local: bool = False,
    require_cluster: bool = False,
    *,
    backend: str | None = None,
    max_workers: int | None = None,
    jobs_per_runner: int | None = None,
    retry: RetryRules = None,
    return_exceptions: bool = False,
    progress: bool | Callable[..., None] | None = None,
    settings: Mapping[str, object] | None = None,
) -> list[Any]:
    """Run jobs, each with a function and needs of its own, and return their results.

    Like `grid_map`, whose parameters these are. Every job's `Job.ret` is set as it
    ends, `Job.exception` and `Job.traceback` where it did not return.

    Args:
        jobs: The jobs; the same one may stand in the list more than once.
        temp_dir: See `grid_map`.
        white_list: Nodes that may be used, for jobs that name none themselves.
        quiet: See `grid_map`.
        max_processes: See `grid_map`.
        local: See `grid_map`.
        require_cluster: See `grid_map`.
        backend: See `grid_map`.
        max_workers: See `grid_map`.
        jobs_per_runner: See `grid_map`.
        retry: See `grid_map`.
        return_exceptions: See `grid_map`.
        progress: See `grid_map`.
        settings: See `grid_map`.

    Returns:
        The results, in the order of the jobs.

    Raises:
        Exception: As `grid_map`.

    Example:
        >>> from gridmap import Job, process_jobs
        >>> process_jobs([Job(divmod, [7, 2]), Job(len, ["abc"])], backend="local")
        [(3, 1), 3]
    """
    listed = list(jobs)
    given: list[object] = list(listed)
    if strangers := [job for job in given if not isinstance(job, Job)]:
        msg = f"process_jobs takes a list of Job, and was given {strangers[0]!r}"
        raise InvalidRequestError(msg)
    return _Map(
        name=listed[0].name if listed else "gridmap",
        temp_dir=temp_dir,
        quiet=quiet,
        backend=_backend(backend, local=local),
        max_workers=_workers(max_workers, max_processes, backend, local=local),
        jobs_per_runner=jobs_per_runner,
        retry=retry,
        require_cluster=require_cluster and not local,
        return_exceptions=return_exceptions,
        progress=progress,
        settings=_log_settings(settings, cleanup=all(job.cleanup for job in listed)),
    ).jobs(listed, white_list)


def _log_settings(
    settings: Mapping[str, object] | None, *, cleanup: bool
) -> Mapping[str, object]:
    """Return settings under which GridMap's ``cleanup=False`` keeps the logs."""
    return {**({} if cleanup else {"keep_logs": "always"}), **(settings or {})}


def _backend(backend: str | None, *, local: bool) -> str | None:
    if local and backend not in (None, "local"):
        msg = f"local=True and backend={backend!r} contradict each other: give one"
        raise InvalidRequestError(msg)
    return "local" if local else backend


def _workers(
    max_workers: int | None,
    max_processes: int | None,
    backend: str | None,
    *,
    local: bool,
) -> int | None:
    max_workers = check_count("max_workers", max_workers)
    max_processes = check_count("max_processes", max_processes)
    if max_workers is None and (local or backend == "local"):
        return max_processes
    return max_workers


@attrs.frozen(kw_only=True)
class _Map:
    """One map, from the arguments on."""

    name: str
    temp_dir: str | None
    quiet: bool
    backend: str | None
    max_workers: int | None
    jobs_per_runner: int | None
    retry: RetryRules
    require_cluster: bool
    return_exceptions: bool
    progress: bool | Callable[..., None] | None
    settings: Mapping[str, object] | None
    completion_mail: bool = False

    def monitor(
        self,
        function: Callable[..., Any] | None,
        total: int | None,
        job_name: Callable[[int], str],
    ) -> tuple[JobMonitor, Callable[[], None]]:
        """Return a monitor that is not open yet, and what ends the display."""
        wanted = self.progress
        if wanted is None:
            wanted = not self.quiet and sys.stderr.isatty()
        observers, finish = make_progress(wanted, total, quiet=self.quiet)
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
        )
        return monitor, finish

    def calls(
        self, template: Job, calls: Iterator[Sequence[Any]], *, sized: bool
    ) -> list[Any]:
        """Map one function."""
        encoded = _encoded(calls, 0, None if sized else _CHUNK)
        complete = sized or len(encoded) < _CHUNK
        total = len(encoded) if complete else None
        monitor, finish = self.monitor(
            template.function, total, lambda job: f"{self.name}{job}"
        )
        if not encoded:
            return []
        template = _with_settings(template, monitor)
        with _finishing(finish), monitor:
            gathered = _Gathered(return_exceptions=self.return_exceptions)
            around = monitor.surround(template.environment, template.working_dir)
            add = functools.partial(
                monitor.add_encoded,
                template.function,
                resources=template.request,
                surroundings=around,
            )
            add(encoded, final=complete)
            count = len(encoded)
            del encoded
            while not complete or len(gathered.values) < count:
                while not complete and count - len(gathered.values) < _WINDOW:
                    more = _encoded(calls, count, _CHUNK)
                    count += len(more)
                    complete = len(more) < _CHUNK
                    add(more, final=complete)
                    if complete and not more:
                        monitor.seal()
                if len(gathered.values) < count:
                    gathered.gather(monitor)
        return [gathered.values[job] for job in range(count)]

    def jobs(self, jobs: list[Job], white_list: Iterable[str] | None) -> list[Any]:
        """Run jobs of their own kinds."""
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
        for number, job in enumerate(jobs):
            job.ret, job.exception, job.traceback, job.id = None, None, None, number
        with _finishing(finish), monitor:
            gathered = _Gathered(return_exceptions=self.return_exceptions, jobs=jobs)
            for number, (job, call) in enumerate(zip(jobs, encoded, strict=True)):
                made = _with_settings(job, monitor)
                request = made.request
                if nodes and not request.nodes:
                    request = attrs.evolve(request, nodes=nodes)
                around = monitor.surround(job.environment, job.working_dir)
                last = number == len(jobs) - 1
                monitor.add_encoded(
                    job.function,
                    [call],
                    request,
                    surroundings=around,
                    more=not last,
                    final=last,
                )
            while len(gathered.values) < len(jobs):
                gathered.gather(monitor)
        return [gathered.values[number] for number in range(len(jobs))]


@attrs.define
class _Gathered:
    """Results so far."""

    return_exceptions: bool
    jobs: Sequence[Job] | None = None
    values: dict[int, Any] = attrs.field(factory=dict)

    def gather(self, monitor: JobMonitor) -> None:
        """Wait for more; raise the first exception, with what was finished."""
        for outcome in monitor.outcomes.take():
            if self.jobs is not None:
                _record(self.jobs[outcome.job], outcome.value, outcome.error)
            if outcome.error is None:
                self.values[outcome.job] = outcome.value
            elif self.return_exceptions:
                self.values[outcome.job] = outcome.error
            else:
                with contextlib.suppress(AttributeError, TypeError):
                    outcome.error.gridmap_results = self.values  # type: ignore[attr-defined]
                raise outcome.error


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
    return attrs.evolve(
        request,
        queue=request.queue or settings.queue,
        memory=request.memory or ("1G" if settings.use_mem_free else None),
        options=options,
    )


def _encoded(
    calls: Iterator[Sequence[Any]], first: int, most: int | None
) -> list[bytes | Parcel]:
    """Return up to *most* calls, the next of a map, as they travel; None: all.

    Each is encoded before the next is read, and where more follow keeps nothing of
    it: a generator may fill the same array again for its next item.
    """
    encoded = []
    for number, args in enumerate(itertools.islice(calls, most), first):
        call = encode_call(tuple(args), None, number)
        if most is not None and isinstance(call, payload.Parcel):
            call = call.detach()
        encoded.append(call)
    return encoded


@contextlib.contextmanager
def _finishing(finish: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    finally:
        finish()
