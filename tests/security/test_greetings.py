"""Who greets as nobody can, or does not, or too often, is not heard, and stops no run."""

import math
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tests.security import loopback
from tests.security.besieged import IMPATIENT, Siege, siege
from tests.security.lies import NONCE, report, retire, settle
from tests.security.rogue import hello, rogue

from gridmap.protocol import messages as m

ENDLESS: Final[dict[str, dict[str, Any]]] = {
    "inf": {"remaining": math.inf},
    "nan": {"remaining": math.nan},
    "-inf": {"remaining": -math.inf},
    "huge": {"remaining": 1e300},
    "long": {"node": "x" * 257},
    "python": {"python": (2**63, 0, 0)},
    "holds": {"holds": (-1,)},
}


@pytest.mark.parametrize("changes", ENDLESS.values(), ids=ENDLESS.keys())
def test_an_impossible_greeting_is_not_heard(
    run: Siege, changes: dict[str, Any]
) -> None:
    """It costs the run nothing, and the same handle can greet as it should."""
    with rogue(run) as liar:
        message = msgspec.to_builtins(hello(run.handle(2)), order=None)
        names = [field.name for field in msgspec.structs.fields(m.Hello)]
        for name, value in changes.items():
            message[1 + names.index(name)] = value
        liar.raw(msgspec.msgpack.encode(message))
        work = liar.join(run.handle(2))
        retire(liar, work)
        run.finish()


def test_before_hello_nothing_is_heard(run: Siege) -> None:
    """Reports, beats and goodbyes of a peer that did not greet have no effect."""
    with rogue(run) as liar:
        for grant in range(10):
            report(liar, grant, 0)
        liar.say(m.Beat(number=1, holds=()))
        liar.say(m.Goodbye(number=1, reason="broken"))
        liar.raw(b"\xc1")
        liar.greet(("no such job", None))
        assert "no runner" in liar.await_one(m.Refuse).text
        report(liar, 1, 0)
        service = run.service
        run.until(
            lambda: len(service._sessions.peers) == 1, "strangers to be forgotten"
        )
        run.finish()


def test_who_takes_a_runners_place_cannot_stop_the_run(
    tmp_path: Path,
) -> None:
    """Under another's handle it may get work; when it vanishes the work goes on."""
    with (
        siege(tmp_path / "place", settings=IMPATIENT) as run,
        rogue(run) as liar,
    ):
        liar.join(run.handle(1))
        with rogue(run) as other:
            other.join(run.handle(2))
        run.finish()


def test_who_uses_a_runners_routing_id_cannot_stop_the_run(tmp_path: Path) -> None:
    """ROUTER hands the connection over; the honest runner is missed and replaced."""
    with siege(tmp_path / "place", settings=IMPATIENT) as run:
        peer = run.service._sessions.peers[0]
        with rogue(run, identity=peer) as liar:
            report(liar, 1, 0, count=1)
        run.finish()


def test_unheard_of_frames_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What exceeds the transport's limits does not even end the session."""
    monkeypatch.setenv(loopback.ROGUES, "2")
    settings = {**IMPATIENT, "max_message_bytes": "1M"}
    with (
        siege(tmp_path / "place", honest=1, settings=settings) as run,
        rogue(run) as liar,
    ):
        work = liar.join(run.handle(2))
        liar.raw(*[b"x" * 2**20] * 5)
        liar.raw(*[b"x"] * 70_000)
        settle(liar)
        run.until(lambda: run.counters.oversized == 1, "the long one to be counted")
        run.until(lambda: run.counters.malformed == 1, "the many to be counted")
        retire(liar, work)
        run.finish()


def test_a_flood_of_greetings_leaves_no_sessions(run: Siege) -> None:
    """Peers that are refused are forgotten."""
    with rogue(run) as liar:
        for number in range(3000):
            liar.say(hello((str(number), None)))
        liar.say(m.Beat(number=1, holds=()))
        work = liar.join(run.handle(2))
        service = run.service
        assert len(service._sessions.peers) <= 2
        retire(liar, work)
        run.finish()


def test_an_order_waits_for_a_runner_that_does_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is full of answers when a job of its is taken back."""
    monkeypatch.setenv(loopback.ROGUES, "2")
    monkeypatch.setenv("SOMETHING_LARGE", "x" * 100_000)  # it is in each welcome
    settings = {**IMPATIENT, "silence_limit": 15.0}  # it may be given another job
    with (
        siege(tmp_path / "place", honest=1, settings=settings) as run,
        rogue(run) as liar,
    ):
        liar.greet(run.handle(2), nonce=NONCE)
        work = liar.await_one(m.Work)
        while not run.counters.backlogged:
            liar.greet(run.handle(2), nonce=NONCE, holds=(work.grant,))
        run.monitor.cancel(range(work.first, work.first + 1))
        cancelled = liar.await_one(m.Cancel)
        assert cancelled.grant == work.grant
        assert work.first in range(cancelled.first, cancelled.first + cancelled.count)
        run.forgo(work.first)
