"""The private directory of control sockets, and who is let in.

One Unix socket a run, on the host of its driver, in a directory of mode 0700 that is
checked each time it is opened. Both ends ask the kernel who is at the other, too
(SO_PEERCRED, unix(7)), and hang up on anybody but the same user. So whoever can give a
run orders could kill its process as well.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
from typing import TYPE_CHECKING, Final

from gridmap.desk import place
from gridmap.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME: Final = "gridmap-control"

_TIMEVAL: Final = struct.Struct("ll")
_UCRED: Final = struct.Struct("3i")
_BACKLOG: Final = 64

LEFT_S: Final = 86_400.0
"""Age of a socket at which nobody is about to listen there: what does not answer then,
was left by a driver that was killed."""


def directory() -> Path:
    """Return where this user's control sockets are on this host.

    Raises:
        OSError: If there is no place for them.
    """
    desk = place.of_user().path
    return desk.with_name(desk.name.replace(place.NAME, NAME))


def file_name(token: str) -> str:
    """Return the name of a run's socket."""
    return f"{token[:16]}.sock"


def listen(folder: Path, token: str) -> socket.socket:
    """Open the control socket of a run, in place of one that a dead driver left.

    What other drivers have left for a day is taken away.

    Raises:
        OSError: If it cannot be had.
        RunError: If the directory cannot be trusted.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _opened(folder) as descriptor:
            name = file_name(token)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=descriptor)
            # A path of its own may be longer than sun_path, 108 bytes (unix(7)).
            listener.bind(f"/proc/self/fd/{descriptor}/{name}")
            _sweep(descriptor, os.stat(name, dir_fd=descriptor).st_mtime)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _sweep(directory: int, now: float) -> None:
    """Take away the sockets at which nobody listens any more."""
    for name in os.listdir(directory):
        with contextlib.suppress(OSError):  # it is gone by now
            age_s = now - os.stat(name, dir_fd=directory).st_mtime
            if age_s > LEFT_S and _is_left(f"/proc/self/fd/{directory}/{name}"):
                os.unlink(name, dir_fd=directory)


def _is_left(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.setblocking(False)
        return peer.connect_ex(path) == errno.ECONNREFUSED


def connect(folder: Path, token: str, patience_s: float) -> socket.socket:
    """Connect to the control socket of a run.

    Raises:
        OSError: If nobody listens there.
        RunError: If the directory cannot be trusted, or another user listens.
    """
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # connect(2) to a full backlog waits only where the socket is a blocking one.
        seconds = _TIMEVAL.pack(int(patience_s), 0)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
        with _opened(folder) as descriptor:
            peer.connect(f"/proc/self/fd/{descriptor}/{file_name(token)}")
        peer.settimeout(patience_s)
        _check(peer)
    except BaseException:
        peer.close()
        raise
    return peer


def _check(peer: socket.socket) -> None:
    if user_of(peer) != os.geteuid():
        msg = f"user {user_of(peer)} listens at the control socket of your run"
        raise RunError(msg)


def remove(folder: Path, token: str) -> None:
    """Take a run's socket away. Idempotent, raises nothing."""
    with contextlib.suppress(OSError, RunError), _opened(folder) as descriptor:
        os.unlink(file_name(token), dir_fd=descriptor)


def user_of(peer: socket.socket) -> int:
    """Return the user at the other end."""
    size = _UCRED.size
    data = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int(_UCRED.unpack(data)[1])


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """Open the directory, if it is ours alone."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder, flags)
    try:
        info = os.fstat(descriptor)
        if info.st_uid != os.geteuid() or stat.S_IMODE(info.st_mode) & 0o077:
            msg = (
                f"{folder} must be yours alone (user {os.geteuid()}, mode 0700), but "
                f"belongs to user {info.st_uid} and has mode "
                f"{stat.S_IMODE(info.st_mode):04o}: take it away"
            )
            raise RunError(msg)
        yield descriptor
    finally:
        os.close(descriptor)
