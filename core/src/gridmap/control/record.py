"""An overview as bytes: what a control socket answers, and what stays of a run.

One format for both. It is data only and is checked while it is read: nothing in it is
ever unpickled.
"""

import functools
import zlib
from array import array
from collections import Counter, deque
from collections.abc import Mapping
from typing import Final

import msgspec

from gridmap.driver import Driver
from gridmap.errors import RunError
from gridmap.overview import (
    MOST_NOTICES,
    Failure,
    Failures,
    Heartbeats,
    Notice,
    Overview,
    Readings,
    Request,
    RunnerView,
    Sample,
)
from gridmap.packing import pack

VERSION: Final = 1
MOST_BYTES: Final = 512 * 2**20
"""Of a record, decompressed: some ten million jobs."""

_LEVEL: Final = 1


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A run, as its driver last wrote it down.

    Attributes:
        version: Of this format.
        driver: The process that drove it.
        gridmap: Version of gridmap.
        kept: Whether the run can be resumed, so that its directory stays.
    """

    version: int
    driver: Driver
    gridmap: str
    kept: bool
    token: str
    name: str
    backend: str
    directory: str
    started: float | None
    ended: float | None
    error: str | None
    at: float
    queries: Mapping[str, int]
    states: bytes
    holders: bytes
    seconds: bytes
    runners: list[RunnerView]
    failures: list[Failure]
    causes: dict[str, int]
    notices: list[Notice]
    samples: list[Sample]
    attempts: dict[int, int]
    lost_cpu_s: float
    ends: bytes
    peaks: bytes
    requests: list[Request]
    names: list[str] = []
    readings: dict[int, bytes] = {}

    def overview(self) -> Overview:
        """Return the overview that was written down."""
        holders: array[int] = array("i")
        holders.frombytes(self.holders)
        floats = [array("f", ()) for _ in range(3)]
        for each, data in zip(
            floats, (self.seconds, self.ends, self.peaks), strict=True
        ):
            each.frombytes(data)
        seconds, ends, peaks = floats
        if {len(each) for each in (self.states, holders, *floats)} != {
            len(self.states)
        }:
            raise self._damaged()
        return Overview(
            token=self.token,
            name=self.name,
            backend=self.backend,
            directory=self.directory,
            started=self.started,
            ended=self.ended,
            error=self.error,
            at=self.at,
            queries=self.queries,
            states=bytearray(self.states),
            holders=holders,
            seconds=seconds,
            ends=ends,
            peaks=peaks,
            requests=list(self.requests),
            runners={runner.number: runner for runner in self.runners},
            failures=Failures({failure.job: failure for failure in self.failures}),
            causes=Counter(self.causes),
            notices=deque(self.notices, maxlen=MOST_NOTICES),
            samples=list(self.samples),
            attempts=self.attempts,
            lost_cpu_s=self.lost_cpu_s,
            names=list(self.names),
            readings=self._readings(),
        )

    def _readings(self) -> Heartbeats:
        try:
            return Heartbeats(
                {
                    runner: Readings.from_bytes(data)
                    for runner, data in self.readings.items()
                }
            )
        except ValueError as error:
            raise self._damaged() from error

    def _damaged(self) -> RunError:
        return RunError(f"the record of run {self.name!r} is damaged")


@functools.cache  # a run writes its record, and others read it
def _decoder() -> msgspec.msgpack.Decoder[Record]:
    return msgspec.msgpack.Decoder(Record)


def make(overview: Overview, driver: Driver, gridmap: str, *, kept: bool) -> Record:
    """Return a record of what there is to see now. Copies what may change."""
    return Record(
        version=VERSION,
        driver=driver,
        gridmap=gridmap,
        kept=kept,
        token=overview.token,
        name=overview.name,
        backend=overview.backend,
        directory=overview.directory,
        started=overview.started,
        ended=overview.ended,
        error=overview.error,
        at=overview.at,
        queries=dict(overview.queries),
        states=bytes(overview.states),
        holders=overview.holders.tobytes(),
        seconds=overview.seconds.tobytes(),
        ends=overview.ends.tobytes(),
        peaks=overview.peaks.tobytes(),
        requests=list(overview.requests),
        runners=list(overview.runners.values()),
        failures=list(overview.failures.values()),
        causes=dict(overview.causes),
        notices=list(overview.notices),
        samples=list(overview.samples),
        attempts=dict(overview.attempts),
        lost_cpu_s=overview.lost_cpu_s,
        names=list(overview.names),
        readings={
            runner: kept.to_bytes() for runner, kept in overview.readings.items()
        },
    )


def encode(record: Record) -> bytes:
    """Return a record as bytes."""
    return zlib.compress(pack(record), _LEVEL)


def decode(data: bytes) -> Record:
    """Return the record that these bytes are.

    Raises:
        RunError: If they are none, or another version of gridmap wrote them.
    """
    try:
        unpacker = zlib.decompressobj()
        body = unpacker.decompress(data, MOST_BYTES)
        record = _decoder().decode(body)
    except (zlib.error, msgspec.MsgspecError, ValueError, TypeError) as error:
        msg = f"this is no record of a run: {error}"
        raise RunError(msg) from error
    if record.version != VERSION:
        msg = f"the record of run {record.name!r} is of another version of gridmap"
        raise RunError(msg)
    return record
