"""Any bytes whatever give a message or `RemoteProtocolError`, and cost no run its end."""

import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.security import fuzzer, loopback
from tests.security.besieged import IMPATIENT, siege
from tests.security.lies import NONCE, retire
from tests.security.rogue import rogue

from gridmap.protocol import messages as m

SECONDS: Final = int(os.environ.get("GRIDMAP_TEST_FUZZ_S", "5"))
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=40),
    st.binary(max_size=40),
)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4), max_leaves=12
)
_tags = st.sampled_from(
    [
        *("hello", "beat", "report", "worker-lost", "returned", "warned"),
        *("checkpoint", "goodbye", "work", "?"),
    ]
)
_rows = st.builds(
    lambda tag, rest: msgspec.msgpack.encode([tag, *rest]),
    _tags,
    st.lists(_values, max_size=14),
)
_bytes = st.one_of(st.binary(max_size=200), _rows)
_frames = st.lists(_bytes, min_size=1, max_size=6)


@pytest.mark.slow
@pytest.mark.timeout(120)
@settings(max_examples=1000, deadline=None, database=None)
@given(_bytes)
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    """Of either side's messages, of batches and of compressed frames."""
    fuzzer.try_all(data)


@pytest.mark.slow
@pytest.mark.timeout(60 + SECONDS)
def test_a_fuzzer_that_sees_the_code_finds_nothing(tmp_path: Path) -> None:
    """Coverage leads it; GRIDMAP_TEST_FUZZ_S says for how many seconds."""
    if importlib.util.find_spec("atheris") is None:
        where = f"{platform.machine()}, Python {platform.python_version()}"
        pytest.skip(f"requirements/test.txt has no atheris for {where}")
    arguments = [f"-max_total_time={SECONDS}", "-max_len=4096", "-rss_limit_mb=2048"]
    done = subprocess.run(
        [sys.executable, fuzzer.__file__, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_run_survives_any_frames_of_a_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of messages after a proper greeting, well formed and not."""
    monkeypatch.setenv(loopback.ROGUES, "2")
    with siege(tmp_path / "place", honest=1, settings=IMPATIENT) as run:
        handle = run.handle(2)
        with rogue(run) as first:
            first.greet(handle, nonce=NONCE)
            work = first.await_one(m.Work)

        @settings(
            max_examples=60,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(_frames, min_size=1, max_size=4))
        def attack(messages: list[list[bytes]]) -> None:
            with rogue(run) as liar:
                liar.greet(handle, nonce=NONCE, holds=(work.grant,))
                liar.await_one(m.Welcome)
                for frames in messages:
                    liar.raw(*frames)

        attack()
        with rogue(run) as liar:
            liar.greet(handle, nonce=NONCE, holds=(work.grant,))
            retire(liar, work)
            run.finish()
