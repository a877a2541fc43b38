"""What was committed is there after any death of the process, nothing is half there."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.journal.journals import PATIENCE_S, plain

from gridmap.journal.log import JournalLog, read_only
from gridmap.journal.record import SPILL_BYTES, Item

ROUNDS = 8

_WRITE = """
import random, sys
from pathlib import Path
from gridmap.journal.log import JournalLog
from tests.unit.journal.journals import Committed
from tests.unit.journal.test_kill import item
committed = Committed()
def tell():
    print(log.committed, flush=True)
    committed()
log = JournalLog.open(Path(sys.argv[1]), locks=sys.argv[2] == "True", on_commit=tell)
if log.damage is not None:
    sys.exit(f"{log.damage}")
print("begun", flush=True)
ticket = log.put([])
while True:
    count = random.choice([1, 1, 10, 100])
    ticket = log.put([item(ticket + n + 1) for n in range(count)])
    committed.wait(log, ticket - 50)
"""


def item(number: int) -> Item:
    """Return what is always put in this place."""
    size = number * 7919 % (10, 1000, 80_000)[number % 3]
    if number % 100 == 0:
        size += SPILL_BYTES
    return Item(b"%d" % number, (number.to_bytes(4, "big") * (size // 4), b"x" * size))


def kill_after(commits: int, path: Path, *, locks: bool) -> int:
    """Have a process write, kill it after so many commits; return its last ticket."""
    last = 0
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", _WRITE, str(path), str(locks)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "begun\n", process.stderr.read()
        for _ in range(commits):
            last = int(process.stdout.readline())
        process.kill()
        # What it said before the signal reached it counts as well.
        told = process.stdout.read().split("\n")
    return max(last, *map(int, (line for line in told[:-1] if line)), 0)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("locks", [True, False], ids=["log", "rollback"])
def test_what_was_committed_survives_being_killed(tmp_path: Path, locks: bool) -> None:
    """Again and again in one file, at any moment: all is there, in order, and whole."""
    path = tmp_path / "journal.sqlite"
    chance = random.Random(4711)  # noqa: S311 - for moments to kill at
    for _ in range(ROUNDS):
        committed = kill_after(chance.randrange(1, 9), path, locks=locks)
        beside = list(read_only(path))
        log = JournalLog.open(path, locks=locks)
        found = list(log.read())
        assert log.damage is None
        assert log.close(PATIENCE_S)
        assert len(found) >= committed > 0
        assert plain(found) == plain([item(n + 1) for n in range(len(found))])
        assert plain(beside) == plain(found)
