"""What a runner knows of its driver's memory: whether it can be opened from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.errors import RemoteProtocolError
from gridmap.payload import held, memory
from gridmap.payload.neighbour import Evidence, look

if TYPE_CHECKING:
    from gridmap.connection import ConnectionFile
    from gridmap.payload import Frame
    from gridmap.protocol import messages as m

_MOST_FAILURES: Final = 3
"""After so many, nothing is referred to any more. One may be work that was taken back
while it was on its way."""


class Neighbour:
    """The driver, who may turn out not to be one.

    Attributes:
        agreed: Whether each can open the other's memory, and frames are referred to.
    """

    def __init__(self, nonce: str) -> None:
        self.agreed = False
        self._own = Evidence.of(nonce.encode())
        self._pid = 0
        self._reference = ""
        self._failures = 0

    def introduce(self, hello: m.Hello, file: ConnectionFile) -> m.Hello:
        """Return a greeting that says what of the driver can be seen now."""
        if (file.driver.pid, file.memory) != (self._pid, self._reference):
            self._pid, self._reference = file.driver.pid, file.memory
            self.agreed = False
        seen = b""
        if self._failures < _MOST_FAILURES:
            seen = look(self._pid, bytes.fromhex(self._reference))
        own = self._own.reference if seen else b""
        return msgspec.structs.replace(hello, memory=own, seen=seen)

    def welcomed(self, welcome: m.Welcome) -> None:
        """Take in what the monitor found."""
        self.agreed = welcome.memory

    def fetch(self, reference: Frame, limit_bytes: int) -> Frame:
        """Return what the monitor refers to.

        Raises:
            RemoteProtocolError: If that was not agreed, or it is no sealed memory.
            OSError: If it cannot be opened.
        """
        if not self.agreed:
            msg = "memory is referred to, and that was not agreed"
            raise RemoteProtocolError(msg)
        return held.relay(memory.fetch(self._pid, reference, limit_bytes))

    def failed(self) -> None:
        """Something could not be opened."""
        self._failures += 1

    def refused(self) -> None:
        """The monitor cannot open ours."""
        self._failures = _MOST_FAILURES
        self.agreed = False
