"""Pictures of the dashboard, taken of a run that is made up: this is ``make pictures``.

Usage: ``python docs/_ext/pictures.py [DIRECTORY]``. The run is told as events, served
as any run is, and looked at in the Chromium that is installed here.
"""

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Final, Literal, NamedTuple

from playwright.sync_api import Browser, sync_playwright

from gridmap import events as ev
from gridmap.verdict import Cause, Statement, Verdict, Witness
from gridmap_dashboard.library import Library
from gridmap_dashboard.server import Server
from gridmap_dashboard.state import RunState

STATIC: Final = Path(__file__).resolve().parents[1] / "_static"
RUN: Final = "3f9a1c2e5b7d0468"
JOBS: Final = 1000
RUNNERS: Final = 12
UNTIL_S: Final = 300
"""How far the run is in the pictures."""

FAILING: Final = frozenset({137, 402})
AGAIN: Final = frozenset({71, 256, 333, 518})


class Picture(NamedTuple):
    """What is taken.

    Attributes:
        name: Of the file.
        page: Of the run.
        scheme: Its colours.
        width: Pixels.
        height: Likewise.
    """

    name: str
    page: str
    scheme: Literal["light", "dark"]
    width: int
    height: int


PICTURES: Final = (
    Picture("dashboard-light", "", "light", 1280, 1000),
    Picture("dashboard-dark", "", "dark", 1280, 1000),
    Picture("dashboard-job", "/job/137", "light", 1280, 700),
    Picture("dashboard-phone", "", "dark", 390, 844),
)


def place(runner: int) -> tuple[str, str]:
    """Return what the scheduler calls a runner, and its node."""
    return f"4711.{runner}", f"node{(runner - 1) // 4 + 1:02}"


def verdict(job: int, runner: int, seconds: float) -> Verdict:
    """Return why a job of the run came to a bad end."""
    handle, node = place(runner)
    found = Statement(
        witness=Witness.KERNEL,
        text="the cgroup's oom_kill rose by 1",
        cause=Cause.OUT_OF_MEMORY,
        peak_memory=2_140_000_000,
    )
    killed = Statement(witness=Witness.WORKER, text="ended by SIGKILL", signal=9)
    return Verdict(
        cause=Cause.OUT_OF_MEMORY,
        statements=(found, killed),
        job=f"sweep{job}",
        node=node,
        runner=handle,
        asked_memory=2_147_483_648,
        ran_s=seconds,
        log_tail="fold 3 of 5\nallocating 1.9 GB",
    )


def story(began: float) -> Iterator[ev.AnyEvent]:
    """Yield what happened in the run, in order."""
    chance = random.Random(7)  # noqa: S311 - the same picture each time
    told: list[tuple[float, int, ev.AnyEvent]] = []

    def tell(kind: type, at: float, **more: object) -> None:
        told.append((at, len(told), kind(run=RUN, at=began + at, **more)))

    tell(ev.RunStarted, 0.0, name="sweep", backend="slurm", directory="/nowhere")
    tell(ev.JobsQueued, 0.0, first=0, stop=JOBS)
    free = [4.0 + 3.0 * chance.random() + 8.0 * (n // 4) for n in range(RUNNERS)]
    for runner, at in enumerate(free, 1):
        handle, node = place(runner)
        tell(ev.RunnerUp, at, runner=runner, handle=handle, node=node, pid=9)
        used = 0.0
        for beat in range(int(at) + 1, UNTIL_S, 5):
            used += 5 * chance.uniform(0.7, 1.0)
            held = int(2**20 * (400 + 3 * beat + chance.uniform(0, 500)))
            tell(
                ev.RunnerVitals, beat, runner=runner, cpu_s=used, rss=held,
                peak_rss=held, io_bytes=0, job=None, running_s=0.0,
            )  # fmt: skip
    for job in range(JOBS):
        at, runner = min((at, number) for number, at in enumerate(free, 1))
        if at >= UNTIL_S:
            break
        tell(ev.JobsGranted, at, first=job, stop=job + 1, runner=runner, attempt=1)
        seconds = chance.lognormvariate(1.4, 0.5)
        end = free[runner - 1] = at + seconds
        if end >= UNTIL_S:
            tell(
                ev.JobProgress, UNTIL_S, runner=runner, job=job,
                done=chance.randrange(1, 5), total=5, text="folds",
            )  # fmt: skip
        elif job in FAILING or job in AGAIN:
            found = verdict(job, runner, seconds)
            tell(ev.JobFailed, end, job=job, verdict=found, again=job in AGAIN)
        else:
            more = {"first": job, "stop": job + 1, "runner": runner}
            tell(ev.JobsDone, end, seconds=seconds, **more)
    return (event for _, _, event in sorted(told, key=lambda one: one[:2]))


def take(browser: Browser, url: str, picture: Picture, path: Path) -> None:
    """Take one picture of the page at an address."""
    context = browser.new_context(
        viewport={"width": picture.width, "height": picture.height},
        color_scheme=picture.scheme,
        locale="en-GB",
    )
    page = context.new_page()
    page.goto(url)
    for shown in (".gantt svg", ".counts"):
        page.wait_for_selector(shown)
    if picture.page:
        page.evaluate("to => { location.hash = to; }", f"#/run/{RUN}{picture.page}")
        page.wait_for_selector("#card-verdict")
    page.screenshot(path=path, animations="disabled")
    context.close()


def take_all(browser: Browser, directory: Path) -> None:
    """Take all pictures, each of the run as it stands after `UNTIL_S`."""
    for picture in PICTURES:
        state = RunState()
        for event in story(time.time() - UNTIL_S):  # noqa: TID251 - the page's clock
            state.take(event)
        server = Server(Library([state]), 0)
        server.start()
        take(browser, server.url, picture, directory / f"{picture.name}.png")
        server.stop()


def main(directory: Path = STATIC) -> None:
    """Start a browser and take all pictures."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=which("chromium"))
        take_all(browser, directory)
        browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
