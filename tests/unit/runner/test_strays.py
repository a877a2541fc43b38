"""Whatever a runner's descendants start, and however they hide it, ends with it."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

SCRIPT = """
import contextlib, os, resource, subprocess, sys, time
from gridmap.runner import strays

def note():
    with open(sys.argv[1], "a") as stream:
        stream.write(f"{os.getpid()}\\n")

def hide():
    os.setsid()
    if os.fork():
        os._exit(0)
    note()
    os.execve("/bin/sleep", ["sleep", "60"], {})

open(sys.argv[1], "w").close()
strays.adopt()
worker = subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)
for _ in range(3):
    if os.fork() == 0:
        hide()
while len(open(sys.argv[1]).readlines()) < 3:
    time.sleep(0.01)
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    with contextlib.suppress(OSError):
        while True:
            os.open("/dev/null", os.O_RDONLY)
strays.reap(worker.pid)
strays.end(worker.pid)
assert worker.wait() == -9
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
@pytest.mark.parametrize("more", [[], ["no descriptors"]], ids=["", "no-descriptors"])
def test_orphans_in_sessions_of_their_own_are_ended(
    tmp_path: Path, more: list[str]
) -> None:
    """Neither a session nor an empty environment nor a dead parent hides a process."""
    noted = tmp_path / "pids"
    command = [sys.executable, "-c", SCRIPT, str(noted), *more]
    subprocess.run(command, check=True, timeout=20)
    pids = [int(line) for line in noted.read_text().split()]
    assert len(pids) == 3
    assert [pid for pid in pids if lives(pid)] == []


def lives(pid: int) -> bool:
    """Return whether a process runs; one that nobody has waited for yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
