"""What the full-screen view shows of a run, as rows of text. Pure."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Final

from gridmap.cli.watching import span
from gridmap.display.status import one_line
from gridmap.lifecycle import JobState
from gridmap.resources import format_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.overview import JobView, Overview, RunnerView, Sample

MOST_ROWS: Final = 300
"""Of a table: what nobody could read is not drawn every second."""
_BRIEF: Final = 24
"""Characters of why a runner waits, all of which is told behind Enter; with more the
table would not fit a screen."""

RUNNER_COLUMNS: Final = (
    "Runner",
    "Node",
    "State",
    "Job",
    "For",
    "Memory",
    "CPU",
    "Done",
    "Progress",
)
JOB_COLUMNS: Final = ("Job", "State", "Node", "Runner", "Time", "Name")
NODE_COLUMNS: Final = ("Node", "Runners", "Busy", "Memory", "CPU", "Done", "Worked")
FAILURE_COLUMNS: Final = ("Job", "At", "", "Node", "Why")
_STATES: Final = {"up": 0, "queued": 1, "gone": 2}
_JOBS: Final = {
    JobState.GRANTED: "handed out",
    JobState.FAILED: "failed",
    JobState.DELAYED: "runs again",
    JobState.QUEUED: "waits",
    JobState.DONE: "done",
    JobState.CANCELLED: "cancelled",
}
"""What jobs are called, in the order in which they are worth a look."""


def counts(view: Overview) -> str:
    """Return how many jobs there are, by where they are."""
    done, failed = view.count(JobState.DONE), view.count(JobState.FAILED)
    parts = [f"{done:,} of {view.total:,} jobs done"]
    parts += [f"{failed:,} failed"] if failed else []
    parts += [f"{view.running:,} running"] if view.running else []
    waiting = view.count(JobState.QUEUED) + view.count(JobState.DELAYED)
    parts += [f"{waiting:,} waiting"] if waiting else []
    return ", ".join(parts)


def speed(view: Overview) -> str:
    """Return how fast it goes, and how long it may take yet."""
    rate, left = view.rate(), view.remaining_s()
    if not rate:
        return ""
    text = f"{rate:,.1f} jobs/s" if rate >= 1 else f"{60 * rate:,.1f} jobs/min"
    return text + (f", about {span(left)} left" if left else "")


def reasons(view: Overview) -> str:
    """Return why runners wait, while none is up; empty if there is nothing to say."""
    if view.up:
        return ""
    return "; ".join(reason for reason in view.pending if reason)


def runners(view: Overview, now: float) -> list[tuple[str, ...]]:
    """Return the rows of runners: those up first, then those that wait."""
    order = sorted(
        view.runners.values(), key=lambda one: (_STATES[one.state], one.number)
    )
    return [_runner(one, now) for one in order[:MOST_ROWS]]


def _runner(one: RunnerView, now: float) -> tuple[str, ...]:
    busy = one.job is not None
    since = one.since if one.state == "queued" else one.job_since
    return (
        one.handle or str(one.number),
        one.node,
        one.state,
        str(one.job) if busy else "",
        "" if since is None else span(max(0.0, now - since)),
        format_memory(one.rss) if one.rss else "",
        span(one.cpu_s) if one.cpu_s else "",
        f"{one.done:,}",
        one_line(one.reason, _BRIEF) if one.state == "queued" else one.progress,
    )


def jobs(view: Overview, now: float) -> list[tuple[str, ...]]:
    """Return the rows of jobs: those that run first, then those that failed."""
    running = {
        one.job: one for one in view.up if one.job is not None and one.job < view.total
    }
    first = [view.job(number) for number in sorted(running)]
    others = (
        job
        for state in _JOBS
        for job in view.find(state, most=MOST_ROWS)
        if job.job not in running
    )
    shown = itertools.islice(itertools.chain(first, others), MOST_ROWS)
    return [_job(job, running.get(job.job), view, now) for job in shown]


def _job(
    job: JobView, by: RunnerView | None, view: Overview, now: float
) -> tuple[str, ...]:
    runner = by or (view.runners.get(job.runner) if job.runner is not None else None)
    took = job.seconds if by is None or by.job_since is None else now - by.job_since
    return (
        str(job.job),
        _JOBS[job.state] if by is None else "running",
        runner.node if runner is not None else "",
        runner.handle if runner is not None else "",
        "" if took is None else span(max(0.0, took)),
        job.name,
    )


def nodes(view: Overview) -> list[tuple[str, ...]]:
    """Return the rows of nodes, by name: what their runners hold and did."""
    found: dict[str, list[RunnerView]] = {}
    for one in view.runners.values():
        if one.node:
            found.setdefault(one.node, []).append(one)
    return [_node(name, found[name]) for name in sorted(found)[:MOST_ROWS]]


def _node(name: str, runners: list[RunnerView]) -> tuple[str, ...]:
    up = [one for one in runners if one.state == "up"]
    rss = sum(one.rss for one in up)
    return (
        name,
        f"{len(up):,}",
        f"{sum(one.job is not None for one in up):,}",
        format_memory(rss) if rss else "",
        span(sum(one.cpu_s for one in runners)),
        f"{sum(one.done for one in runners):,}",
        span(sum(one.busy_s for one in runners)),
    )


def failures(view: Overview) -> list[tuple[str, ...]]:
    """Return the rows of jobs that ended badly, the latest first."""
    latest = list(view.failures.values())[-MOST_ROWS:]
    return [
        (
            str(one.job),
            clock(one.at),
            "again" if one.again else "for good",
            one.verdict.node or "",
            one.verdict.summary(),
        )
        for one in reversed(latest)
    ]


def notices(view: Overview) -> list[tuple[str, str]]:
    """Return what happened lately, the latest first."""
    return [(clock(one.at), one.text) for one in reversed(view.notices)]


def throughput(samples: Sequence[Sample]) -> list[float]:
    """Return jobs a second from one sample to the next."""
    return [
        (after.done + after.failed - before.done - before.failed)
        / max(1e-3, after.at - before.at)
        for before, after in itertools.pairwise(samples)
    ]


def processors(samples: Sequence[Sample]) -> list[float]:
    """Return how many processors were busy from one sample to the next."""
    return [
        max(0.0, after.cpu_s - before.cpu_s) / max(1e-3, after.at - before.at)
        for before, after in itertools.pairwise(samples)
    ]


def curves(view: Overview) -> dict[str, tuple[list[float], str]]:
    """Return the values of each curve and what is written over it."""
    speed, cpu = throughput(view.samples), processors(view.samples)
    memory = [float(sample.rss) for sample in view.samples]
    most = int(max(memory, default=0.0))
    return {
        "speed": (speed, f"jobs/s, most {_most(speed)}"),
        "cpu": (cpu, f"CPUs busy, most {_most(cpu)}"),
        "memory": (memory, f"memory, most {format_memory(most) if most else 0}"),
    }


def _most(values: Sequence[float]) -> str:
    """Return the largest; a small one is no 0.0, since its curve is not flat."""
    most = max(values, default=0.0)
    return f"{most:,.1f}" if most >= 1 else f"{most:.2g}"


def clock(at: float) -> str:
    """Return the time of day."""
    return time.strftime("%H:%M:%S", time.localtime(at))
