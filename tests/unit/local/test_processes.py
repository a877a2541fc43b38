"""Processes are told apart by birth, and families are found whole."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gridmap.testing import eventually
from gridmap_local import processes
from gridmap_local.processes import Process, State

Look = Callable[[int], Process | None]
LOOKS = pytest.mark.parametrize(
    "look", [processes._proc_look, processes._psutil_look], ids=["proc", "psutil"]
)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose name is made to confuse readers of /proc/PID/stat."""
    program = tmp_path / "a) Z 1 (b c"
    shutil.copy("/bin/sleep", program)
    child = subprocess.Popen([program, "60"], start_new_session=True)
    yield child
    child.kill()
    child.wait()


def row(pid: int, **changes: Any) -> Process:
    made = Process(
        pid=pid, born=100, parent=1, group=pid, session=1, state=State.ALIVE, letter="S"
    )
    return msgspec.structs.replace(made, **changes)


@LOOKS
def test_own_row_is_right(look: Look) -> None:
    """What the table says of us is what the system says."""
    found = look(os.getpid())
    assert found is not None
    assert (found.pid, found.parent) == (os.getpid(), os.getppid())
    assert (found.group, found.session) == (os.getpgid(0), os.getsid(0))
    assert found.alive


@LOOKS
def test_odd_names_do_not_confuse(look: Look, sleeper: subprocess.Popen[bytes]) -> None:
    """Parentheses in a program's name are not the end of it."""
    found = look(sleeper.pid)
    assert found is not None
    assert (found.parent, found.session) == (os.getpid(), sleeper.pid)
    assert found.state is State.ALIVE


@LOOKS
def test_states_are_told_apart(look: Look, sleeper: subprocess.Popen[bytes]) -> None:
    """Stopped, living, dead and gone are four things."""

    def state() -> State | None:
        found = look(sleeper.pid)
        return found.state if found else None

    def becomes(wanted: State | None) -> None:
        eventually(lambda: state() is wanted, within_s=10, what=f"{wanted}")

    sleeper.send_signal(signal.SIGSTOP)
    becomes(State.STOPPED)
    sleeper.send_signal(signal.SIGCONT)
    becomes(State.ALIVE)
    sleeper.kill()
    becomes(State.DEAD)
    sleeper.wait()
    assert state() is None


@LOOKS
def test_birth_does_not_change(look: Look, sleeper: subprocess.Popen[bytes]) -> None:
    """Two looks at one process agree, and a later process is not older."""
    first, again, own = look(sleeper.pid), look(sleeper.pid), look(os.getpid())
    assert first
    assert again
    assert own
    assert first.born == again.born >= own.born


def test_both_tables_hold_us() -> None:
    """Either way of listing processes finds this one."""
    assert os.getpid() in processes.table()
    assert os.getpid() in list(processes._psutil_pids())


@pytest.mark.parametrize(
    "environ",
    [processes._proc_environ, processes._psutil_environ],
    ids=["proc", "psutil"],
)
def test_environment_is_read(environ: Callable[[int], bytes]) -> None:
    """The environment a process was started with is there; of none, nothing."""
    variables = {"GRIDMAP_MARK": "ünd so", "EMPTY": ""}
    child = subprocess.Popen(["/bin/sleep", "60"], env=variables)
    try:
        # A start is reported a moment before the kernel has laid out the environment.
        text = eventually(lambda: environ(child.pid), within_s=10, what="variables")
        found = set(text.split(b"\0")) - {b""}
        assert found == {"GRIDMAP_MARK=ünd so".encode(), b"EMPTY="}
    finally:
        child.kill()
        child.wait()
    assert environ(child.pid) == b""


def test_signal_hits_the_one_that_was_meant(sleeper: subprocess.Popen[bytes]) -> None:
    """A process that has the number but not the birth is left alone."""
    found = processes.look(sleeper.pid)
    assert found
    successor = msgspec.structs.replace(found, born=found.born - 1)
    assert not processes.send(successor, signal.SIGKILL)
    assert sleeper.poll() is None
    assert processes.send(found, signal.SIGKILL)
    assert sleeper.wait() == -signal.SIGKILL
    assert not processes.send(found, signal.SIGKILL)


def test_signal_without_pidfd(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are no pidfds, births are compared all the same."""
    monkeypatch.delattr(os, "pidfd_open")
    found = processes.look(sleeper.pid)
    assert found
    assert not processes.send(msgspec.structs.replace(found, born=1), signal.SIGKILL)
    assert processes.send(found, signal.SIGKILL)
    assert sleeper.wait() == -signal.SIGKILL


class TestFamilies:
    """Who belongs to a leader, on made-up tables."""

    MARK = b"MARK=1"

    @pytest.fixture(autouse=True)
    def environments(self, monkeypatch: pytest.MonkeyPatch) -> dict[int, bytes]:
        made: dict[int, bytes] = {}
        monkeypatch.setattr(processes, "environ", lambda pid: made.get(pid, b""))
        return made

    def pids(self, *rows: Process, leader: tuple[int, int] = (10, 100)) -> set[int]:
        found = processes.families({self.MARK: leader}, {r.pid: r for r in rows})
        return {process.pid for process in found[self.MARK]}

    def test_session_belongs(self) -> None:
        """Members of the leader's session, and no others."""
        rows = [row(10, session=10), row(11, session=10), row(12, session=12)]
        assert self.pids(*rows) == {10, 11}

    def test_descendants_belong(self) -> None:
        """Also those that have a session of their own."""
        rows = [row(10, session=10), row(11, session=11, parent=10)]
        rows += [row(12, session=12, parent=11), row(13, session=13, parent=1)]
        assert self.pids(*rows) == {10, 11, 12}

    def test_marked_ones_belong(self, environments: dict[int, bytes]) -> None:
        """Whoever carries the mark, even if session and parents are lost."""
        environments[20] = b"A=1\0MARK=1\0B=2\0"
        environments[21] = b"A=MARK=1\0MARK=12\0"
        rows = [row(10, session=10), row(20), row(21), row(22, parent=20)]
        assert self.pids(*rows) == {10, 20, 22}

    def test_older_ones_do_not_belong(self, environments: dict[int, bytes]) -> None:
        """Who was there before the leader did not come from it."""
        environments[20] = b"MARK=1\0"
        assert self.pids(row(10, session=10), row(20, born=99)) == {10}

    def test_reused_number_is_nobody(self) -> None:
        """A stranger with the leader's number, and its session, are left alone."""
        rows = [row(10, session=10, born=200), row(11, session=10, born=201)]
        assert self.pids(*rows) == set()

    def test_the_dead_are_left_out(self) -> None:
        """A zombie cannot be ended; its children can."""
        rows = [row(10, session=10, state=State.DEAD), row(11, session=10)]
        assert self.pids(*rows) == {11}

    def test_we_never_belong(self) -> None:
        """Whoever asks does not end itself."""
        rows = [row(10, session=10), row(os.getpid(), session=10)]
        assert self.pids(*rows) == {10}

    def test_two_leaders_are_kept_apart(self) -> None:
        """Each process is in the family of its own leader."""
        rows = {r.pid: r for r in (row(10, session=10), row(11, session=11))}
        leaders = {b"A=1": (10, 100), b"A=2": (11, 100)}
        found = processes.families(leaders, rows)
        assert {m: [p.pid for p in f] for m, f in found.items()} == {
            b"A=1": [10],
            b"A=2": [11],
        }
