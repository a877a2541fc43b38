"""`grid_map` and `process_jobs`: a map from beginning to end, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridmap import early
from gridmap.arguments import (
    check_count,
    check_function,
    check_text,
    items,
    settings_with,
)
from gridmap.errors import InvalidRequestError

# What a backend takes to begin, the rest takes to be imported: so it begins first.

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gridmap.job import Job, ResourceRequest
    from gridmap.retry import RetryRules


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
    quiet: bool | None = None,
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
    shared: Mapping[str, Any] | None = None,
    backend: str | None = None,
    max_workers: int | None = None,
    jobs_per_runner: int | None = None,
    retry: RetryRules = None,
    return_exceptions: bool = False,
    progress: bool | Callable[..., None] | None = None,
    live_output: bool | None = None,
    resume: str | None = None,
    speculate: bool | None = None,
    dashboard: bool | None = None,
    metrics_file: str | None = None,
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
            None: as *progress* says.
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
        completion_mail: Whether to mail when it is over; needs gridmap-mail.
        require_cluster: Whether to raise rather than run on this machine.
        par_env: See `Job`.
        shared: Keyword arguments that all calls have alike: name to value. They travel
            once to a runner instead of once a job, so this is the place for a large
            table or a model. A worker makes the values once and keeps them: leave them
            unchanged, since later jobs of that worker see what a job changed, and
            nobody else does. None: there are none.
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
        progress: Whether to show progress on standard error, and at the end what the
            map came to: two lines at the bottom of a terminal, a cell's output in a
            notebook, a line now and then elsewhere. A function is called with every
            event instead. None: as *quiet*, else the settings say, else True, but
            quick maps end without a word: see the how-to page on progress.
        live_output: Whether what jobs print is shown on standard error, within a
            second and with the job's name before each line; too much is cut. None: as
            the settings say, by default not.
        resume: Name under which the map is written down as it goes. Called again with
            the same name, function and inputs, after this process was killed or the
            map failed, it takes over results and living runners and runs the rest.
            None: the map ends with this process.
        speculate: Whether a job that takes much longer than the others did is begun a
            second time, once no job is left for an idle runner; the first result
            counts, and the other attempt is ended. Only for functions that may run
            twice at once. None: the settings, by default not.
        dashboard: Whether to show the map on a web page of this machine while it goes
            on, whose address is printed; see `gridmap-dashboard`. None: the settings.
        metrics_file: File to which the map's numbers are written as OpenMetrics while
            it goes on; None: the settings.
        settings: Any settings, by name.

    Returns:
        The results, in the order of the inputs.

    Raises:
        Exception: The first exception a job raised, as it was, with the remote
            traceback as its cause. What was finished is in its attribute
            ``gridmap_results``, a mapping of input number to value.
        KeyboardInterrupt: After Ctrl-C, once every job is gone; it has that attribute
            too.
        JobException: If a job ended without value and exception; has the verdict.
        UnpicklableError: If the function or an input cannot be sent.
        InvalidRequestError: If an argument makes no sense. Nothing was submitted.
        DifferentRunError: If the run *resume* was begun with another function or
            other inputs. It is left as it was.
        RunBusyError: If another process drives that run.
        RunError: If the run cannot be set up.

    Example:
        >>> from gridmap import grid_map
        >>> grid_map(pow, [[2, 3], [3, 2]], backend="local")
        [8, 9]
    """
    check_function(f, args_list)
    named = _backend(backend, local=local)
    with early.begun(named):
        from gridmap.job import Job, bind_shared  # noqa: PLC0415 - see above
        from gridmap.mapping import Map  # noqa: PLC0415 - see above

        template = Job(
            bind_shared(f, shared),
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
        return Map(
            name=name,
            temp_dir=temp_dir,
            quiet=quiet,
            backend=named,
            max_workers=_workers(max_workers, max_processes, backend, local=local),
            jobs_per_runner=jobs_per_runner,
            retry=retry,
            require_cluster=require_cluster and not local,
            return_exceptions=return_exceptions,
            progress=progress,
            live_output=live_output,
            resume=resume,
            settings=_settings(
                settings,
                cleanup=cleanup,
                speculate=speculate,
                dashboard=dashboard,
                metrics_file=metrics_file,
            ),
            completion_mail=completion_mail,
        ).calls(template, args_list)


def process_jobs(
    jobs: Iterable[Job],
    temp_dir: str | None = None,
    white_list: Iterable[str] | None = None,
    quiet: bool | None = None,
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
    live_output: bool | None = None,
    resume: str | None = None,
    speculate: bool | None = None,
    dashboard: bool | None = None,
    metrics_file: str | None = None,
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
        live_output: See `grid_map`.
        resume: See `grid_map`.
        speculate: See `grid_map`.
        dashboard: See `grid_map`.
        metrics_file: See `grid_map`.
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
    named = _backend(backend, local=local)
    with early.begun(named):
        from gridmap.job import Job  # noqa: PLC0415 - see above
        from gridmap.mapping import Map  # noqa: PLC0415 - see above

        listed = list(items("jobs", jobs, "a list of Job"))
        given: list[object] = list(listed)
        if strangers := [job for job in given if not isinstance(job, Job)]:
            msg = f"process_jobs takes a list of Job, and was given {strangers[0]!r}"
            raise InvalidRequestError(msg)
        return Map(
            name=listed[0].name if listed else "gridmap",
            temp_dir=temp_dir,
            quiet=quiet,
            backend=named,
            max_workers=_workers(max_workers, max_processes, backend, local=local),
            jobs_per_runner=jobs_per_runner,
            retry=retry,
            require_cluster=require_cluster and not local,
            return_exceptions=return_exceptions,
            progress=progress,
            live_output=live_output,
            resume=resume,
            settings=_settings(
                settings,
                cleanup=all(job.cleanup for job in listed),
                speculate=speculate,
                dashboard=dashboard,
                metrics_file=metrics_file,
            ),
        ).jobs(listed, white_list)


def _settings(
    settings: Mapping[str, object] | None, *, cleanup: bool, **given: object
) -> Mapping[str, object]:
    """Return the settings that arguments stand for, before those given by name.

    GridMap's ``cleanup=False`` keeps the logs; an argument that is None says nothing.
    """
    kept = {} if cleanup else {"keep_logs": "always"}
    return {**kept, **settings_with(settings, **given)}


def _backend(backend: str | None, *, local: bool) -> str | None:
    check_text("backend", backend, optional=True)
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
