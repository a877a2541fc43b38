"""Where runs meet: processes, locks, and files that somebody else put there."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gridmap.desk import Desk, Purpose
from gridmap.desk.place import NAME, Shared, Snapshot, of_user
from gridmap.desk.rules import Slate, charge
from gridmap.programs import Answer, Reply

RUN = """
import sys, time
from pathlib import Path
from gridmap.desk import Desk, Purpose
from gridmap.desk.place import Shared
place, program, since = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
desk = Desk(backend="sge", place=Shared(place))
print("ready", flush=True)
sys.stdin.readline()
with desk.visit(Purpose.OBSERVE, since) as visit:
    while True:
        outcome = desk.look(["/bin/sh", program], {"PATH": "/bin"}, 30.0)
        if not visit.put_off:
            break
        time.sleep(min(visit.wait_s, 0.1))
        visit.put_off = False
print(outcome.words, visit.at, desk.counts, flush=True)
"""


class Runs:
    """Processes of the same user, and a program that notes each call."""

    def __init__(self, tmp_path: Path) -> None:
        self.place = tmp_path / "desk"
        self.log = tmp_path / "calls"
        self.program = tmp_path / "qstat"
        self.children: list[subprocess.Popen[str]] = []
        self.say("sleep 0.2; echo all well")

    def say(self, script: str) -> None:
        """Let the program do this."""
        self.program.write_text(f"echo $$ >> {self.log}\n{script}\n")

    @property
    def calls(self) -> list[int]:
        """Process ids of the program, a call each."""
        return [int(pid) for pid in self.log.read_text().split()]

    def start(self, since: float) -> subprocess.Popen[str]:
        """Start a process that waits for a word before it asks."""
        child = subprocess.Popen(
            [sys.executable, "-c", RUN, self.place, self.program, str(since)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        return child

    def go(self, child: subprocess.Popen[str]) -> None:
        """Let it ask."""
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()

    def end(self) -> None:
        """Leave no process behind."""
        for child in self.children:
            child.kill()
            child.communicate()


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    """Make them; they end with the test."""
    made = Runs(tmp_path)
    yield made
    made.end()


@pytest.mark.slow
def test_processes_that_ask_at_once_share_one_query(runs: Runs) -> None:
    """Six runs of the user, one call of the program."""
    since = time.monotonic()
    children = [runs.start(since) for _ in range(6)]
    for child in children:
        runs.go(child)
    told = [child.communicate(timeout=20)[0] for child in children]
    assert all(words.startswith("all well") for words in told)
    assert len({words.split()[2] for words in told}) == 1
    assert len(runs.calls) == 1


@pytest.mark.slow
def test_a_run_killed_while_it_asks_holds_nobody_up(runs: Runs) -> None:
    """The kernel takes its lock away; the next one asks."""
    since = time.monotonic()
    first, second = runs.start(since), runs.start(since)
    runs.say("sleep 60")
    runs.go(first)
    await_call(runs)
    runs.say("echo all well")
    runs.go(second)
    before = time.monotonic()
    first.kill()
    assert second.communicate(timeout=20)[0].startswith("all well")
    assert time.monotonic() - before < 5
    os.kill(runs.calls[0], signal.SIGKILL)
    assert len(runs.calls) == 2


def await_call(runs: Runs) -> None:
    """Wait until the program runs."""
    deadline = time.monotonic() + 10
    while not runs.log.exists() or not runs.log.read_text().endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ask(place: Shared, since: float = 0.0) -> Reply:
    """Ask once, as a run that would be content with an old answer."""

    def answer(*_: object) -> Reply:
        return Answer(status=0, output="all well")

    desk = Desk(backend="sge", place=place, run=answer)
    with desk.visit(Purpose.OBSERVE, since):
        return desk.look(["qstat"], {}, 5.0)


def fill(folder: Path, plant: Callable[[Path], None]) -> None:
    """Make a directory with the files of a run, and put others in their place."""
    place = Shared(folder)
    ask(place)
    names = sorted(folder.iterdir())
    assert {name.suffix for name in names} == {".slate", ".lock", ".answer", ".asking"}
    for name in names:
        name.unlink()
        plant(name)


def garbage(path: Path) -> None:
    """Leave bytes that mean nothing."""
    path.write_bytes(b"\xff\x00{not json" * 100)


def lies(path: Path) -> None:
    """Leave a file that reads as one of ours would, of another start of the host."""
    head = {"boot": "another", "at": 1.0, "asked": [1.0] * 999, "failures": 9}
    path.write_text(json.dumps(head) + "\nnobody is left\n")


def wrong_kinds(path: Path) -> None:
    """Leave a file of ours whose values are of other kinds."""
    head = {"boot": Shared(path.parent)._boot, "at": [], "asked": 7, "failures": "x"}
    path.write_text(json.dumps(head) + "\nnobody is left\n")


def future(path: Path) -> None:
    """Leave a file with times that are yet to come."""
    head = {
        "boot": Shared(path.parent)._boot, "at": 1e12, "asked": [1e12] * 99,
        "failures": 3, "trouble": "ha", "quiet_until": 1e12,
    }  # fmt: skip
    path.write_text(json.dumps(head) + "\nnobody is left\n")


def pipe(path: Path) -> None:
    """Leave a pipe, at whose end nobody writes."""
    os.mkfifo(path)


def link(path: Path) -> None:
    """Leave a link to a file of the user's."""
    path.symlink_to(path.parent.parent / "precious")


