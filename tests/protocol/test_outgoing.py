"""What is sent with work, to a runner that does not read."""

import contextlib
import os
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from tests.protocol.test_bulk import REACHED, SECRET

from gridmap import payload
from gridmap.monitor.apart import Apart
from gridmap.monitor.large import LargeFrames
from gridmap.monitor.neighbours import Neighbours
from gridmap.monitor.outgoing import Outgoing
from gridmap.monitor.pieces import Pieces
from gridmap.monitor.store import Store, encode_call
from gridmap.payload.neighbour import Evidence
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.transport.addresses import Endpoint
from gridmap.transport.bulk.requests import REFERENCE, number_of
from gridmap.transport.bulk.server import BulkServer
from gridmap.transport.limits import Limits

PEER = b"runner"
PLAIN = msgspec.structs.replace(REACHED, apart=False)


class Line:
    """A connection, which is full now and then.

    Attributes:
        last: What it was given last.
    """

    def __init__(self) -> None:
        self.full = False
        self.last: list[Any] = []
        self._said: list[m.FromMonitor] = []

    def send(self, peer: bytes, frames: Sequence[Any]) -> bool:
        """Take a message if there is room."""
        assert peer == PEER
        self.last = list(frames)
        if not self.full:
            self._said.append(codec.decode_from_monitor(frames[0]))
        return not self.full

    def said(self) -> list[m.FromMonitor]:
        """Return what was said since this was asked before."""
        said, self._said = self._said, []
        return said


def call(*_: object) -> None:
    """Be called by a job."""


@pytest.fixture
def line() -> Line:
    """Return a connection to a runner."""
    return Line()


@pytest.fixture
def outgoing(line: Line) -> Outgoing:
    """Return what sends by it, to a runner that has no large frames apart."""
    large = LargeFrames(Apart(None), Pieces(line.send, 1 << 30))
    large.meet(PEER, PLAIN)
    neighbours = Neighbours(Evidence(b"", b"", None))
    return Outgoing(line, Store("none", 1 << 40), neighbours, large, lambda _: None)  # type: ignore[arg-type] # it has what is used


def test_acknowledgements_wait_for_more_of_their_kind(
    line: Line, outgoing: Outgoing
) -> None:
    """A runner that gets one job at a time is woken once for each, and not twice."""
    for number in (1, 2):
        outgoing.say(PEER, m.Ack(numbers=(number,)), patient=True)
    assert line.said() == []
    assert outgoing.pause(10.0) < 0.1, "they do not wait for long"
    outgoing.turn(time.monotonic())
    outgoing.turn(time.monotonic() + 1.0)
    assert line.said() == [m.Ack(numbers=(1, 2))]
    assert outgoing.pause(10.0) == 10.0


@pytest.mark.parametrize("message", [m.Ack(numbers=(4,)), m.Stop(), m.Echo(number=5)])
def test_acknowledgements_go_before_what_is_said(
    line: Line, outgoing: Outgoing, message: m.FromMonitor
) -> None:
    """Who is told to end may go as soon as all it has said is acknowledged."""
    outgoing.say(PEER, m.Ack(numbers=(3,)), patient=True)
    outgoing.say(PEER, message)
    assert line.said() == [m.Ack(numbers=(3,)), message]


def test_nothing_is_owed_to_who_greets_anew(line: Line, outgoing: Outgoing) -> None:
    """It says all that was not acknowledged once more."""
    outgoing.say(PEER, m.Ack(numbers=(3,)), patient=True)
    outgoing.part(PEER)
    outgoing.turn(time.monotonic() + 1.0)
    assert line.said() == []


@pytest.mark.parametrize("apart", [True, False], ids=["apart", "in pieces"])
def test_what_is_not_sent_leaves_nothing_lying_there(
    line: Line, *, apart: bool
) -> None:
    """Work that a full connection refuses is sent once more, with frames of its own.

    One that says heartbeats and does not read would fill the monitor's memory.
    """
    host = Endpoint(bind="127.0.0.1", offer="127.0.0.1")
    store = Store("none", 1 << 40)
    pieces = Pieces(line.send, 1 << 30)
    digest = store.functions.add(call)
    store.add_inputs(0, [encode_call((bytearray(os.urandom(1 << 20)),), None, 0)])
    work = m.Work(grant=1, first=0, count=1, attempt=1, function=digest)
    with contextlib.closing(BulkServer([host], SECRET, Limits())) as server:
        large = LargeFrames(Apart(server), pieces)
        large.meet(PEER, msgspec.structs.replace(REACHED, apart=apart))
        neighbours = Neighbours(Evidence(b"", b"", None))
        outgoing = Outgoing(line, store, neighbours, large, lambda _: None)  # type: ignore[arg-type] # it has what is used
        assert outgoing.work(PEER, work)
        line.full = True
        assert not outgoing.work(PEER, work)
        (reference,) = payload.references(line.last[1:])
        number = number_of(reference)
        assert (number is None) == apart
        if number is None:
            assert server.depot.collect(REFERENCE.unpack(reference)[0]) is None
        else:
            pieces.hear(PEER, m.Credit(frame=number, came=0, until=1), (), 0.0)
            assert line.last[1] == b"", "there is no such frame"
