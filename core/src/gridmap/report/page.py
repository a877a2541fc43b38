"""One HTML page that holds everything: no script, and nothing from elsewhere. Pure."""

from __future__ import annotations

import heapq
import html
import time
from typing import TYPE_CHECKING, Final

from gridmap.lifecycle import JobState
from gridmap.report import figures
from gridmap.resources import format_memory
from gridmap.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gridmap.report.summary import Row, Spread, Summary

MOST_ROWS: Final = 1_000
"""Jobs in the page's table; CSV and JSON have all."""

_FEW_S: Final = 10.0

_LEAST_POINTS: Final = 5
"""Samples of a curve at least: fewer tell of when they were taken, not of the run."""

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c2024;--faint:#60646c;--page:#fff;--line:#d9d9e0;
--good:#3b7dd8;--bad:#d13415}
@media(prefers-color-scheme:dark){:root{--ink:#edeef0;--faint:#b0b4ba;--page:#111113;
--line:#43484e;--good:#70b8ff;--bad:#ff977d}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);
max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{line-height:1.2;overflow-wrap:anywhere}h2{margin-top:2.2rem}
.faint{color:var(--faint)}.state-failed,.state-died{color:var(--bad)}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.8rem}
dl div{border:1px solid var(--line);border-radius:.4rem;padding:.5rem .8rem}
dt{color:var(--faint);font-size:.85rem}dd{margin:0;font-size:1.2rem;overflow-wrap:anywhere}
svg{width:100%;min-width:40rem;height:auto}.wide{overflow-x:auto}
svg text{font:11px system-ui,sans-serif;fill:var(--faint)}
.good,.area{fill:var(--good)}.bad{fill:var(--bad)}.area{opacity:.7}
.rule{stroke:var(--line);fill:none}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--line);
vertical-align:top}.n{text-align:right}td:not(:last-child){white-space:nowrap}
pre{overflow-x:auto;border:1px solid var(--line);border-radius:.4rem;padding:.6rem;
font-size:.85rem}summary{cursor:pointer}
@media print{details>*{display:block}body{margin:0}}
"""


def as_html(summary: Summary) -> str:
    """Return the page."""
    overview = summary.overview
    title = f"{overview.name or 'a run'}: {summary.state}"
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return "\n".join(
        [
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{_e(title)}</title><style>{_STYLE}</style></head><body><main>",
            *_head(summary),
            *_advice(summary),
            *_when(summary),
            *_spread("Run time", "took", summary.durations, span),
            *_spread(
                "Peak memory", "held, as far as was seen", summary.peaks, memory, 2**20
            ),
            *_causes(summary),
            *_jobs(summary),
            f'<p class="faint">Made by gridmap {_e(__version__)}.</p>',
            "</main></body></html>\n",
        ]
    )


def _head(summary: Summary) -> Iterator[str]:
    overview = summary.overview
    yield f"<h1>{_e(overview.name or 'a run')}"
    yield f' <span class="state-{_e(summary.state)}">{_e(summary.state)}</span></h1>'
    began = _moment(overview.started)
    until = _moment(overview.ended if overview.ended is not None else overview.at)
    told = "ended" if overview.ended is not None else "last heard of"
    yield f'<p class="faint">On {_e(overview.backend)}; began {began}, {told} {until}.</p>'
    if overview.error:
        yield f"<p><strong>Ended by:</strong> {_e(overview.error)}</p>"
    facts = [
        ("jobs", f"{overview.total:,}"),
        ("done", f"{overview.count(JobState.DONE):,}"),
        ("failed", f"{overview.count(JobState.FAILED):,}"),
        ("took", span(summary.took_s)),
        ("jobs took", span(summary.job_s)),
        ("speed-up", f"{summary.speedup:,.1f}" if summary.speedup else "not known"),
        ("processor time", span(overview.cpu_s)),
        ("queries to the scheduler", f"{sum(overview.queries.values()):,}"),
    ]
    cells = [f"<div><dt>{_e(k)}</dt><dd>{_e(v)}</dd></div>" for k, v in facts]
    yield f"<dl>{''.join(cells)}</dl>"


def _advice(summary: Summary) -> Iterator[str]:
    if summary.advice:
        items = "".join(f"<li>{_e(text)}</li>" for text in summary.advice)
        yield f"<h2>What to ask for next time</h2><ul>{items}</ul>"


def _when(summary: Summary) -> Iterator[str]:
    drawing, left_out = figures.timeline(summary.rows(), summary.took_s, span)
    if drawing:
        yield "<h2>When jobs ran</h2>"
        yield f'<div class="wide">{drawing}</div>'
        yield '<p class="faint">A line for each runner; jobs that failed are red.'
        yield f" {_e(left_out)}</p>"
    overview = summary.overview
    began = overview.started or 0.0
    points = [(max(0.0, s.at - began), float(s.up)) for s in overview.samples]
    if len(points) >= _LEAST_POINTS and points[-1][0] > 0:
        curve = figures.curve(points, span, "Runners that were up")
        yield f'<h3>Runners that were up</h3><div class="wide">{curve}</div>'


def _spread(
    title: str,
    what: str,
    spread: Spread | None,
    scale: figures.Scale,
    unit: float = 1.0,
) -> Iterator[str]:
    if spread is None:
        return
    yield f"<h2>{title}</h2>"
    drawing = figures.histogram(spread.values, scale, title, unit)
    yield f'<div class="wide">{drawing}</div>'
    parts = [("least", 0.0), ("median", 0.5), ("90 of 100 at most", 0.9), ("most", 1.0)]
    told = ", ".join(f"{word} {scale(spread.at(part))}" for word, part in parts)
    count = len(spread.values)
    jobs = f"{count:,} jobs" if count > 1 else "1 job"
    yield f"<p>What {jobs} {what}: {_e(told)}.</p>"


def _causes(summary: Summary) -> Iterator[str]:
    if not summary.failing:
        return
    yield "<h2>Why attempts ended badly</h2>"
    for one in summary.failing:
        noun = "attempt" if one.attempts == 1 else "attempts"
        yield f"<h3>{_e(one.cause)}: {one.attempts:,} {noun}</h3>"
        if one.advice:
            yield f"<p>Next step: {_e(one.advice)}.</p>"
        if one.example:
            yield "<details><summary>What is known of the last</summary>"
            yield f"<pre>{_e(one.example)}</pre>"
            if one.traceback:
                yield f"<p>Traceback:</p><pre>{_e(one.traceback)}</pre>"
            yield "</details>"


def _jobs(summary: Summary) -> Iterator[str]:
    total = summary.overview.total
    shown = _chosen(summary.rows())
    yield "<h2>Jobs</h2>"
    if total > len(shown):
        yield (
            f"<p>Of {total:,} jobs those that failed and those that took longest, "
            f"{len(shown):,} in all; <code>--format csv</code> has every one.</p>"
        )
    names = ("job", "state", "node", "began", "took", "peak memory", "")
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    yield f"<details{' open' if total <= _OPEN else ''}><summary>Table</summary>"
    yield f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>'
    yield from map(_row, shown)
    yield "</tbody></table></div></details>"


_OPEN: Final = 100


def _chosen(rows: Iterable[Row]) -> Sequence[Row]:
    """Return the jobs that are shown, in their order."""
    keyed = heapq.nlargest(
        MOST_ROWS, rows, key=lambda row: (row.state == "failed", row.seconds or 0.0)
    )
    return sorted(keyed, key=lambda row: row.job)


def _row(row: Row) -> str:
    began = "" if row.begin is None else f"after {span(row.begin)}"
    took = "" if row.seconds is None else span(row.seconds)
    held = "" if row.peak is None else memory(row.peak)
    again = f"attempt {row.attempt}" if row.attempt > 1 else ""
    called = f"{row.job} {row.name}".rstrip()
    cells = (called, row.state, row.node, began, took, held, row.why or again)
    return f"<tr>{''.join(f'<td>{_e(cell)}</td>' for cell in cells)}</tr>"


def span(seconds: float) -> str:
    """Return a length of time in few characters."""
    if seconds < 0.9995:  # noqa: PLR2004 - else 1000 ms
        return f"{1000 * seconds:.3g} ms" if seconds else "0"
    whole = round(seconds)
    for unit, size, less, small in (
        ("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1),
    ):  # fmt: skip
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit}" + (f" {rest} {less}" if rest else "")
    return f"{seconds:.3g} s" if seconds < _FEW_S else f"{whole} s"


def memory(amount: float) -> str:
    """Return an amount of memory in few characters."""
    return format_memory(int(amount))


def _moment(at: float | None) -> str:
    if at is None:
        return "nobody knows when"
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(at))


def _e(text: str) -> str:
    return html.escape(text)
