"""Bytes that processes have moved over TCP, which the kernel's I/O counters leave out.

``/proc/PID/io`` counts what goes through read(2) and write(2) (proc(5)); what is
received with recv(2), as by most programs that wait for the network, it does not count
(seen on Linux 6.18). The sockets themselves do: sock_diag(7) shows them, each with its
inode and a ``tcp_info`` (linux/inet_diag.h, linux/tcp.h).
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_REQUEST_DUMP: Final = 0x0001 | 0x0300
_ERROR: Final = 2
_DONE: Final = 3
_INFO: Final = 2
"""INET_DIAG_INFO, the attribute that holds a tcp_info."""

_HEADER: Final = struct.Struct("=IHHII")
_QUERY: Final = struct.Struct("=BBBxI48x")
_INODE_AT: Final = 68
_MESSAGE: Final = 72
_ATTRIBUTE: Final = struct.Struct("=HH")
_BYTES_AT: Final = 120
"""Of bytes_acked and bytes_received in tcp_info, since Linux 4.1."""

_BYTES: Final = struct.Struct("=QQ")
_ANSWER: Final = 1 << 16
_PATIENCE_S: Final = 0.5


class Traffic:
    """What the sockets of changing processes have moved so far; never falls."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._moved = 0

    def measure(self, pids: Iterable[int]) -> int:
        """Return the bytes moved by these processes' sockets, and by earlier ones."""
        inodes = set(_sockets(pids)) if sys.platform == "linux" else set()
        if inodes:  # most jobs have none, and then nothing is asked
            with contextlib.suppress(OSError):
                found = {inode: moved for inode, moved in _dump() if inode in inodes}
                for inode, moved in found.items():
                    self._moved += max(0, moved - self._seen.get(inode, 0))
                self._seen = found
        return self._moved


def _sockets(pids: Iterable[int]) -> Iterator[int]:
    """Yield the inodes of the sockets that processes have open."""
    for pid in pids:
        with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
            for entry in entries:
                with contextlib.suppress(OSError, ValueError):
                    name = os.readlink(entry.path)  # noqa: PTH115 - no path: "socket:[7]"
                    kind, _, number = name.partition(":[")
                    if kind == "socket":
                        yield int(number.rstrip("]"))


def _dump() -> Iterator[tuple[int, int]]:
    """Yield inode and bytes moved of each TCP socket of this network namespace."""
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG) as line:
        line.settimeout(_PATIENCE_S)
        for family in (socket.AF_INET, socket.AF_INET6):
            query = _QUERY.pack(
                family, socket.IPPROTO_TCP, 1 << (_INFO - 1), 0xFFFFFFFF
            )
            size = _HEADER.size + len(query)
            head = _HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0)
            line.send(head + query)
            over = False
            while not over:
                data = line.recv(_ANSWER)
                yield from parse(data)
                over = _over(data)


def parse(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield inode and bytes moved of each socket in a part of an answer."""
    for kind, body in _messages(data):
        if kind != _SOCK_DIAG_BY_FAMILY or len(body) < _MESSAGE:
            continue
        (inode,) = struct.unpack_from("=I", body, _INODE_AT)
        at = _MESSAGE
        while at + _ATTRIBUTE.size <= len(body):
            size, name = _ATTRIBUTE.unpack_from(body, at)
            if name == _INFO and size >= _ATTRIBUTE.size + _BYTES_AT + _BYTES.size:
                counts = _BYTES.unpack_from(body, at + _ATTRIBUTE.size + _BYTES_AT)
                yield inode, sum(counts)
            at += max(_aligned(size), _ATTRIBUTE.size)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        size, kind, *_ = _HEADER.unpack_from(data, at)
        if size < _HEADER.size:
            return
        yield kind, data[at + _HEADER.size : at + size]
        at += _aligned(size)


def _over(data: bytes) -> bool:
    kinds = {kind for kind, _ in _messages(data)}
    return not kinds or bool(kinds & {_DONE, _ERROR})


def _aligned(size: int) -> int:
    return (size + 3) & ~3
