"""Let this machine's programs, such as a browser, reach a port of a host's loopback.

A socket stays in the network namespace it was made in. So one that listens here is
handed to a process on the host, as its standard input, and what it accepts comes from
here while what it connects to is there.
"""

import contextlib
import errno
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
NOBODY: Final = 65534
"""Whom the process on the host belongs to: users may not be able to run this Python."""

_CHUNK: Final = 2**16


def listen(port: int) -> socket.socket:
    """Return a socket that listens on this machine's loopback.

    Raises:
        OSError: If the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    listener.listen()
    return listener


def command(port: int) -> list[str]:
    """Return what is to be started on the host, with the socket as standard input."""
    program = Path(__file__).read_text(
        encoding="utf-8"
    )  # the user may not see the file
    return [sys.executable, "-I", "-c", program, str(port)]


def serve(listener: socket.socket, port: int) -> None:
    """Pass on every connection, until this process is ended."""
    while True:
        here, _ = listener.accept()
        there = socket.socket()
        try:
            there.connect((LOOPBACK, port))
        except OSError as error:
            print(
                f"nobody listens on port {port} of {socket.gethostname()} "
                f"({errno.errorcode.get(error.errno or 0, error)}): a map's page is "
                "there while the map goes on",
                file=sys.stderr,
            )
            here.close()
            there.close()
            continue
        for one, two in ((here, there), (there, here)):
            threading.Thread(target=_pass, args=(one, two), daemon=True).start()


def _pass(one: socket.socket, two: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(_CHUNK):
            two.sendall(data)
    for end in (one, two):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    with contextlib.suppress(KeyboardInterrupt):
        serve(socket.socket(fileno=0), int(sys.argv[1]))
