"""Functions that do harm to their own process, to their parent, and to the node."""

import os
import signal

import pytest
from tests.faults import deeds, mischief
from tests.faults.conftest import Strike
from tests.faults.struck import StruckMap
from tests.sites import Site

from gridmap.errors import JobException
from gridmap.testing import eventually
from gridmap.verdict import Cause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def await_no_children(struck: StruckMap) -> None:
    """Wait until everything that jobs have left behind is gone."""
    left = [path.name.split(".") for path in struck.place.glob("child*")]
    assert left

    def gone() -> bool:
        by_node: dict[str, list[str]] = {}
        for _, where, pid in left:
            by_node.setdefault(where, []).append(pid)
        for node in struck.site.nodes:
            pids = by_node.get(node or os.uname().nodename, [])
            if pids and struck.site.run(
                node, "ps", "-o", "pid=,args=", "-p", ",".join(pids)
            ):
                return False
        return True

    eventually(gone, within_s=10, what="what jobs left behind to be gone", gap_s=0.2)


def test_what_is_odd_but_not_fatal_has_its_value(site: Site, strike: Strike) -> None:
    """Streams closed, signals ignored, children left behind: all right."""
    struck = strike(site, 40, mischief.HARMLESS)
    struck.check()
    await_no_children(struck)


def test_a_flood_of_output_is_borne(site: Site, strike: Strike) -> None:
    """Thirteen megabytes each without a line's end do not hold up anybody."""
    strike(site, 12, dict.fromkeys((2, 5), mischief.flood)).check()


def test_a_child_that_returns_too_is_not_heard(site: Site, strike: Strike) -> None:
    """A fork without an exit gives one result, and no other job is harmed."""
    numbers = range(3, 23, 4)
    struck = strike(site, 40, dict.fromkeys(numbers, mischief.return_twice))
    results = struck.wait()
    assert results == [n * n for n in range(40)]
    await_no_children(struck)


def test_what_is_fatal_to_the_worker(site: Site, strike: Strike) -> None:
    """Its own group killed, its time used up."""
    struck = strike(site, 40, {3: mischief.kill_group, 5: mischief.burn})
    struck.check(failed={3, 5})
    verdict = struck.note("os.kill(0, 9) in the function", 3)
    assert (verdict.cause, verdict.signal) == (Cause.SIGNALLED, signal.SIGKILL)
    verdict = struck.note("RLIMIT_CPU used up", 5)
    assert (verdict.cause, verdict.signal) == (Cause.SIGNALLED, signal.SIGXCPU)
    assert "RLIMIT_CPU" in verdict.explain()


VICTIMS: dict[deeds.Deed, str] = {
    mischief.kill_parent: "its runner",
    mischief.kill_all_it_may: "its runner's process group",
}


@pytest.mark.parametrize("deed", VICTIMS)
def test_what_is_fatal_to_the_runner(
    site: Site, strike: Strike, deed: deeds.Deed
) -> None:
    """A job that kills its runner takes no other with it, and is given up in the end."""
    struck = strike(site, 40, {5: deed}, settings={"num_resubmits": 1})
    results = struck.check(failed={5})
    assert isinstance(results[5], JobException)
    assert [event.again for event in struck.failures(5)] == [True, False]
    struck.note(f"a function that kills {VICTIMS[deed]}", 5)