def folder(path: Path) -> None:
    """Leave a directory."""
    path.mkdir()


@pytest.mark.parametrize("plant", [garbage, lies, wrong_kinds, future])
def test_content_that_makes_no_sense_is_none(
    tmp_path: Path, plant: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """It is asked as if nothing had been there, and put right."""
    fill(tmp_path / "desk", plant)
    place = Shared(tmp_path / "desk")
    before = time.monotonic()
    assert ask(place) == Answer(status=0, output="all well")
    assert len(place.slate(next_slate(tmp_path / "desk")).asked) == 1
    assert time.monotonic() - before < 1
    assert not caplog.records


def next_slate(folder: Path) -> str:
    """Return the name of the one scheduler that is known there."""
    return next(folder.glob("*.slate")).stem


@pytest.mark.parametrize("plant", [pipe, link, folder])
def test_what_is_no_file_is_not_opened(
    tmp_path: Path, plant: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The run goes on for itself, says so once, and follows no link."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    fill(tmp_path / "desk", plant)
    assert ask(Shared(tmp_path / "desk")) == Answer(status=0, output="all well")
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert precious.read_text() == "mine"


def open_to_all(path: Path) -> None:
    """Make a directory in which everybody may put files."""
    path.mkdir()
    path.chmod(0o777)


def elsewhere(path: Path) -> None:
    """Make a link to another directory."""
    other = path.parent / "other"
    other.mkdir(mode=0o700)
    path.symlink_to(other)


def a_file(path: Path) -> None:
    """Make a file of it."""
    path.write_text("")


def without_a_way(path: Path) -> None:
    """Let what is above it be missing."""
    path.parent.rmdir()


@pytest.mark.parametrize("make", [open_to_all, elsewhere, a_file, without_a_way])
def test_a_directory_that_is_not_ours_alone_is_not_used(
    tmp_path: Path, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is written, the run goes on, and a warning says why, once."""
    (tmp_path / "base").mkdir()
    path = tmp_path / "base" / "desk"
    make(path)
    place = Shared(path)
    assert ask(place) == ask(place) == Answer(status=0, output="all well")
    assert "not shared with your other runs" in caplog.text
    assert not path.is_dir() or not list(path.iterdir())


def test_a_full_disk_costs_the_sharing_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that cannot be written is one that nobody reads."""
    place = Shared(tmp_path / "desk")
    ask(place)
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, most[1]))
        since = time.monotonic()
        assert ask(place, since) == Answer(status=0, output="all well")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
        signal.signal(signal.SIGXFSZ, before)
    assert "File too large" in caplog.text
    assert len(caplog.records) == 1
    assert place.slate(next_slate(tmp_path / "desk")).asked


def test_answers_and_slates_come_back_as_they_were(tmp_path: Path) -> None:
    """Whatever bytes a program printed."""
    place = Shared(tmp_path / "desk")
    snapshot = Snapshot(at=17.25, output="a\nb\r\n\ufffd \N{GRINNING FACE}\n")
    place.keep("q", snapshot)
    assert place.answer("q") == snapshot
    assert place.answer("p") is None
    after = place.change("s", lambda slate: charge(slate, 5.0))
    assert place.slate("s") == after == Slate(asked=(5.0,))


def test_an_answer_of_another_boot_is_none(tmp_path: Path) -> None:
    """Clocks begin again with each start of the host."""
    Shared(tmp_path / "desk", boot="1").keep("q", Snapshot(at=1.0, output="x"))
    assert Shared(tmp_path / "desk", boot="2").answer("q") is None


def test_a_lock_is_given_up_although_a_child_was_forked(tmp_path: Path) -> None:
    """The child has the descriptor, and would hold it as long as it lives."""
    place = Shared(tmp_path / "desk")
    reader, writer = os.pipe()
    with place.asking("q", 0.0) as held:
        assert held
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
    try:
        with place.asking("q", 0.0) as held:
            assert held
    finally:
        os.close(writer)
        os.close(reader)
        os.waitpid(child, 0)


def test_runs_meet_in_the_user_s_runtime_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is his alone; one that is not does not count, nor a relative one."""
    tmp_path.chmod(0o700)
    assert of_user({"XDG_RUNTIME_DIR": str(tmp_path)}).path == tmp_path / NAME
    tmp_path.chmod(0o755)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in (str(tmp_path), "relative", ""):
        path = of_user({"XDG_RUNTIME_DIR": name}).path
        if path.parent != Path(f"/run/user/{os.geteuid()}"):
            assert path.parent == tmp_path / "state" / "gridmap"
            assert os.uname().nodename in path.name
