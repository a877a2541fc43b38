"""What a screen reader gets of the pages: Chromium's tree, and what is said unasked."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.unit.dashboard import conftest as stories
from tests.unit.dashboard.conftest import Story

from gridmap import events as ev
from gridmap_dashboard.library import Library
from gridmap_dashboard.server import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

story = stories.story


@pytest.fixture
def server(story: Story) -> Iterator[Server]:
    """Return the server of a run of ten jobs on two nodes, one of which has failed."""
    story.tell(ev.JobsQueued, 0.0, first=0, stop=10)
    for runner in (1, 2):
        story.up(runner, f"n{runner}")
        story.give(5 * (runner - 1), 5 * runner, runner)
        for second in range(1, 5):
            story.beat(runner, 1.0 + second, 0.8 * second, second * 2**20, job=2)
    story.done(0, 2, 1, at=3.0)
    story.fail(2, at=4.0)
    server = Server(Library([story.state]), 0)
    server.start()
    yield server
    server.stop()


def visit(page: Page, server: Server, rest: str = "") -> None:
    page.goto(f"{server.url}&run=r1")
    page.wait_for_selector(".gantt svg")
    page.evaluate("hash => { location.hash = hash; }", f"#/run/r1{rest}")


OVERVIEW = """
- banner:
  - link "gridmap, all runs"
  - navigation "Run":
    - link "Overview"
    - link "Jobs"
    - link "Runners"
    - link "Activity"
  - status: live
- main:
  - heading "sweep" [level=1]
  - text: running
  - button "End the run …"
  - region "Progress":
    - progressbar "Jobs that are over"
    - list:
      - listitem:
        - link "2 done"
      - listitem:
        - link "2 running"
      - listitem:
        - link "5 queued"
      - listitem:
        - link "1 failed"
  - region "Figures":
    - term: Time
    - definition
  - region "Throughput":
    - heading "Throughput" [level=2]
    - img /Throughput. up to .* Arrow keys read it/
  - region "Memory":
    - heading "Memory" [level=2]
    - img /Memory. up to .*n1 .*n2 /
    - list "Colours":
      - listitem: n1
      - listitem: n2
  - region "Timeline":
    - heading "Timeline" [level=2]
    - group "Timeline by node":
      - img /n1. 1 runner at most, 3 jobs, 1 piece with failures, busy for/
      - img /n2. 1 runner at most, 0 jobs, busy for/
    - list "Colours":
      - listitem: done
      - listitem: failed
      - listitem: to be run again
      - listitem: running
  - region "Why jobs failed":
    - table:
      - rowgroup:
        - row "Cause Jobs"
      - rowgroup:
        - row "raised 1":
          - rowheader "raised"
          - cell "1"
"""

JOBS = """
- region "Table of jobs":
  - search:
    - searchbox "Search jobs"
    - group "Show jobs that are":
      - button "all 10" [pressed]
      - button "failed 1"
  - table "1 to 10 of 10":
    - rowgroup:
      - row "Job State Node Time Attempt Ended at":
        - columnheader "Job"
        - columnheader "State"
    - rowgroup:
      - row /job 0 done n1/:
        - rowheader "job 0"
        - cell "done"
"""


def test_the_overview_is_read_in_order(server: Server, page: Page) -> None:
    """Landmarks, headings, figures behind their names; of a picture, one sentence."""
    visit(page, server)
    expect(page.locator("body")).to_match_aria_snapshot(OVERVIEW)
    for name in ("Throughput", "Processors", "Memory", "Timeline"):
        read = page.get_by_role("region", name=name).aria_snapshot()
        assert "0:00" not in read, "no axis is read out number by number"


def test_tables_are_read_by_their_heads(server: Server, page: Page) -> None:
    """Each cell has a column's and a row's head; how it is sorted is no character."""
    visit(page, server, "/jobs")
    expect(page.locator("main")).to_match_aria_snapshot(JOBS)
    head = page.get_by_role("columnheader", name="Job", exact=True)
    expect(head).to_have_attribute("aria-sort", "ascending")
    page.evaluate("() => { location.hash = '#/run/r1/runners'; }")
    expect(page.get_by_role("rowheader", name="7.2", exact=True)).to_be_visible()
    page.evaluate("() => { location.hash = '#/'; }")
    expect(page.get_by_role("rowheader", name="sweep", exact=True)).to_be_visible()
    expect(page.get_by_role("navigation")).to_have_count(0)


def test_what_changes_is_said(server: Server, story: Story, page: Page) -> None:
    """What a search found, and that the run is over."""
    visit(page, server, "/jobs")
    page.get_by_role("searchbox").fill("raised")
    said = page.locator("[aria-live=polite]", has_text="Jobs: 1 to 1 of 1")
    expect(said).to_have_count(1)
    status = page.get_by_role("status").filter(has_text="the run is over")
    expect(status).to_have_count(0)
    story.tell(ev.RunEnded, 20.0, error=None)
    expect(status).to_be_visible()


def test_a_chart_that_is_read_stays_where_it_is_read(
    server: Server, story: Story, page: Page
) -> None:
    """It is drawn anew every few seconds; the reader is not put back to its end."""
    visit(page, server)
    chart = page.get_by_role("img", name="Memory")
    chart.press("Home")
    readout = page.get_by_role("region", name="Memory").locator(".readout")
    expect(readout).to_have_text(re.compile("^0:00  n1 .* · n2 "))
    expect(readout).to_have_attribute("aria-live", "polite")
    drawn = chart.element_handle()
    story.done(5, 6, 2, at=9.0)
    page.wait_for_function("one => !one.isConnected", arg=drawn)
    expect(chart).to_be_focused()
    expect(readout).to_have_text(re.compile("^0:00  n1 "))
    expect(readout).to_have_attribute("aria-live", "off")  # and is not said again
    chart.press("ArrowRight")
    expect(readout).not_to_have_text(re.compile("^0:00 "))
    chart.press("ArrowLeft")
    expect(readout).to_have_text(re.compile("^0:00 "))
    page.get_by_role("link", name="Jobs").focus()
    expect(readout).to_have_text("")
