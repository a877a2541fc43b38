"""What a runner leaves behind that has to end while its run has no driver.

A runner that waited in vain for somebody to take its results puts them into a file of
its own in the run directory; the next driver takes in what it said by the same rules as
if it had said it. The files lie in the run's own 0700 directory, so they are as
trustworthy as its journal; all the same none is read through a link, or if another user
owns it.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.desk import place
from gridmap.errors import RemoteProtocolError
from gridmap.protocol import codec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from gridmap.payload import Frame
    from gridmap.protocol.messages import FromRunner

_log = logging.getLogger(__name__)

_SUFFIX: Final = ".parked"


class _File(msgspec.Struct, frozen=True, array_like=True):
    nonce: str
    messages: tuple[tuple[bytes, tuple[bytes, ...]], ...]


class Parked(msgspec.Struct, frozen=True):
    """What one runner left.

    Attributes:
        nonce: Of its last life.
        messages: What it could not say, in order, each with its payload.
        path: The file.
    """

    nonce: str
    messages: Sequence[tuple[FromRunner, Sequence[bytes]]]
    path: Path

    def drop(self) -> None:
        """Remove the file: all that it held is known."""
        with contextlib.suppress(OSError):
            self.path.unlink()


def park(
    directory: Path,
    nonce: str,
    messages: Iterable[tuple[FromRunner, Sequence[Frame]]],
) -> Path:
    """Leave messages behind, all or none.

    Called by a runner, as its last act; blocks until the disk has them.

    Args:
        directory: The run's own.
        nonce: Tells whose they are.
        messages: What the monitor has not acknowledged, with the payloads as they are
            before compression.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written; nothing is left half written.
    """
    said = tuple(
        (codec.encode(message), tuple(bytes(frame) for frame in frames))
        for message, frames in messages
    )
    path = directory / f"{nonce}{_SUFFIX}"
    half = path.with_suffix(".half")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(half, flags, 0o600), "wb") as stream:
            stream.write(msgspec.msgpack.encode(_File(nonce, said)))
            stream.flush()
            os.fsync(stream.fileno())
        half.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            half.unlink()
        raise
    return path


def find(directory: Path) -> Iterator[Parked]:
    """Yield what runners left in a run's directory.

    A file that is not whole is left where it is, and said to be.
    """
    for path in sorted(directory.glob(f"*{_SUFFIX}")):
        try:
            file = msgspec.msgpack.decode(_read(path), type=_File)
            messages = [
                (codec.decode_from_runner(body), frames)
                for body, frames in file.messages
            ]
        except (OSError, msgspec.MsgspecError, RemoteProtocolError) as error:
            _log.warning("what a runner left in %s cannot be read: %s", path, error)
            continue
        yield Parked(file.nonce, messages, path)


def _read(path: Path) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags), "rb") as stream:
        place.check_own(stream.fileno(), path.name)
        return stream.read()
