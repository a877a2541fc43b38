"""What holds for every test: those that need a real cluster say so, or do not run."""

import itertools
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from tests import others

# How long an example takes says more of a busy machine than of what is tried; where
# CI is set, Hypothesis sees it the same way.
hypothesis.settings.register_profile(
    "unhurried", hypothesis.settings.default, deadline=None
)
hypothesis.settings.load_profile("unhurried")

_TIME_LIMIT = pytest.StashKey[object]()

ADVICE = "`make test` as root on Debian brings real clusters up"


def why_no_cluster(schedulers: tuple[str, ...]) -> str:
    """Return why a test that needs *schedulers* cannot run here, empty if it can.

    Args:
        schedulers: Arguments of the marker: ``"sge"``, ``"slurm"``; none for any.
    """
    if "GRIDMAP_TEST_CLUSTER" not in os.environ:  # the address of the clusters' agent
        return os.environ.get("GRIDMAP_TEST_NO_CLUSTERS") or f"no clusters: {ADVICE}"
    up = os.environ.get("GRIDMAP_TEST_CLUSTERS", "sge slurm").split()
    missing = sorted(set(schedulers) - set(up))
    return (
        f"not among the clusters that are up: {', '.join(missing)}" if missing else ""
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the tests be run in parts, as `make test` does."""
    parser.addoption(
        "--needing",
        metavar="CLUSTER",
        help="only the tests that need this cluster",
    )


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out what another part of the tests is to run."""
    name = config.getoption("--needing")
    if name is None:
        return
    left_out = [item for item in items if needed(item) != name]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if needed(item) == name]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Show why a test was tried again: its race is to be found."""
    if str(report.outcome) == "rerun":
        sys.stderr.write(
            f"\n---- tried again: {report.nodeid}\n{report.longreprtext}\n"
        )


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: object) -> None:
    """Remember how long a test may take, for when it is tried again."""
    item.stash[_TIME_LIMIT] = settings


def _time_again(item: pytest.Item) -> None:
    """Time each try of a test: pytest-timeout times all of them as one."""
    settings = item.stash.get(_TIME_LIMIT, None)
    if settings is not None and getattr(item, "execution_count", 1) > 1:
        item.ihook.pytest_timeout_set_timer(item=item, settings=settings)


def needed(item: pytest.Item) -> str | None:
    """Return the cluster that a test needs; the first one if any will do."""
    marker = item.get_closest_marker("cluster")
    up = os.environ.get("GRIDMAP_TEST_CLUSTERS", "sge slurm").split()
    return marker and (marker.args or up)[0]


_RUNTIME = Path(tempfile.mkdtemp(prefix="gridmap-test-"))
_NUMBERS = itertools.count()


def _give_desk() -> None:
    """Let each test's runs meet among themselves: others have a budget of their own."""
    place = _RUNTIME / str(next(_NUMBERS))
    place.mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(place)
    os.environ["GRIDMAP_RECORD_DIRECTORY"] = str(place / "records")


def pytest_unconfigure() -> None:
    """Take away where the runs met."""
    shutil.rmtree(_RUNTIME, ignore_errors=True)


@pytest.fixture
def other_user() -> Iterator[others.OtherUser]:
    """Return another user of this machine, who can do things and own things."""
    somebody = others.find()
    yield somebody
    somebody.give_back()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose cluster is not there; where CI=true, let it fail."""
    _time_again(item)
    _give_desk()
    marker = item.get_closest_marker("cluster")
    reason = why_no_cluster(marker.args) if marker else ""
    if not reason:
        return
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"CI=true, and a cluster is missing: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """Let this process have as many descriptors as most systems give."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
