"""A run's numbers as OpenMetrics text, for Prometheus and its like.

The format is that of OpenMetrics 1.0: families with ``# TYPE`` and ``# HELP``, samples
of one family together, ``# EOF`` at the end. Labels come from people and from jobs, so
their values are escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import attrs

from gridmap_dashboard import views
from gridmap_dashboard.timeline import DURATIONS_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gridmap_dashboard.state import RunState

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Sample = tuple[str, "Mapping[str, str]", float]
"""Suffix of the name, labels, value."""


@attrs.frozen
class Family:
    """A family of metrics.

    Attributes:
        name: Its name, without the suffix of its samples.
        kind: ``gauge``, ``counter``, ``histogram`` or ``info``.
        text: What it is, for people.
        samples: Its samples.
    """

    name: str
    kind: str
    text: str
    samples: Sequence[Sample]


def render(states: Iterable[RunState], now: float) -> str:
    """Return the metrics of runs.

    Args:
        states: The runs; each is locked while it is looked at.
        now: Seconds since the epoch.
    """
    together: dict[str, Family] = {}
    for state in states:
        with state.lock:
            families = _families(state, now)
        for family in families:
            known = together.get(family.name)
            samples = [*known.samples, *family.samples] if known else family.samples
            together[family.name] = attrs.evolve(family, samples=samples)
    lines = [line for family in together.values() for line in _lines(family)]
    return "\n".join([*lines, "# EOF", ""])


def _lines(family: Family) -> Iterable[str]:
    yield f"# TYPE {family.name} {family.kind}"
    yield f"# HELP {family.name} {_escape(family.text)}"
    for suffix, labels, value in family.samples:
        inner = ",".join(f'{name}="{_escape(text)}"' for name, text in labels.items())
        yield f"{family.name}{suffix}{{{inner}}} {value:.10g}"


def _escape(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    # A lone surrogate, of a file name perhaps, could not be written as UTF-8.
    return text.encode(errors="replace").decode()


def _families(state: RunState, now: float) -> list[Family]:
    stands = views.summary(state, now)
    run = {"run": stands["id"], "name": stands["name"]}
    return [
        *_of_the_run(run, stands),
        *_of_jobs(run, stands, state),
        *_of_nodes(run, stands, state),
        _by(
            "gridmap_scheduler_queries",
            "Queries the scheduler got, by purpose; known at the end of the run.",
            run,
            "purpose",
            stands["queries"],
            total=True,
        ),
    ]


def _of_the_run(run: Mapping[str, str], stands: views.Plain) -> list[Family]:
    about = {**run, "backend": stands["backend"]}
    return [
        Family("gridmap_run", "info", "A run.", [("_info", about, 1)]),
        Family(
            "gridmap_run_active",
            "gauge",
            "Whether the run goes on.",
            [("", run, float(stands["ended"] is None))],
        ),
        Family(
            "gridmap_run_start_time_seconds",
            "gauge",
            "When the run began, since the epoch.",
            [("", run, stands["began"])],
        ),
    ]


def _of_jobs(
    run: Mapping[str, str], stands: views.Plain, state: RunState
) -> list[Family]:
    jobs = {name: n for name, n in stands["jobs"].items() if name != "total"}
    timeline = state.timeline
    return [
        _by("gridmap_jobs", "Jobs by where they are.", run, "state", jobs),
        _by(
            "gridmap_failed_attempts",
            "Attempts of jobs that ended badly, by cause.",
            run,
            "cause",
            dict(state.overview.causes),
            total=True,
        ),
        _by(
            "gridmap_retries",
            "Attempts that were followed by another, by cause.",
            run,
            "cause",
            timeline.retries,
            total=True,
        ),
        Family(
            "gridmap_job_duration_seconds",
            "histogram",
            "How long jobs took that returned; jobs reported together share their time.",
            _histogram(run, timeline.durations, timeline.busy_s),
        ),
    ]


def _of_nodes(
    run: Mapping[str, str], stands: views.Plain, state: RunState
) -> list[Family]:
    runners = {name: n for name, n in stands["runners"].items() if name != "nodes"}
    return [
        _by("gridmap_runners", "Runners by where they are.", run, "state", runners),
        _by("gridmap_node_cores", "Cores in use.", run, "node", _cores(state)),
        _by("gridmap_node_memory_bytes", "Memory in use.", run, "node", _memory(state)),
    ]


def _by(
    name: str,
    text: str,
    run: Mapping[str, str],
    label: str,
    values: Mapping[str, float],
    *,
    total: bool = False,
) -> Family:
    suffix = "_total" if total else ""
    samples = [(suffix, {**run, label: key}, value) for key, value in values.items()]
    return Family(name, "counter" if total else "gauge", text, samples)


def _histogram(
    run: Mapping[str, str], durations: Sequence[int], seconds: float
) -> list[Sample]:
    samples: list[Sample] = []
    bounds = [*(f"{bound:.10g}" for bound in map(float, DURATIONS_S)), "+Inf"]
    below = 0
    for bound, count in zip(bounds, durations, strict=True):
        below += count
        number = bound if "." in bound or bound == "+Inf" else f"{bound}.0"
        samples.append(("_bucket", {**run, "le": number}, below))
    return [*samples, ("_count", run, below), ("_sum", run, seconds)]


def _cores(state: RunState) -> dict[str, float]:
    nodes: dict[str, float] = {}
    for visit in state.timeline.visits.values():
        nodes[visit.lane.node] = nodes.get(visit.lane.node, 0.0) + visit.cores
    return nodes


def _memory(state: RunState) -> dict[str, float]:
    nodes: dict[str, float] = {}
    for visit in state.timeline.visits.values():
        held = visit.beat.rss if visit.beat else 0
        nodes[visit.lane.node] = nodes.get(visit.lane.node, 0.0) + held
    return nodes
