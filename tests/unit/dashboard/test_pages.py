"""The table finds what is asked for, a page at a time, and quickly."""

import time
from typing import Any

import pytest

from gridmap import events as ev
from gridmap_dashboard import pages, views
from gridmap_dashboard.pages import Query
from gridmap_dashboard.series import MOST_BINS

from .conftest import BEGAN, HOSTILE, Story

NOW = BEGAN + 12.0


def found(story: Story, **query: Any) -> list[int]:
    page = pages.table(story.state, Query(**query), NOW)
    return [row["job"] for row in page["rows"]]


@pytest.mark.parametrize(
    ("query", "jobs"),
    [
        ({"state": "failed"}, [2]),
        ({"state": "running"}, [4, 60]),
        ({"state": "done", "limit": 3}, [0, 1, 50]),
        ({"text": "57"}, [57]),
        ({"text": " #57 "}, [57]),
        ({"text": "job 57"}, [57]),
        ({"text": "10-12"}, [10, 11, 12]),
        ({"text": "98..200"}, [98, 99]),
        ({"text": "RAISED"}, [2, 3]),
        ({"text": "valueerror"}, [2, 3]),
        ({"text": "onerror", "state": "failed"}, [2]),
        ({"text": "n1", "state": "done"}, [0, 1]),
        ({"text": "nothing like it"}, []),
        ({"state": "done", "sort": "ended", "down": True, "limit": 1}, [50]),
        ({"state": "done", "sort": "seconds", "limit": 2}, [0, 1]),
        ({"down": True, "limit": 2}, [99, 98]),
        ({"offset": 98}, [98, 99]),
        ({"offset": 1000}, []),
        ({"text": "50-99", "state": "queued", "limit": 2}, [61, 62]),
    ],
    ids=str,
)
def test_the_table_finds(told: Story, query: dict[str, Any], jobs: list[int]) -> None:
    """By state, number, range, node, cause, exception and name, sorted and paged."""
    assert found(told, **query) == jobs


def test_every_state_is_told_apart(told: Story) -> None:
    """A job that runs from one that was only handed out, and from one to be run again."""
    rows = pages.table(told.state, Query(limit=100), NOW)["rows"]
    states = {row["job"]: row["state"] for row in rows}
    assert [states[job] for job in (0, 2, 3, 4, 5, 60)] == [
        "done",
        "failed",
        "queued",
        "running",
        "assigned",
        "running",
    ]
    counts = views.summary(told.state, NOW)["jobs"]
    assert counts["queued"] == sum(
        1 for state in states.values() if state in {"queued", "assigned"}
    )


def test_a_job_that_failed_tells_why(told: Story) -> None:
    """Its verdict, its traceback and its heartbeats are there."""
    job = pages.one(told.state, 2, NOW)
    assert job["verdict"]["cause"] == "raised"
    assert job["verdict"]["statements"][0]["text"].endswith(HOSTILE)
    assert job["traceback"] == HOSTILE
    assert job["runner"] == {"number": 1, "handle": "7.1"}
    assert len(job["vitals"]) == 11


def test_there_is_no_other_job(told: Story) -> None:
    """A number beyond the last is an error, not an empty page."""
    with pytest.raises(IndexError):
        pages.one(told.state, 100, NOW)


def test_a_run_that_is_over_waits_for_nothing(told: Story) -> None:
    """No rate, no runner, no time left."""
    told.tell(ev.RunEnded, 20.0, error=None, queries={"submit": 1})
    stands = views.summary(told.state, BEGAN + 1000.0)
    assert stands["elapsed"] == 20.0
    assert stands["rate"] == 0
    assert stands["remaining"] is None
    assert stands["runners"] == {"up": 0, "busy": 0, "queued": 0, "nodes": 0}


def test_charts_share_their_time(told: Story) -> None:
    """As many values for each node, and what was used is in them."""
    charts = views.charts(told.state, NOW + 1.0)
    nodes = {one["node"]: one for one in charts["nodes"]}
    assert set(nodes) == {"n1", HOSTILE}
    assert len({len(one["cores"]) for one in nodes.values()}) == 1
    assert max(nodes["n1"]["memory"]) == 11 * 2**20
    assert max(nodes["n1"]["cores"]) == pytest.approx(0.8, abs=0.001)
    through = charts["throughput"]
    assert sum(through["values"]) * through["step"] == pytest.approx(12)


def test_a_long_silence_is_no_long_answer(told: Story) -> None:
    """A job of a year is not told second by second."""
    charts = views.charts(told.state, NOW + 365 * 86400.0)
    through = charts["throughput"]
    assert len(through["values"]) <= MOST_BINS
    assert sum(through["values"]) * through["step"] == pytest.approx(12, rel=0.01)


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_the_table_stays_quick(story: Story) -> None:
    """A hundred thousand jobs are searched and sorted within a blink."""
    story.tell(ev.JobsQueued, 0.0, first=0, stop=100_000)
    story.up(1)
    for first in range(0, 99_000, 100):
        story.give(first, first + 100, 1, at=first / 100)
        story.done(first, first + 100, 1, at=1 + first / 100, seconds=first / 1000)
    queries = [
        Query(state="done", offset=90_000),
        Query(text="n1", state="done"),
        Query(sort="seconds", down=True),
        Query(text="no such thing"),
    ]
    for query in queries:
        best = min(_timed(story, query) for _ in range(5))
        assert best < 0.25, query


def _timed(story: Story, query: Query) -> float:
    begin = time.thread_time()
    pages.table(story.state, query, NOW)
    return time.thread_time() - begin
