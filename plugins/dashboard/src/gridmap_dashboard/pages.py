"""The table of jobs, a page at a time, and the page of one. Callers hold the lock."""

from __future__ import annotations

import heapq
import itertools
import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from gridmap.lifecycle import JobState
from gridmap.resources import format_memory
from gridmap_dashboard.timeline import CAUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gridmap.verdict import Verdict
    from gridmap_dashboard.state import RunState

MOST_ROWS: Final = 200
_NUMBERS: Final = re.compile(r"(?:#|job )?(\d+)(?:\s*(?:-|\.\.)\s*(\d+))?")

STATES: Final = {
    "queued": frozenset({JobState.QUEUED, JobState.GRANTED, JobState.DELAYED}),
    "running": frozenset({JobState.GRANTED}),
    "done": frozenset({JobState.DONE}),
    "failed": frozenset({JobState.FAILED}),
    "cancelled": frozenset({JobState.CANCELLED}),
}
"""What the filter offers."""


@attrs.frozen(kw_only=True)
class Query:
    """Which jobs to show.

    Attributes:
        state: One of `STATES`; empty: all.
        text: A number, a range of numbers, or words of a node, cause or name.
        sort: ``job``, ``seconds``, ``attempt`` or ``ended``.
        down: Whether the largest come first.
        offset: How many to leave out.
        limit: How many to show, up to `MOST_ROWS`.
    """

    state: str = ""
    text: str = ""
    sort: str = "job"
    down: bool = False
    offset: int = 0
    limit: int = 50


def table(state: RunState, query: Query, now: float) -> dict[str, Any]:
    """Return a page of the table of jobs, and how many rows there are in all."""
    running = state.timeline.running()
    chosen = list(_chosen(state, query, running))
    key = _key(state, query)
    first, stop = query.offset, query.offset + min(query.limit, MOST_ROWS)
    if key is None:
        page = (chosen[::-1] if query.down else chosen)[first:stop]
    else:
        pick = heapq.nlargest if query.down else heapq.nsmallest
        page = pick(stop, chosen, key=key)[first:]
    return {
        "total": len(chosen),
        "offset": first,
        "rows": [row(state, job, running, now) for job in page],
    }


def _key(state: RunState, query: Query) -> Callable[[int], float] | None:
    overview, timeline = state.overview, state.timeline
    ends = timeline.job_ends
    keys: dict[str, Callable[[int], float]] = {
        "seconds": overview.seconds.__getitem__,
        "attempt": lambda job: overview.attempts.get(job, 1),
        "ended": lambda job: ends[job] if job < len(ends) else 0.0,
    }
    return keys.get(query.sort)


def _chosen(state: RunState, query: Query, running: dict[int, Any]) -> Iterable[int]:
    overview = state.overview
    jobs: Iterable[int] = range(overview.total)
    if query.state in STATES:
        wanted = STATES[query.state]
        table = bytes(index in wanted for index in range(256))
        jobs = itertools.compress(jobs, overview.states.translate(table))
        if query.state == "running":
            jobs = (job for job in jobs if job in running)
        elif query.state == "queued":
            jobs = (job for job in jobs if job not in running)
    text = query.text.strip().lower()
    return _matching(state, jobs, text) if text else jobs


def _matching(state: RunState, jobs: Iterable[int], text: str) -> Iterator[int]:
    """Yield the jobs that a text means."""
    if match := _NUMBERS.fullmatch(text):
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        return (job for job in jobs if first <= job <= last)
    timeline, failures = state.timeline, state.overview.failures
    causes = {n for n, cause in enumerate(CAUSES) if text in cause.value}
    lanes = {one.number for one in timeline.lanes.lanes if text in one.node.lower()}
    named = {n for n, one in failures.items() if text in _words(one.verdict).lower()}
    named |= {n for n, name in enumerate(state.overview.names) if text in name.lower()}
    runners = {
        one.number
        for one in state.overview.runners.values()
        if text in one.node.lower()
    }
    job_lanes, job_causes = timeline.job_lanes, timeline.job_causes
    known, holders = len(job_lanes), state.overview.holders
    return (
        job
        for job in jobs
        if job in named
        or holders[job] in runners
        or (job < known and (job_lanes[job] in lanes or job_causes[job] in causes))
    )


def _words(verdict: Verdict) -> str:
    return " ".join((verdict.job, verdict.summary(), *verdict.raised))


def row(
    state: RunState, job: int, running: dict[int, Any], now: float
) -> dict[str, Any]:
    """Return what the table shows of a job."""
    view, timeline = state.overview.job(job), state.timeline
    failure = state.overview.failures.get(job)
    known = job < len(timeline.job_ends)
    seconds = view.seconds
    name = view.state.name.lower()
    if job in running:
        name = "running"
        seconds = max(0.0, timeline.since(now) - running[job].since)
    elif view.state is JobState.GRANTED:
        name = "assigned"
    elif view.state is JobState.FAILED and job in timeline.details:
        seconds = timeline.details[job].seconds
    cause = timeline.job_causes[job] if known else len(CAUSES)
    cause = (
        cause
        if cause < len(CAUSES) or not failure
        else CAUSES.index(failure.verdict.cause)
    )
    over = view.state in (JobState.DONE, JobState.FAILED)
    ended = timeline.job_ends[job] if known and over else None
    if over and not ended:  # of a run that was joined later nobody knows
        ended = timeline.since(failure.at) if failure else None
    return {
        "job": job,
        "name": view.name or (failure.verdict.job if failure else "") or f"job {job}",
        "state": name,
        "node": state.node(job),
        "seconds": seconds,
        "attempt": view.attempt,
        "ended": ended,
        "progress": running[job].progress if job in running else None,
        "cause": CAUSES[cause].value if cause < len(CAUSES) else "",
    }


def one(state: RunState, job: int, now: float) -> dict[str, Any]:
    """Return all that is known of a job.

    Raises:
        IndexError: If there is no such job.
    """
    view, timeline = state.overview.job(job), state.timeline
    failure = state.overview.failures.get(job)
    runner = None if view.runner is None else state.overview.runners.get(view.runner)
    lane = timeline.job_lanes[job] if job < len(timeline.job_lanes) else -1
    detail = timeline.details.get(job)
    points = timeline.lanes.lanes[lane].readings if lane >= 0 else ()
    return {
        **row(state, job, timeline.running(), now),
        "runner": {"number": view.runner, "handle": runner.handle if runner else ""},
        "vitals": [
            [round(p.at, 2), round(p.cores, 3), round(p.rss)]
            for p in points
            if p.job == job
        ],
        "verdict": verdict(failure.verdict) if failure else None,
        "again": failure.again if failure else False,
        "traceback": detail.traceback if detail else "",
    }


def verdict(found: Verdict) -> dict[str, Any]:
    """Return a verdict for people."""
    peak = found.peak_memory
    asked = found.asked_memory
    return {
        "cause": found.cause.value,
        "attempt": found.attempt,
        "node": found.node,
        "runner": found.runner,
        "raised": list(found.raised[:1]),
        "statements": [
            {"witness": one.witness.value, "text": one.text} for one in found.statements
        ],
        "asked_memory": None if asked is None else format_memory(asked),
        "peak_memory": None if peak is None else format_memory(peak),
        "asked_walltime": found.asked_walltime,
        "ran": found.ran_s,
        "checkpointed": found.checkpointed,
        "earlier": [before.summary() for before in found.earlier],
        "stack": found.stack,
        "log_tail": found.log_tail,
        "log_path": found.log_path,
        "advice": found.advise(),
    }
