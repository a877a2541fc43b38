"""What a run's sockets hold at most, and how they notice dead connections."""

from __future__ import annotations

import resource
from typing import Final

import msgspec

from gridmap.connection import MAX_FRAME_BYTES

LARGE_FRAME_BYTES: Final = 64 * 1024
"""From here on a frame is handed over without copying it; copying less is faster."""

FRAME_BYTES: Final = 2 << 20
"""The longest frame of a message: what is larger travels by itself."""

_SPARE_DESCRIPTORS: Final = 512
_ENDLESS: Final = 65_536


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what one peer can make the other side hold.

    Attributes:
        frame_bytes: The longest frame of a message; a connection that
            announces a longer one is cut before a byte of it is stored.
        large_bytes: The longest frame that travels by itself.
        message_bytes: The longest message, all frames together, also those that
            travel by themselves; a longer one is dropped and counted.
        message_frames: The most frames a message may have; likewise.
        queued_messages: Messages waiting in each direction for each peer.
        handshake_s: How long a stranger may take to prove who he is.
        strangers_at_once: Connections that may end unproven before their rate counts.
        strangers_hz: How many more of them a second are let in.
    """

    frame_bytes: int = FRAME_BYTES
    large_bytes: int = MAX_FRAME_BYTES
    message_bytes: int = 4 * MAX_FRAME_BYTES
    message_frames: int = 1024
    queued_messages: int = 1000
    handshake_s: float = 20.0
    strangers_at_once: int = 100
    strangers_hz: float = 50.0


def raise_descriptor_limit(connections: int) -> int:
    """Make room for so many connections in this process, as far as is allowed.

    Each connection is a file descriptor, and the usual soft limit of 1,024 is for
    programs that call select(2), which libzmq does not. The limit is never lowered
    and goes no higher than asked, since child processes inherit it.

    Returns:
        How many connections there is room for now; the caller warns if it is less
        than it asked for.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return connections
    return min(connections, soft - _SPARE_DESCRIPTORS)


def connection_room() -> int:
    """Return how many connections leave this process descriptors for its own work.

    Anybody who reaches the port can make connections and never speak, and those must
    not keep the user's own functions from opening files.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _ENDLESS
    return max(soft - _SPARE_DESCRIPTORS, soft // 2)
