"""Opening a journal whatever has befallen it: checked, and if need be rebuilt.

The damaged file is read page by page (`gridmap.journal.carving`), what proves itself
is written to a fresh file, and the two are exchanged in steps that can be cut short
anywhere::

    journal.sqlite.part         the fresh file while it is written; never trusted
    journal.sqlite.new          the fresh file, whole; if there is one, go on from here
    journal.sqlite.damaged-1    the old file; -wal and -journal went before it
    journal.sqlite              the fresh file again
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from itertools import count
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.journal import database
from gridmap.journal.carving import carve, committed_frames
from gridmap.journal.record import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from gridmap.journal.spill import SpillFolder

_COMPANIONS: Final = ("-wal", "-journal", "-shm")
_MAGIC: Final = b"SQLite format 3\0"
_ROWS_A_COMMIT: Final = 256

_ENVIRONMENT: Final = frozenset({
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_AUTH,
})  # fmt: skip
"""Errors that say nothing about the file: they may be gone at the next try."""

_UNREADABLE: Final = frozenset({
    sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ,
})  # fmt: skip


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A journal that is sound now.

    Attributes:
        connection: To write it.
        last: The number of the last item there ever was, as far as is known.
        kept: How many items are there.
        lost: How many are missing that nobody was told of yet.
        damage: What was wrong with the file, empty if nothing was.
        aside: Where the damaged file is, None if there is none.
    """

    connection: sqlite3.Connection
    last: int
    kept: int
    lost: int
    damage: str = ""
    aside: Path | None = None


class _Survey(msgspec.Struct):
    """What the rows of a file are like."""

    kept: int = 0
    last: int = 0
    broken: int = 0
    spill_less: int = 0


def open_sound(path: Path, folder: SpillFolder, *, locks: bool) -> Opened:
    """Open a journal, begin one where none is, rebuild one that is damaged.

    Raises:
        RunError: If the file is not the caller's own alone.
        sqlite3.Error, OSError: If it cannot be read or written now.
    """
    aside = _finish(path)
    damage, beyond = "its repair was cut short" if aside else "", 0
    try:
        database.check_private(path)
    except FileNotFoundError:
        log = _read_log(path)
        if log or any(folder.numbers()):
            damage = "it is gone"
        _build(path, _intact(carve(lambda _: None, 0, log), set(), set(), []))
    log = _read_log(path)
    sound = _examine(path, folder, log, locks=locks)
    if isinstance(sound, str):
        damage = sound
        beyond = _rebuild(path, log)
        aside = _finish(path, log)
        sound = _examine(path, folder, b"", locks=locks)
        if isinstance(sound, str):
            msg = f"it was damaged ({damage}), and so is what was made of it ({sound})"
            raise OSError(msg)
    connection, found = sound
    last = found.last
    if not damage:
        folder.drop_above(last)
    else:  # there may be files of rows that are lost
        last = max(last, beyond, *folder.numbers(), 0)
    return Opened(
        connection=connection,
        last=last,
        kept=found.kept,
        lost=_untold(connection, last - found.kept),
        damage=damage,
        aside=aside,
    )


def _untold(connection: sqlite3.Connection, missing: int) -> int:
    """Return how many of the missing items are news; they are none the next time."""
    told: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if missing != told:
        connection.execute(f"PRAGMA user_version={missing}")
    return max(0, missing - told)


def _examine(
    path: Path, folder: SpillFolder, log: bytes, *, locks: bool
) -> tuple[sqlite3.Connection, _Survey] | str:
    """Open a file, or say what is wrong with it.

    Raises:
        sqlite3.Error, OSError: If that cannot be found out now.
    """
    header = _head(path)
    if header:
        return header
    with contextlib.ExitStack() as stack:
        try:
            connection = database.connect(path, locks=locks)
            stack.callback(connection.close)
            damage = _check(connection, log)
            found = _survey(connection, folder)
        except sqlite3.Error as error:
            if _passing(error):
                raise
            return str(error)
        if damage:
            return damage
        if found.broken:
            return f"{found.broken} of its rows do not match their checksums"
        stack.pop_all()
        return connection, found


