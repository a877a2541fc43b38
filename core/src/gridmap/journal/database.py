"""The SQLite file of a journal: how it is made, opened, written and read in order.

On a local disk it has a write-ahead log with ``synchronous=NORMAL``: what was
committed survives the death of every process, and a power loss takes the last moments
at most and damages nothing (sqlite.org/pragma.html, "synchronous"). Elsewhere SQLite
offers a rollback journal only, and for that ``NORMAL`` might not survive a power loss
unharmed, so there it is ``FULL``.

Two facts rule the code here. Closing any descriptor of a file drops all of a process's
POSIX locks on it, those of SQLite too (sqlite.org/howtocorrupt.html, 2.2): nobody may
open the file past SQLite while this process has it open. And each statement gives the
interpreter away and must get it back, which takes 5 ms while another thread computes:
many rows go in with one statement.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from typing import TYPE_CHECKING, Final

from gridmap.errors import RunError
from gridmap.journal import mounts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PAGE_BYTES: Final = 2**15
"""The size of pages. Large ones halve the work of writing: few items overflow one."""

APPLICATION_ID: Final = 0x674D4150
"""By which the file says that it is ours."""

SCHEMA: Final = "CREATE TABLE item (id INTEGER PRIMARY KEY, record BLOB NOT NULL)"

_PATIENCE_S: Final = 10.0
_CHECKPOINT_BYTES: Final = 16 * 2**20
_ROWS: Final = tuple(2**power for power in range(8, -1, -1))
_ROWS_A_READ: Final = 64

_NO_ROOM: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
    }
)
"""What SQLite says where it can write nothing beside the file, not even to read it."""


def create(path: Path) -> None:
    """Make an empty journal, mode 0600, where none is.

    Raises:
        OSError: If it cannot be made, or something is there already.
        sqlite3.Error: If it cannot be written.
    """
    write_private(path, b"")
    with contextlib.closing(_connect(path, "rw", locks=False)) as connection:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum=NONE")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(SCHEMA)


def write_private(path: Path, data: bytes) -> None:
    """Write a file of our own, mode 0600, where none is."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as stream:
        stream.write(data)


def check_private(path: Path) -> None:
    """Refuse a file that anybody but its owner could have written or read.

    Does not open it. Its directory is the caller's own, mode 0700.

    Raises:
        RunError: If it is a link, belongs to another user, or has loose modes.
        FileNotFoundError: If there is no such file.
    """
    info = path.lstat()
    if not stat.S_ISREG(info.st_mode):
        text = "it is a link or no regular file"
    elif info.st_uid != os.geteuid():
        text = f"it belongs to user {info.st_uid}, not to you ({os.geteuid()})"
    elif info.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = f"{stat.S_IMODE(info.st_mode):04o}"
        text = f"others can read or write it (mode {mode}, expected 0600)"
    else:
        return
    msg = (
        f"journal {path}: {text}, so what it says cannot be trusted; if you know it "
        "is yours, mend that, else take its directory away and start from the beginning"
    )
    raise RunError(msg)


def connect(path: Path, *, locks: bool = True) -> sqlite3.Connection:
    """Open a journal for the one process that writes it, and from any thread.

    Args:
        path: The file, which is there.
        locks: Whether the file system can lock; without, readers may find the file
            in the middle of a change, and must cope.

    Raises:
        sqlite3.Error: If it cannot be opened.
    """
    connection = _connect(path, "rw", locks=locks)
    try:
        if locks and mounts.local(path):
            (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
            safe = "NORMAL" if mode == b"wal" else "FULL"
            connection.execute(f"PRAGMA synchronous={safe}")
            pages = _CHECKPOINT_BYTES // PAGE_BYTES
            connection.execute(f"PRAGMA wal_autocheckpoint={pages}")
        else:
            # A file that came here from a local disk has a log; held exclusively,
            # that can be read without shared memory.
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("PRAGMA journal_mode=TRUNCATE")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA locking_mode=NORMAL")
        connection.execute("SELECT max(id) FROM item").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def append(connection: sqlite3.Connection, rows: Sequence[tuple[int, bytes]]) -> None:
    """Commit *rows*: all or none.

    Blocks for the disk. A commit that failed may yet have been one, so what is there
    under the same number is replaced.

    Raises:
        sqlite3.Error: If it cannot be done; nothing was changed, or all was.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        start = 0
        for count in _ROWS:
            while len(rows) - start >= count:
                part = rows[start : start + count]
                values = ",".join(["(?,?)"] * count)
                connection.execute(
                    f"INSERT OR REPLACE INTO item VALUES {values}",  # noqa: S608 - marks
                    [value for row in part for value in row],
                )
                start += count
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def rows(connection: sqlite3.Connection) -> Iterator[tuple[int, bytes]]:
    """Return all rows in order, those too that are added meanwhile.

    Few at a time, and each time holding the file for as long as that takes only.

    Raises:
        sqlite3.Error: If the file is damaged or cannot be read.
    """
    last = -(2**63)
    query = "SELECT id, record FROM item WHERE id > ? ORDER BY id LIMIT ?"
    while found := connection.execute(query, (last, _ROWS_A_READ)).fetchall():
        for number, record in found:
            if type(record) is not bytes:
                msg = f"row {number} of the journal is of a wrong type"
                raise sqlite3.DatabaseError(msg)
            yield number, record
        last = found[-1][0]


def connect_to_read(path: Path, *, locks: bool = True) -> sqlite3.Connection:
    """Open a journal for reading, beside whoever writes it.

    Raises:
        sqlite3.Error: If it cannot be opened.
    """
    try:
        return _reading(path, "ro", locks=locks)
    except sqlite3.OperationalError:
        # The rest of a writer that was killed has to be undone first, which a reader
        # by right may do, and one by name only may not (SQLITE_READONLY_ROLLBACK).
        try:
            return _reading(path, "rw", locks=locks)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _NO_ROOM or _unfinished(path):
                raise
    # There is no room for what readers share with a writer, and so there is none.
    return _reading(path, "ro&immutable=1", locks=locks)


def _reading(path: Path, mode: str, *, locks: bool) -> sqlite3.Connection:
    connection = _connect(path, mode, locks=locks)
    try:
        connection.execute("PRAGMA query_only=1")
        connection.execute("SELECT max(id) FROM item").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _unfinished(path: Path) -> bool:
    """Return whether there is more of a journal than its file."""
    logs = (path.with_name(path.name + ending) for ending in ("-wal", "-journal"))
    return any(log.exists() and log.stat().st_size for log in logs)


def _connect(path: Path, mode: str, *, locks: bool = True) -> sqlite3.Connection:
    name = f"{path.absolute().as_uri()}?mode={mode}"
    if not locks:
        name += "&vfs=unix-none"
    connection = sqlite3.connect(
        name,
        uri=True,
        isolation_level=None,
        timeout=_PATIENCE_S,
        check_same_thread=False,  # one thread after the other
    )
    connection.text_factory = bytes
    return connection
