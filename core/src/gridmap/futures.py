"""The futures of an executor, and the thread that resolves them.

They are apart from the executor, since threads hold them: one that its user has dropped
would never end if a thread of its own held it.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import logging
import os
import threading
import time
from concurrent.futures import BrokenExecutor, Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gridmap.monitor.monitor import JobMonitor
    from gridmap.monitor.outcomes import Outcome
    from gridmap.resources import Resources

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class GridFuture(Future[_T]):
    """A future whose job can be taken back even while it runs."""

    _home: Futures | None = None
    """Who says what comes of it; None: it has been said."""
    _job: int = -1

    def result(self, timeout: float | None = None) -> _T:
        """Wait for what the call returns; see `concurrent.futures.Future.result`.

        Raises:
            BrokenExecutor: If this is a process forked from the one that handed it in
                while it was not over: wait for it there.
        """
        self._check_process()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for what the call raises; see `concurrent.futures.Future.exception`.

        Raises:
            BrokenExecutor: As `result`.
        """
        self._check_process()
        return super().exception(timeout)

    def _check_process(self) -> None:
        """Refuse to wait for what this process is never told."""
        if self._home is not None and self._home.is_forked():
            msg = (
                "this process was forked from the one that handed in the call, and is "
                "not told what comes of it: wait for it there, or make an executor here"
            )
            raise BrokenExecutor(msg)

    def cancel(self) -> bool:
        """Take the job back; one that runs is ended.

        Returns:
            False if it is over already.
        """
        cancelled = super().cancel()
        home, self._home = self._home, None
        if cancelled and home is not None:
            home.take_back(self._job)
        return cancelled


class Futures:
    """Calls that were handed in, until they are over.

    Who takes a future out of those that wait says what came of it, and nobody else.
    Its methods may be called from any thread.
    """

    def __init__(self, monitor: JobMonitor, resources: Resources) -> None:
        """Begin without any; the run is opened with the first.

        Args:
            monitor: The run, not opened yet.
            resources: What every call needs.
        """
        self._monitor = monitor
        self._resources = resources
        self._lock = threading.RLock()
        self._futures: dict[int, GridFuture[Any]] = {}
        self._resolving = False
        self._idle = threading.Condition(self._lock)
        self._opened = False
        self._process: int | None = None
        self._delivery: threading.Thread | None = None
        self._shut = False
        self._closed = threading.Event()
        self._over = threading.Event()
        self._broken: BaseException | None = None

    def add(self, fn: Callable[..., _T], calls: Sequence[Any]) -> list[GridFuture[_T]]:
        """Hand in calls of one function; see `GridExecutor.submit`."""
        if self.is_forked():
            msg = (
                "cannot submit: this process was forked from the one whose executor "
                "this is; make an executor here"
            )
            raise BrokenExecutor(msg)
        with self._lock:
            if self._broken is not None:
                msg = f"the executor's run cannot go on: {self._broken}"
                raise BrokenExecutor(msg) from self._broken
            if self._shut:
                msg = "cannot submit to an executor that was shut down"
                raise RuntimeError(msg)
            if not threading.main_thread().is_alive():
                msg = "cannot submit: this Python has begun to end"
                raise RuntimeError(msg)
            self._open()
            jobs = self._monitor.add_encoded(fn, calls, self._resources)
            futures: list[GridFuture[_T]] = [GridFuture() for _ in jobs]
            for job, future in zip(jobs, futures, strict=True):
                future._home, future._job = self, job  # noqa: SLF001 - our own class
            self._futures.update(zip(jobs, futures, strict=True))
            return futures

    def take_back(self, job: int) -> None:
        """Have a job ended whose future was cancelled."""
        with self._lock:
            future = self._futures.pop(job, None)
            self._idle.notify_all()
        if future is not None:
            future.set_running_or_notify_cancel()  # who waits for it is told
        self._monitor.cancel(range(job, job + 1))

    def _open(self) -> None:
        if self._opened:
            return
        self._monitor.outcomes.straight = self._settle_at_once
        # First of all: a process that is forked meanwhile must not take it for its own.
        self._process = os.getpid()
        self._monitor.open()
        self._opened = True
        self._delivery = threading.Thread(
            target=self._deliver, name="gridmap-delivery", daemon=True
        )
        self._delivery.start()
        atexit.register(self.leave)

    def is_forked(self) -> bool:
        """Tell whether this process only has a copy of another one's run.

        Asked before the lock, which may have been held when the copy was made.
        """
        return self._process not in (None, os.getpid())

    def _deliver(self) -> None:
        """Resolve futures as outcomes come, in a thread of its own: callbacks block."""
        while not self._closed.is_set():
            try:
                for outcome in self._monitor.outcomes.take():
                    self._resolve(outcome)
                    del outcome  # a large result is not to be kept until the next comes
            except BaseException as error:  # noqa: BLE001 - told to every future
                self._break(error)
                return

    def _settle_at_once(self, job: int, value: object) -> bool:
        """Resolve a future in the monitor's thread, if that takes no time.

        Not if somebody holds a lock, nor if the user has a callback for it: either could
        take as long as it likes, and heartbeats would wait.
        """
        if not self._lock.acquire(blocking=False):
            return False
        try:
            future = self._futures.get(job)
            if future is None or not _settle_silently(future, value):
                return False
            self._futures.pop(job, None)  # a finalizer may have cancelled it meanwhile
            self._idle.notify_all()
        finally:
            self._lock.release()
        return True

    def _resolve(self, outcome: Outcome) -> None:
        with self._lock:
            future = self._futures.pop(outcome.job, None)
            self._resolving = True
        if future is not None:
            future._home = None  # noqa: SLF001 - our own class
            if future.set_running_or_notify_cancel():
                _settle(future, outcome)
        with self._lock:
            self._resolving = False
            self._idle.notify_all()

    def _break(self, error: BaseException) -> None:
        if isinstance(error, _Finished):
            return
        with self._lock:
            self._broken = error
            self._resolving = False
            futures, self._futures = self._futures, {}
            self._idle.notify_all()
        for future in futures.values():
            with contextlib.suppress(Exception):
                if future.set_running_or_notify_cancel():
                    future.set_exception(error)

    def shutdown(self, *, wait: bool = True, cancel_futures: bool = False) -> None:
        """See `GridExecutor.shutdown`. From any thread, a finalizer's too."""
        if self.is_forked():
            return
        with self._lock:
            self._shut = True
            futures = list(self._futures.values()) if cancel_futures else []
        for future in futures:
            future.cancel()
        if not self._opened:
            self._monitor.close()
            return
        if self._over.is_set():
            return
        # A callback runs in the thread that the end waits for.
        if wait and threading.current_thread() is not self._delivery:
            self._finish()
        else:
            threading.Thread(
                target=self._finish, name="gridmap-shutdown", daemon=True
            ).start()

    def _finish(self) -> None:
        with self._lock:
            while self._futures or self._resolving:
                self._idle.wait()
            another = self._closed.is_set()
            self._closed.set()
        if another:
            self._over.wait()
        else:
            self._close(kill=False)

    def _close(self, *, kill: bool) -> None:
        try:
            self._monitor.outcomes.broken(_Finished())
            self._monitor.close(kill=kill)
        finally:
            self._over.set()
            atexit.unregister(self.leave)

    def leave(self) -> None:
        """Shut down; who is interrupted while that waits kills what runs."""
        try:
            self.shutdown()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """See `GridExecutor.kill`."""
        if self.is_forked():
            return
        with self._lock:
            self._shut = True
            futures, self._futures = self._futures, {}
            closed = self._closed.is_set()
            self._closed.set()
            self._idle.notify_all()
        for future in futures.values():
            future._home = None  # noqa: SLF001 - the whole run ends
            future.cancel()
            future.set_running_or_notify_cancel()
        if not self._opened:
            self._monitor.close()
        elif not closed:
            self._close(kill=True)


