"""`gridmap status`, `logs -f` and `kill` from a terminal, while a script runs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SCRIPT = """
import os, time
from gridmap import grid_map

def wait(number):
    print("job", number, "waits", flush=True)
    while number and not os.path.exists({gate!r}):
        time.sleep(0.02)
    print("job", number, "goes", flush=True)

if __name__ == "__main__":
    grid_map(wait, range(3), name="watched", backend="local", max_workers=2)
"""


class Terminal:
    """A script that runs, and a terminal beside it.

    Attributes:
        script: The script's process.
        gate: Its jobs wait until this file is there.
    """

    def __init__(self, tmp_path: Path) -> None:
        self.gate = tmp_path / "gate"
        path = tmp_path / "script.py"
        path.write_text(SCRIPT.format(gate=str(self.gate)))
        records, runs = str(tmp_path / "records"), str(tmp_path / "runs")
        self.environ = os.environ | {
            "GRIDMAP_RECORD_DIRECTORY": records, "GRIDMAP_RUNS": runs,
        }  # fmt: skip
        self.script = subprocess.Popen(
            [sys.executable, str(path)],
            env=self.environ, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-u", "-m", "gridmap", *words],
            env=self.environ, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *words: str, says: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*words)
        out, err = process.communicate(says, timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def until(self, text: str, *words: str) -> None:
        """Run a command again until it prints this."""
        while text not in self.run(*words).stdout:
            assert self.script.poll() is None


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    try:
        yield made
    finally:
        made.gate.touch()
        with made.script as script:
            script.communicate(timeout=60)


def test_logs_are_followed_to_the_end_of_the_run(terminal: Terminal) -> None:
    """What jobs print is there while they run, and all of it at the end."""
    terminal.until("1 done", "status")
    follower = terminal.start("logs", "watched", "-f")
    assert follower.stdout is not None
    lines: list[str] = []
    while not lines or "job 1 waits" not in lines[-1]:
        lines.append(follower.stdout.readline())
    terminal.gate.touch()
    # Not `communicate`, which knows nothing of what was read ahead.
    assert follower.stderr is not None
    with follower:
        rest, err = follower.stdout.read(), follower.stderr.read()
    assert (follower.returncode, err) == (0, "")
    for number in range(3):
        assert f"job {number} goes" in "".join(lines) + rest
    assert terminal.script.wait(60) == 0
    assert "done" in terminal.run("runs").stdout


def test_a_run_is_killed_once_it_is_confirmed(terminal: Terminal) -> None:
    """A no leaves it alone; then its script ends with the exception that says so."""
    terminal.until("1 done", "status")
    no = terminal.run("kill", "watched", says="n\n")
    assert no.returncode == 130
    assert "Kill run watched with 2 jobs that are not over?" in no.stderr
    assert "running" in terminal.run("runs").stdout
    over = terminal.run("kill", "watched", "0", "--yes")
    assert over.returncode == 1
    assert "job 0 of run watched is over already" in over.stderr
    yes = terminal.run("kill", "watched", says="y\n")
    assert yes.returncode == 0, yes.stderr
    _, err = terminal.script.communicate(timeout=60)
    assert terminal.script.returncode == 1
    assert "RunKilledError: run 'watched' was killed by process" in err
