"""Who speaks by which connection, told by events that come early and late. Pure.

Messages can be read before the events of their connection, and after the one that it is
closed. Descriptors are reused, but the events of an earlier use always come before
messages of a later one.
"""

from __future__ import annotations


class Roll:
    """The connections there are, by their descriptors.

    Attributes:
        open: Those that are there.
        gone: Peers whose connection was closed, and of whom messages may still be read.
        to_be_told: Those of whom none can be.
    """

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.gone: list[bytes] = []
        self.to_be_told: list[bytes] = []
        self._peer_of: dict[int, bytes] = {}
        self._descriptor_of: dict[bytes, int] = {}
        self._unheard: set[int] = set()  # closed before a message was read

    def enters(self, descriptor: int) -> None:
        """A connection was made."""
        self.open.add(descriptor)
        self._unheard.discard(descriptor)
        # libzmq tells nothing of connections that it closed for a takeover.
        peer = self._peer_of.get(descriptor)
        if peer is not None and self._descriptor_of.get(peer) != descriptor:
            del self._peer_of[descriptor]

    def leaves(self, descriptor: int) -> bool:
        """A connection was closed; say whether a message of it had been read."""
        self.open.discard(descriptor)
        peer = self._peer_of.pop(descriptor, None)
        if peer is None:
            self._unheard.add(descriptor)
        elif self._descriptor_of.get(peer) == descriptor:
            # Otherwise it has come back by another connection meanwhile.
            del self._descriptor_of[peer]
            self.gone.append(peer)
        return peer is not None

    def speaks(self, peer: bytes, descriptor: int) -> bool:
        """Say whether this is known to be the connection that a peer speaks by."""
        return self._descriptor_of.get(peer) == descriptor

    def claim(self, peer: bytes, descriptor: int) -> bool:
        """A peer speaks by this connection from now on; say whether it is there."""
        if descriptor not in self.open:
            return False
        self._descriptor_of[peer] = descriptor
        self._peer_of[descriptor] = peer
        return True

    def spoke(self, peer: bytes, descriptor: int) -> bool:
        """Say whether a peer spoke by a connection that was closed before it was read."""
        if descriptor not in self._unheard:
            return False
        self._unheard.discard(descriptor)
        self.gone.append(peer)
        return True

    def tell(self) -> None:
        """All that those who are gone got through has been handed out."""
        self.to_be_told += dict.fromkeys(self.gone)
        self.gone.clear()

    def told(self) -> list[bytes]:
        """Return who is gone, once."""
        told, self.to_be_told = self.to_be_told, []
        return told
