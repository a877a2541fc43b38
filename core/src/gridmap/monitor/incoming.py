"""The payload of the message that is being heard: results, or a checkpoint.

The rules never look into payloads. What they ask to be done with one while they hear a
message is done with what is here; it is let go when they have heard it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap import payload
from gridmap.errors import LocalProtocolError, RemoteProtocolError
from gridmap.protocol import messages as m

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.monitor.large import LargeFrames
    from gridmap.monitor.neighbours import Neighbours
    from gridmap.transport.sockets import Received

_TRACEBACK_CHARACTERS: Final = 10_000


class Incoming:
    """What came with one message. Used in the monitor's thread alone."""

    def __init__(
        self,
        neighbours: Neighbours,
        large: LargeFrames,
        most_bytes: int,
        *,
        writable: bool,
    ) -> None:
        """Begin with nothing.

        Args:
            neighbours: Whose memory can be opened.
            large: By which ways else large frames come.
            most_bytes: Bytes that the payload of one message may have.
            writable: Whether what is here is for the user alone, who may write to it.
        """
        self._neighbours = neighbours
        self._large = large
        self._most = most_bytes
        self._writable = writable
        self._first = 0
        self._batch: payload.Batch | None = None
        self._content: list[payload.Frame] | None = None

    def open(self, received: Received, message: m.Report | m.Checkpoint) -> None:
        """Decompress a payload, and fetch what is only referred to.

        Args:
            received: The message as it came.
            message: What it says.

        Raises:
            OSError: If a frame that it refers to cannot be had.
            RemoteProtocolError: If it is not what the message says.
        """
        peer, encoded = received.peer, received.frames[1:]
        fetch = bring = None
        if not payload.is_plain(encoded):
            fetch = self._neighbours.fetching(peer, writable=self._writable)
            bring = self._large.bringing(peer, writable=self._writable)
        frames = payload.decode(encoded, self._most, fetch, bring)
        if isinstance(message, m.Report):
            self._take_batch(frames, message)
        else:
            self._content = _checked(received, frames, message.digest)

    def unpark(self, frames: Sequence[payload.Frame], message: m.FromRunner) -> None:
        """Take a payload as a runner left it behind.

        Raises:
            RemoteProtocolError: If it is not what the message says.
        """
        self.clear()
        if isinstance(message, m.Report):
            self._take_batch(list(frames), message)
        elif isinstance(message, m.Checkpoint):
            self._content = payload.encode(frames, "none")

    def _take_batch(self, frames: list[payload.Frame], report: m.Report) -> None:
        batch = payload.Batch.read(frames)
        if len(batch) != report.count:
            msg = f"a report of {report.count} jobs with {len(batch)} payloads"
            raise RemoteProtocolError(msg)
        self._batch, self._first = batch, report.first

    def clear(self) -> None:
        """Let go: the message was heard."""
        self._batch = self._content = None

    @property
    def holds_large(self) -> bool:
        """Whether results are being heard some of which are large.

        Their memory is filled anew once they are acknowledged.
        """
        return self._batch is not None and bool(self._batch.own)

    @property
    def results(self) -> payload.Batch:
        """What the jobs of a report came to, in order.

        Raises:
            LocalProtocolError: If no report is being heard.
        """
        if self._batch is None:
            msg = "jobs are delivered without a report"
            raise LocalProtocolError(msg)
        return self._batch

    @property
    def checkpoint(self) -> list[payload.Frame]:
        """What a job is to go on with, to be kept as it is.

        Raises:
            LocalProtocolError: If no checkpoint is being heard.
        """
        if self._content is None:
            msg = "a checkpoint is to be kept that was not heard"
            raise LocalProtocolError(msg)
        return self._content

    def traceback(self, job: int) -> str | None:
        """Return where the exception of a job was raised; None: it is not here."""
        place = job - self._first
        if self._batch is None or not 0 <= place < len(self._batch):
            return None
        (parcel,) = self._batch.parcels(place, place + 1)
        return payload.read_traceback(parcel, _TRACEBACK_CHARACTERS)


def _checked(
    received: Received, frames: list[payload.Frame], digest: bytes
) -> list[payload.Frame]:
    """Return a checkpoint's payload to be kept, once it is what its address says.

    As it came, compressed perhaps; but what its sender only referred to ends with him.
    """
    if payload.digest(frames) != digest:
        msg = "a checkpoint whose payload has another content address"
        raise RemoteProtocolError(msg)
    methods = bytes(received.frames[1])
    if payload.REFERRED in methods or any(n & payload.APART for n in methods):
        return payload.encode(frames, "none")
    return list(received.frames[1:])
