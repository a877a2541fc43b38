"""A real run, whose jobs and which itself are ended through the page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.driver import Driver

from gridmap.testing import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

SCRIPT = """
    import pathlib, sys, time
    from gridmap import grid_map
    from gridmap.errors import RunKilledError

    place = pathlib.Path(sys.argv[1])

    def hold(number):
        (place / f"began-{number}").touch()
        while not (place / "go").exists():
            time.sleep(0.05)
        return number

    try:
        print(grid_map(hold, range(3), backend="local", max_workers=2, dashboard=True,
                       return_exceptions=True, name="held", progress=False))
    except RunKilledError as error:
        print("killed", error.gridmap_results)
"""
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\S+")


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Driver]:
    """Return a script that maps over three jobs, two of which run until it ends."""
    driver = Driver(
        tmp_path,
        SCRIPT,
        str(tmp_path),
        environ={"GRIDMAP_RUN_DIRECTORY": str(tmp_path / "runs")},
    )
    yield driver
    (tmp_path / "go").touch()
    driver.wait()


def await_jobs(place: Path, *numbers: int) -> None:
    """Wait until these jobs have begun."""
    eventually(
        lambda: all((place / f"began-{number}").exists() for number in numbers),
        within_s=20,
        what=f"jobs {numbers} to begin",
        gap_s=0.05,
    )


def address(script: Driver) -> str:
    """Return where its page is."""
    found = eventually(
        lambda: ADDRESS.search(script.stderr), within_s=20, what="address", gap_s=0.05
    )
    assert found is not None
    return found[0]


def test_a_job_and_then_its_run_are_ended_through_the_page(
    script: Driver, tmp_path: Path, page: Page
) -> None:
    """Nothing is ordered before the question is answered; what is ordered comes true."""
    orders: list[str] = []
    page.on(
        "request",
        lambda request: (
            orders.append(request.url) if request.method == "POST" else None
        ),
    )
    await_jobs(tmp_path, 0, 1)
    page.goto(address(script))
    page.wait_for_selector(".gantt svg")
    overview = page.evaluate("location.hash")

    page.evaluate("hash => { location.hash = hash; }", f"{overview}/job/0")
    page.get_by_role("button", name="End this job …").click()
    page.get_by_role("button", name="Let it run").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert orders == []
    page.get_by_role("button", name="End this job …").click()
    page.get_by_role("button", name="End this job", exact=True).click()
    expect(page.locator(".title .chip")).to_have_text("failed")
    verdict = page.locator("section", has=page.locator("#card-verdict"))
    expect(verdict).to_contain_text("cancelled")
    await_jobs(tmp_path, 2)  # the run goes on with the next one
    assert len(orders) == 1

    page.evaluate("hash => { location.hash = hash; }", overview)
    page.get_by_role("button", name="End the run …").click()
    page.get_by_role("button", name="Keep it running").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert len(orders) == 1
    page.get_by_role("button", name="End the run …").click()
    page.get_by_role("button", name="End the run", exact=True).click()
    expect(page.locator("#link")).to_have_text("the run is over")
    assert script.wait() == 0
    assert "killed" in script.stdout
