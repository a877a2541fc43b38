"""Functions that do harm to their own process, to their parent, and to the node."""

import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.faults import deeds
from tests.faults.conftest import Strike
from tests.faults.struck import StruckMap
from tests.sites import Site

from gridmap.errors import JobException
from gridmap.testing import eventually
from gridmap.verdict import Cause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def close_standard_streams(_place: str, _number: int) -> None:
    os.closerange(0, 3)


def close_all_descriptors(_place: str, _number: int) -> None:
    """The line to the runner too; the result is in memory by then."""
    os.closerange(0, 1024)


def flood(_place: str, _number: int) -> None:
    line = b"x" * 65_536
    for _ in range(200):
        os.write(1, line)


def change_signals(_place: str, _number: int) -> None:
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))


def forget_children(place: str, number: int) -> None:
    """Leave children: in this group, in sessions of their own, one with no environment."""
    sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
    children = [
        subprocess.Popen(sleep),
        subprocess.Popen(sleep, start_new_session=True),
        subprocess.Popen(sleep, start_new_session=True, env={}),
    ]
    for child in children:
        note_child(place, number, child.pid)


def breed(place: str, number: int) -> None:
    """Leave grandchildren whose parents are gone, each with a session and no name."""
    for _ in range(8):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                note_child(place, number, os.getpid())
                os.execve(  # noqa: S606 - on purpose
                    sys.executable,
                    ["sleeper", "-c", "import time; time.sleep(300)"],
                    {},
                )
            os._exit(0)


def return_twice(place: str, number: int) -> None:
    """Fork, and let the child come back from the function as well."""
    if os.fork() == 0:
        note_child(place, number, os.getpid())
    threading.Event().wait(0.1)


def note_child(place: str, number: int, pid: int) -> None:
    import socket

    Path(place, f"child{number}.{socket.gethostname()}.{pid}").touch()


HARMLESS = {
    2: close_standard_streams,
    6: change_signals,
    8: forget_children,
    10: breed,
    12: close_all_descriptors,
}


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
    struck = strike(site, 40, HARMLESS)
    struck.check()
    await_no_children(struck)


def test_a_flood_of_output_is_borne(site: Site, strike: Strike) -> None:
    """Thirteen megabytes each without a line's end do not hold up anybody."""
    strike(site, 12, dict.fromkeys((2, 5), flood)).check()


def test_a_child_that_returns_too_is_not_heard(site: Site, strike: Strike) -> None:
    """A fork without an exit gives one result, and no other job is harmed."""
    numbers = range(3, 23, 4)
    struck = strike(site, 40, dict.fromkeys(numbers, return_twice))
    results = struck.wait()
    assert results == [n * n for n in range(40)]
    await_no_children(struck)


def kill_group(place: str, number: int) -> None:
    deeds.strike(place, number)
    os.kill(0, signal.SIGKILL)


def burn(place: str, number: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (1, 2))
    deeds.strike(place, number)
    while True:
        pass


def kill_all_it_may(place: str, number: int) -> None:
    """Kill every process of its session: the group of its runner too."""
    deeds.strike(place, number)
    os.killpg(os.getpgid(os.getppid()), signal.SIGKILL)


def kill_parent(place: str, number: int) -> None:
    deeds.strike(place, number)
    os.kill(os.getppid(), signal.SIGKILL)


def test_what_is_fatal_to_the_worker(site: Site, strike: Strike) -> None:
    """Its own group killed, its time used up."""
    struck = strike(site, 40, {3: kill_group, 5: burn})
    struck.check(failed={3, 5})
    verdict = struck.note("os.kill(0, 9) in the function", 3)
    assert (verdict.cause, verdict.signal) == (Cause.SIGNALLED, signal.SIGKILL)
    verdict = struck.note("RLIMIT_CPU used up", 5)
    assert (verdict.cause, verdict.signal) == (Cause.SIGNALLED, signal.SIGXCPU)


@pytest.mark.parametrize("deed", [kill_parent, kill_all_it_may])
def test_what_is_fatal_to_the_runner(
    site: Site, strike: Strike, deed: deeds.Deed
) -> None:
    """A job that kills its runner takes no other with it, and is given up in the end."""
    struck = strike(site, 40, {5: deed}, settings={"num_resubmits": 1})
    results = struck.check(failed={5})
    assert isinstance(results[5], JobException)
    assert [event.again for event in struck.failures(5)] == [True, False]
    struck.note(f"{deed.__name__} in the function", 5)