def _settle_silently(future: GridFuture[Any], value: object) -> bool:
    """Say what came of a call, unless somebody is to be called back."""
    condition = future._condition  # noqa: SLF001 - held, so that no callback is added meanwhile
    if not condition.acquire(blocking=False):
        return False
    try:
        if getattr(future, "_done_callbacks", True):
            return False
        # A finalizer may run in this thread at any time, and cancel it.
        future._home = None  # noqa: SLF001 - our own class
        if future.done():
            return False
        if future.set_running_or_notify_cancel():
            future.set_result(value)
    finally:
        condition.release()
    return True


def _settle(future: GridFuture[Any], outcome: Outcome) -> None:
    """Say what came of a call; a callback that calls `sys.exit` ends nothing else."""
    try:
        if outcome.error is None:
            future.set_result(outcome.value)
        else:
            future.set_exception(outcome.error)
    except BaseException:  # noqa: BLE001 - callbacks are logged, as futures do
        _log.exception("a callback raised, of %r", future)


def in_order(futures: list[GridFuture[_T]], timeout: float | None) -> Iterator[_T]:
    """Return what futures come to, in their order; whoever stops takes the rest back.

    Args:
        futures: The futures.
        timeout: Seconds from now until a result must be there; None: no bound.
    """
    deadline = None if timeout is None else time.monotonic() + timeout

    def results() -> Iterator[_T]:
        waiting = collections.deque(futures)
        try:
            while waiting:
                left = None if deadline is None else deadline - time.monotonic()
                # Not kept in a variable: a consumed result must not stay in memory.
                yield _result_in_time(waiting.popleft(), left)
        finally:
            for future in waiting:
                future.cancel()

    return results()


def _result_in_time(future: GridFuture[_T], timeout: float | None) -> _T:
    try:
        return future.result(timeout)
    finally:
        future.cancel()  # which does nothing, unless it is late
        del future


class _Finished(Exception):  # noqa: N818 - ends the delivery thread, is never seen
    pass
