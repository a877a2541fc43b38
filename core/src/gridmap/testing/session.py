"""The suite run by a program: pytest inside of it, and an outcome for each case."""

from __future__ import annotations

import contextlib
import enum
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest

from gridmap.errors import GridMapError
from gridmap.resources import Resources
from gridmap.testing.conformance import BackendConformance
from gridmap.testing.rules import BrokenRuleError, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence


_DETAIL: Final = 2000
"""Characters that are kept of what a case that names no rule failed with."""


@attrs.frozen(kw_only=True)
class SiteFacts:
    """What the suite is told of a site.

    Attributes:
        backend: The backend's name.
        resources: What runners ask for: something the site starts at once.
        held: What a runner asks for that is to wait in the queue; None: cannot be had.
        within_s: How long the scheduler may take to start, end, kill and account.
        poll_gap_s: Seconds between two looks.
        place: A directory, not there yet, that this machine and the nodes share.
        words: Only cases whose names pytest's ``-k`` finds so; empty: all.
    """

    backend: str
    resources: Resources
    held: Resources | None
    within_s: float
    poll_gap_s: float
    place: Path
    words: str = ""


SITE: Final = pytest.StashKey[SiteFacts]()
"""Where the session keeps it for `gridmap.testing.on_site`."""


class Result(enum.Enum):
    """How a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@attrs.frozen(kw_only=True)
class Outcome:
    """How one case ended.

    Attributes:
        case: Its name, in words.
        result: Passed, failed or skipped.
        seconds: How long it took.
        rule: The rule that was broken; None if none, or if the case names none.
        detail: What was seen, or why it was skipped.
    """

    case: str
    result: Result
    seconds: float
    rule: Rule | None = None
    detail: str = ""


def run_suite(
    site: SiteFacts, tell: Callable[[Outcome, int], None]
) -> Sequence[Outcome]:
    """Run the suite; takes minutes on a cluster, in the calling thread.

    Args:
        site: What it is told of the site.
        tell: Called with each outcome and the number of all cases.

    Returns:
        The outcomes, in order.

    Raises:
        GridMapError: If the suite could not be run, or no case has such a name.
        KeyboardInterrupt: If it was interrupted.
    """
    listener = _Listener(site, tell)
    suite = Path(__file__).with_name("on_site.py")
    options = [
        f"--rootdir={suite.parent}",
        f"--basetemp={site.place}",
        "-k",
        site.words,
    ]
    options += ["-c", os.devnull, "--import-mode=importlib", "--assert=plain"]
    for unwanted in ("terminal", "cacheprovider", "logging", "doctest", "unittest"):
        options += ["-p", f"no:{unwanted}"]
    with _alone():
        status = pytest.main([*options, str(suite)], plugins=[listener])
    if status == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        msg = f"no case has a name that fits {site.words!r}"
        raise GridMapError(msg)
    if status not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        msg = f"pytest could not run the suite: {listener.trouble or status}"
        raise GridMapError(msg)
    return listener.outcomes


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep pytest's other plugins, and options for other sessions, out of this one."""
    names = ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_ADDOPTS", "PYTEST_PLUGINS")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ[names[0]] = "1"
    try:
        yield
    finally:
        os.environ.pop(names[0])
        os.environ.update({k: v for k, v in before.items() if v is not None})


class _Listener:
    """A plugin of pytest's: hands in the site, takes out what became of each case."""

    def __init__(self, site: SiteFacts, tell: Callable[[Outcome, int], None]) -> None:
        self.outcomes: list[Outcome] = []
        self.trouble = ""
        self._site = site
        self._tell = tell
        self._cases = 0
        self._current: Outcome | None = None

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[SITE] = self._site

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Try what starts nothing first, and whole maps last, as the suite lists them."""
        items.sort(key=_chapter)  # within a chapter they stay as they are

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._cases = len(session.items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.trouble = str(report.longrepr)[-_DETAIL:]

    def pytest_internalerror(
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> None:
        self.trouble = excinfo.exconly()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        before = self._current or _passed(item)
        self._current = now = _after(before, call)
        if call.when == "teardown":
            self._current = None
            self.outcomes.append(now)
            self._tell(now, self._cases)
        return report


def _chapter(item: pytest.Item) -> int:
    chapters = BackendConformance.__mro__
    name = getattr(item, "originalname", item.name)
    return next(n for n, one in enumerate(chapters[1:]) if name in vars(one))


def _passed(item: pytest.Item) -> Outcome:
    name = item.name.removeprefix("test_").replace("_", " ")
    return Outcome(case=name, result=Result.PASSED, seconds=0.0)


def _after(before: Outcome, call: pytest.CallInfo[Any]) -> Outcome:
    """Return the outcome of a case after set-up, the case itself, or tear-down."""
    now = attrs.evolve(before, seconds=before.seconds + call.duration)
    if call.excinfo is None or before.result is Result.FAILED:
        return now
    error = call.excinfo.value
    if isinstance(error, pytest.skip.Exception):
        return attrs.evolve(now, result=Result.SKIPPED, detail=str(error))
    if isinstance(error, BrokenRuleError):
        return attrs.evolve(
            now, result=Result.FAILED, rule=error.rule, detail=error.detail
        )
    where = call.excinfo.traceback[-1]
    text = f"{call.excinfo.exconly()[-_DETAIL:]} ({where.path}:{where.lineno + 1})"
    return attrs.evolve(now, result=Result.FAILED, detail=text)
