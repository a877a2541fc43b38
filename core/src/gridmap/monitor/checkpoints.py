"""What jobs that were interrupted are to go on with, by content address. Pure."""

from __future__ import annotations

from collections import Counter

import msgspec


class Checkpoints(msgspec.Struct):
    """The checkpoints of a run's jobs: at most two a job.

    One is what its present attempt was started from, the other what that attempt left;
    a job may be sent again before the second takes the place of the first.

    Attributes:
        unneeded: Contents that no job needs any more, to be forgotten.
    """

    unneeded: list[bytes] = []
    _left: dict[int, tuple[bytes, int]] = {}
    _used: dict[int, bytes] = {}
    _needed: Counter[bytes] = msgspec.field(default_factory=Counter)

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._left or self._used)

    def keep(self, job: int, digest: bytes, attempt: int) -> None:
        """An attempt left a checkpoint; it takes the place of an earlier one of it."""
        before = self._left.get(job)
        self._left[job] = (digest, attempt)
        self._needed[digest] += 1
        if before is not None:
            self._release(before[0])

    def left(self, job: int, attempt: int) -> bool:
        """Return whether this very attempt left one."""
        return self._left.get(job, (b"", 0))[1] == attempt

    def resume(self, job: int, function: bytes) -> bytes:
        """Return what the next attempt is to call.

        Args:
            job: The job.
            function: What this attempt was started from.
        """
        left = self._left.pop(job, None)
        if left is None:
            return function
        if (used := self._used.get(job)) is not None:
            self._release(used)
        self._used[job] = left[0]
        return left[0]

    def forget(self, job: int) -> None:
        """The job is final."""
        left = self._left.pop(job, None)
        if left is not None:
            self._release(left[0])
        if (used := self._used.pop(job, None)) is not None:
            self._release(used)

    def _release(self, digest: bytes) -> None:
        self._needed[digest] -= 1
        if not self._needed[digest]:
            del self._needed[digest]
            self.unneeded.append(digest)
