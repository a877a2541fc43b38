"""What there is to see of a run as plain data: for ``--json`` and for web pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from gridmap.lifecycle import JobState

if TYPE_CHECKING:
    from gridmap.control.register import Entry
    from gridmap.overview import Failure, JobView, Overview, RunnerView
    from gridmap.verdict import Verdict

RUNNING: Final = "running"
DONE: Final = "done"
FAILED: Final = "failed"
DIED: Final = "died"
"""Its process is dead, and it had not ended."""


def condition(entry: Entry, overview: Overview) -> str:
    """Return in one word how a run is."""
    if overview.ended is None:
        return DIED if entry.over else RUNNING
    bad = overview.error is not None or overview.count(JobState.FAILED)
    return FAILED if bad else DONE


def run(entry: Entry, overview: Overview) -> dict[str, Any]:
    """Return a run in short."""
    driver = entry.record.driver
    return {
        "run": entry.name,
        "id": entry.short,
        "name": overview.name,
        "state": condition(entry, overview),
        "backend": overview.backend,
        "directory": overview.directory,
        "resumable": entry.record.kept,
        "driver": {"pid": driver.pid, "host": driver.host},
        "started": overview.started,
        "ended": overview.ended,
        "as_of": overview.at,
        "error": overview.error,
        "jobs": {"total": overview.total}
        | {state.name.lower(): overview.count(state) for state in JobState},
    }


def status(entry: Entry, overview: Overview) -> dict[str, Any]:
    """Return all there is to see of a run but for its single jobs."""
    return run(entry, overview) | {
        "rate": overview.rate(),
        "remaining_s": overview.remaining_s(),
        "cpu_s": overview.cpu_s,
        "rss": overview.rss,
        "waiting": [
            {"reason": reason, "runners": runners}
            for reason, runners in overview.pending.items()
        ],
        "runners": [msgspec.structs.asdict(one) for one in overview.runners.values()],
        "causes": dict(overview.causes),
        "failures": [failure(one) for one in overview.failures.values()],
        "recent": [msgspec.structs.asdict(notice) for notice in overview.notices],
        "queries": dict(overview.queries),
    }


def failure(one: Failure) -> dict[str, Any]:
    """Return how an attempt ended badly."""
    return {
        "job": one.job,
        "at": one.at,
        "again": one.again,
        "traceback": one.traceback,
        **verdict(one.verdict),
    }


def verdict(of: Verdict) -> dict[str, Any]:
    """Return a verdict, with its words for people."""
    return {
        "cause": of.cause.value,
        "attempt": of.attempt,
        "node": of.node,
        "runner": of.runner,
        "log": of.log_path,
        "text": of.explain(),
    }


def job(view: JobView, runner: RunnerView | None) -> dict[str, Any]:
    """Return a job, and where it was last."""
    return {
        "job": view.job,
        "state": view.state.name.lower(),
        "name": view.name,
        "attempt": view.attempt,
        "seconds": view.seconds,
        "ended_s": view.ended,
        "peak_memory": view.peak,
        "runner": runner.handle if runner else None,
        "node": runner.node if runner else None,
    }
