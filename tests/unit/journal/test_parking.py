"""What a runner leaves behind is found again, whole or not at all."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.others import OtherUser

from gridmap.journal import parking
from gridmap.protocol import messages as m

REPORT = m.Report(number=3, grant=2, first=5, count=1)
GOODBYE = m.Goodbye(number=4, reason="orphaned")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=st.lists(st.binary(max_size=200), max_size=4))
def test_what_is_parked_is_found(tmp_path: Path, frames: list[bytes]) -> None:
    """Messages, order and payloads are as they were."""
    parking.park(tmp_path, "abc", [(REPORT, frames), (GOODBYE, ())])
    (found,) = parking.find(tmp_path)
    assert found.nonce == "abc"
    assert list(found.messages) == [(REPORT, tuple(frames)), (GOODBYE, ())]
    found.drop()
    assert list(parking.find(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_named_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It harms no other, and is there for whoever wants to look at it."""
    parking.park(tmp_path, "good", [(REPORT, [b"x"])])
    bad = parking.park(tmp_path, "bad", [(REPORT, [b"x" * 100])])
    bad.write_bytes(bad.read_bytes()[:-10])
    with caplog.at_level(logging.WARNING):
        assert [found.nonce for found in parking.find(tmp_path)] == ["good"]
    assert str(bad) in caplog.text
    assert bad.exists()


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """Results are their user's own."""
    path = parking.park(tmp_path, "abc", [(REPORT, [b"x"])])
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_planted_in_its_place_is_not_followed(tmp_path: Path) -> None:
    """Nothing is written through it."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "abc.half").symlink_to(victim)
    with pytest.raises(OSError, match="File exists"):
        parking.park(tmp_path, "abc", [(REPORT, [b"x"])])
    assert victim.read_text() == "precious"


def test_what_is_no_file_of_the_user_is_not_read(
    tmp_path: Path, other_user: OtherUser, caplog: pytest.LogCaptureFixture
) -> None:
    """A link, a pipe that would never end, another user's file: each is named."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    whole = parking.park(elsewhere, "whole", [(REPORT, [b"x"])])
    link, pipe = tmp_path / "link.parked", tmp_path / "pipe.parked"
    link.symlink_to(whole)
    os.mkfifo(pipe)
    theirs = parking.park(tmp_path, "theirs", [(REPORT, [b"x"])])
    other_user.own(theirs)
    with caplog.at_level(logging.WARNING):
        assert list(parking.find(tmp_path)) == []
    for path in (link, pipe, theirs):
        assert str(path) in caplog.text
