"""Others may read a journal while it is written, and who writes it never waits long."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.journal.journals import PATIENCE_S, Committed, plain, write
from tests.unit.journal.test_kill import item

from gridmap.journal.log import JournalLog, read_only
from gridmap.journal.record import SPILL_BYTES, Item

ROOT = Path(__file__).parents[3]

_WRITE = """
import sys
from pathlib import Path
from gridmap.journal.log import JournalLog
from tests.unit.journal.journals import Committed
from tests.unit.journal.test_kill import item
committed = Committed()
log = JournalLog.open(Path(sys.argv[1]), on_commit=committed)
print("begun", flush=True)
ticket = 0
while True:
    ticket = log.put([item(ticket + n + 1) for n in range(10)])
    committed.wait(log, max(10, ticket - 20))
    print(log.committed, flush=True)
"""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Have another process write as fast as it can, and be told how far it is."""
    with subprocess.Popen(
        [sys.executable, "-c", _WRITE, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_readers_see_all_that_was_committed_before(tmp_path: Path) -> None:
    """And what they see is in order and whole, again and again."""
    path = tmp_path / "journal.sqlite"
    with writing(path) as process:
        assert process.stdout is not None
        for _ in range(10):
            committed = int(process.stdout.readline())
            process.send_signal(signal.SIGSTOP)
            found = list(read_only(path))
            process.send_signal(signal.SIGCONT)
            assert len(found) >= committed
            assert plain(found) == plain([item(n + 1) for n in range(len(found))])
            running = read_only(path)
            assert plain([next(running)]) == plain([item(1)])
            process.stdout.readline()


def test_a_reader_that_stops_in_the_middle_holds_nobody_up(tmp_path: Path) -> None:
    """It holds neither the file nor its log while it does something else."""
    path = tmp_path / "journal.sqlite"
    write(path, [Item(b"%d" % n) for n in range(1000)])
    committed = Committed()
    log = JournalLog.open(path, on_commit=committed, locks=False)
    reader = read_only(path)
    next(reader)
    committed.wait(log, log.put([Item(b"x", (bytes(30_000),))] * 100))
    assert not log.failing
    assert len(list(reader)) == 1099
    assert log.close(PATIENCE_S)


def test_a_reader_mends_what_a_killed_writer_left(tmp_path: Path) -> None:
    """On a network disk, a transaction that was cut off is undone by who comes next."""
    path = tmp_path / "journal.sqlite"
    write(path, [Item(b"a"), Item(b"b", (bytes(2 * SPILL_BYTES),))])
    if os.fork() == 0:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=TRUNCATE")
        connection.execute("PRAGMA cache_size=1")
        connection.execute("BEGIN")
        for number in range(3, 200):
            connection.execute("INSERT INTO item VALUES (?, zeroblob(99999))", [number])
        os.kill(os.getpid(), signal.SIGKILL)
    os.wait()
    assert path.with_name("journal.sqlite-journal").stat().st_size > 0
    assert [item.body for item in read_only(path)] == [b"a", b"b"]


def test_a_journal_comes_from_a_local_disk_to_one_that_is_not(tmp_path: Path) -> None:
    """With all its log still holds."""
    path = tmp_path / "journal.sqlite"
    committed = Committed()
    log = JournalLog.open(path, on_commit=committed)
    committed.wait(log, log.put([Item(b"%d" % n) for n in range(10)]))
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in tmp_path.glob("journal.sqlite*"):
        (moved / file.name).write_bytes(file.read_bytes())
        (moved / file.name).chmod(0o600)
    assert log.close(PATIENCE_S)
    (moved / "journal.sqlite-shm").unlink(missing_ok=True)
    log = JournalLog.open(moved / "journal.sqlite", locks=False)
    assert len(list(log.read())) == 10
    assert log.damage is None
    log.put([Item(b"x")])
    assert log.close(PATIENCE_S)
    assert not (moved / "journal.sqlite-wal").exists()
    assert len(list(read_only(moved / "journal.sqlite"))) == 11
