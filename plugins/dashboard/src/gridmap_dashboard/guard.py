"""Who may see the page: what a request has to bring. Pure.

The page is served on this machine only, where other people are logged in, and it is
looked at with a browser that is on other people's pages at the same time:

- Every request has to show the token: once in the address that was printed, then in a
  cookie that scripts cannot read and other sites cannot make the browser send.
- The cookie is for a path that nobody can guess. Cookies do not tell ports apart (RFC
  6265, 8.5): for all of 127.0.0.1 the browser would send it to whatever another user
  of the machine serves there, too.
- The host that is asked for has to be this machine by a name nobody else can give it,
  or a page could have its own name point here (DNS rebinding) and read what we answer.
- What changes something needs, besides, the page's own origin and a second token that
  only our page was told.
- A page may load and run nothing but what comes from here, and no text becomes markup.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What every answer carries."""

ORDER_HEADER: Final = "x-gridmap-order"
"""Header in which the page shows the second token."""


@attrs.frozen(kw_only=True)
class Request:
    """What matters of a request.

    Attributes:
        method: Its method.
        host: Its ``Host`` header; empty if there was none.
        origin: Its ``Origin`` header, likewise.
        cookie: The token in its cookie, likewise.
        bearer: The token in its ``Authorization`` header, likewise.
        shown: The token in its address, likewise.
        order: The second token, likewise.
    """

    method: str
    host: str
    origin: str = ""
    cookie: str = ""
    bearer: str = ""
    shown: str = ""
    order: str = ""


@attrs.frozen
class Refusal:
    """Why a request gets no answer.

    Attributes:
        status: The HTTP status.
        text: Words for whoever made it.
    """

    status: int
    text: str


@attrs.frozen
class Guard:
    """The tokens of one dashboard.

    Attributes:
        token: What its address shows.
    """

    token: str = attrs.field(repr=False)

    @classmethod
    def fresh(cls) -> Guard:
        """Return one with a token that nobody can guess."""
        return cls(secrets.token_urlsafe(24))

    @property
    def cookie(self) -> str:
        """Name of the cookie: cookies are not kept apart by port, so each has its own."""
        return f"gridmap-{hashlib.sha256(self.token.encode()).hexdigest()[:8]}"

    @property
    def door(self) -> str:
        """Where the page is, below ``/``: what the cookie is for."""
        key = self.token.encode()
        return hmac.new(key, b"gridmap dashboard door", hashlib.sha256).hexdigest()[:32]

    @property
    def order(self) -> str:
        """The second token, which our own page is told."""
        key = self.token.encode()
        return hmac.new(key, b"gridmap dashboard order", hashlib.sha256).hexdigest()

    def judge(self, request: Request) -> Refusal | None:
        """Return why a request is refused; None if it is not."""
        if _hostname(request.host) not in _HOSTS:
            return Refusal(421, f"There is no {request.host!r} here: use 127.0.0.1.")
        if request.origin and request.origin != f"http://{request.host}":
            return Refusal(403, "Another page may not ask this one.")
        given = request.cookie or request.bearer or request.shown
        if not _same(given, self.token):
            return Refusal(
                403, "Open the address that gridmap printed, with the token in it."
            )
        return None if request.method in {"GET", "HEAD"} else self._judge_order(request)

    def _judge_order(self, request: Request) -> Refusal | None:
        if not request.origin or not request.cookie:
            return Refusal(403, "This has to be asked from the page itself.")
        if not _same(request.order, self.order):
            return Refusal(403, "The page is out of date: load it again.")
        return None


def _hostname(host: str) -> str:
    """Return a ``Host`` header without its port, which a tunnel may have changed."""
    name, colon, port = host.rpartition(":")
    if colon and port.isascii() and port.isdigit():
        return name.lower()
    return host.lower()


def _same(one: str, two: str) -> bool:
    return hmac.compare_digest(one.encode(), two.encode())
