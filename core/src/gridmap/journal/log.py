"""The journal's file: an append-only list of items that survives what its run may not.

A journal is a SQLite file and, beside it, a directory with the frames of items that
are too large for it::

    journal.sqlite              0600, and -wal and -shm, or -journal, while in use
    journal.frames/000000000042 0600, frames of item 42
    journal.sqlite.damaged-1    what was found damaged once, set aside, never deleted

Items are numbered from 1. It knows nothing of what they mean. One process at a time
may have it open for writing: whoever holds the lock of the run (`gridmap.journal.lock`).

What is promised: an item that was committed is there whole after any death of the
process; after a power loss the last may be missing, and none is half there. Each item
proves itself by a checksum, so damage is noticed, and what is intact is kept. Then items
may be missing **in the middle** too, and whoever reads has to cope with that.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import msgspec

from gridmap.errors import RunError
from gridmap.journal import database, salvage
from gridmap.journal.record import Item, decode
from gridmap.journal.spill import SpillFolder
from gridmap.journal.writer import LARGEST_BYTES, WAITING_BYTES, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """What was wrong with a journal that was opened.

    Attributes:
        what: What was found, in words.
        kept: How many items are intact.
        lost: How many are known to be missing; the last ones may leave no trace.
        aside: Where the damaged file is now, None if the file itself was sound and
            items were missing only.
    """

    what: str
    kept: int
    lost: int
    aside: Path | None = None

    def __str__(self) -> str:
        """Say it in one sentence for the user."""
        text = f"{self.what}; {self.kept:,} entries are intact"
        if self.lost:
            text += f", {self.lost:,} at least are missing"
        if self.aside is not None:
            text += f"; the damaged file was kept as {self.aside}"
        return text


class JournalLog:
    """A journal that is open for writing. Make one with `JournalLog.open`."""

    def __init__(
        self, path: Path, opened: salvage.Opened, writer: Writer, folder: SpillFolder
    ) -> None:
        self._path = path
        self._opened = opened
        self._writer = writer
        self._folder = folder
        self._bad_spills: set[int] = set()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        on_commit: Callable[[], None] = lambda: None,
        locks: bool = True,
        waiting_bytes: int = WAITING_BYTES,
        largest_bytes: int = LARGEST_BYTES,
    ) -> JournalLog:
        """Open a journal or begin one; check it, and repair it if it is damaged.

        Blocks for as long as it takes to read the file once.

        Args:
            path: Where it is or shall be; its directory is the caller's own, 0700.
            on_commit: Called in the writer's thread whenever `committed` went on; may
                not block.
            locks: Whether the file system can lock; see `RunLock.works`.
            waiting_bytes: How much is kept in memory while nothing can be written;
                what is put beyond that is `dropped`.
            largest_bytes: How large it may become, with its frames; likewise.

        Raises:
            RunError: If the file is another user's or open to others, or it cannot be
                read or written now; says why. What is damaged raises nothing: see
                `damage`.
        """
        try:
            folder = SpillFolder(path.with_suffix(".frames"))
            opened = salvage.open_sound(path, folder, locks=locks)
        except (sqlite3.Error, OSError) as error:
            msg = (
                f"the journal {path} cannot be opened: {error}; mend that and start "
                "again, nothing of it is lost"
            )
            raise RunError(msg) from error
        writer = Writer(
            path,
            opened.connection,
            folder,
            opened.last,
            on_commit,
            locks=locks,
            waiting_bytes=waiting_bytes,
            largest_bytes=largest_bytes,
        )
        return cls(path, opened, writer, folder)

    @property
    def damage(self) -> Damage | None:
        """What was found broken, None if nothing; final when all has been read."""
        found, bad = self._opened, len(self._bad_spills)
        if not (found.damage or found.lost or bad):
            return None
        what = f"the journal {self._path} lacks entries"
        if found.damage:
            what = f"the journal {self._path} was damaged: {found.damage}"
        return Damage(
            what=what, kept=found.kept - bad, lost=found.lost + bad, aside=found.aside
        )

    @property
    def committed(self) -> int:
        """The ticket up to which everything is on disk, or was given up on for now."""
        return self._writer.committed

    @property
    def failing(self) -> str:
        """Why nothing can be written at present, empty if it can."""
        return self._writer.failing

    @property
    def dropped(self) -> int:
        """How many items were given up for good, as too many were waiting or written."""
        return self._writer.dropped

    @property
    def beyond(self) -> int:
        """How many of them were too many written. Any thread."""
        return self._writer.beyond

    def read(self) -> Iterator[Item]:
        """Return what is in the journal, in order.

        Frames are read from disk as the iteration comes to them. Blocks.

        Raises:
            RunError: If it cannot be read.
        """
        connection = self._opened.connection
        return _items(connection, self._folder, self._path, self._bad_spills.add)

    def put(self, items: Sequence[Item]) -> int:
        """Hand in *items* to be written, in order and after all put before.

        Returns at once; they must not be changed any more. Any thread may call it.

        Returns:
            A ticket: once `committed` is as large, all of them are on disk.
        """
        return self._writer.put(items)

    def close(self, patience_s: float) -> bool:
        """Write what is waiting and close the file. Idempotent.

        Args:
            patience_s: How long to try at most, in seconds.

        Returns:
            Whether everything that was ever put is on disk; if not, an error in the
            log says how much is missing and why.
        """
        return self._writer.close(patience_s)


def read_only(path: Path, *, locks: bool = True) -> Iterator[Item]:
    """Return what is in a journal that another process may be writing, in order.

    Args:
        path: The file.
        locks: Whether the file system can lock.

    Raises:
        RunError: If there is none, it cannot be trusted, or it cannot be read; a
            damaged one is mended by the next `JournalLog.open`.
    """
    try:
        database.check_private(path)
        connection = database.connect_to_read(path, locks=locks)
    except (sqlite3.Error, OSError) as error:
        msg = f"the journal {path} cannot be opened: {error}"
        if type(error) is sqlite3.DatabaseError:  # not one of what derives from it
            msg += (
                "; its script, started again, sets the file aside and goes on with "
                "what is intact of it"
            )
        raise RunError(msg) from error
    with contextlib.closing(connection):
        folder = SpillFolder(path.with_suffix(".frames"))
        yield from _items(connection, folder, path, lambda _: None)


def _items(
    connection: sqlite3.Connection,
    folder: SpillFolder,
    path: Path,
    on_bad_spill: Callable[[int], None],
) -> Iterator[Item]:
    try:
        for number, row in database.rows(connection):
            record = decode(number, row)
            if record is None:
                continue
            pieces = folder.read(number, record) if record.spilled else []
            if pieces is None:
                if folder.holds(number, record):
                    on_bad_spill(number)
                continue
            yield record.item(pieces)
    except (sqlite3.Error, OSError) as error:
        msg = f"the journal {path} cannot be read to its end: {error}"
        raise RunError(msg) from error
