"""What the runners of a node say to each other, on Unix sockets without a file.

Both ends ask the kernel who is at the other, and hang up on another user; then each
proves that it knows the run's secret, as a runner does to its driver's port for large
frames (`bulk.requests`). The leader begins with random bytes, the follower answers with
a request whose size is the number of frames that it has. Packets stay whole
(SOCK_SEQPACKET, unix(7)).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, Final

from gridmap.control.door import user_of
from gridmap.errors import RemoteProtocolError
from gridmap.payload import memory
from gridmap.transport.bulk.requests import (
    ANSWER_BYTES,
    CHALLENGE_BYTES,
    REQUEST_BYTES,
    Request,
    Want,
    same,
)
from gridmap.transport.bulk.sealing import fresh_ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_BACKLOG: Final = 1024
_COMING: Final = b"."
_FRAME: Final = b"!"
_DESCRIPTOR: Final = struct.Struct("i")
_ROOM: Final = socket.CMSG_SPACE(4 * _DESCRIPTOR.size)
_CLOEXEC: Final = 0x40000000
"""``MSG_CMSGCLOEXEC`` of recvmsg(2), which not every build of Python names."""


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.setblocking(False)
    return sock


def _of_this_user(sock: socket.socket) -> bool:
    return user_of(sock) == os.geteuid()


class Leading:
    """A follower's line, at its leader.

    Attributes:
        sock: The socket.
        proven: Whether the follower is a runner of the run.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.proven = False
        self._challenge = os.urandom(CHALLENGE_BYTES)
        sock.setblocking(False)
        sock.send(self._challenge)

    def hear(self, key: bytes, total: int) -> int:
        """Take in what the follower says, which is one request and no more.

        Returns:
            How many frames it has.

        Raises:
            RemoteProtocolError: If it is no runner of this run.
            OSError: If it is gone.
        """
        data = self.sock.recv(REQUEST_BYTES + 1)
        if not data:
            msg = "a follower is gone"
            raise ConnectionResetError(msg)
        request = Request.decode(data, key, self._challenge)
        if self.proven or request.want is not Want.DOWNLOAD or request.size > total:
            msg = f"a runner on this node wants {request!r}"
            raise RemoteProtocolError(msg)
        self.sock.send(request.answer(key))
        self.proven = True
        return request.size

    def beat(self) -> None:
        """Say that there is more to come."""
        with contextlib.suppress(OSError):  # it does not listen, or is gone
            self.sock.send(_COMING)

    def hand(self, descriptor: int) -> None:
        """Hand memory over.

        Raises:
            OSError: If the follower is gone, or does not listen.
        """
        rights = _DESCRIPTOR.pack(descriptor)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
        self.sock.sendmsg([_FRAME], ancillary)


class Following:
    """A leader's line, at its follower.

    Attributes:
        sock: The socket.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._request: Request | None = None
        self._proven = False

    def hear(self, key: bytes, have: int, fits: Callable[[int], bool]) -> int | None:
        """Take in what the leader says, and answer.

        Args:
            key: What each proves to the other to know.
            have: How many frames this runner has.
            fits: Says whether the next can have so many bytes.

        Returns:
            A descriptor of the next frame, the caller's to close; None if there is
            nothing yet.

        Raises:
            RemoteProtocolError: If it is no runner of this run, or what it hands over
                is no sealed memory of a size that fits.
            ConnectionError: If it is gone.
            OSError: If this process has no descriptors left.
        """
        data, ancillary, flags, _ = self.sock.recvmsg(REQUEST_BYTES, _ROOM, _CLOEXEC)
        descriptors = _descriptors(ancillary)
        try:
            if not data:
                msg = "the leader is gone"
                raise ConnectionResetError(msg)
            if self._proven and data == _FRAME:
                return _checked(descriptors, flags, fits)
            self._greet(data, key, have)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return None

    def _greet(self, data: bytes, key: bytes, have: int) -> None:
        if self._request is None and len(data) == CHALLENGE_BYTES:
            self._request = Request(Want.DOWNLOAD, fresh_ticket(), have)
            self.sock.send(self._request.encode(key, data))
        elif self._proven and data == _COMING:
            return
        elif (
            self._request is not None
            and not self._proven
            and len(data) == ANSWER_BYTES
            and same(data, self._request.answer(key))
        ):
            self._proven = True
        else:
            msg = "who leads on this node is no runner of this run"
            raise RemoteProtocolError(msg)


def _descriptors(ancillary: Iterable[tuple[int, int, bytes]]) -> list[int]:
    found: list[int] = []
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            whole = len(data) - len(data) % _DESCRIPTOR.size
            found += (number for (number,) in _DESCRIPTOR.iter_unpack(data[:whole]))
    return found


def _checked(descriptors: list[int], flags: int, fits: Callable[[int], bool]) -> int:
    """Return the one descriptor, which is taken out; see `Following.hear`."""
    if flags & socket.MSG_CTRUNC:
        msg = "a frame cannot be taken over: this process has too many open files"
        raise OSError(msg)
    if len(descriptors) != 1 or not fits(memory.check(descriptors[0]).st_size):
        msg = "what is handed over on this node is not the frame"
        raise RemoteProtocolError(msg)
    return descriptors.pop()


# Getting there ----------------------------------------------------------------------


def listen(place: bytes) -> socket.socket | None:
    """Bind a name; None if somebody has it.

    Raises:
        OSError: If that cannot be done here.
    """
    sock = _socket()
    try:
        sock.bind(place)
        sock.listen(_BACKLOG)
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            return None
        raise
    return sock


def accept(listener: socket.socket) -> Leading | None:
    """Let somebody in who came; None if he is gone already, or another user.

    Raises:
        OSError: If there is no descriptor to be had.
    """
    try:
        sock, _ = listener.accept()
    except (BlockingIOError, ConnectionError):
        return None
    with contextlib.suppress(OSError):
        if _of_this_user(sock):
            return Leading(sock)
    sock.close()
    return None


def connect(place: bytes) -> Following | None:
    """Connect to who has a name; None if nobody answers to it at present.

    Raises:
        RemoteProtocolError: If another user has it.
        OSError: If that cannot be done here.
    """
    sock = _socket()
    try:
        sock.connect(place)
        if _of_this_user(sock):
            return Following(sock)
    except (BlockingIOError, ConnectionError):
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
    sock.close()
    msg = "another user has a name of this run's on this node"
    raise RemoteProtocolError(msg)
