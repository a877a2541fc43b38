"""Handing one mail to the server that takes it."""

from __future__ import annotations

import getpass
import os
import smtplib
import socket
import ssl
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from email.message import EmailMessage

    from gridmap.settings import Settings

_PORTS: Final = {"none": 25, "starttls": 587, "tls": 465}
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PERMANENT: Final = 500
_MOST_PASSWORD_BYTES: Final = 4096


class PostError(Exception):
    """A mail was not taken.

    Attributes:
        text: Why, on one line.
        final: Whether there is no use in trying again.
    """

    def __init__(self, text: str, *, final: bool) -> None:
        super().__init__(text)
        self.text = " ".join(text.split())
        self.final = final


@attrs.frozen(kw_only=True)
class Post:
    """Where mail goes, and how.

    Attributes:
        server: Host that takes it.
        port: At which port.
        security: ``none``, ``starttls`` or ``tls``.
        user: Whom to log in as; None: nobody.
        password_file: File that holds the password.
        sender: Address it comes from.
        recipients: Addresses it goes to, as in a header.
    """

    server: str
    port: int
    security: str
    user: str | None
    password_file: str | None
    sender: str
    recipients: str

    @classmethod
    def from_settings(cls, settings: Settings) -> Post:
        """Return what the settings say; where they are silent, it is the user, here.

        May wait for the system's resolver.
        """
        here = socket.getfqdn() or "localhost"
        me = f"{getpass.getuser()}@{here}"
        return cls(
            server=settings.smtp_server or "localhost",
            port=settings.smtp_port or _PORTS[settings.smtp_security],
            security=settings.smtp_security,
            user=settings.smtp_user,
            password_file=settings.smtp_password_file,
            sender=settings.error_mail_sender or me,
            recipients=settings.error_mail_recipient or me,
        )

    def __str__(self) -> str:
        """Return server and port, for people."""
        return f"{self.server}, port {self.port}"


def deliver(post: Post, message: EmailMessage, timeout_s: float) -> None:
    """Hand one mail to the server.

    Blocks; each step of the exchange for *timeout_s* at most.

    Args:
        post: Where it goes.
        message: The mail, with its addresses.
        timeout_s: Seconds until a server that says nothing is given up.

    Raises:
        PostError: If it was not taken, by anybody or by some of its recipients.
    """
    try:
        refused = _deliver(post, message, timeout_s)
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except smtplib.SMTPResponseException as error:
        text = f"{post} answers {error.smtp_code} {_text(error.smtp_error)}"
        raise PostError(text, final=error.smtp_code >= _PERMANENT) from error
    except (smtplib.SMTPNotSupportedError, ssl.SSLCertVerificationError) as error:
        text = f"{post}: {error}"
        raise PostError(text, final=True) from error
    except (OSError, smtplib.SMTPException) as error:
        text = f"{post}: {_said(error)}"
        raise PostError(text, final=False) from error
    if refused:
        words = [f"{to}: {code} {_text(said)}" for to, (code, said) in refused.items()]
        codes = [code for code, _ in refused.values()]
        text = f"{post} refuses recipients: {'; '.join(words)}"
        raise PostError(text, final=min(codes) >= _PERMANENT)


def _deliver(
    post: Post, message: EmailMessage, timeout_s: float
) -> dict[str, tuple[int, bytes]]:
    context = ssl.create_default_context() if post.security != "none" else None
    password = _password(post)
    with _connect(post, timeout_s, context) as smtp:
        if post.security == "starttls":
            smtp.starttls(context=context)
        if post.user is not None:
            smtp.login(post.user, password)
        return smtp.send_message(message)


def _connect(
    post: Post, timeout_s: float, context: ssl.SSLContext | None
) -> smtplib.SMTP:
    where = (post.server, post.port)
    if post.security == "tls":
        return smtplib.SMTP_SSL(*where, timeout=timeout_s, context=context)
    return smtplib.SMTP(*where, timeout=timeout_s)


def _password(post: Post) -> str:
    """Return the password, if there is to be a login."""
    if post.user is None:
        return ""
    if post.security == "none" and post.server not in _HERE:
        msg = (
            f"no password is sent to {post.server} in the clear: set smtp_security to "
            '"starttls" or "tls"'
        )
        raise PostError(msg, final=True)
    if post.password_file is None:
        msg = "smtp_user is set, and smtp_password_file is not"
        raise PostError(msg, final=True)
    return read_password(Path(post.password_file))


def read_password(path: Path) -> str:
    """Return the first line of a file that nobody but its owner can read.

    Raises:
        PostError: If it cannot be read, or by others too.
    """
    try:
        with path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                msg = f"others can read the password in {path}: chmod 600 {path}"
                raise PostError(msg, final=True)
            data = stream.readline(_MOST_PASSWORD_BYTES)
    except OSError as error:
        msg = f"the password in {path} cannot be read: {error.strerror}"
        raise PostError(msg, final=True) from error
    try:
        password = data.decode("ascii").rstrip("\r\n")
    except UnicodeDecodeError:  # smtplib, 3.13: ASCII alone
        msg = f"the password in {path} has characters that are not ASCII"
        raise PostError(msg, final=True) from None
    if not password:
        msg = f"there is no password in the first line of {path}"
        raise PostError(msg, final=True)
    return password


def _text(words: bytes | str) -> str:
    return words.decode(errors="replace") if isinstance(words, bytes) else words


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return "it does not answer"
    return str(error) or type(error).__name__
