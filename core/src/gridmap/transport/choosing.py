"""Which kind of socket a runner has: its run's connection file says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gridmap.connection import UNIX
from gridmap.errors import LocalProtocolError

if TYPE_CHECKING:
    from gridmap.connection import ConnectionFile
    from gridmap.transport.limits import Limits
    from gridmap.transport.sockets import RunnerSocket

_MAX_IDENTITY_BYTES: Final = 255


def runner_socket(
    connection: ConnectionFile, identity: bytes, *, limits: Limits | None = None
) -> RunnerSocket:
    """Prepare a runner's way to the monitor of a run.

    Args:
        connection: Where to, and with which keys.
        identity: The routing id, 1 to 255 bytes, the first of them not zero. A runner
            that uses another's takes its place at the monitor.
        limits: Bounds on what the monitor sends; None takes the defaults.

    Raises:
        LocalProtocolError: If the identity cannot be used.
    """
    if not 0 < len(identity) <= _MAX_IDENTITY_BYTES or identity[0] == 0:
        msg = f"{identity!r} cannot be a routing id: 1 to 255 bytes, the first not zero"
        raise LocalProtocolError(msg)
    kind: Any
    # Imported here: a run has one of them, and pays for that.
    if connection.addresses[0].startswith(UNIX):
        from gridmap.transport.unix.runner import UnixRunnerSocket as kind  # noqa: PLC0415, N813 - see above
    else:
        from gridmap.transport.zeromq.dealer import DealerSocket as kind  # noqa: PLC0415, N813 - see above
    socket: RunnerSocket = kind(connection, identity, limits=limits)
    return socket
