"""A headless Chromium, which `make test` installs as root on Debian."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import (
    Browser,
    Error,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--disable-dev-shm-usage", "--disable-gpu"]
LAUNCH_MS = 60_000
ANSWER_MS = 20_000
expect.set_options(timeout=ANSWER_MS)  # five seconds are little on a busy machine


def launch(playwright: Playwright, path: str) -> Browser:
    """Start a browser; without its sandbox only where there can be none.

    That is as root, and in a container that forbids namespaces: it does not start then.
    """
    sandboxes = [False] if os.geteuid() == 0 else [True, False]
    for sandboxed in sandboxes:
        try:
            return playwright.chromium.launch(
                executable_path=path,
                args=ARGUMENTS,
                chromium_sandbox=sandboxed,
                timeout=LAUNCH_MS,
            )
        except Error:
            if not sandboxed:
                raise
    raise AssertionError  # the loop returns or raises


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser; where there is none, skip the test, or fail it if CI=true.

    Not one for the whole session: as long as Playwright is there, an event loop runs in
    the main thread, and no test of anything else could start one.
    """
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing = "no Chromium here: apt install chromium"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"CI=true, and {missing}", pytrace=False)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        started = launch(playwright, found)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return a page that fails the test if it reports any error of its own.

    Ask for it last: it is to be closed before the server is, which it would miss.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(ANSWER_MS)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda said: (
            problems.append(f"{said.text} {said.location}")
            if said.type == "error"
            else None
        ),
    )
    yield page
    context.close()
    assert problems == []
