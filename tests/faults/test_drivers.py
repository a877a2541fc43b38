"""The user's process stands still for longer than anybody may be silent, and goes on."""

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests import traces
from tests.driver import Driver, driving
from tests.sites import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
STOPPED_S = 7.0

SCRIPT = """
    import os
    import sys
    import threading
    import time

    if os.environ.pop("LD_PRELOAD", None):  # for this process, not for its programs
        # libfaketime 0.9.10 makes clock_nanosleep(2) fail if it fakes no monotonic clock.
        time.sleep = lambda seconds: threading.Event().wait(seconds)

    from pathlib import Path
    from tests.cluster.client import Cluster
    from tests.faults import deeds
    from tests.faults.records import Records
    from tests.faults.struck import StruckMap
    from tests.sites import SITES

    place = Path(sys.argv[1])
    site = SITES[sys.argv[2]](place / "runs", Cluster.find())
    site.options["name"] = sys.argv[3]
    struck = StruckMap(
        site, place, Records(None), 60, {0: deeds.held, 30: deeds.held},
        settings={"silence_limit": 3.0},
    )
    struck.check()
    print("all is right,", time.time())
"""


@contextmanager
def mapping(
    site: Site, place: Path, environ: Mapping[str, str] | None = None
) -> Iterator[Driver]:
    """Run a map in a script of its own, which checks it itself."""
    arguments = (str(place), site.backend, site.options["name"])
    variables = {"PYTHONPATH": str(ROOT), **(environ or {})}
    with driving(place, SCRIPT, *arguments, environ=variables) as driver:
        yield driver


def test_a_stopped_driver_loses_nothing(site: Site, tmp_path: Path) -> None:
    """SIGSTOP for twice the silence limit, then SIGCONT: nothing lost, nothing twice."""
    with mapping(site, tmp_path) as driver:
        traces.await_marks(tmp_path, "job30", within_s=40)
        driver.kill(signal.SIGSTOP)
        let_pass(STOPPED_S)
        driver.kill(signal.SIGCONT)
        traces.await_marks(tmp_path, "done59", within_s=40)
        (tmp_path / "go").touch()
        assert "all is right" in driver.output(40)


def let_pass(seconds: float) -> None:
    """Let time pass: it is what this is about."""
    time.sleep(seconds)
