"""A shell command as a job: what `gridmap exec` runs on the nodes."""

from __future__ import annotations

import socket
import subprocess
import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class Ended(msgspec.Struct, frozen=True):
    """What came of a command.

    Attributes:
        status: Its exit status; ``-n`` for a death by signal *n*; 127 if there is no
            such program, 126 if it cannot be run, as shells have it.
        out: What it wrote to standard output.
        err: What it wrote to standard error.
        seconds: How long it took.
        began: When, seconds since the epoch, on its node's clock.
        node: Where.
    """

    status: int
    out: bytes
    err: bytes
    seconds: float
    began: float = 0.0
    node: str = ""


def run_command(words: Sequence[str]) -> Ended:
    """Run a program to its end, without a shell and without input.

    Args:
        words: The program and its arguments.
    """
    began, at = time.monotonic(), time.time()  # noqa: TID251 - for its user's log
    try:
        done = subprocess.run(
            list(words), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        status, out, err = done.returncode, done.stdout, done.stderr
    except OSError as error:
        status = 127 if isinstance(error, FileNotFoundError) else 126
        out, err = b"", f"{words[0]}: {error.strerror}\n".encode()
    took = time.monotonic() - began
    return Ended(status, out, err, took, at, socket.gethostname())
