"""A real SMTP server for tests, in a thread of its own, and servers that are no good."""

import asyncio
import contextlib
import email
import email.policy
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from gridmap.testing import eventually

HOST = "127.0.0.1"


class Mailbox:
    """What a server took, and how it is reached.

    Attributes:
        port: Where it listens.
        mails: What it took, oldest first.
        secured: Whether each of them came over TLS.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        users: Mapping[str, str] | None = None,
        answer: str = "250 OK",
        refuses: str = "",
    ) -> None:
        self.mails: list[EmailMessage] = []
        self.secured: list[bool] = []
        self._answer = answer
        self._refuses = refuses
        self._users = users or {}
        self._options: dict[str, Any] = {
            "hostname": "mailbox.test",
            "tls_context": starttls,
            "require_starttls": starttls is not None,
            "authenticator": self._authenticate,
            "auth_required": users is not None,
            "auth_require_tls": starttls is not None,
        }
        self._tls = tls
        self._socket = socket.create_server((HOST, 0))
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(
            self._loop.create_server(
                lambda: SMTP(self, loop=self._loop, **self._options),
                sock=self._socket,
                ssl=tls,
            )
        )
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def _authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _way: str, given: Any
    ) -> AuthResult:
        pair = cast("LoginPassword", given)
        known = self._users.get(pair.login.decode())
        return AuthResult(success=known == pair.password.decode(), handled=False)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if self._refuses and self._refuses in address:
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, session: Any, envelope: Any
    ) -> str:
        if self._answer.startswith("250"):
            policy = email.policy.default
            parsed = email.message_from_bytes(envelope.content, policy=policy)
            self.secured.append(session.ssl is not None or self._tls is not None)
            self.mails.append(parsed)
        return self._answer

    def wait(self, count: int = 1, within_s: float = 20.0) -> list[EmailMessage]:
        """Wait until so many mails have come; return all."""
        eventually(
            lambda: len(self.mails) >= count,
            within_s=within_s,
            what=f"{count} mails to come",
            gap_s=0.02,
        )
        return self.mails

    def close(self) -> None:
        """Go away: who connects from now on is refused."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """Give the port of a server that takes connections and never says a word."""
    with socket.create_server((HOST, 0)) as listening:
        yield listening.getsockname()[1]


@contextlib.contextmanager
def refusing() -> Iterator[int]:
    """Give a port that is taken, and on which nobody listens."""
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        yield bound.getsockname()[1]


def text(mail: EmailMessage) -> str:
    """Return what a reader without HTML shows."""
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def attachments(mail: EmailMessage) -> dict[str, object]:
    """Return what is attached: name to content, pictures in the text too."""
    return {
        name: part.get_content()
        for part in mail.walk()
        if (name := part.get_filename()) is not None
    }
