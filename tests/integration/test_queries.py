"""What a run tells of how often it asked its scheduler."""

from typing import Any

import msgspec
from tests import jobs

from gridmap import JobMonitor, plugins
from gridmap.backend import RunContext
from gridmap.events import RunEnded
from gridmap.hookspecs import hookimpl
from gridmap_local.backend import LocalBackend


class Leaving(LocalBackend):
    """A backend whose last question comes when the run lets it go."""

    @hookimpl
    def gridmap_close(self, context: RunContext) -> None:
        """Ask once more."""
        context.desk.note()
        super().gridmap_close(context)


def test_the_last_question_counts_too() -> None:
    """It is asked while the run ends, and stands in what its end tells."""
    local = plugins.installed().find("local")
    info = msgspec.structs.replace(local.info, factory=f"{__name__}:Leaving")
    events: list[Any] = []
    monitor = JobMonitor(
        backend=msgspec.structs.replace(local, info=info),
        max_workers=1,
        observers=[("test", events.append)],
    )
    with monitor:
        monitor.add(jobs.square, [((3,), None)], final=True)
        monitor.outcomes.take()
    assert isinstance(events[-1], RunEnded)
    assert events[-1].queries == {"close": 1} == monitor.queries
