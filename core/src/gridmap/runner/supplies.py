"""What a runner holds for its worker: functions, and the inputs of its grants.

A function stays until the monitor says that no job needs it. A checkpoint is for one
grant only, may be large, and is forgotten with it: the worker gets it just before its
jobs, and once more if it has to begin again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from gridmap import payload
from gridmap.runner.records import ONCE, Record, RecordType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridmap.protocol.messages import Content, Work
    from gridmap.runner.actions import Feed

Frames: TypeAlias = "list[payload.Frame]"


class Supplies:
    """Payloads that came and are still needed."""

    def __init__(self) -> None:
        self._contents: dict[bytes, Frames] = {}
        self._unclaimed: tuple[bytes, Frames] | None = None
        self._owned: dict[int, Frames] = {}
        self._batches: dict[int, tuple[Work, payload.Batch]] = {}

    def learn(self, content: Content, frames: Frames) -> Iterator[Record]:
        """Take in a function; yield what the worker is to be told at once."""
        if content.once:
            self._unclaimed = (content.digest, frames)
        else:
            self._contents[content.digest] = frames
            yield _content(content.digest, frames)

    def discard(self, digest: bytes) -> Iterator[Record]:
        """Forget a function; yield what the worker is to be told."""
        if self._contents.pop(digest, None) is not None:
            yield Record(RecordType.DISCARD, (digest,))

    def take(self, work: Work, frames: Frames) -> None:
        """Take in a grant's inputs, unless they are there.

        Raises:
            RemoteProtocolError: If they are not what they should be.
        """
        unclaimed, self._unclaimed = self._unclaimed, None
        if work.grant in self._batches:
            return
        self._batches[work.grant] = (work, payload.Batch.read(frames))
        if unclaimed is not None and unclaimed[0] == work.function:
            self._owned[work.grant] = unclaimed[1]

    def drop(self, grant: int) -> None:
        """Forget a grant that is done."""
        self._batches.pop(grant, None)
        self._owned.pop(grant, None)

    def contents(self) -> Iterator[Record]:
        """Yield what a fresh worker is to be told."""
        for digest, frames in self._contents.items():
            yield _content(digest, frames)

    def feed(self, feed: Feed) -> Iterator[Record]:
        """Yield what hands jobs to the worker."""
        if (owned := self._owned.get(feed.grant)) is not None:
            yield _content(feed.function, owned, ONCE)
        work, batch = self._batches[feed.grant]
        inputs = batch.take(feed.first - work.first, feed.stop - work.first)
        frames = (feed.function, *inputs)
        yield Record(RecordType.JOBS, frames, feed.first, grant=feed.grant)


def _content(digest: bytes, frames: Frames, kind: int = 0) -> Record:
    return Record(RecordType.CONTENT, (digest, *frames), kind=kind)
