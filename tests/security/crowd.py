"""Connects many times to one address and never speaks: ``HOST PORT COUNT``.

Says ``ready`` when all are connected, as far as that can be had, and hangs up when its
standard input ends. A process of its own, so that its descriptors are not the run's.
"""

import contextlib
import resource
import socket
import sys


def main(host: str, port: int, count: int) -> None:
    """Connect *count* times and wait."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as crowd:
        for _ in range(count):
            with contextlib.suppress(OSError):
                crowd.enter_context(socket.create_connection((host, port), 1.0))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
