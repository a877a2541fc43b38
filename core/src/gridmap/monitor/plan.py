"""What a run is to be, as its user asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
