"""Small frames that would become huge ones, and frames that are too many."""

import bz2
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import zstandard
from tests.security import loopback
from tests.security.besieged import IMPATIENT, siege
from tests.security.lies import NONCE, retire
from tests.security.rogue import rogue

from gridmap.protocol import codec
from gridmap.protocol import messages as m

MESSAGE_BYTES: Final = 8 * 2**20
"""The setting ``max_message_bytes`` of the run under attack."""
BOMB_BYTES: Final = 256 * 2**20


def _zeros_zstd() -> bytes:
    return zstandard.ZstdCompressor(level=19).compress(bytes(BOMB_BYTES))


def _zeros_bz2() -> bytes:
    return bz2.compress(bytes(BOMB_BYTES))


def _endless_zstd() -> bytes:
    """Return a frame that does not tell its size."""
    stream = zstandard.ZstdCompressor(level=19).compressobj()
    return stream.compress(bytes(BOMB_BYTES)) + stream.flush()


@pytest.mark.parametrize(
    ("method", "make"),
    [(1, _zeros_zstd), (1, _endless_zstd), (2, _zeros_bz2)],
    ids=["zstd", "zstd of unknown size", "bz2"],
)
def test_a_decompression_bomb_is_not_lit(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: int,
    make: Callable[[], bytes],
) -> None:
    """What would exceed the largest message ends the session, not the memory."""
    monkeypatch.setenv(loopback.ROGUES, "2")
    bomb = make()
    assert len(bomb) < MESSAGE_BYTES
    settings = {**IMPATIENT, "max_message_bytes": MESSAGE_BYTES}
    with siege(tmp_path / "place", honest=1, settings=settings) as run:
        handle = run.handle(2)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with rogue(run) as liar:
            liar.greet(handle, nonce=NONCE)
            work = liar.await_one(m.Work)
            report = m.Report(number=1, grant=work.grant, first=work.first, count=1)
            liar.raw(codec.encode(report), bytes((method, method)), bomb, bomb)
            assert "protocol error" in liar.await_one(m.Refuse).text
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
        assert grown * 1024 < BOMB_BYTES / 4
        with rogue(run) as liar:
            liar.greet(handle, nonce=NONCE, holds=(work.grant,))
            retire(liar, work)
            run.finish()
