"""What the page is sent of a run, as plain data. Callers hold the run's lock."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from gridmap.lifecycle import JobState

if TYPE_CHECKING:
    from gridmap.overview import Overview, RunnerView
    from gridmap_dashboard.lanes import Lane
    from gridmap_dashboard.state import RunState
    from gridmap_dashboard.timeline import Visit

MOST_LANES: Final = 400
"""Lanes that a timeline shows; a node with more shows as many as are left."""
MOST_RUNNERS: Final = 500
_BINS: Final = 120
_RECENT_S: Final = 30.0
_HOLDS_S: Final = 60.0
"""A heartbeat tells of this long at most: after 90 s of silence a runner is given up."""
_OVER: Final = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)

Plain = dict[str, Any]


def summary(state: RunState, now: float) -> Plain:
    """Return how the run stands; this is what is sent again and again.

    Args:
        state: The run.
        now: Seconds since the epoch.
    """
    overview, timeline = state.overview, state.timeline
    end = overview.ended if overview.ended is not None else now
    counts = {one.name.lower(): overview.count(one) for one in JobState}
    running = min(counts["granted"], len(timeline.running()))
    elapsed = timeline.since(end)
    left = overview.total - sum(map(overview.count, _OVER))
    rate = timeline.done.recent(elapsed, max(_RECENT_S, elapsed / 10))
    causes = timeline.failures if state.whole else overview.causes
    return {
        "id": overview.token,
        "name": overview.name,
        "backend": overview.backend,
        "directory": overview.directory,
        "began": timeline.began,
        "ended": overview.ended,
        "error": overview.error,
        "lost": state.lost,
        "elapsed": elapsed,
        "version": state.version,
        "jobs": {
            "total": overview.total,
            "running": running,
            "queued": counts["queued"] + counts["granted"] - running,
            "delayed": counts["delayed"],
            "done": counts["done"],
            "failed": counts["failed"],
            "cancelled": counts["cancelled"],
        },
        "retries": sum(timeline.retries.values()),
        "rate": 0.0 if overview.ended is not None else rate,
        "mean_rate": counts["done"] / elapsed if elapsed > 0 else 0.0,
        "remaining": left / rate if rate > 0 and overview.ended is None else None,
        "busy": timeline.busy_s,
        "runners": _runner_counts(state),
        "cores": sum(visit.cores for visit in timeline.visits.values()),
        "memory": overview.rss,
        "pending": [] if overview.up else list(overview.pending.items())[:5],
        "causes": sorted(causes.items(), key=lambda pair: -pair[1]),
        "queries": dict(overview.queries),
    }


def _runner_counts(state: RunState) -> Plain:
    runners = state.overview.runners.values()
    busy = sum(1 for visit in state.timeline.visits.values() if visit.spans)
    over = state.ended
    return {
        "up": len(state.timeline.visits),
        "busy": busy,
        "queued": 0 if over else sum(1 for one in runners if one.state == "queued"),
        "nodes": len({visit.lane.node for visit in state.timeline.visits.values()}),
    }


def charts(state: RunState, now: float) -> Plain:
    """Return throughput, processors and memory over time."""
    timeline = state.timeline
    overview = state.overview
    end = timeline.since(overview.ended if overview.ended is not None else now)
    timeline.done.add(end, 0.0)  # where nothing ends for days, bins grow all the same
    width = timeline.done.width_s
    # While the run goes on its last bin is not full, and would look like a slump.
    bins = max(1, int(end / width) + (overview.ended is not None))
    counts = [*timeline.done.counts, *[0.0] * bins][:bins]
    nodes: dict[str, list[Lane]] = {}
    for lane in timeline.lanes.lanes:
        nodes.setdefault(lane.node, []).append(lane)
    end = max(end, 0.001)
    if (
        not state.whole and overview.lost_cpu_s
    ):  # of so many runners only sums are known
        return sampled(overview, timeline.began, end)
    return {
        "end": end,
        "throughput": {
            "step": width,
            "values": [float(f"{count / width:.4g}") for count in counts],
        },
        "step": end / _BINS,
        "nodes": [
            {"node": node, **_usage(lanes, end)} for node, lanes in nodes.items()
        ],
    }


def sampled(overview: Overview, began: float, end: float) -> Plain:
    """Return the same for all nodes together, from an overview's samples."""
    step = end / _BINS
    rate, cores, memory = ([0.0] * _BINS for _ in range(3))
    for one, two in itertools.pairwise(overview.samples):
        length = two.at - one.at
        if length <= 0:
            continue
        first = int(max(0.0, one.at - began) / step)
        stop = int(max(0.0, two.at - began) / step)
        for place in range(min(first, _BINS - 1), min(max(stop, first + 1), _BINS)):
            rate[place] = (two.done - one.done) / length
            cores[place] = max(0.0, two.cpu_s - one.cpu_s) / length
            memory[place] = two.rss
    return {
        "end": end,
        "throughput": {"step": step, "values": [round(value, 4) for value in rate]},
        "step": step,
        "nodes": [
            {"node": "", "cores": [round(n, 3) for n in cores], "memory": memory}
        ],
    }


