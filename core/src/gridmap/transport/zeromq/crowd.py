"""Keeping connections that say nothing from taking up all descriptors.

libzmq takes every connection, gives it twenty seconds for its handshake, and has no
bound on their number. Anybody who reaches the port could so use up the descriptors of
the user's process, whose own functions then cannot open a file. A connection is known
here by its number, and is ended as its peer would end it; libzmq does the rest.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


class Crowd:
    """The connections that nothing was heard from yet; used from one thread."""

    def __init__(self) -> None:
        self._silent: dict[int, None] = {}  # a dict for its order
        self._ending: set[int] = set()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._silent)

    def enters(self, descriptor: int) -> None:
        """Add a connection that was just taken."""
        self.leaves(descriptor)
        self._silent[descriptor] = None

    def leaves(self, descriptor: int) -> None:
        """Forget one that has spoken or is closed."""
        self._silent.pop(descriptor, None)
        self._ending.discard(descriptor)

    def thin_out(self, excess: int, ports: Collection[int]) -> int:
        """End those that have waited longest.

        Args:
            excess: How many connections there are too many, with those that were
                ended here and of which libzmq has not said yet that they are closed.
            ports: Where they came in.

        Returns:
            How many were ended now.
        """
        ended = 0
        while len(self._ending) < excess and self._silent:
            descriptor = next(iter(self._silent))
            del self._silent[descriptor]
            self._ending.add(descriptor)
            ended += _hang_up(descriptor, ports)
        return ended


def _hang_up(descriptor: int, ports: Collection[int]) -> bool:
    """End a connection that libzmq owns, without closing its descriptor.

    It may be closed already and its number in use again, by anything in this process;
    only what came in at one of our ports is touched.
    """
    with contextlib.suppress(OSError):
        connection = socket.socket(fileno=descriptor)
        try:
            if connection.getsockname()[1] in ports:
                connection.shutdown(socket.SHUT_RDWR)
                return True
        except IndexError:  # a Unix socket without a name
            return False
        finally:
            connection.detach()
    return False
