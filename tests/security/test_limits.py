"""What one who holds the run's key can make the monitor keep, and how often."""

import resource
import shutil
import time
from pathlib import Path
from typing import Final

import msgspec
import pytest
import zstandard
from tests.security import loopback
from tests.security.besieged import IMPATIENT, Siege, siege
from tests.security.lies import retire, settle, values
from tests.security.rogue import Rogue, hello, rogue

from gridmap import payload
from gridmap.events import RunnerUp
from gridmap.monitor.fleet import MOST_IN_VAIN
from gridmap.protocol import codec
from gridmap.protocol import messages as m

MOST_LIVES: Final = 1000
BOMB_BYTES: Final = 512 * 2**20


def test_what_does_not_count_is_not_decompressed(run: Siege) -> None:
    """A report of a grant that is not the sender's costs neither memory nor time."""
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(BOMB_BYTES))
    with rogue(run) as liar:
        work = liar.join(run.handle(2))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for grant in range(work.grant + 1, work.grant + 40):
            message = m.Report(number=liar.next(), grant=grant, first=0, count=1)
            liar.say(message, b"\1\1", bomb, bomb)
            saved = m.Checkpoint(
                number=liar.next(), grant=grant, job=0, digest=b"x" * 20
            )
            liar.say(saved, b"\1\1", bomb, bomb)
        settle(liar)  # its session is still open: nothing was looked into
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
        assert grown * 1024 < BOMB_BYTES / 4
        retire(liar, work)
        run.finish()


def test_work_is_not_taken_and_handed_back_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who does nothing else is shut out, and what he holds is given to others at once."""
    monkeypatch.setenv(loopback.ROGUES, "2")
    with siege(tmp_path / "place", honest=1) as run:
        with rogue(run) as liar:
            work = liar.join(run.handle(2))
            turns = 0
            while True:
                back = m.Returned(
                    number=liar.next(),
                    grant=work.grant,
                    first=work.first,
                    count=work.count,
                )
                liar.say(back)
                answer = liar.await_any(m.Work, m.Refuse)
                if isinstance(answer, m.Refuse):
                    break
                assert isinstance(answer, m.Work)
                work, turns = answer, turns + 1
            assert turns == MOST_IN_VAIN
            assert "led nowhere" in answer.text
        with rogue(run) as again:
            again.greet(run.handle(2))
            again.await_one(m.Refuse)
        begin = time.monotonic()
        run.finish()
        assert time.monotonic() - begin < run.monitor.settings.silence_limit / 2
    assert run.turned_away["messages that broke the protocol"] >= 1


def test_warnings_do_not_pile_up(run: Siege) -> None:
    """A runner that warns of its end again and again is shut out."""
    with rogue(run) as liar:
        liar.join(run.handle(2))
        for _ in range(MOST_IN_VAIN + 1):
            liar.say(m.Warned(number=liar.next(), text="x" * 1000))
        assert "led nowhere" in liar.await_one(m.Refuse).text
        (runner,) = [r for r in run.service._ledger._books.fleet if r.number == 2]
        assert len(runner.statements) <= MOST_IN_VAIN + 10
    run.finish()


def save(liar: Rogue, work: m.Work, state: bytes) -> m.Checkpoint:
    """Send a checkpoint of the first job of some work; return the message."""
    saved = m.Checkpoint(
        number=liar.next(),
        grant=work.grant,
        job=work.first,
        digest=payload.digest([state]),
    )
    liar.say(saved, *map(bytes, payload.encode([state], "none")))
    return saved


def test_a_second_checkpoint_of_an_attempt_is_not_kept(run: Siege) -> None:
    """Else a runner could fill the disk with them."""
    with rogue(run) as liar:
        work = liar.join(run.handle(2))
        store = run.service._store
        for state in (b"one", b"two"):
            save(liar, work, state)
        settle(liar)
        assert store.is_checkpoint(payload.digest([b"one"]))
        assert not store.is_checkpoint(payload.digest([b"two"]))
        done = m.Report(number=liar.next(), grant=work.grant, first=work.first, count=1)
        liar.say(done, *values(work.first**2))
        retire(liar, liar.await_one(m.Work))
    run.finish()


def test_the_journal_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a runner says that is too long for it is not written, counted and told."""
    monkeypatch.setenv(loopback.ROGUES, "2")
    settings = {**IMPATIENT, "max_journal_bytes": "1M"}
    with siege(tmp_path / "place", honest=1, resume="kept", settings=settings) as run:
        with rogue(run) as liar:
            work = liar.join(run.handle(2))
            state = bytes(2 * 2**20)
            saved = save(liar, work, state)
            settle(liar)
            assert run.service._store.is_checkpoint(saved.digest)
            retire(liar, work)
        run.finish()
        journal = run.directory / "journal.sqlite"
        kept = [journal, *journal.with_suffix(".frames").glob("*")]
        assert sum(file.stat().st_size for file in kept) < 2**20
    shutil.rmtree(journal.parent.parent)
    assert run.turned_away["journal entries too many"] == 1


def test_a_greeting_is_short() -> None:
    """It may be kept for a while; who holds more grants than there can be is refused."""
    message = msgspec.structs.replace(hello(("1", None)), holds=tuple(range(5000)))
    with pytest.raises(Exception, match="length <= 4096"):
        codec.decode_from_runner(codec.encode(message))


def test_nobody_hoards_lives(run: Siege) -> None:
    """Each new nonce under a handle is remembered; soon none is let in any more."""
    handle = run.handle(2)
    with rogue(run) as liar:
        for number in range(MOST_LIVES):
            liar.greet(handle, nonce=f"{number:016x}", holds=())
        liar.await_one(m.Refuse)
        settled = [e for e in run.events if isinstance(e, RunnerUp)]
        assert len(settled) < MOST_LIVES / 2
    run.finish()
