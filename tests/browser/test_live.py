"""A job that runs, in a real browser: how far it is, and what it prints."""

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import gridmap
from gridmap import JobMonitor
from gridmap.testing import eventually
from gridmap_dashboard.library import Library
from gridmap_dashboard.server import Server
from gridmap_dashboard.state import RunState

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


def train(path: str) -> None:
    """Say and print something until a file is there."""
    gridmap.progress(1, 4, "training")
    while not Path(path).exists():
        sys.stdout.write("\x1b[1mfold\x1b[0m <b>1</b>\n")
        sys.stdout.flush()
        time.sleep(0.05)  # the job's own time, not the test's
    sys.stdout.write("the last word\n")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Return the address of a run with one job, and the file that the job waits for."""
    state, go = RunState(), tmp_path / "go"
    server = Server(Library([state]), 0)
    server.start()
    monitor = JobMonitor(backend="local", observers=[("page", state.take)])
    with monitor:
        monitor.add(train, [((str(go),), None)], final=True)
        yield server.url, go
        go.touch()
        assert next(iter(monitor.outcomes.take())).error is None
    server.stop()


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_a_job_is_heard_and_seen_while_it_runs(
    running: tuple[str, Path], page: Page
) -> None:
    """Its progress is on every page that shows it, its prints are on its own."""
    url, go = running
    page.goto(url)
    page.wait_for_selector(".gantt svg")
    run = page.evaluate("location.hash.split('/')[2]")
    page.evaluate("hash => { location.hash = hash; }", f"#/run/{run}/job/0")
    prints = page.get_by_role("log", name="What the job prints")
    expect(prints).to_contain_text("fold <b>1</b>\nfold <b>1</b>")
    expect(page.locator("main")).to_contain_text("1 of 4 training")
    assert "gridmap-listener" in threads()
    for name in ("jobs", "runners"):
        page.evaluate("hash => { location.hash = hash; }", f"#/run/{run}/{name}")
        expect(page.locator("tbody .said")).to_contain_text("1 of 4 training")
        assert page.locator("progress").get_attribute("value") == "0.25"
    eventually(
        lambda: "gridmap-listener" not in threads(),
        within_s=20,
        what="nobody to listen where nobody looks",
        gap_s=0.05,
    )
    page.evaluate("hash => { location.hash = hash; }", f"#/run/{run}/job/0")
    expect(prints).to_contain_text("fold")
    go.touch()
    expect(prints).to_contain_text("the last word")
    expect(page.locator(".chip", has_text="done")).to_be_visible()
    expect(page.locator(".said")).to_have_count(0)
