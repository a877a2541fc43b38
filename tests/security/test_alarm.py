"""Who attacks is noticed, and cannot fill the log."""

import logging
import socket
from pathlib import Path

import pytest
from tests.security.besieged import siege

from gridmap.connection import split_tcp_address
from gridmap.events import RunEnded
from gridmap.monitor.alarm import PAUSE_S, Alarm
from gridmap.transport import Counters


def test_what_is_new_is_told_at_once_and_then_once_a_minute() -> None:
    """A thousand attacks within the pause are one more line."""
    alarm = Alarm(Counters())
    assert alarm.ring(0.0) == ""
    alarm.counters.denied = 1
    assert alarm.ring(1.0) == "turned away so far: connections with a wrong key (1)"
    alarm.refused = 7
    assert alarm.ring(0.9 + PAUSE_S) == ""
    assert alarm.ring(1.0 + PAUSE_S).endswith("messages that broke the protocol (7)")
    assert alarm.ring(9.0 + 9 * PAUSE_S) == ""


def test_a_real_run_warns_of_strangers_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Fifty strangers, one warning; none for a run that nobody disturbs."""
    caplog.set_level(logging.WARNING, "gridmap")

    def warnings() -> list[str]:
        mine = [r for r in caplog.records if r.name == "gridmap.monitor.service"]
        return [record.getMessage() for record in mine]

    with siege(tmp_path / "place", runners=1, jobs=2) as run:
        assert warnings() == []
        target = split_tcp_address(run.file.addresses[0])
        for _ in range(50):
            with socket.create_connection(target, 10.0) as stranger:
                stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
        run.until(lambda: run.counters.strangers >= 50, "all to be counted")
        run.until(warnings, "a warning")
        run.finish()
    (message,) = warnings()
    assert "connections of strangers" in message
    (ended,) = run.seen(RunEnded)
    assert ended.turned_away["connections of strangers"] >= 50
    assert not ended.turned_away.get("messages that broke the protocol")
