"""The other end of a run's control socket, for the user's other processes."""

from __future__ import annotations

import contextlib
import os
import socket as sockets
from typing import TYPE_CHECKING, Final

from gridmap.control import door, messages, record
from gridmap.errors import RemoteProtocolError, RunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from gridmap.control.messages import Answer, Question
    from gridmap.control.record import Record
    from gridmap.driver import Driver
    from gridmap.events import Event

_PATIENCE_S: Final = 10.0


class Control:
    """A connection to a run that goes on. A context manager, of one thread.

    Args:
        token: The run's token.
        driver: The process that drives it, if that is known.
        words: What to say to ``gridmap`` on its host, for the error.

    Raises:
        RunError: If nobody answers: the run is over, or its process is on another
            host, which is then named.
    """

    def __init__(
        self, token: str, driver: Driver | None = None, words: str = "…"
    ) -> None:
        if driver is not None and driver.elsewhere:
            raise RunError(_elsewhere(driver, words))
        try:
            self._socket = door.connect(door.directory(), token, _PATIENCE_S)
        except OSError as error:
            msg = f"nobody answers at the run's control socket: {error.strerror}"
            raise RunError(msg) from error

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Hang up."""
        self._socket.close()

    def hang_up(self) -> None:
        """End what waits for an answer or an event; from any thread, idempotent."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(sockets.SHUT_RDWR)

    def look(self) -> Record:
        """Return how the run stands now.

        Raises:
            RunError: If it ended meanwhile.
        """
        answer = self._ask(messages.Look())
        if not isinstance(answer, messages.Shown):
            msg = f"the run answered {answer!r}"
            raise RunError(msg)
        return record.decode(answer.record)

    def kill_run(self) -> None:
        """Order the end of the run; its process then kills its runners.

        Raises:
            RunError: If it ended meanwhile, or refuses.
        """
        self._order(messages.KillRun(by=_who()))

    def kill_jobs(self, spans: Iterable[tuple[int, int]]) -> None:
        """Order the end of jobs: first and one past the last, of each stretch.

        Raises:
            RunError: If the run ended meanwhile, or refuses.
        """
        self._order(messages.KillJobs(spans=tuple(spans), by=_who()))

    def follow(self, *, output: bool = False) -> Iterator[Event]:
        """Return what yields each event from now on, until the run is over.

        Args:
            output: Whether what jobs print is wanted too.

        Raises:
            RunError: If the run ended meanwhile, or refuses.
        """
        self._order(messages.Follow(output=output))
        self._socket.settimeout(None)
        return self._events()

    def _events(self) -> Iterator[Event]:
        while (answer := self._receive()) is not None:
            if isinstance(answer, messages.Happened):
                event = messages.event(answer)
                if event is not None:
                    yield event

    def _order(self, question: Question) -> None:
        answer = self._ask(question)
        if not isinstance(answer, messages.Told):
            text = answer.text if isinstance(answer, messages.Refused) else repr(answer)
            msg = f"the run refuses: {text}"
            raise RunError(msg)

    def _ask(self, question: Question) -> Answer:
        try:
            self._socket.sendall(messages.encode(question))
            answer = self._receive()
        except TimeoutError as error:
            msg = (
                f"the run's process has not answered for {_PATIENCE_S:g} s: it is "
                "stopped, or very busy"
            )
            raise RunError(msg) from error
        except OSError as error:
            msg = f"the run hung up: {error.strerror}"
            raise RunError(msg) from error
        if answer is None:
            msg = "the run ended while it was asked"
            raise RunError(msg)
        return answer

    def _receive(self) -> Answer | None:
        """Return the next answer; None if the run hung up."""
        head = self._read(messages.LENGTH.size)
        if head is None:
            return None
        (size,) = messages.LENGTH.unpack(head)
        if size > messages.MOST_ANSWERED:
            msg = f"an answer of {size} bytes"
            raise RemoteProtocolError(msg)
        body = self._read(size)
        return None if body is None else messages.answer(body)

    def _read(self, size: int) -> bytes | None:
        data = bytearray()
        while len(data) < size:
            part = self._socket.recv(min(size - len(data), 2**20))
            if not part:
                return None
            data += part
        return bytes(data)


def _elsewhere(driver: Driver, words: str) -> str:
    """Say where a run can be asked and ordered about."""
    here = sockets.gethostname()
    told = f"the run is driven by process {driver.pid} on {driver.host}"
    if driver.host == here:
        return (
            f"{told}, and cannot be reached from here: it is in another container, or "
            "was there before the host was started anew, and is dead"
        )
    return (
        f"{told}, and this is {here}: it can be asked, and given orders, on its own "
        f"host only: ssh -t {driver.host} gridmap {words}"
    )


def _who() -> str:
    """Say who gives an order, for people."""
    return f"process {os.getpid()} on {sockets.gethostname()}"
