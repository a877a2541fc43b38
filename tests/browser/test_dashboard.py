"""The dashboard as people see and use it, in a real browser."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from tests.unit.dashboard import conftest as stories
from tests.unit.dashboard.conftest import HOSTILE, Story

from gridmap import events as ev
from gridmap_dashboard.library import Library
from gridmap_dashboard.server import Server
from gridmap_dashboard.state import RunState

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

story, told = stories.story, stories.told


class Killable(Library):
    """Takes orders, and notes them."""

    def __init__(self, state: RunState) -> None:
        super().__init__([state])
        self.ordered: list[int | None] = []

    def can_kill(self, state: RunState) -> bool:
        return not state.ended

    def kill(self, state: RunState, job: int | None) -> None:
        del state
        self.ordered.append(job)


@pytest.fixture
def library(told: Story) -> Killable:
    return Killable(told.state)


@pytest.fixture
def url(library: Killable) -> Iterator[str]:
    server = Server(library, 0)
    server.start()
    yield f"{server.url}&run=r1"
    server.stop()


def visit(page: Page, url: str, rest: str = "") -> None:
    page.goto(url)
    page.wait_for_selector(".gantt svg")
    assert "token" not in page.url
    if rest:
        page.evaluate("hash => { location.hash = hash; }", f"#/run/r1{rest}")


def test_a_run_is_seen_live_and_ended(
    url: str, library: Killable, told: Story, page: Page
) -> None:
    """Counts follow the events, names stay text, ending asks first, the end is told."""
    visit(page, url)
    expect(page.locator("h1")).to_have_text(f"{HOSTILE}sweep")
    assert not page.title().startswith("owned")
    assert page.locator("main img").count() == 0
    done = page.locator(".counts li", has_text="done").locator("b")
    expect(done).to_have_text("12")
    told.done(60, 70, 2, at=12.0)
    expect(done).to_have_text("22")
    page.get_by_role("button", name="End the run …").click()
    expect(page.get_by_role("button", name="Keep it running")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert library.ordered == []
    page.get_by_role("button", name="End the run …").click()
    page.get_by_role("button", name="End the run", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert library.ordered == [None]
    expect(page.get_by_role("button", name="End the run …")).to_have_count(0)
    expect(page.locator(".head")).to_contain_text("being ended")
    expect(page.locator("h1")).to_be_focused()
    told.tell(ev.RunEnded, 20.0, error="RunKilledError")
    expect(page.locator("#link")).to_have_text("the run is over")
    expect(page.locator(".note.bad")).to_contain_text("RunKilledError")


def test_the_page_of_a_script_that_has_ended_shows_the_end(
    library: Killable, told: Story, page: Page
) -> None:
    """The server goes with the script, but not before the page is up to date."""
    server = Server(library, 0)
    server.start()
    visit(page, f"{server.url}&run=r1")
    told.tell(ev.RunEnded, 20.0, error=None)
    server.stop()
    expect(page.locator("#link")).to_have_text("the run is over")
    expect(page.locator("main")).to_contain_text("the run ended")


def test_a_page_whose_process_is_gone_says_so(
    library: Killable, browser: Browser
) -> None:
    """Also to who wants to end the run, or to see another page of it."""
    server = Server(library, 0)
    server.start()
    page = browser.new_page()  # whose errors are not ours: it finds no server
    visit(page, f"{server.url}&run=r1")
    server.stop()
    expect(page.get_by_role("alert")).to_contain_text("Nobody answers here any more")
    page.get_by_role("button", name="End the run …").click()
    page.get_by_role("button", name="End the run", exact=True).click()
    expect(page.locator("#ask-error")).to_contain_text("“gridmap kill” ends it")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="End the run …")).to_be_focused()
    page.close()


def test_a_run_that_is_not_heard_of_is_not_said_to_have_ended(
    url: str, told: Story, page: Page
) -> None:
    """It goes on elsewhere for all we know, and cannot be ended from here."""
    told.state.lose("its process, 9 on login2, cannot be heard from here")
    visit(page, url)
    expect(page.locator(".head .chip")).to_have_text("not heard of")
    expect(page.locator(".note")).to_contain_text(["login2, cannot be heard from here"])
    expect(page.locator("#link")).to_have_text("not followed")
    assert page.get_by_role("button", name="End the run …").count() == 0


def test_jobs_are_found_with_the_keyboard_alone(
    url: str, library: Killable, page: Page
) -> None:
    """Search, open, read why it failed, and end another."""
    visit(page, url, "/jobs")
    expect(page.locator("caption")).to_have_text("1 to 50 of 100")
    page.keyboard.press("/")
    page.keyboard.type("valueerror")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("link", name=f"{HOSTILE}2").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(f"{HOSTILE}2")
    expect(page.locator("h1")).to_be_focused()
    verdict = page.locator("#card-verdict").locator("xpath=ancestor::section")
    expect(verdict).to_contain_text("it raised ValueError")
    expect(verdict.get_by_label("Traceback")).to_have_text(HOSTILE)
    expect(page.locator("#card-memory")).to_be_visible()
    expect(page.get_by_label("Log of the job's runner")).to_contain_text("working")
    page.get_by_role("img", name=re.compile("^Memory")).focus()
    page.keyboard.press("Home")
    expect(page.locator(".readout", has_text="1.0 MiB")).to_be_visible()
    page.evaluate("() => { location.hash = '#/run/r1/job/4'; }")
    page.get_by_role("button", name="End this job …").press("Enter")
    page.get_by_role("button", name="End this job", exact=True).press("Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert library.ordered == [4]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone_and_can_be_read(
    browser: Browser, url: str, scheme: str
) -> None:
    """Nothing is wider than 375 pixels, all has a name, and contrast is enough."""
    context = browser.new_context(
        viewport={"width": 375, "height": 812},
        color_scheme=scheme,  # type: ignore[arg-type]  # one of two words
    )
    context.set_default_timeout(20_000)
    page = context.new_page()
    visit(page, url)
    for rest in ("", "/jobs", "/job/2", "/runners", "/activity"):
        page.evaluate("hash => { location.hash = hash; }", f"#/run/r1{rest}")
        page.wait_for_selector("main .card:not([hidden])")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, rest
        assert page.evaluate(NAMELESS) == [], rest
        assert page.evaluate(FAINT) == [], rest
    context.close()


NAMELESS = """() => [...document.querySelectorAll("button, a, input, [role=img], section")]
  .filter((one) => !(one.textContent.trim() || one.getAttribute("aria-label")
    || one.getAttribute("aria-labelledby") || one.labels?.length))
  .map((one) => one.outerHTML).filter((text) => !text.includes("ask-"))"""

FAINT = """() => {
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = new Set();
  for (const one of document.querySelectorAll("main *, header *")) {
    const own = [...one.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || one.closest("svg") || one.disabled || one.closest("[disabled]")) continue;
    const [a, b] = [light(numbers(getComputedStyle(one).color)), light(ground(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.add(`${one.className || one.tagName}: ${ratio.toFixed(2)}`);
  }
  return [...found];
}"""


def test_a_hundred_thousand_jobs_are_paged(url: str, told: Story, page: Page) -> None:
    """Fifty rows are on the page, whatever there is."""
    told.tell(ev.JobsQueued, 9.0, first=100, stop=100_000)
    visit(page, url, "/jobs?state=queued&page=1000")
    expect(page.locator("caption")).to_have_text("50,001 to 50,050 of 99,985")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Next").click()
    expect(page.locator("caption")).to_have_text("50,051 to 50,100 of 99,985")


def test_ten_nodes_have_one_colour_each_and_short_names(
    story: Story, browser: Browser
) -> None:
    """The same nodes in both charts, whichever holds most memory; on paper all rows."""
    for runner in range(10, 20):
        for number in range(runner, 100 * runner, 100):
            story.up(number, f"node{runner}.example.org", at=2.0)
        for second in range(3, 12):
            story.beat(runner, second, second / runner, runner * second * 2**20)
    server = Server(Killable(story.state), 0)
    server.start()
    page = browser.new_page()
    visit(page, f"{server.url}&run=r1")
    keys = page.locator(".card:has(#card-processors) .key").all_inner_texts()
    assert keys == [*(f"node{number}" for number in range(10, 17)), "3 more"]
    assert page.locator(".card:has(#card-memory) .key").all_inner_texts() == keys
    timeline = page.get_by_role("group", name="Timeline by node")
    expect(timeline).to_have_attribute("tabindex", "0")
    assert timeline.evaluate("one => one.scrollHeight > one.clientHeight")
    page.emulate_media(media="print")
    assert timeline.evaluate("one => one.scrollHeight === one.clientHeight")
    expect(page.locator("button.danger").first).to_be_hidden()
    page.close()
    server.stop()


def test_a_page_that_is_opened_while_another_loads_is_filled(
    url: str, told: Story, page: Page
) -> None:
    """Though the answer for the other comes late, and nothing happens in the run."""
    told.tell(ev.RunEnded, 20.0, error=None)
    visit(page, url, "/runners")
    expect(page.locator("main table tbody tr")).to_have_count(2)
    held: list[Route] = []
    page.route(re.compile("/timeline"), lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks it
    with page.expect_request(re.compile("/timeline")):
        page.evaluate("location.hash = '#/run/r1'")
    page.evaluate("location.hash = '#/run/r1/jobs'")
    expect(page.locator("#search")).to_be_visible()
    for route in held:
        route.continue_()
    expect(page.locator("main table tbody tr")).to_have_count(50)
