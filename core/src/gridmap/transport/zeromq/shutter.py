"""Letting strangers in at a bounded rate only, however many there are.

libzmq takes every connection, and each one of a stranger costs the monitor up to a
millisecond: a handshake, questions, events. Where more come than an allowance covers,
the kernel is told to pass over what asks for a new connection at our ports, for a
moment and then again. Who was passed over asks anew by itself after a second (RFC
6298, 2.1), so a runner that comes meanwhile is late and not refused; connections that
are there are not touched. Linux alone can do this; elsewhere all are let in.

There are two ways. A filter on the port drops what asks for a connection, whoever
sends it; some kernels let only administrators set one. Else the port takes packets
that came over no router and begin with the highest count of hops (RFC 5082), which no
program's do unless it means to: that keeps out crowds, and not who knows of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import socket
import struct
import sys
from typing import Final

from gridmap.transport.allowance import Allowance

_SHORTEST_S: Final = 0.1
_LONGEST_S: Final = 1.0
"""Between these they stay shut, so that runners among the strangers find them open."""
_ATTACH_FILTER: Final = 26  # SO_ATTACH_FILTER and SO_DETACH_FILTER, socket(7)
_DETACH_FILTER: Final = 27

# A classic BPF program: code, jump if true, jump if false, operand (kernel
# documentation, networking/filter). A packet's TCP header comes first here. Whoever
# connects while the port is shut inherits the program, and never sends such packets.
_PROGRAM: Final = b"".join(
    struct.pack("=HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte with the header's flags
        (0x54, 0, 0, 0x12),  # keep SYN and ACK
        (0x15, 0, 1, 0x02),  # SYN alone asks for a connection:
        (0x06, 0, 0, 0),  # drop it
        (0x06, 0, 0, 0xFFFFFFFF),  # take all else
    )
)
_HOPS: Final = (
    (socket.IPPROTO_IP, 21),  # IP_MINTTL, ip(7)
    (socket.IPPROTO_IPV6, 73),  # IPV6_MINHOPCOUNT, linux/in6.h
)
_ALL_HOPS: Final = 255
_BUFFER: Final = ctypes.create_string_buffer(_PROGRAM, len(_PROGRAM))
_SHUT: Final = struct.pack("@HP", len(_PROGRAM) // 8, ctypes.addressof(_BUFFER))


class Shutter:
    """The ports of one socket, which it shuts for moments; used from one thread.

    Attributes:
        times: How often it did.
    """

    def __init__(self, at_once: float, rate_hz: float) -> None:
        self.times = 0
        self._rate_hz = rate_hz
        self._allowance = Allowance(rate_hz, at_once, debt=rate_hz * _LONGEST_S)
        self._ports: list[socket.socket] = []
        self._by_hops = False
        self._seen = 0
        self._opens_at = math.inf

    def guard(self, descriptor: int) -> None:
        """Add a listening socket that libzmq owns."""
        self._ports.append(socket.socket(fileno=os.dup(descriptor)))

    def count(self, strange: int, now: float) -> None:
        """Learn how many strangers came so far; shut the ports if that is too fast.

        Args:
            strange: How many, less the peers that were let in.
            now: The present, seconds on a monotonic clock.
        """
        left = self._allowance.spend(strange - self._seen, now)
        self._seen = strange
        shut = self._opens_at < math.inf
        if left < 0 and not shut and self._shut():
            self.times += 1
            self._opens_at = now + max(_SHORTEST_S, -left / self._rate_hz)

    def left_s(self, now: float) -> float:
        """Return for how many seconds they stay shut; open them when it is time.

        Returns:
            Infinity if they are open, and there is nothing to wait for.
        """
        if now >= self._opens_at:
            self._opens_at = math.inf
            self._open()
        return self._opens_at - now

    def close(self) -> None:
        """Let go of the ports; they close when libzmq closes them."""
        while self._ports:
            self._ports.pop().close()

    def admit(self, descriptor: int) -> None:
        """Let a new connection be heard, which may have its port's count of hops.

        Args:
            descriptor: The connection, which libzmq owns, and may have closed.
        """
        if self._by_hops:
            with (
                contextlib.suppress(OSError),
                socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as peer,
            ):
                _take_hops(peer, 0)

    def _shut(self) -> bool:
        """Have the kernel pass over newcomers; say whether it does."""
        if sys.platform != "linux":
            return False
        done = False
        for port in self._ports:
            try:
                port.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, _SHUT)
            except OSError:
                if not _take_hops(port, _ALL_HOPS):
                    continue
                self._by_hops = True
            done = True
        return done

    def _open(self) -> None:
        for port in self._ports:
            if self._by_hops:
                _take_hops(port, 0)
            with contextlib.suppress(OSError):  # that there is none
                port.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, bytes(4))


def _take_hops(sock: socket.socket, least: int) -> bool:
    """Have a socket take only what has so many hops left at least; 0: all.

    Returns:
        Whether the system does that for one of the protocols, of which a socket has
        one or both.
    """
    done = False
    for level, option in _HOPS:
        with contextlib.suppress(OSError):
            sock.setsockopt(level, option, least)
            done = True
    return done
