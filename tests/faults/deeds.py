"""What the jobs of a struck map do. Workers import this: standard library only.

Each job marks that it begins, does its deed, marks that it is done as the last thing
before it returns, and returns its square. So the files in the test's directory tell
how often each job began and how often it ran to its end.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests import jobs

MEGABYTES = 10 << 20

Deed = Callable[[str, int], object]


def perform(place: str, deeds: dict[int, Deed], number: int) -> object:
    """Do this job's deed, `short` if it has none; return what it does, or the square."""
    jobs.mark(place, f"job{number}")
    value = deeds.get(number, short)(place, number)
    jobs.mark(place, f"done{number}")
    return number * number if value is None else value


def strike(place: str, number: int) -> None:
    """Mark the moment at which job *number* meets its fault."""
    jobs.mark(place, f"struck{number}")


def short(_place: str, _number: int) -> None:
    """Take a twentieth of a second."""
    threading.Event().wait(0.05)


def nothing(_place: str, _number: int) -> None:
    """Take no time at all."""


def held_to_the_end(place: str, _number: int) -> None:
    """Wait for longer than those that are held."""
    jobs.await_file(Path(place, "end"))


def tell_time(place: str, number: int) -> None:
    """Leave what this process takes for the time, once the clock is set."""
    jobs.await_file(Path(place, "set"))
    Path(place, f"time{number}").write_text(str(time.time()))


def fail(_place: str, number: int) -> None:
    """Raise an exception."""
    msg = f"job {number} fails"
    raise ValueError(msg)


def held_and_failing(place: str, number: int) -> None:
    """Raise one when the test lets all go."""
    held(place, number)
    fail(place, number)


def held(place: str, _number: int) -> None:
    """Wait until the test lets all go."""
    jobs.await_file(Path(place, "go"))


def held_once(place: str, number: int) -> None:
    """Wait likewise, but only at the first attempt."""
    if len(list(Path(place).glob(f"job{number}.*"))) == 1:
        held(place, number)


def held_busily(place: str, _number: int) -> None:
    """Wait likewise, with the processor at work now and then: this is no stall."""
    while not Path(place, "go").exists():
        sum(range(100_000))
        threading.Event().wait(0.05)


def held_until(name: str) -> Deed:
    """Return the deed of a job that waits for another file of the test's."""
    return _Awaiting(name)


class _Awaiting:
    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, place: str, _number: int) -> None:
        jobs.await_file(Path(place, self._name))


def dying(way: str) -> Deed:
    """Return the deed of a job that ends its process; see `tests.jobs.die`."""
    return _Dying(way)


class _Dying:
    def __init__(self, way: str) -> None:
        self._way = way

    def __call__(self, place: str, number: int) -> None:
        strike(place, number)
        jobs.die(self._way)


def doze(place: str, number: int) -> None:
    """Stand still, as in a deadlock."""
    strike(place, number)
    threading.Event().wait(60)


TRICKLE = """
import os, time
for _ in range(14):
    time.sleep(0.5)
    os.write(1, b"x")
"""


CHATTER = """
import os, socket, sys, time
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as line:
    for _ in range(14):
        time.sleep(0.5)
        line.send(b"x")
"""


def wait_for_input(_place: str, _number: int) -> None:
    """Wait for somebody slow: a byte now and then, and next to no processor time."""
    child = subprocess.Popen([sys.executable, "-c", TRICKLE], stdout=subprocess.PIPE)
    assert child.stdout is not None
    while os.read(child.stdout.fileno(), 1):
        pass
    child.wait()


def wait_for_the_network(_place: str, _number: int) -> None:
    """Likewise, from a socket: no I/O that the kernel counts."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = str(door.getsockname()[1])
        child = subprocess.Popen([sys.executable, "-c", CHATTER, port])
        line, _ = door.accept()
        with line:
            while line.recv(1):
                pass
    child.wait()


def hungry(place: str, number: int) -> None:
    """Take more than is allowed, and use it."""
    strike(place, number)
    taken = []
    for _ in range(40):
        taken.append(bytearray(MEGABYTES))
        taken[-1][::4096] = b"x" * len(range(0, MEGABYTES, 4096))
    threading.Event().wait(20)


def overtime(place: str, number: int) -> None:
    """Take longer than anybody may."""
    strike(place, number)
    threading.Event().wait(120)
