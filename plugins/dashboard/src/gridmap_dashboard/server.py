"""The web server, in a thread that ends with its run and never holds it up."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import TYPE_CHECKING, Final

import uvicorn

from gridmap_dashboard.guard import Guard
from gridmap_dashboard.visitors import MOST_STRANGERS, Visitors, protocol
from gridmap_dashboard.web import make_app

if TYPE_CHECKING:
    from gridmap_dashboard.library import Library

_log = logging.getLogger(__name__)

_HERE: Final = "127.0.0.1"
_MOST_CONNECTIONS: Final = MOST_STRANGERS + 100
_PARTING_S: Final = 1.5
"""How long those who look may take to hear the last of it."""


class Server:
    """Serves a library on this machine.

    Args:
        library: The runs to show.
        port: The port to serve on; another one if it is taken.

    Attributes:
        url: Its address, with the token that opens it.
    """

    def __init__(self, library: Library, port: int) -> None:
        guard, visitors = Guard.fresh(), Visitors()
        self._library = library
        self._socket = _listen(port)
        number = self._socket.getsockname()[1]
        self.url = f"http://{_HERE}:{number}/?token={guard.token}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                make_app(library, guard, visitors),
                log_config=None,  # the user's logging is not ours to set up
                access_log=False,  # addresses have the token in them
                lifespan="off",
                ws="none",
                loop="asyncio",
                http=protocol(visitors),
                server_header=False,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(
            target=self._run, name="gridmap-dashboard", daemon=True
        )

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except Exception:  # noqa: BLE001 - never able to disturb a run
            _log.exception("the dashboard failed; the run goes on without it")
        finally:
            with contextlib.suppress(OSError):
                self._socket.close()

    def stop(self) -> None:
        """End it; returns soon, whatever those do who look at it."""
        ended = all(state.ended for state in self._library.live())
        self._library.closing = not ended  # else each stream ends with its last word
        if ended:  # and whoever listens hangs up when he has asked for the rest
            self._library.unwatched.wait(_PARTING_S)
        self._server.should_exit = True
        self._thread.join(_PARTING_S)
        self._server.force_exit = True
        self._thread.join(_PARTING_S)

    def wait(self) -> None:
        """Return when it has ended."""
        while self._thread.is_alive():
            self._thread.join(1.0)


def _listen(port: int) -> socket.socket:
    """Return a socket on a port of this machine, or on another if that is taken."""
    for number in (port, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # Without this a port stays taken for a minute after its last run.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((_HERE, number))
            listener.listen(_MOST_CONNECTIONS)
        except OSError:
            listener.close()
            if number == 0:
                raise
        else:
            listener.set_inheritable(False)
            return listener
    raise AssertionError  # the loop returns or raises
