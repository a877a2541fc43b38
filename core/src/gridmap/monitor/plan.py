"""What a run is to be, as its user asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gridmap.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gridmap.events import AnyEvent
    from gridmap.monitor.outcomes import Sink
    from gridmap.retry import Rule
    from gridmap.settings import Settings


class RunPlan(NamedTuple):
    """What does not change while a run is open. See `JobMonitor` for each.

    Attributes:
        name: For people and the scheduler.
        settings: From all sources.
        job_path: Directory from which its functions' modules can be imported.
        jobs_per_runner: Jobs after which a runner ends; None: no bound.
        rules: By which jobs that ended badly are run again.
        sink: Where outcomes go.
        observers: Who is told of every event, with a name.
        job_name: How a job is called in errors.
        completion_mail: Whether the user wants to be mailed at the end.
    """

    name: str
    settings: Settings
    job_path: str
    jobs_per_runner: int | None
    rules: tuple[Rule, ...]
    sink: Sink
    observers: Sequence[tuple[str, Callable[[AnyEvent], None]]]
    job_name: Callable[[int], str]
    completion_mail: bool


def settings_for(
    *,
    backend: str | None,
    temp_dir: str | None,
    max_workers: int | None,
    settings: Mapping[str, object],
) -> Settings:
    """Return the settings of a run; what is given here comes before all other sources.

    Args:
        backend: Name of the backend; None: see the other sources.
        temp_dir: Directory under which the run's own is made; None: likewise.
        max_workers: Runners at most; None: likewise.
        settings: Any others, by name.

    Raises:
        InvalidRequestError: If one is unknown, or its value makes no sense.
    """
    given = {"backend": backend, "temp_dir": temp_dir, **settings}
    if max_workers is not None:
        given["max_workers"] = max_workers
    if temp_dir is not None and given.get("run_directory") is None:
        # An argument comes before a run_directory from elsewhere.
        alone = load_settings({"temp_dir": temp_dir}, environ={}, directory="/")[0]
        given["run_directory"] = alone.runs()
    return load_settings(given)[0]
