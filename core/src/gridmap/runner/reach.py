"""A runner's way to whoever drives its run: found at the start, and again later.

A run that can be resumed may be without a driver for a while, and the next one listens
elsewhere, with other keys; the connection file says where, whenever it was written
last. So a runner that lost its monitor looks at that file again and again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from gridmap import connection
from gridmap.connection import ConnectionFile
from gridmap.errors import GridMapError
from gridmap.transport.choosing import runner_socket

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gridmap.payload import Frame
    from gridmap.protocol.sessions import Numbered
    from gridmap.transport.sockets import RunnerSocket

_PATIENCE_S: Final = 60.0
"""How long a runner looks for its monitor at first."""

_VACANT_S: Final = 600.0
"""The same, where the run may be without a driver."""

_ROUND_S: Final = 5.0
"""How long to try what one reading of the file says, before it is read again."""

_LONGEST_PAUSE_S: Final = 10.0
"""Between two looks at the file: many runners, one file server."""

_SILENT_BEATS: Final = 3.0
"""Heartbeats without an echo after which the monitor may be elsewhere."""

connection.prepare()


class Reach:
    """Keeps a runner's socket connected to the run's present monitor.

    Attributes:
        path: The connection file.
        file: What it said when it was last of use.
    """

    def __init__(self, path: Path, identity: bytes) -> None:
        """Read the connection file.

        Args:
            path: Where it is.
            identity: The runner's routing id.

        Raises:
            ConnectionFileError: If it is missing or must not be trusted.
        """
        self.path = path
        self.file = ConnectionFile.read(path)
        self._identity = identity
        self._seek_at = 0.0

    def connect(self) -> RunnerSocket:
        """Return a socket that is connected; blocks until then.

        Raises:
            RunError, ConnectionFileError: If nobody answers in time, or the file is
                gone: the run is over.
        """
        self._socket = runner_socket(self.file, self._identity)
        if not self.file.resumable:
            self._socket.connect(_PATIENCE_S)
            return self._socket
        deadline = time.monotonic() + _VACANT_S
        while True:
            try:
                self._socket.reconnect(_ROUND_S, connection=self.file)
            except GridMapError:
                if time.monotonic() > deadline:
                    raise
                self.file = ConnectionFile.read(self.path)
            else:
                return self._socket

    @property
    def local(self) -> bool:
        """Whether all runners are on the driver's host, and no scheduler's jobs."""
        return self.file.addresses[0].startswith(connection.UNIX)

    def deserted(self) -> bool:
        """Whether the driver is dead, and nobody will take its place."""
        return self.local and not self.file.resumable and self.file.driver.gone()

    def park(self, nonce: str, kept: Sequence[tuple[Numbered, Sequence[Frame]]]) -> str:
        """Leave to the run's next driver what this one did not take.

        Args:
            nonce: What this life of the runner is known by.
            kept: Messages that are not acknowledged, with their payloads.

        Returns:
            What became of them, in words; empty if there is nothing to leave.
        """
        if not kept or not self.file.resumable:
            return ""
        from gridmap.journal import parking  # noqa: PLC0415 - few runs can be resumed

        try:
            path = parking.park(self.path.parent, nonce, kept)
        except OSError as error:
            return f"results are lost, they cannot be left behind: {error}"
        return f"{len(kept)} messages nobody took are left in {path}"

    def seek(self, silence_s: float, interval_s: float) -> bool:
        """Look whether the run has another monitor by now, and connect to it.

        Blocks for some seconds where there is one that does not answer.

        Args:
            silence_s: How long the present one has not been heard.
            interval_s: Time between two heartbeats.

        Returns:
            Whether there is a new connection.
        """
        now = time.monotonic()
        heard = silence_s < _SILENT_BEATS * interval_s
        if not self.file.resumable or (self._socket.connected and heard):
            self._seek_at = now
        if now <= self._seek_at:
            return False
        self._seek_at = now + min(_LONGEST_PAUSE_S, silence_s / 10)
        try:
            file = ConnectionFile.read(self.path)
            if file == self.file or file.token != self.file.token:
                return False
            self._socket.reconnect(_ROUND_S, connection=file)
        except GridMapError:
            return False  # it is looked for again
        self.file = file
        return True