def _passing(error: sqlite3.Error) -> bool:
    """Say whether an error is not the file's fault."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code not in _UNREADABLE and code & 0xFF in _ENVIRONMENT


def _check(connection: sqlite3.Connection, log: bytes) -> str:
    _, valid, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if 0 <= valid < committed_frames(log):  # -1: it has no log any more
        return "its write-ahead log breaks off"
    schema = connection.execute("SELECT group_concat(sql) FROM sqlite_schema")
    if schema.fetchone() != (database.SCHEMA.encode(),):
        return "its table is not the one it should have"
    verdict: bytes = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != b"ok":
        return verdict.decode(errors="replace").replace("\n", " ")
    return ""


def _head(path: Path) -> str:
    """Say what is wrong with the first bytes of a file that nobody has open."""
    with path.open("rb") as stream:
        head = stream.read(100)
    if not head:
        return "it is empty"
    if not head.startswith(_MAGIC):
        return "it is not an SQLite file"
    page = int.from_bytes(head[16:18], "big")
    if page != database.PAGE_BYTES or not set(head[18:20]) <= {1, 2}:
        return "its header is damaged"
    if head[20:24] != bytes([0, 64, 32, 32]):
        return "its header is damaged"
    if int.from_bytes(head[68:72], "big") != database.APPLICATION_ID:
        return "it is not a journal of gridmap"
    return ""


def _read_log(path: Path) -> bytes:
    """Return the write-ahead log as it was before SQLite cut off what is wrong in it."""
    try:
        return _beside(path, "-wal").read_bytes()
    except FileNotFoundError:
        return b""


def _survey(connection: sqlite3.Connection, folder: SpillFolder) -> _Survey:
    found = _Survey()
    for number, row in database.rows(connection):
        record = decode(number, row)
        found.last = number
        if record is None:
            found.broken += 1
        elif record.spilled and not folder.holds(number, record):
            found.spill_less += 1
        else:
            found.kept += 1
    return found


def _rebuild(path: Path, log: bytes) -> int:
    """Write what is intact to a fresh file; return the highest number that was not."""
    broken: set[int] = set()
    kept: set[int] = set()
    errors: list[OSError] = []
    with path.open("rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size

        def read(number: int) -> bytes | None:
            try:
                start = (number - 1) * database.PAGE_BYTES
                return os.pread(stream.fileno(), database.PAGE_BYTES, start) or None
            except OSError as error:
                errors.append(error)
                return None

        pages = -(-size // database.PAGE_BYTES)
        _build(path, _intact(carve(read, pages, log), kept, broken, errors))
    broken -= kept
    # A number that was hit itself may be any: only near ones are believed.
    near = max(kept, default=0) + len(broken)
    return max((number for number in broken if number <= near), default=0)


def _intact(
    rows: Iterable[tuple[int, bytes]],
    kept: set[int],
    broken: set[int],
    errors: list[OSError],
) -> Iterator[tuple[int, bytes]]:
    """Return the rows that prove themselves, each once."""
    for number, row in rows:
        if number in kept:
            continue
        if decode(number, row) is None:
            broken.add(number)
        else:
            kept.add(number)
            yield number, row
    if errors and not kept:
        raise errors[0]  # the disk is gone, rather than has holes: come again later


def _build(path: Path, rows: Iterable[tuple[int, bytes]]) -> None:
    """Write a fresh file of *rows*, on disk and whole before it is called new."""
    part = _beside(path, ".part")
    for ending in ("", *_COMPANIONS):
        _beside(part, ending).unlink(missing_ok=True)
    database.create(part)
    with contextlib.closing(database.connect(part, locks=False)) as connection:
        batch: list[tuple[int, bytes]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == _ROWS_A_COMMIT:
                database.append(connection, batch)
                batch.clear()
        database.append(connection, batch)
    _beside(part, "-journal").unlink(missing_ok=True)  # is empty
    part.rename(_beside(path, ".new"))
    if not path.exists():
        _finish(path)


def _finish(path: Path, log: bytes = b"") -> Path | None:
    """Put a fresh file that is whole in place; return where the old one went."""
    new = _beside(path, ".new")
    if not new.exists():
        return None
    names = (_beside(path, f".damaged-{n}") for n in count(1))
    aside = next(name for name in names if not name.exists())
    for ending in _COMPANIONS:
        # First: the fresh file must never meet the log of the old one.
        with contextlib.suppress(FileNotFoundError):
            _beside(path, ending).rename(_beside(aside, ending))
    if log and not _beside(aside, "-wal").exists():
        database.write_private(_beside(aside, "-wal"), log)
    old = path.exists()
    if old:
        path.rename(aside)
    new.rename(path)
    return aside if old else None


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
