"""Where the monitor listens: binding its socket to addresses, ports and paths."""

from __future__ import annotations

import errno
import logging
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import zmq

from gridmap.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.transport.addresses import Endpoint, PortRange

_log = logging.getLogger(__name__)

# unix(7): sun_path is 108 bytes on Linux, 104 on the BSDs, with a final NUL.
_UNIX_PATH_BYTES: Final = 107 if sys.platform == "linux" else 103


def bind_tcp(
    sock: zmq.Socket[bytes],
    endpoints: Sequence[Endpoint],
    port_range: PortRange | None,
) -> tuple[str, ...]:
    """Bind to each endpoint that can be bound.

    Returns:
        What to offer, in the order of *endpoints*.

    Raises:
        RunError: If none can be bound; says why.
    """
    offered: list[str] = []
    failures: list[str] = []
    for endpoint in endpoints:
        sock.setsockopt(zmq.IPV6, ":" in endpoint.bind)
        try:
            port = _bind_port(sock, endpoint.bind, port_range)
        except zmq.ZMQError as error:
            failures.append(f"{endpoint.bind}: {error.strerror}")
            continue
        offered.append(f"tcp://{_bracketed(endpoint.offer)}:{port}")
    if not offered:
        ports = (
            f" on any port from {port_range.first} to {port_range.last}"
            if port_range
            else ""
        )
        msg = (
            f"cannot listen for runners{ports}: {'; '.join(failures) or 'no address'}. "
            "Choose another interface, host or port range in the settings"
        )
        raise RunError(msg)
    for failure in failures:
        _log.warning("not listening at %s", failure)
    return tuple(dict.fromkeys(offered))


def _bind_port(sock: zmq.Socket[bytes], host: str, port_range: PortRange | None) -> int:
    """Bind to a free port and return it; start anywhere, since runs are many."""
    if port_range is None:
        sock.bind(f"tcp://{_bracketed(host)}:*")
        endpoint = sock.getsockopt_string(zmq.LAST_ENDPOINT)
        return int(endpoint.rpartition(":")[2])
    ports = list(port_range.ports())
    start = random.randrange(len(ports))  # noqa: S311 - spreads, hides nothing
    refusal: zmq.ZMQError | None = None
    for port in ports[start:] + ports[:start]:
        try:
            sock.bind(f"tcp://{_bracketed(host)}:{port}")
        except zmq.ZMQError as error:
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise
            refusal = error
        else:
            return port
    raise refusal or zmq.ZMQError(errno.EADDRINUSE)


def bind_ipc(sock: zmq.Socket[bytes], directory: Path) -> tuple[Path, Path | None]:
    """Bind in *directory*, or in a short one where that cannot be done.

    Returns:
        The socket's path, and the directory made for it, to be removed after use.

    Raises:
        RunError: If neither can be bound; says why.
    """
    path = directory / "monitor.sock"
    refusals: list[str] = []
    if _bind_path(sock, path, refusals):
        return path, None
    import tempfile  # noqa: PLC0415 - few need one, and it brings archives along

    for base in dict.fromkeys((tempfile.gettempdir(), "/tmp")):  # noqa: S108 - mkdtemp makes a private, unpredictable one
        try:
            short = Path(tempfile.mkdtemp(prefix="gm-", dir=base))
        except OSError as error:
            refusals.append(f"{base}: {error.strerror}")
            continue
        if _bind_path(sock, short / "s", refusals):
            return short / "s", short
        from shutil import rmtree  # noqa: PLC0415 - few have one

        rmtree(short, ignore_errors=True)
    msg = (
        f"cannot make a Unix socket for runners: {'; '.join(refusals)}. "
        "Choose a run directory with a shorter path, on a local file system"
    )
    raise RunError(msg)


def _bind_path(sock: zmq.Socket[bytes], path: Path, refusals: list[str]) -> bool:
    """Bind to a path; add the reason to *refusals* if that cannot be done."""
    length = len(os.fsencode(path))
    if length > _UNIX_PATH_BYTES:
        refusals.append(f"{path}: its {length} bytes exceed {_UNIX_PATH_BYTES}")
        return False
    try:
        sock.bind(f"ipc://{path}")
    except zmq.ZMQError as error:
        refusals.append(f"{path}: {error.strerror}")
        return False
    return True


def _bracketed(host: str) -> str:
    """Write an IPv6 address as endpoints want it."""
    return f"[{host}]" if ":" in host else host
