"""What is wrong with a mail server, or with what is said of it, delays no run."""

import logging
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from tests.mailbox import HOST, Mailbox, refusing, silent
from tests.unit.mail.conftest import MakeMailbox
from tests.unit.mail.story import RUN, end, fail, start

from gridmap_mail import correspondent, sender


def test_a_server_that_hangs_delays_an_end_only_so_long(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job's failure costs nothing, the end a bounded time; and a word is said."""
    monkeypatch.setattr(correspondent, "PATIENCE_S", 0.5)
    with silent() as port:
        start(port)
        began = time.monotonic()
        for job in range(5):
            fail(job)
        assert time.monotonic() - began < 0.4
        assert end() < 5.0
    assert "not sent: 5 mails about run sweep" in caplog.text


def test_a_server_that_refuses_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Once for the first, once at the end."""
    with refusing() as port:
        start(port)
        fail(1)
        fail(2)
        end()
    ours = [r for r in caplog.records if r.name.startswith("gridmap_mail")]
    assert "not sent: 2 mails about run sweep" in ours[-1].getMessage()
    assert len(ours) <= 2
    assert str(port) in caplog.text


def test_a_server_that_comes_back_gets_the_mail(
    mailbox: MakeMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed for a passing reason is tried again."""
    monkeypatch.setattr(sender, "_PAUSE_S", 0.05)
    box = mailbox(answer="451 come back later")
    start(box.port)
    fail(1)
    box._answer = "250 OK"
    box.wait(1)
    end()
    assert len(box.mails) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"error_mail_recipient": "no address <"},
        {"smtp_user": "me"},
        {"smtp_user": "me", "smtp_password_file": "/nowhere/at all"},
        {"smtp_security": "starttls"},
        {"smtp_server": "no-such-host.invalid"},
    ],
    ids=["recipient", "no password", "no file", "no TLS", "no host"],
)
def test_settings_that_cannot_work_are_told(
    settings: dict[str, Any], mailbox: MakeMailbox, caplog: pytest.LogCaptureFixture
) -> None:
    """They disturb nobody, and the warning says what is wrong."""
    box = mailbox()
    start(box.port, **settings)
    fail(1)
    end()
    assert box.mails == []
    assert "not sent: 1 mail about run sweep" in caplog.text


@pytest.mark.usefixtures("trusted")
def test_no_password_is_logged(
    mailbox: MakeMailbox,
    certified: ssl.SSLContext,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not even where the login fails, at any level."""
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "password"
    path.touch(0o600)
    path.write_text("wormwood")
    box = mailbox(starttls=certified, users={"me": "other"})
    login: dict[str, Any] = {"smtp_user": "me", "smtp_password_file": str(path)}
    start(box.port, smtp_security="starttls", **login)
    fail(1)
    end()
    assert "535" in caplog.text
    assert "wormwood" not in caplog.text


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is away for weeks costs no more than a few mails' room."""
    monkeypatch.setattr(correspondent, "PATIENCE_S", 0.2)
    with silent() as port:
        start(port, mails_per_hour=1000)
        for job in range(sender.MOST_WAITING + 20):
            fail(job)
        from gridmap_mail import plugin

        waiting = plugin._correspondents[RUN]._sender._waiting
        assert len(waiting) <= sender.MOST_WAITING
        end()


def test_boxes_are_real() -> None:
    """A mailbox that was closed refuses."""
    box = Mailbox()
    box.close()
    with pytest.raises(OSError, match="refused"):
        __import__("socket").create_connection((HOST, box.port), timeout=5)
