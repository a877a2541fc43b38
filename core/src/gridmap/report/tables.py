"""A run as JSON and as CSV: the numbers of its page, and every job. Pure."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import attrs

from gridmap.report.summary import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridmap.report.summary import Spread, Summary

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins so for a formula, and runs it."""


def as_plain(summary: Summary) -> dict[str, Any]:
    """Return what JSON is made of; times are seconds, memory bytes."""
    overview = summary.overview
    return {
        "name": overview.name,
        "backend": overview.backend,
        "state": summary.state,
        "started": overview.started,
        "ended": overview.ended,
        "error": overview.error,
        "took_s": summary.took_s,
        "jobs_took_s": summary.job_s,
        "cpu_s": overview.cpu_s,
        "speedup": summary.speedup,
        "queries": dict(overview.queries),
        "run_time_s": _spread(summary.durations),
        "peak_memory": _spread(summary.peaks),
        "causes": [attrs.asdict(one) for one in summary.failing],
        "advice": list(summary.advice),
        "jobs": [attrs.asdict(row) for row in summary.rows()],
    }


def _spread(spread: Spread | None) -> dict[str, float] | None:
    if spread is None:
        return None
    return {
        "jobs": len(spread.values),
        "least": spread.at(0.0),
        "median": spread.at(0.5),
        "tenth_largest": spread.at(0.9),
        "most": spread.at(1.0),
    }


def as_csv(summary: Summary) -> Iterator[str]:
    """Yield the lines of a table of all jobs, its headings first."""
    names = [field.name for field in attrs.fields(Row)]
    yield _line(names)
    for row in summary.rows():
        yield _line([_cell(getattr(row, name)) for name in names])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _line(cells: list[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerow(cells)
    return stream.getvalue()