def _usage(lanes: list[Lane], end: float) -> Plain:
    """Return processors and memory of lanes together, on a common grid."""
    step = end / _BINS
    cores, memory = [0.0] * _BINS, [0.0] * _BINS
    for lane in lanes:
        points = [*lane.readings]
        # A reading holds until the next one, unless that is long in coming.
        nexts = [point.at for point in points[1:]]
        nexts += [end if lane.runner is not None else 0.0] * bool(points)
        filled = 0
        for point, until in zip(points, nexts, strict=True):
            first = max(filled, min(_BINS - 1, int(point.at / step)))
            # The end lies a rounding error before the last bin's, or behind it.
            stop = int(min(until, point.at + _HOLDS_S) / step + 1e-6)
            filled = min(_BINS, max(first + 1, stop))
            for place in range(first, filled):
                cores[place] += point.cores
                memory[place] += point.rss
    return {
        "cores": [round(value, 3) for value in cores],
        "memory": [round(value) for value in memory],
    }


def timeline(state: RunState, now: float) -> Plain:
    """Return who was busy when, by node."""
    lanes = state.timeline.lanes.lanes
    overview = state.overview
    end = state.timeline.since(overview.ended if overview.ended is not None else now)
    nodes: dict[str, list[Plain]] = {}
    hidden = 0
    for lane in sorted(lanes, key=lambda lane: (lane.node, lane.number)):
        if sum(map(len, nodes.values())) >= MOST_LANES:
            hidden += 1
            continue
        nodes.setdefault(lane.node, []).append(_lane(state, lane))
    return {
        "end": end,
        "hidden": hidden,
        "nodes": [{"node": node, "lanes": rows} for node, rows in nodes.items()],
    }


def _lane(state: RunState, lane: Lane) -> Plain:
    visit = None if lane.runner is None else state.timeline.visits.get(lane.runner)
    return {
        "runner": lane.runner,
        "segments": [
            [round(s.start, 3), round(s.end, 3), int(s.kind), s.first, s.jobs]
            for s in lane.segments
        ],
        "running": None
        if visit is None or visit.job is None
        else {"job": visit.job, "since": visit.since},
    }


def runners(state: RunState, now: float) -> Plain:
    """Return the runners, those that are up first."""
    order = {"up": 0, "queued": 1, "gone": 2}
    views = state.overview.runners.values()
    shown = sorted(views, key=lambda one: (order[one.state], one.number))
    return {
        "total": len(shown),
        "runners": [_runner(state, one, now) for one in shown[:MOST_RUNNERS]],
    }


def _runner(state: RunState, view: RunnerView, now: float) -> Plain:
    visit: Visit | None = state.timeline.visits.get(view.number)
    since = state.timeline.since(now)
    job = visit.job if visit else None
    return {
        "number": view.number,
        "handle": view.handle,
        "state": view.state,
        "node": view.node,
        "job": job,
        "running": since - visit.since if visit and job is not None else None,
        "progress": visit.progress if visit else None,
        "done": view.done,
        "failed": visit.failed if visit else 0,
        "cores": visit.cores if visit else 0.0,
        "rss": view.rss,
        "peak": view.peak_rss,
        "reason": view.reason,
        "heard": None if view.heard is None else now - view.heard,
    }


def notices(state: RunState, now: float) -> Plain:
    """Return what happened lately, latest first."""
    del now
    since = state.timeline.since
    return {
        "notices": [
            {"at": since(one.at), "text": one.text}
            for one in reversed(state.overview.notices)
        ]
    }
