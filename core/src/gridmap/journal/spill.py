"""Files for what is too large for a row: written whole, then named by a row.

A row is committed only after its file is on disk, so it never points to half a file,
not even after a power loss. Files that no row names are the rest of a crash.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.journal.record import Record, checksum

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from gridmap.payload import Frame

_NAME: Final = re.compile(r"[0-9]{12,19}")
_PART: Final = ".part"
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_STEP_BYTES: Final = 2**30  # Linux writes at most 2 GiB at once, write(2)


class SpillFolder(msgspec.Struct, frozen=True):
    """The directory of these files.

    Attributes:
        path: Where it is; made, mode 0700, with the first file.
    """

    path: Path

    def write(self, number: int, pieces: Sequence[Frame]) -> int:
        """Write *pieces* and wait for the disk; return their checksum.

        Blocks. What was there under this number is replaced in one step.

        Raises:
            OSError: If it cannot be written; nothing is left under the number.
        """
        with contextlib.suppress(FileExistsError):
            self.path.mkdir(mode=0o700)
        part = self._file(number).with_suffix(_PART)
        try:
            descriptor = os.open(part, _NEW, 0o600)
            try:
                for piece in pieces:
                    _write(descriptor, piece)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            part.replace(self._file(number))
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()  # a full disk needs every byte
            raise
        return checksum(pieces)

    def holds(self, number: int, record: Record) -> bool:
        """Say whether the file is there and as long as it should be; does not read."""
        try:
            info = self._file(number).lstat()
        except OSError:
            return False
        return stat.S_ISREG(info.st_mode) and info.st_size == sum(record.spilled)

    def read(self, number: int, record: Record) -> list[bytes] | None:
        """Return the spilled pieces, None unless they are exactly what was written."""
        try:
            descriptor = os.open(self._file(number), _OLD)
            with os.fdopen(descriptor, "rb", buffering=0) as stream:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return None
                pieces = [_read(stream.fileno(), size) for size in record.spilled]
        except OSError:
            return None
        return pieces if record.proves(pieces) else None

    @property
    def size_bytes(self) -> int:
        """How long all of them are together."""
        sizes = 0
        with contextlib.suppress(OSError):
            for file in self.path.iterdir():
                sizes += file.lstat().st_size
        return sizes

    def numbers(self) -> Iterator[int]:
        """Return the numbers there are files under, in no order."""
        with contextlib.suppress(FileNotFoundError):
            for file in self.path.iterdir():
                if _NAME.fullmatch(file.name):
                    yield int(file.name)

    def drop_above(self, highest: int) -> None:
        """Remove what no row can name: numbers above *highest*, and unfinished ones."""
        for number in list(self.numbers()):
            if number > highest:
                self._file(number).unlink(missing_ok=True)
        for part in self.path.glob(f"*{_PART}"):
            part.unlink(missing_ok=True)

    def _file(self, number: int) -> Path:
        return self.path / f"{number:012}"


def _write(descriptor: int, piece: Frame) -> None:
    view = memoryview(piece)
    if not view.nbytes:
        return
    view = view.cast("B")
    while view:
        view = view[os.write(descriptor, view[:_STEP_BYTES]) :]


def _read(descriptor: int, size: int) -> bytes:
    """Return *size* bytes, fewer at the end of the file, without copying them twice."""
    first = os.read(descriptor, min(size, _STEP_BYTES))
    if len(first) == size or not first:
        return first
    parts = [first]
    while first and size > sum(map(len, parts)):
        first = os.read(descriptor, min(size - sum(map(len, parts)), _STEP_BYTES))
        parts.append(first)
    return b"".join(parts)
