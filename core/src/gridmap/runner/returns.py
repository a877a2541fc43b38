"""What a worker's records come to, as the monitor is told of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gridmap import payload
from gridmap.connection import MESSAGE_PER_FRAME
from gridmap.errors import UnpicklableError
from gridmap.protocol import messages as m
from gridmap.runner import records
from gridmap.runner.outbox import behind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.payload import Frame
    from gridmap.runner.outbox import Gathered
    from gridmap.runner.records import Record

_TOO_LARGE_ADVICE: Final = (
    "Raise the setting, or write the result to a file and return its path."
)


_failures: Final = msgspec.msgpack.Decoder(tuple[m.Failure, ...])

_LONGEST_S: Final = 1e9
"""A job that seems to have taken longer has set its worker's clock."""


class Returns(msgspec.Struct, frozen=True):
    """What consecutive jobs came to.

    Attributes:
        first: The first of them.
        count: How many.
        seconds: How long they took together.
        frames: Their payloads, packed as they will travel.
        failures: Those that did not return a value.
    """

    first: int
    count: int
    seconds: float
    frames: Sequence[Frame]
    failures: tuple[m.Failure, ...] = ()


def gathered(quick: Gathered) -> Returns:
    """Return what jobs came to whose results gathered in the worker's memory."""
    frames = payload.join(quick.sizes, quick.joined)
    seconds = duration(quick.seconds)
    return Returns(quick.first, len(quick.sizes), seconds, frames, quick.failures)


def read(record: Record, known: int, took_s: float, limit_bytes: int) -> Returns | None:
    """Return what the jobs of a record came to.

    Args:
        record: As the worker wrote it.
        known: How many of its first jobs were told of before.
        took_s: How long those took.
        limit_bytes: The longest frame that the monitor takes.

    Returns:
        It; None if all of it is known. A result that is too large is one that cannot
        be pickled.
    """
    if known >= record.count:
        return None
    frames: Sequence[Frame] = record.frames
    failures: tuple[m.Failure, ...] = ()
    if record.kind == records.FAILED:
        failures = behind(_failures.decode(frames[0]), known)
        frames = frames[1:]
    if known:
        frames = payload.take(frames, known, record.count)
    first = record.job + known
    if reason := too_large(frames, limit_bytes):
        what = f"the result of job {first}"
        error = UnpicklableError(what, "", reason, _TOO_LARGE_ADVICE)
        failures = (m.Failure(offset=0, kind=m.Kind.UNPICKLABLE, text=str(error)),)
        frames = payload.pack([payload.dump_exception(error, "")])
    seconds = duration(record.seconds - took_s)
    return Returns(first, record.count - known, seconds, frames, failures)


def duration(seconds: float) -> float:
    """Return a duration that can be told: a job may have frozen its worker's clock."""
    return min(max(0.0, seconds), _LONGEST_S)  # of NaN it is the first


def why_not_saved(record: Record, limit_bytes: int) -> str:
    """Return why a record of a checkpoint holds none, empty if it does."""
    if record.kind == records.FAILED:
        return bytes(record.frames[0]).decode("utf-8", errors="replace")
    return too_large(record.frames, limit_bytes)


def too_large(frames: Sequence[Frame], limit_bytes: int) -> str:
    """Return why the monitor would not take frames, empty if it does.

    Args:
        frames: Those of one message.
        limit_bytes: The longest that it takes.
    """
    sizes = [len(frame) for frame in frames]
    for size, most, what in (
        (max(sizes), limit_bytes, "in one piece"),
        (sum(sizes), MESSAGE_PER_FRAME * limit_bytes, "in all its pieces"),
    ):
        if size > most:
            return (
                f"it has {size:,} bytes {what}, more than the {most:,} that the "
                "setting max_message_bytes allows"
            )
    return ""
