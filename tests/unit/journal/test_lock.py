"""One process drives a named run, others are told which."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gridmap.driver import Driver
from gridmap.errors import RunBusyError, RunError
from gridmap.journal.lock import RunLock, driver_of
from gridmap.rundir import RunDirectory

_TAKE = """
import sys
from pathlib import Path
from gridmap.journal.lock import RunLock
from gridmap.rundir import RunDirectory
lock = RunLock.take(RunDirectory.named(Path(sys.argv[1]), "sweep 7"))
if sys.argv[2:]:
    import os
    if os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
print("taken", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def another(base: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Have another process drive the run; it ends with the block."""
    command = [sys.executable, "-c", _TAKE, str(base), *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_driver_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    """However it died; the error names it."""
    run = RunDirectory.named(tmp_path, "sweep 7")
    assert driver_of(run) is None
    with another(tmp_path) as process:
        with pytest.raises(RunBusyError, match="run sweep 7 is being driven") as caught:
            RunLock.take(run)
        here = Driver.here()
        assert (caught.value.pid, caught.value.host) == (process.pid, here.host)
        assert f"process {process.pid} on host {here.host}" in str(caught.value)
        driver = driver_of(run)
        assert driver is not None
        assert (driver.pid, driver.gone()) == (process.pid, False)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert driver_of(run) is None
        with RunLock.take(run) as lock:
            assert lock.works


def test_a_child_of_a_dead_driver_does_not_hold_the_lock(tmp_path: Path) -> None:
    """A pool of processes, say, that outlives the one it was forked from."""
    with another(tmp_path, "fork") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        RunLock.take(RunDirectory.named(tmp_path, "sweep 7")).release()


def test_a_process_cannot_drive_a_run_twice(tmp_path: Path) -> None:
    """Nor does asking who drives it give the lock away."""
    run = RunDirectory.named(tmp_path, "x")
    with RunLock.take(run):
        with pytest.raises(RunBusyError, match=f"process {os.getpid()}"):
            RunLock.take(run)
        assert driver_of(run) == Driver.here()
        context = multiprocessing.get_context("fork")
        with context.Pool(1) as pool:
            found = pool.apply(driver_of, (run,))
        assert found == Driver.here()
    assert driver_of(run) is None
    RunLock.take(run).release()


def test_other_names_are_other_locks(tmp_path: Path) -> None:
    """Runs do not stand in each other's way."""
    with (
        RunLock.take(RunDirectory.named(tmp_path, "a")),
        RunLock.take(RunDirectory.named(tmp_path, "b")),
    ):
        pass


def test_a_lock_of_a_run_that_is_taken_away_is_not_had(tmp_path: Path) -> None:
    """A run made anew under the name has a lock of its own."""
    run = RunDirectory.named(tmp_path, "x")
    with RunLock.take(run):
        run.remove()
        with pytest.raises(RunError, match=r"cannot be made|driven"):
            RunLock.take(run)
    with RunLock.take(RunDirectory.named(tmp_path, "x")):
        pass


def test_a_lock_others_can_touch_is_refused(tmp_path: Path) -> None:
    """Whoever can lock it could keep a run from its owner."""
    run = RunDirectory.named(tmp_path, "x")
    run.lock.touch()
    run.lock.chmod(0o644)
    for use in (RunLock.take, driver_of):
        with pytest.raises(RunError, match="mode 0644"):
            use(run)


def test_the_error_survives_pickling() -> None:
    """With all it knows."""
    error = RunBusyError("x", 4711, "head", "Take it away")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.pid) == (str(error), 4711)
    assert str(error).endswith("choose another name. Take it away")
    assert "another process;" in str(RunBusyError("x", None, ""))


@pytest.fixture
def lockless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot lock, as NFS without lockd or Lustre without flock."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    monkeypatch.setattr(fcntl, "fcntl", refuse)


@pytest.mark.usefixtures("lockless")
def test_where_nothing_can_be_locked_the_file_is_believed(tmp_path: Path) -> None:
    """A driver of this host that is dead is known to be, none of another is."""
    run = RunDirectory.named(tmp_path, "sweep 7")
    with another(tmp_path) as process:
        with pytest.raises(RunBusyError, match=r"cannot lock.*take the file away") as e:
            RunLock.take(run)
        assert e.value.pid == process.pid
        assert driver_of(run) is not None
        process.kill()
        process.wait()
        assert driver_of(run) is None
    with RunLock.take(run) as lock:
        assert not lock.works
    assert driver_of(run) is None
    elsewhere = msgspec.structs.replace(Driver.here(), host="other", machine="another")
    run.lock.write_bytes(msgspec.json.encode(elsewhere))
    assert driver_of(run) == elsewhere
    with pytest.raises(RunBusyError, match="on host other"):
        RunLock.take(run)
