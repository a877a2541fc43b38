"""Asking a function that runs for what it is to go on with. The worker's side.

A function that defines ``checkpoint()`` is a picklable object with ``__call__``. It is
asked in the middle of its call, by a signal whose handler Python runs in the main
thread between two byte codes. A checkpoint that could be made ends the call: the
handler does not return, so that nothing is done after it that would be done again.
"""

from __future__ import annotations

import functools
import signal
import time
from typing import TYPE_CHECKING, Any, Final, NoReturn

from gridmap import payload
from gridmap.runner import records
from gridmap.runner.records import Record, RecordType

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from gridmap.runner.outbox import Outbox

ASK: Final = signal.SIGURG
"""Asks for a checkpoint. Nobody else uses it, and by default it is ignored: one that
comes too late does no harm."""


def can_save(function: object) -> bool:
    """Return whether a function defines ``checkpoint``, itself or inside of a partial."""
    while isinstance(function, functools.partial):
        function = function.func
    # Of its class, as for all special methods: a proxy or a mock has every attribute.
    return callable(getattr(type(function), "checkpoint", None))


def saved(function: Any) -> object:
    """Return what is to be called in the next attempt, with the same arguments.

    What was fixed by a partial stays so.

    Raises:
        TypeError: If its ``checkpoint`` returned nothing that can be called.
        BaseException: Whatever ``checkpoint`` raises.
    """
    if isinstance(function, functools.partial):
        inner: Any = saved(function.func)
        return functools.partial(inner, *function.args, **function.keywords)
    made = function.checkpoint()
    if not callable(made):
        msg = (
            f"checkpoint() returned {type(made).__name__}, which cannot be called in the "
            "next attempt: return self, or another object with __call__"
        )
        raise TypeError(msg)
    return made


class Saver:
    """Answers when the runner asks; one a worker, in its main thread."""

    def __init__(self, sock: socket.socket, outbox: Outbox) -> None:
        self._sock = sock
        self._outbox = outbox
        self._function: Any = None
        self._job = -1
        self._since = 0.0

    def call(
        self,
        function: Callable[..., object],
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        job: int,
    ) -> object:
        """Call a function that can be asked meanwhile, and return what it returns."""
        signal.signal(
            ASK, self._asked
        )  # each time: jobs may take signals for themselves
        self._job, self._since = job, time.monotonic()
        self._function = function
        self._outbox.saves(True)
        try:
            return function(*args, **(kwargs or {}))
        finally:
            self._function = None
            self._outbox.saves(False)

    def _asked(self, *_: object) -> None:
        if not self._outbox.asked_for(self._job):
            return  # it has just ended: its result is the answer
        function, self._function = self._function, None
        if function is None:
            return  # likewise
        seconds = time.monotonic() - self._since
        try:
            what = f"the checkpoint of job {self._job}"
            parcel = payload.dump(saved(function), what=what)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the runner has to know
            text = f"{type(error).__name__}: {error}"[-2000:]
            frames: tuple[records.Frame, ...] = (text.encode("utf-8", "replace"),)
            record = Record(
                RecordType.CHECKPOINT,
                frames,
                self._job,
                kind=records.FAILED,
                seconds=seconds,
            )
            records.send(self._sock, record)
            self._function = function
            return
        frames = (parcel.head, *parcel.buffers)
        record = Record(RecordType.CHECKPOINT, frames, self._job, seconds=seconds)
        records.send(self._sock, record)
        _wait_for_the_end()


def _wait_for_the_end() -> NoReturn:
    """Do nothing until the runner ends this process, which it does now."""
    while True:
        signal.pause()
