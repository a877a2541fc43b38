"""A runner on a bad line: what it says arrives twice, late, and in another order.

Started in the place of Python, with the words that a runner is started with. Reports
are held back until the next word but one, then told in the opposite order; everything
but the greeting is told twice.
"""

import runpy
import sys
from collections.abc import Callable, Sequence
from typing import Any

from gridmap.protocol import codec
from gridmap.protocol.messages import Hello, Report
from gridmap.transport import RunnerSocket
from gridmap.transport.unix.runner import UnixRunnerSocket
from gridmap.transport.zeromq.dealer import DealerSocket


class Line:
    """Sends in its own way what it is given."""

    def __init__(self, send: Callable[[Any, Sequence[Any]], bool]) -> None:
        self._send = send
        self._late: list[Sequence[Any]] = []

    def send(self, sock: RunnerSocket, frames: Sequence[Any]) -> bool:
        """Stand in for the socket's own method."""
        message = codec.decode_from_runner(bytes(frames[0]))
        if isinstance(message, Hello):
            return self._send(sock, frames)
        if isinstance(message, Report) and len(self._late) < 2:
            self._late.append(frames)
            return True
        late, self._late = self._late, []
        sent = [
            self._send(sock, each) for each in (*reversed(late), frames, *late, frames)
        ]
        return all(sent)


def stutter(kind: Any) -> None:
    """Make all sockets of this kind send so."""
    line = Line(kind.send)

    def send(sock: RunnerSocket, frames: Sequence[Any]) -> bool:
        return line.send(sock, frames)

    kind.send = send


def main() -> None:
    for kind in (UnixRunnerSocket, DealerSocket):
        stutter(kind)
    sys.argv[:] = sys.argv[2:]  # what stands before is "-m gridmap.runner"
    runpy.run_module("gridmap.runner", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
