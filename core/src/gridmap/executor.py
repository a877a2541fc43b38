"""`GridExecutor`: the standard library's executor interface over a run."""

from __future__ import annotations

import collections
import itertools
import time
import weakref
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, TypeVar

from gridmap import early
from gridmap.arguments import check_text, settings_with
from gridmap.futures import Futures, GridFuture, in_order

# What a backend takes to begin, the rest takes to be imported: so it begins first.

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gridmap.events import AnyEvent
    from gridmap.resources import Resources
    from gridmap.retry import RetryRules

__all__ = ["GridExecutor", "GridFuture"]

_T = TypeVar("_T")


class GridExecutor(Executor):
    """Runs calls on a batch scheduler; a real `concurrent.futures.Executor`.

    Runners stay up between calls, so a second map does not wait for the scheduler.
    The run is opened with the first call. May be used from any thread.

    A function goes along with the globals it uses as they are when it is first handed
    in; pass what changes as an argument. An interpreter that ends waits for the calls
    that were handed in, as with the standard library's executors.

    Args:
        max_workers: Runners at most, at a time; None: see `gridmap.grid_map`.
        backend: As for `gridmap.grid_map`.
        resources: What every call needs: a `Resources`, a mapping of its fields, or
            None for the site's defaults.
        name: The run's name.
        jobs_per_runner: Jobs after which a runner ends; None: no bound.
        retry: Rules by which calls that ended badly are run again; see
            `gridmap.grid_map`.
        temp_dir: As for `gridmap.grid_map`.
        require_cluster: As for `gridmap.grid_map`.
        speculate: As for `gridmap.grid_map`.
        dashboard: Whether to show the run on a web page from the first call to
            `shutdown`, as `gridmap.grid_map` does. None: the settings.
        settings: Any settings, by name.
        observers: Names and functions that are told of every event of its run.

    Raises:
        InvalidRequestError, BackendUnavailableError: As `gridmap.grid_map`, at once.

    Example:
        >>> from gridmap import GridExecutor
        >>> with GridExecutor(backend="local") as executor:
        ...     executor.submit(pow, 2, 10).result()
        1024
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        backend: str | None = None,
        resources: Resources | Mapping[str, Any] | None = None,
        name: str = "gridmap_executor",
        jobs_per_runner: int | None = None,
        retry: RetryRules = None,
        temp_dir: str | None = None,
        require_cluster: bool = False,
        speculate: bool | None = None,
        dashboard: bool | None = None,
        settings: Mapping[str, object] | None = None,
        observers: Sequence[tuple[str, Callable[[AnyEvent], None]]] = (),
    ) -> None:
        given = settings_with(settings, speculate=speculate, dashboard=dashboard)
        check_text("backend", backend, optional=True)
        with early.begun(backend) as kept:
            from gridmap.monitor.monitor import JobMonitor  # noqa: PLC0415 - see above
            from gridmap.monitor.store import encode_apart  # noqa: PLC0415 - see above
            from gridmap.resources import make_resources  # noqa: PLC0415 - see above

            needs = make_resources(resources)
            monitor = JobMonitor(
                temp_dir,
                backend=backend,
                name=name,
                max_workers=max_workers,
                jobs_per_runner=jobs_per_runner,
                retry=retry,
                require_cluster=require_cluster,
                settings=given,
                observers=observers,
            )
            kept.pop_all()
        self._max_workers = max_workers  # dask reads it; None: it counts its own cores
        self._encode = encode_apart
        self._futures = Futures(monitor, needs)
        # Nobody can hand in more when this object is gone: what was handed in ends.
        dropped = weakref.finalize(self, self._futures.shutdown, wait=False)
        dropped.atexit = False

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        """Hand in one call.

        Raises:
            UnpicklableError: If the function or an argument cannot be sent.
            RuntimeError: If the executor was shut down, or the interpreter ends.
            BrokenExecutor: If its run cannot go on.
        """
        call = self._encode(args, kwargs or None, 0)
        return self._futures.add(fn, [call])[0]

    def map(
        self,
        fn: Callable[..., _T],
        *iterables: Any,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
        shared: Mapping[str, Any] | None = None,
    ) -> Iterator[_T]:
        """Call a function on each item, as `Executor.map`; chunks make themselves.

        Args:
            fn: The function.
            iterables: One for each argument; the shortest ends them all.
            timeout: Seconds until a result must be there, counted from this call.
            chunksize: Taken for compatibility and not used: batches are sized by
                how long calls take.
            buffersize: Calls handed in before their results were asked for, at most,
                as in Python 3.14: iterables may then be endless. None: all are read
                and handed in at once.
            shared: Keyword arguments that all calls have alike, as for
                `gridmap.grid_map`: they travel once to a runner. None: there are none.

        Raises:
            UnpicklableError: If the function or an argument cannot be sent.
            InvalidRequestError: If *shared* is no mapping, or names what the function
                does not take.
            TypeError, ValueError: If *buffersize* is no number, or less than 1.
        """
        from gridmap.calls import encode_all, is_still  # noqa: PLC0415 - see above
        from gridmap.job import bind_shared  # noqa: PLC0415 - see above

        fn = bind_shared(fn, shared)
        if buffersize is not None:
            _check_buffer(buffersize)
            deadline = None if timeout is None else time.monotonic() + timeout
            arguments = zip(*iterables, strict=False)
            return _buffered(weakref.ref(self), fn, arguments, deadline, buffersize)
        still = all(map(is_still, iterables))
        calls = encode_all(zip(*iterables, strict=False), still=still)
        del chunksize
        return in_order(self._futures.add(fn, calls), timeout)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls and end the run once all are done.

        Args:
            wait: Whether to wait for that here; else a thread does.
            cancel_futures: Whether to take back what has not ended; what runs is
                ended too.
        """
        self._futures.shutdown(wait=wait, cancel_futures=cancel_futures)

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        """Shut down; by an exception, Ctrl-C meanwhile too, kill what runs first."""
        if kind is None:
            self._futures.leave()
        else:
            self.kill()

    def kill(self) -> None:
        """Take everything back and see every runner gone."""
        self._futures.kill()


def _check_buffer(size: object) -> None:
    if not isinstance(size, int):
        msg = f"buffersize must be a whole number or None, not {size!r}"
        raise TypeError(msg)
    if size < 1:
        msg = f"buffersize must be None or at least 1, not {size}"
        raise ValueError(msg)


def _buffered(
    executor: weakref.ref[GridExecutor],
    fn: Callable[..., _T],
    arguments: Iterator[tuple[Any, ...]],
    deadline: float | None,
    size: int,
) -> Iterator[_T]:
    """Hand in as many calls as the buffer holds, now; the others as results are taken.

    The executor is not held: one that its user drops takes no more calls.
    """
    waiting: collections.deque[Future[_T]] = collections.deque()

    def hand_in(count: int) -> None:
        held = executor()
        if held is not None:
            for args in itertools.islice(arguments, count):
                waiting.append(held.submit(fn, *args))

    def results() -> Iterator[_T]:
        try:
            while waiting:
                left = None if deadline is None else deadline - time.monotonic()
                first = waiting.popleft()
                try:
                    first.exception(left)
                finally:
                    first.cancel()  # which does nothing, unless it is late
                hand_in(1)
                yield first.result()
                del first  # a consumed result must not stay in memory
        finally:
            for future in waiting:
                future.cancel()

    hand_in(size)
    return results()
