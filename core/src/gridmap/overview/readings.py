"""Heartbeats over time in bounded memory: where they are too many, half are forgotten.

Times are seconds since the run began.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    from gridmap.events import RunnerVitals

MOST_READINGS: Final = 20_000
"""Of all runners together; more only where one would have less than `_LEAST`."""

_LEAST, _MOST = 24, 240
"""Readings that a runner may have, whatever others have."""

_COLUMNS: Final = "fffd"
"""Types of the columns: when, processors, bytes held, job."""


class Point(msgspec.Struct, frozen=True):
    """What a heartbeat said.

    Attributes:
        at: When.
        cores: Processor seconds a second since the one before.
        rss: Bytes held.
        job: The job that ran; -1 if none did.
    """

    at: float
    cores: float
    rss: float
    job: int


class Readings:
    """Heartbeats of one runner, or of those that were in one place."""

    def __init__(self) -> None:
        self._columns: list[array[float]] = [array(t) for t in _COLUMNS]
        self._every_s = 0.0

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._columns[0])

    def __iter__(self) -> Iterator[Point]:
        """Yield those that are kept, in order."""
        rows = zip(*self._columns, strict=True)
        return (Point(at, cores, rss, int(job)) for at, cores, rss, job in rows)

    def __eq__(self, other: object) -> bool:
        """Whether both keep the same."""
        return isinstance(other, Readings) and self._columns == other._columns

    __hash__ = None  # type: ignore[assignment]  # they change

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return what `to_bytes` wrote.

        Raises:
            ValueError: If it did not write that.
        """
        made = cls()
        widths = [column.itemsize for column in made._columns]
        count, rest = divmod(len(data), sum(widths))
        if rest:
            msg = f"{len(data)} bytes are no readings"
            raise ValueError(msg)
        at = 0
        for column, width in zip(made._columns, widths, strict=True):
            column.frombytes(data[at : at + count * width])
            at += count * width
        return made

    def to_bytes(self) -> bytes:
        """Return them as bytes, 20 for each."""
        return b"".join(column.tobytes() for column in self._columns)

    def add(self, point: Point, most: int) -> None:
        """Take one in.

        Args:
            point: The heartbeat.
            most: How many to keep.
        """
        times, cores, rss, jobs = self._columns
        soon = bool(times) and point.at - times[-1] < self._every_s
        if soon and jobs[-1] == point.job:
            # Too soon for a point of its own: the higher of both is what is shown.
            cores[-1] = max(cores[-1], point.cores)
            rss[-1] = max(rss[-1], point.rss)
            return
        for column, value in zip(
            self._columns, msgspec.structs.astuple(point), strict=True
        ):
            column.append(value)
        if len(times) > most:
            self._halve()

    def _halve(self) -> None:
        times = self._columns[0]
        span = times[-1] - times[0]
        self._every_s = max(2 * self._every_s, 2 * span / len(times))
        keep = slice(len(times) % 2, None, 2)
        self._columns = [column[keep] for column in self._columns]


def cores_between(before: RunnerVitals | None, now: RunnerVitals) -> float:
    """Return processor seconds a second between two heartbeats of a runner."""
    if before is None or now.at <= before.at:
        return 0.0
    used = now.cpu_s - before.cpu_s
    if used < 0:  # another worker, whose count began anew
        used = now.cpu_s
    return max(0.0, used / (now.at - before.at))


class Heartbeats(dict[int, Readings]):
    """Readings of all runners of a run, by number."""

    def __init__(self, known: Mapping[int, Readings] | None = None) -> None:
        """Begin with what is known."""
        super().__init__(known or {})
        self._last: dict[int, RunnerVitals] = {}

    def take(self, event: RunnerVitals, at: float) -> None:
        """Take in a heartbeat, so long after the run began."""
        before = self._last.get(event.runner)
        self._last[event.runner] = event
        point = Point(
            at=at,
            cores=cores_between(before, event),
            rss=event.rss,
            job=-1 if event.job is None else event.job,
        )
        share = MOST_READINGS // max(1, len(self))
        kept = self.setdefault(event.runner, Readings())
        kept.add(point, max(_LEAST, min(_MOST, share)))

    def forget(self, runner: int) -> None:
        """Forget a runner."""
        self.pop(runner, None)
        self._last.pop(runner, None)
