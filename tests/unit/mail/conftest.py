"""Servers of several kinds, their certificate, and a process that sent no mail yet."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.mailbox import Mailbox

from gridmap_mail import correspondent

MakeMailbox = Callable[..., Mailbox]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count from nothing, and wait only as long as a test likes to."""
    monkeypatch.setattr(correspondent, "_limits", correspondent._Limits())


@pytest.fixture
def mailbox() -> Iterator[MakeMailbox]:
    """Return what opens servers; they are closed afterwards."""
    opened: list[Mailbox] = []

    def make(**options: Any) -> Mailbox:
        opened.append(Mailbox(**options))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Return who signs the servers' certificates."""
    return trustme.CA()


@pytest.fixture
def certified(authority: trustme.CA) -> ssl.SSLContext:
    """Return a server's context whose certificate holds for 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusted(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let this process trust it, as a site does with an authority of its own."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
