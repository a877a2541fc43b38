"""Bad ends that are remembered: the latest, and of fewer their tracebacks."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.overview.views import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap.events import JobFailed

MOST_FAILURES: Final = 1_000
"""Jobs whose last bad end is remembered with its verdict; of others it is counted."""

MOST_TRACEBACKS: Final = 200
"""Of them, those of which it is known where the exception was raised."""


class Failures(dict[int, Failure]):
    """The last bad end of each job that had one, by job, the latest at the end."""

    def __init__(self, known: Mapping[int, Failure] | None = None) -> None:
        """Begin with what is known."""
        super().__init__(known or {})
        self._traced = deque(job for job, end in self.items() if end.traceback)

    def take(self, event: JobFailed) -> None:
        """Take in a bad end; forget the oldest where there are too many."""
        self.pop(event.job, None)
        self[event.job] = Failure(
            job=event.job,
            at=event.at,
            verdict=event.verdict,
            again=event.again,
            traceback=event.traceback,
        )
        if len(self) > MOST_FAILURES:
            del self[next(iter(self))]
        if event.traceback:
            self._trace(event.job)

    def _trace(self, job: int) -> None:
        """Forget the traceback of the job that has had one longest, if many have."""
        self._traced.append(job)
        while len(self._traced) > MOST_TRACEBACKS:
            old = self._traced.popleft()
            if old in self and old not in self._traced:
                self[old] = msgspec.structs.replace(self[old], traceback="")
