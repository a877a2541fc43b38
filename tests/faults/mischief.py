"""Deeds that do harm to their process, to its parent, and to the node."""

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from tests.faults.deeds import Deed, strike


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
    Path(place, f"child{number}.{socket.gethostname()}.{pid}").touch()


def kill_group(place: str, number: int) -> None:
    strike(place, number)
    os.kill(0, signal.SIGKILL)


def burn(place: str, number: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (1, 2))
    strike(place, number)
    while True:
        pass


def kill_all_it_may(place: str, number: int) -> None:
    """Kill every process of its session: the group of its runner too."""
    strike(place, number)
    os.killpg(os.getpgid(os.getppid()), signal.SIGKILL)


def kill_parent(place: str, number: int) -> None:
    strike(place, number)
    os.kill(os.getppid(), signal.SIGKILL)


HARMLESS: dict[int, Deed] = {
    2: close_standard_streams,
    6: change_signals,
    8: forget_children,
    10: breed,
    12: close_all_descriptors,
}
