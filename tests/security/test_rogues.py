"""A runner with the run's own key that lies, and a run that comes to its right end.

One of two runners is the test. What it says of work that is not its own changes
nothing; what cannot be said at all ends its session; and its own work is given to
others once it is gone.
"""

import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tests.security import loopback
from tests.security.besieged import IMPATIENT, Siege, siege
from tests.security.lies import LIE, NONCE, report, retire, settle, values
from tests.security.rogue import rogue

from gridmap import payload
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.protocol.pieces import PIECE_BYTES
from gridmap.transport.bulk.requests import numbered


def test_results_for_other_runners_jobs_do_not_count(run: Siege) -> None:
    """Whatever grant is guessed, no job but one's own is touched."""
    with rogue(run) as liar:
        work = liar.join(run.handle(2))
        for grant in set(range(20)) - {work.grant} | {2**53}:
            for job in range(len(run.expected)):
                report(liar, grant, job)
        settle(liar)
        retire(liar, work)
        run.finish()


def test_a_result_counts_once_and_from_the_present_holder(run: Siege) -> None:
    """The second word on a job, and words on work handed back, change nothing."""
    with rogue(run) as liar:
        work = liar.join(run.handle(2))
        truth = work.first**2
        message = m.Report(
            number=liar.next(), grant=work.grant, first=work.first, count=1
        )
        liar.say(message, *values(truth))
        report(liar, work.grant, work.first)
        liar.say(message, *values(LIE))
        more = liar.await_one(m.Work)
        liar.say(
            m.Returned(number=liar.next(), grant=more.grant, first=more.first, count=1)
        )
        report(liar, more.grant, more.first)
        settle(liar)
        liar.say(m.Goodbye(number=liar.next(), reason="stopped"))
        run.finish()


