"""Where the monitor listens on its own host: a Unix socket in a private directory."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import Final

from gridmap.errors import RunError

# unix(7): sun_path is 108 bytes on Linux, 104 on the BSDs, with a final NUL.
_UNIX_PATH_BYTES: Final = 107 if sys.platform == "linux" else 103

_BACKLOG: Final = 4096


def listen(directory: Path) -> tuple[socket.socket, Path, Path | None]:
    """Listen in *directory*, or in a short one where that cannot be done.

    Returns:
        The socket, its path, and the directory made for it, to be removed after use.

    Raises:
        RunError: If there can be none; says why.
    """
    path = directory / "monitor.sock"
    refusals: list[str] = []
    sock = _listen_at(path, refusals)
    if sock is not None:
        return sock, path, None
    import tempfile  # noqa: PLC0415 - few need one, and it brings archives along

    for base in dict.fromkeys((tempfile.gettempdir(), "/tmp")):  # noqa: S108 - mkdtemp makes a private, unpredictable one
        try:
            short = Path(tempfile.mkdtemp(prefix="gm-", dir=base))
        except OSError as error:
            refusals.append(f"{base}: {error.strerror}")
            continue
        sock = _listen_at(short / "s", refusals)
        if sock is not None:
            return sock, short / "s", short
        short.rmdir()
    msg = (
        f"cannot make a Unix socket for runners: {'; '.join(refusals)}. "
        "Choose a run directory with a shorter path, on a local file system"
    )
    raise RunError(msg)


def _listen_at(path: Path, refusals: list[str]) -> socket.socket | None:
    """Listen at a path; add the reason to *refusals* if that cannot be done."""
    length = len(os.fsencode(path))
    if length > _UNIX_PATH_BYTES:
        refusals.append(f"{path}: its {length} bytes exceed {_UNIX_PATH_BYTES}")
        return None
    sock = socket.socket(socket.AF_UNIX)
    try:
        # One that a dead driver of the same run has left, whose lock is ours now.
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        sock.bind(os.fsencode(path))
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        refusals.append(f"{path}: {error.strerror}")
        return None
    return sock


def same_user(peer: socket.socket) -> bool:
    """Say whether a connection's other end is a process of this user.

    The directory keeps others out already; this does so once more.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    uid = int.from_bytes(credentials[4:8], sys.byteorder)  # struct ucred, unix(7)
    return uid == os.geteuid()
