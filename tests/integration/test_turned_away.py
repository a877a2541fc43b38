"""Runners that are turned away for now: the user is told once, and soon."""

import logging
import os
import signal
from typing import Any

import msgspec
import pytest
from tests import jobs

from gridmap import JobException, JobMonitor, plugins
from gridmap.backend import (
    Batch,
    Handle,
    Identity,
    Observation,
    Rejected,
    RunContext,
    Submission,
)
from gridmap.events import RunnerGone, RunnersRejected
from gridmap.hookspecs import hookimpl
from gridmap_local.backend import LocalBackend


def kill_runner() -> None:
    """Leave nobody who could say what happened."""
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()


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


class Nameless(LocalBackend):
    """A backend whose runners do not know who they are."""

    @hookimpl
    def gridmap_identify(self) -> Identity | None:  # type: ignore[override] # as hooks may
        """Recognize nothing."""
        return None


class Mistaken(LocalBackend):
    """A backend whose runners take themselves for others."""

    @hookimpl
    def gridmap_identify(self) -> Identity | None:  # type: ignore[override] # as hooks may
        """Be somebody else."""
        return Identity(handle=Handle("17"))


class Twins(LocalBackend):
    """A backend that takes the number of an array for that of each of its runners."""

    @hookimpl
    def gridmap_submit(self, batch: Batch) -> Submission:  # type: ignore[override] # as hooks may
        """Start nothing."""
        return dict.fromkeys(batch.runners, Handle("17"))


class Clumsy(LocalBackend):
    """A backend that fails whenever it is asked what became of runners."""

    @hookimpl
    def gridmap_observe(self) -> Observation:  # type: ignore[override] # as hooks may
        """Fail."""
        msg = "boo"
        raise RuntimeError(msg)


def like_local(factory: type) -> plugins.InstalledBackend:
    """Return the local backend with another class."""
    local = plugins.installed().find("local")
    info = msgspec.structs.replace(local.info, factory=f"{__name__}:{factory.__name__}")
    return msgspec.structs.replace(local, info=info)


@pytest.mark.parametrize(
    ("backend", "words"),
    [(Nameless, "gridmap_identify found nothing"), (Mistaken, "no runner 17")],
)
def test_a_runner_that_is_not_let_in_says_why_in_its_log(
    backend: type, words: str
) -> None:
    """Else the author of a backend would see runners end, and not learn of what."""
    monitor = JobMonitor(backend=like_local(backend), max_workers=1)
    with monitor:
        monitor.add(jobs.square, [((3,), None)], final=True)
        (outcome,) = monitor.outcomes.take()
    assert "the monitor does not take this runner: " in str(outcome.error)
    assert words in str(outcome.error)


def test_a_submission_that_makes_no_sense_is_a_bug_of_the_plugin() -> None:
    """And is neither waited for nor taken for a scheduler's refusal."""
    with JobMonitor(backend=like_local(Twins), max_workers=2) as monitor:
        monitor.add(jobs.square, [((3,), None)] * 2, final=True)
        outcome, *_ = monitor.outcomes.take()
    assert "broke the contract of gridmap_submit" in str(outcome.error)
    assert "more than one runner the same handle: ['17']" in str(outcome.error)
    assert "a bug of the plugin: report it to its authors" in str(outcome.error)
    assert "scheduler's words" not in str(outcome.error)


def test_a_rejection_for_now_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """With what came back and what happens next; observers hear of each."""
    events: list[Any] = []
    monitor = JobMonitor(
        backend=like_local(Busy), max_workers=1, observers=[("test", events.append)]
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


def test_what_fails_each_time_has_one_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is tried again and again, for a scheduler may be mended."""
    monitor = JobMonitor(
        backend=like_local(Clumsy),
        max_workers=1,
        settings={"heartbeat_interval": 0.2, "silence_limit": 3, "num_resubmits": 0},
    )
    with monitor:
        monitor.add(kill_runner, [((), None)], final=True)
        (outcome,) = monitor.outcomes.take()
    assert isinstance(outcome.error, JobException)
    (traceback,) = [record for record in caplog.records if record.exc_info]
    assert traceback.getMessage() == (
        "asking the scheduler failed: plugin local broke the contract of "
        "gridmap_observe: it raised RuntimeError: boo"
    )
    told = [m for m in caplog.messages if "could not be asked" in m]
    assert len(told) > 1
