"""Clocks that are set back and forth by an hour, on nodes and in the user's process."""

import sys
import time
from pathlib import Path

import pytest
from tests import traces
from tests.faults import deeds
from tests.faults.conftest import Strike
from tests.faults.struck import cause_of
from tests.faults.test_drivers import mapping
from tests.sites import Site

from gridmap.resources import Resources
from gridmap.verdict import Cause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


class Clock:
    """A clock that can be set, for processes that look at it through libfaketime."""

    def __init__(self, place: Path) -> None:
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not found:
            pytest.skip("libfaketime is not installed")  # it is where the clusters are
        self._file = place / "clock"
        self.set("+0")
        self.variables = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            # Nobody can set that one, on a real machine either.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset: str) -> None:
        """Set it, as an offset to the real one."""
        new = self._file.with_suffix(".new")
        new.write_text(offset)
        new.rename(self._file)

    def python(self, place: Path) -> str:
        """Return an interpreter that lives by this clock."""
        script = place / "python"
        # libfaketime 0.9.10 makes clock_nanosleep(2) fail if it fakes no monotonic clock.
        (place / "sitecustomize.py").write_text(
            "import threading, time\n"
            "time.sleep = lambda seconds: threading.Event().wait(seconds)\n"
        )
        also = {"PYTHONPATH": str(place)}
        variables = " ".join(
            f"{name}='{v}'" for name, v in {**self.variables, **also}.items()
        )
        script.write_text(
            f'#!/bin/sh\nexport {variables}\nexec {sys.executable} "$@"\n'
        )
        script.chmod(0o755)
        return str(script)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


def test_the_clocks_of_nodes(
    site: Site, strike: Strike, clock: Clock, tmp_path: Path
) -> None:
    """Set back an hour, and then forward, with a walltime to be kept: nothing fails."""
    struck = strike(
        site,
        60,
        {
            **dict.fromkeys(range(21, 40), deeds.tell_time),
            **dict.fromkeys((0, 20, 40), deeds.held),
        },
        resources=Resources(walltime=600),
        settings={"python": clock.python(tmp_path)},
    )
    struck.begun(20)
    before = time.time()
    clock.set("-3600")
    (tmp_path / "set").touch()
    struck.begun(40)
    clock.set("+3600")
    struck.begun(55)
    struck.let_go()
    struck.check()
    told = [float(path.read_text()) for path in tmp_path.glob("time*")]
    assert min(told) < before - 3500, told


def test_a_walltime_does_not_go_by_the_clock(
    site: Site, strike: Strike, clock: Clock, tmp_path: Path
) -> None:
    """A runner whose clock is an hour behind has no more time than was asked for."""
    if site.backend == "slurm":
        pytest.skip("Slurm's least walltime is a minute: the limits' tests wait for it")
    struck = strike(
        site,
        10,
        {3: deeds.overtime},
        resources=Resources(walltime=8),
        settings={"python": clock.python(tmp_path)},
    )
    struck.begun(3)
    clock.set("-3600")
    results = struck.check(failed={3})
    assert cause_of(results[3]) is Cause.TIME_LIMIT
    struck.note("longer than walltime=8, clock an hour behind", 3)


def test_the_clock_of_the_driver(site: Site, clock: Clock, tmp_path: Path) -> None:
    """Set back an hour in mid-run, and forward: results are right, and nothing fails."""
    with mapping(site, tmp_path, clock.variables) as driver:
        traces.await_marks(tmp_path, "job30", within_s=40)
        clock.set("-3600")
        traces.await_marks(tmp_path, "done45", within_s=40)
        clock.set("+3600")
        traces.await_marks(tmp_path, "done59", within_s=40)
        (tmp_path / "go").touch()
        output = driver.output(40)
    assert "all is right" in output
    assert float(output.split()[-1]) - time.time() > 3000
