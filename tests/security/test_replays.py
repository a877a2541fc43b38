"""What was recorded on the wire is of no use to who recorded it."""

from pathlib import Path

import msgspec
import pytest
from tests.security.besieged import siege
from tests.security.lies import retire
from tests.security.rogue import rogue
from tests.security.wire import Call, replay, tapped

from gridmap.connection import split_tcp_address
from gridmap.protocol import messages as m

GREETING_BYTES = 64  # of ZMTP 3, RFC 23


def test_recorded_bytes_of_a_runner_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole conversation said again, in parts or spliced, lets nobody in."""
    monkeypatch.setenv("SECURITY_TEST_ROGUES", "2")
    with siege(tmp_path / "place", honest=1) as run:
        target = split_tcp_address(run.file.addresses[0])
        with tapped(target) as wire:
            through = (f"tcp://127.0.0.1:{wire.port}",)
            with rogue(
                run, file=msgspec.structs.replace(run.file, addresses=through)
            ) as runner:
                work = runner.join(run.handle(2))
                retire(runner, work)
        (call,) = wire.calls
        assert b"hello" not in b"".join(call.said)
        before = run.counters.strangers
        attempts = spliced(call)
        for parts in attempts:
            answer = replay(target, parts)
            assert b"welcome" not in answer
        run.until(
            lambda: run.counters.strangers >= before + len(attempts),
            "every replay to be counted as a stranger's",
        )
        run.finish()


def spliced(call: Call) -> list[list[bytes]]:
    """Return ways to say a recorded conversation again."""
    said = b"".join(call.said)
    greeting, rest = said[:GREETING_BYTES], said[GREETING_BYTES:]
    half = len(rest) // 2
    return [
        call.said,
        [said],
        [greeting, rest],
        [greeting, rest[half:]],
        [greeting, *call.said[3:]],
        [greeting, rest[:half], rest[:half]],
        [*call.said[:3], *call.said[2:]],
        [b"".join(call.heard)],
    ]


def test_a_changed_byte_cuts_the_connection(tmp_path: Path) -> None:
    """Whoever sits between the two can break a connection, and nothing else."""
    with siege(tmp_path / "place", runners=1) as run:
        target = split_tcp_address(run.file.addresses[0])
        with tapped(target) as wire:
            through = (f"tcp://127.0.0.1:{wire.port}",)
            file = msgspec.structs.replace(run.file, addresses=through)
            with rogue(run, file=file) as runner:
                runner.greet(("nobody", None))
                assert "no runner" in runner.await_one(m.Refuse).text
        (call,) = wire.calls
        body = bytearray(b"".join(call.said))
        body[-1] ^= 1
        assert b"MESSAGE" not in replay(target, [bytes(body)])
        run.finish()