def test_a_part_of_a_grant_that_was_handed_back_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a grant still open, jobs handed back belong to their next holder."""
    monkeypatch.setenv(loopback.ROGUES, "2")
    with (
        siege(tmp_path / "place", honest=1, jobs=40, settings=IMPATIENT) as run,
        rogue(run) as liar,
    ):
        work = liar.join(run.handle(2))
        while work.count == 1:  # until durations are learnt, and grants grow
            message = m.Report(
                number=liar.next(), grant=work.grant, first=work.first, count=1
            )
            liar.say(message, *values(work.first**2))
            work = liar.await_one(m.Work)
        number = liar.next()
        liar.say(m.Returned(number=number, grant=work.grant, first=work.first, count=1))
        report(liar, work.grant, work.first)
        settle(liar)
        liar.say(m.Goodbye(number=liar.next(), reason="stopped"))
        run.finish()


FORGED: Final[dict[str, Callable[[m.Work], list[bytes]]]] = {
    "a job outside the grant": lambda w: _report(w, first=w.first + 1),
    "a job beyond all": lambda w: _report(w, first=2**53),
    "more jobs than granted": lambda w: _report(w, LIE, LIE, count=2),
    "a million jobs": lambda w: _report(w, count=2**20),
    "fewer results than jobs": lambda w: _report(w, count=1),
    "more results than jobs": lambda w: _report(w, LIE, LIE),
    "no count": lambda w: _raw(w, count=0),
    "a negative count": lambda w: _raw(w, count=-1),
    "an overflowing first": lambda w: _raw(w, first=2**64 - 1),
    "a negative first": lambda w: _raw(w, first=-1),
    "a negative grant": lambda w: _raw(w, grant=-(2**63)),
    "a broken first": lambda w: _raw(w, first=0.5),
    "endless seconds": lambda w: _raw(w, seconds=math.inf),
    "no number of seconds": lambda w: _raw(w, seconds=math.nan),
    "a line break in a word": lambda _: [
        codec.encode(m.Goodbye(number=1, reason="stopped\nrm -rf /"))
    ],
    "an escape in an unknown tag": lambda _: [
        msgspec.msgpack.encode(["\x1b[2J" * 10_000, 1])
    ],
    "a text for a number": lambda w: _raw(w, number="1"),
    "an unknown kind of failure": lambda w: _raw(w, failures=[[0, 99, None]]),
    "an unknown message": lambda _: [msgspec.msgpack.encode(["sesame", 1])],
    "a message for runners": lambda _: [codec.encode(m.Stop(now=True))],
    "no message": lambda _: [b""],
    "a truncated message": lambda w: [_report(w, LIE)[0][:-3]],
    "a message and more": lambda w: [_report(w, LIE)[0] + b"\0"],
    "a huge message": lambda _: [b"\xdb\x00\x10\x00\x00" + b"x" * 2**20],
    "deep nesting": lambda _: [b"\x91" * 100_000],
    "no payload": lambda w: _report(w, LIE)[:1],
    "a truncated payload": lambda w: [f[:-1] for f in _report(w, LIE)],
    "too many frames": lambda w: [*_report(w, LIE), *[b"x"] * 1000],
    "no such compression": lambda w: [_report(w, LIE)[0], b"\7\7", b"", b""],
    "a table that promises gigabytes": lambda w: [
        _report(w, LIE)[0],
        b"\0\0",
        struct.pack("<BxxxIII", 1, 1, 0, 0xFFFF_FFF0),
        b"",
    ],
    "an impossible worker": lambda w: [
        msgspec.msgpack.encode(["worker-lost", 1, w.grant, 2**53, None, 9])
    ],
    "a checkpoint that is not what it says": lambda w: [
        codec.encode(
            m.Checkpoint(number=1, grant=w.grant, job=w.first, digest=b"x" * 20)
        ),
        *map(bytes, payload.encode([b"state"], "none")),
    ],
    "a checkpoint of a job that it never had": lambda w: [
        codec.encode(
            m.Checkpoint(
                number=1,
                grant=w.grant,
                job=2**50,
                digest=payload.digest([b"state"]),
            )
        ),
        *map(bytes, payload.encode([b"state"], "none")),
    ],
    "no frames to bring": lambda _: [msgspec.msgpack.encode(["bring", 1, []])],
    "empty frames to bring": lambda _: [msgspec.msgpack.encode(["bring", 1, [0]])],
    "too many frames to bring": lambda _: [
        msgspec.msgpack.encode(["bring", 1, [1] * 65_537])
    ],
    "too large a frame to bring": lambda _: [
        codec.encode(m.Bring(first=1, sizes=(2**53,)))
    ],
    "jobs handed back that it never had": lambda w: [
        codec.encode(m.Returned(number=1, grant=w.grant, first=0, count=2**60))
    ],
}


def _report(work: m.Work, *results: object, **changes: int) -> list[bytes]:
    fields: dict[str, Any] = {
        "number": 1,
        "grant": work.grant,
        "first": work.first,
        "count": 1,
    }
    return [codec.encode(m.Report(**fields | changes)), *values(*results)]


def _raw(work: m.Work, **changes: object) -> list[bytes]:
    """Return a report whose fields need not be possible."""
    fields: dict[str, object] = {
        "number": 1,
        "grant": work.grant,
        "first": work.first,
        "count": 1,
        "failures": [],
        "seconds": 0.0,
    }
    row = ["report", *(fields | changes).values()]
    return [msgspec.msgpack.encode(row), *values(LIE)]


def test_what_cannot_be_said_ends_the_session(run: Siege) -> None:
    """Forgeries are refused one by one, and their sender is let in anew each time."""
    handle = run.handle(2)
    with rogue(run) as first:
        first.greet(handle, nonce=NONCE)
        work = first.await_one(m.Work)
    for what, forge in FORGED.items():
        with rogue(run) as liar:
            liar.greet(handle, nonce=NONCE, holds=(work.grant,))
            liar.await_one(m.Welcome)
            liar.raw(*forge(work))
            text = liar.await_one(m.Refuse).text
            assert "protocol error" in text, what
            assert len(text) < 1000, what
            assert text.isprintable(), what
            report(liar, work.grant, work.first)  # deaf ears
    with rogue(run) as liar:
        liar.greet(handle, nonce=NONCE, holds=(work.grant,))
        liar.await_one(m.Welcome)
        retire(liar, work)
        run.finish()


def test_pieces_that_may_not_come_end_the_session(run: Siege) -> None:
    """Nor does the run keep anything of them, or of frames that are not finished."""
    handle = run.handle(2)
    pieces = run.service._large._pieces
    with rogue(run) as first:
        first.greet(handle, nonce=NONCE)
        work = first.await_one(m.Work)
    for said, part in (
        (m.Piece(frame=1, at=PIECE_BYTES), bytes(PIECE_BYTES)),
        (m.Piece(frame=2, at=0), bytes(PIECE_BYTES)),
        (m.Piece(frame=1, at=0), b"x"),
        (m.Bring(first=2, sizes=(1,)), None),
    ):
        with rogue(run) as liar:
            liar.greet(handle, nonce=NONCE, holds=(work.grant,))
            liar.await_one(m.Welcome)
            liar.say(m.Bring(first=1, sizes=(2**30,)))
            assert liar.await_one(m.Credit).came == 0
            liar.say(said, *([] if part is None else [part]))
            assert "protocol error" in liar.await_one(m.Refuse).text
            assert not pieces._brought
    with rogue(run) as liar:
        liar.greet(handle, nonce=NONCE, holds=(work.grant,))
        liar.await_one(m.Welcome)
        for number in range(100):  # of frames that are not there, or not its own
            liar.say(m.Credit(frame=number, came=0, until=1))
            assert liar.await_one(m.Piece).frame == number
        liar.say(m.Piece(frame=1, at=0), b"of nothing")
        settle(liar)
        assert not pieces._brought
        retire(liar, work)
        run.finish()


def test_what_is_brought_for_a_job_that_is_not_its_own_is_let_go(run: Siege) -> None:
    """As a result is that somebody else was quicker with: it may be very large."""
    pieces = run.service._large._pieces
    with rogue(run) as liar:
        work = liar.join(run.handle(2))
        liar.say(m.Bring(first=1, sizes=(PIECE_BYTES,)))
        liar.await_one(m.Credit)
        liar.say(m.Piece(frame=1, at=0), bytes(PIECE_BYTES))
        settle(liar)
        assert pieces._brought, "it waits for the message that refers to it"
        message = m.Report(
            number=liar.next(), grant=work.grant + 100, first=work.first, count=1
        )
        liar.say(message, bytes([payload.APART]), numbered(1, PIECE_BYTES))
        settle(liar)
        assert not pieces._brought
        retire(liar, work)
        run.finish()


def test_a_rogue_that_breaks_off_loses_its_work_to_others(run: Siege) -> None:
    """After a protocol error its jobs are run again by someone else."""
    with rogue(run) as liar:
        work = liar.join(run.handle(2))
        liar.raw(b"\xc1")
        liar.await_one(m.Refuse)
        report(liar, work.grant, work.first)
        run.finish()
