"""A mail server that raises, hangs or dies disturbs no map; what was not sent is said."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests import mailbox
from tests.backends.conftest import LOCAL
from tests.faults import deeds
from tests.faults.conftest import Strike
from tests.sites import Site

from gridmap_mail import correspondent

# Mail is sent by the user's process, wherever the jobs are.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(90),
    pytest.mark.parametrize("site", [LOCAL], indirect=True),
]

DEEDS = {3: deeds.fail, 9: deeds.held_and_failing}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a server that hangs no longer than a test likes to."""
    monkeypatch.setattr(correspondent, "PATIENCE_S", 1.0)
    monkeypatch.setattr(correspondent, "_limits", correspondent._Limits())


def asking_for_mail(port: int) -> dict[str, Any]:
    """Return the settings of a map that tells of failures."""
    return {
        "send_error_mail": True,
        "create_plots": False,
        "smtp_server": mailbox.HOST,
        "smtp_port": port,
        "error_mail_sender": "grid@example.org",
        "error_mail_recipient": "you@example.org",
    }


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[int]:
    """Return the port of one that is no good."""
    if request.param == "raising":
        box = mailbox.Mailbox(answer="554 out of order")
        yield box.port
        box.close()
    else:
        with {"hanging": mailbox.silent, "refusing": mailbox.refusing}[
            request.param
        ]() as port:
            yield port


@pytest.mark.parametrize("server", ["raising", "hanging", "refusing"], indirect=True)
def test_a_mail_server_that_is_no_good(
    site: Site, strike: Strike, server: int, caplog: pytest.LogCaptureFixture
) -> None:
    """All jobs come to their ends as without mail, and so does the map."""
    struck = strike(site, 24, DEEDS, settings=asking_for_mail(server))
    struck.await_failure(3)
    began = time.monotonic()
    for job in (12, 23):  # begun after the failure: nobody waited for its mail
        struck.begun(job, within_s=20)
    struck.let_go()
    struck.check(failed=set(DEEDS))
    assert time.monotonic() - began < 30
    assert "not sent: 2 mails about run" in caplog.text


def test_a_mail_server_that_dies_in_mid_map(
    site: Site, strike: Strike, caplog: pytest.LogCaptureFixture
) -> None:
    """What it took is there, the rest is said, and the map knows nothing of it."""
    box = mailbox.Mailbox()
    struck = strike(site, 24, DEEDS, settings=asking_for_mail(box.port))
    box.wait(1)
    box.close()
    struck.let_go()
    struck.check(failed=set(DEEDS))
    assert "3 fails" in box.mails[0]["Subject"]
    assert "not sent: 1 mail about run" in caplog.text
