"""Runners that are turned away for now: the user is told once, and soon."""

import logging
from typing import Any

import msgspec
import pytest
from tests import jobs

from gridmap import JobMonitor, plugins
from gridmap.backend import Batch, Rejected, RunContext, Submission
from gridmap.events import RunnerGone, RunnersRejected
from gridmap.hookspecs import hookimpl
from gridmap_local.backend import LocalBackend


class Busy(LocalBackend):
    """The local backend, on a machine that has no room for runners at first."""

    left = 2

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        """Turn the first two submissions away."""
        self.left -= 1
        if self.left < 0:
            return super().gridmap_submit(batch, context)
        no = Rejected(transient=True, text="Too many open files")
        return dict.fromkeys(batch.runners, no)


def test_a_rejection_for_now_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """With what came back and what happens next; observers hear of each."""
    local = plugins.installed().find("local")
    busy = msgspec.structs.replace(
        local, info=msgspec.structs.replace(local.info, factory=f"{__name__}:Busy")
    )
    events: list[Any] = []
    monitor = JobMonitor(
        backend=busy, max_workers=1, observers=[("test", events.append)]
    )
    with caplog.at_level(logging.WARNING, "gridmap"), monitor:
        monitor.add(jobs.square, [((3,), None)], final=True)
        (outcome,) = monitor.outcomes.take()
    assert outcome.value == 9
    assert [record.getMessage() for record in caplog.records] == [
        "a runner turned away, asked for again in 1 s: Too many open files"
    ]
    told = [event for event in events if isinstance(event, RunnersRejected)]
    assert [(event.count, event.again_s) for event in told] == [(1, 1.0), (1, 2.0)]
    assert len([event for event in events if isinstance(event, RunnerGone)]) == 1
