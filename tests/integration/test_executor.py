"""`GridExecutor` is an executor as the standard library has them."""

import asyncio
import contextlib
import functools
import gc
import threading
from collections.abc import Iterator
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    as_completed,
    wait,
)
from pathlib import Path
from typing import Any

import pytest
from tests import jobs, traces
from tests.driver import driving

from gridmap import GridExecutor
from gridmap.errors import JobException, RemoteTraceback, UnpicklableError
from gridmap.testing import eventually
from gridmap.verdict import Cause


@pytest.fixture
def executor() -> Iterator[GridExecutor]:
    """Return an executor on this machine with two workers."""
    with GridExecutor(2, backend="local") as made:
        yield made


def test_it_is_an_executor(executor: GridExecutor) -> None:
    """Whoever takes an executor takes this one."""
    assert isinstance(executor, Executor)


def test_calls_give_futures(executor: GridExecutor) -> None:
    """`submit` takes any arguments and returns a future at once."""
    future = executor.submit(jobs.describe, 1, key=2)
    assert isinstance(future, Future)
    assert future.result(10) == ((1,), {"key": 2})
    assert future.done()
    assert not future.cancelled()


def test_keyword_arguments_may_have_any_name(executor: GridExecutor) -> None:
    """Arguments called `fn` and `self` are the function's."""
    future = executor.submit(jobs.describe, fn=1, self=2)
    assert future.result(10) == ((), {"fn": 1, "self": 2})


def test_map_is_in_order_and_takes_several_iterables(executor: GridExecutor) -> None:
    """`map` zips its iterables, and spreads nothing."""
    assert list(executor.map(jobs.add, range(50), range(100, 150))) == [
        2 * number + 100 for number in range(50)
    ]
    assert list(executor.map(jobs.same, [[1, 2]])) == [[1, 2]]
    assert list(executor.map(jobs.same, [])) == []


def test_many_small_calls_are_quick_enough(executor: GridExecutor) -> None:
    """Two thousand single submissions take seconds, not minutes."""
    futures = [executor.submit(jobs.square, number) for number in range(2000)]
    assert [future.result(20) for future in futures] == [n * n for n in range(2000)]


def test_map_raises_where_its_result_would_be(executor: GridExecutor) -> None:
    """Results before a failed call are yielded, then its exception is raised."""
    results = executor.map(jobs.complain, [2, 4, 5, 6])
    assert [next(results), next(results)] == [2, 4]
    with pytest.raises(jobs.Teapot):
        next(results)


def test_map_gives_up_in_time(executor: GridExecutor, tmp_path: Path) -> None:
    """`map` with a timeout raises TimeoutError."""
    results = executor.map(
        functools.partial(jobs.meet, str(tmp_path)), [1], timeout=0.05
    )
    with pytest.raises(TimeoutError):
        next(results)
    (tmp_path / "go").touch()


def test_exceptions_are_the_futures(executor: GridExecutor) -> None:
    """A call's exception is its future's, with the remote traceback."""
    future = executor.submit(jobs.complain, 3)
    error = future.exception(10)
    assert isinstance(error, jobs.Teapot)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert executor.submit(jobs.square, 3).result(10) == 9


def test_deaths_are_the_futures(executor: GridExecutor) -> None:
    """A call that kills its process breaks its own future and no other."""
    doomed = executor.submit(jobs.die, "kill -9")
    fine = executor.submit(jobs.square, 5)
    error = doomed.exception(10)
    assert isinstance(error, JobException)
    assert error.verdict.cause is Cause.SIGNALLED
    assert fine.result(10) == 25


def test_as_completed_and_wait(executor: GridExecutor) -> None:
    """The standard library's functions on futures work."""
    futures = {executor.submit(jobs.square, number): number for number in range(20)}
    for future in as_completed(futures, timeout=10):
        assert future.result() == futures[future] ** 2
    done, waiting = wait(futures, timeout=1)
    assert (len(done), waiting) == (20, set())


def test_callbacks_are_called(executor: GridExecutor) -> None:
    """Callbacks run once, with the future; one that raises harms nobody."""
    heard: list[Any] = []
    event = threading.Event()

    def note(future: Future[int]) -> None:
        heard.append(future.result())
        event.set()

    first = executor.submit(jobs.square, 2)
    first.add_done_callback(note)
    assert event.wait(10)
    assert heard == [4]
    first.add_done_callback(note)
    assert heard == [4, 4]


class Witness:
    """Tells in which thread it was made again."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __setstate__(self, state: dict[str, int]) -> None:
        self.number, self.thread = state["number"], threading.current_thread().name


def test_nothing_of_the_users_runs_in_the_monitors_thread(
    executor: GridExecutor,
) -> None:
    """Neither callbacks, however early they are added, nor classes' own methods.

    Either may take as long as it likes, and heartbeats must go on.
    """
    threads: list[str] = []

    def note(_: Future[Any]) -> None:
        threads.append(threading.current_thread().name)

    for number in range(200):
        future = executor.submit(jobs.square, number)
        future.add_done_callback(note)
        assert future.result(10) == number**2
        made = executor.submit(Witness, number).result(10)
        assert made.number == number
        threads.append(made.thread)
    eventually(lambda: len(threads) == 400, within_s=10, what="all callbacks")
    assert "gridmap-monitor" not in threads


def test_a_finalizer_may_cancel_a_future_at_any_moment(executor: GridExecutor) -> None:
    """The collector runs in whatever thread makes something, the monitor's too."""
    left, doomed = 0, executor.submit(jobs.square, 1)
    doomed.result(10)

    def collecting(phase: str, _: dict[str, int]) -> None:
        nonlocal left
        if phase == "start" and threading.current_thread().name == "gridmap-monitor":
            left -= 1
            if left == 0:
                doomed.cancel()

    thresholds = gc.get_threshold()
    gc.callbacks.append(collecting)
    gc.set_threshold(1, 1_000_000, 1_000_000)
    try:
        for moment in 3 * [*range(1, 300)]:
            doomed, left = executor.submit(jobs.square, 2), moment
            with contextlib.suppress(CancelledError):
                assert doomed.result(10) == 4
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(collecting)
    assert executor.submit(jobs.square, 3).result(10) == 9


def test_a_callback_may_submit(executor: GridExecutor) -> None:
    """A callback may use the executor in its turn."""
    chained: Future[Future[int]] = Future()

    def go_on(future: Future[int]) -> None:
        chained.set_result(executor.submit(jobs.square, future.result()))

    executor.submit(jobs.square, 3).add_done_callback(go_on)
    assert chained.result(10).result(10) == 81


def test_asyncio_can_use_it(executor: GridExecutor) -> None:
    """`run_in_executor` and `gather` work."""

    async def run() -> list[int]:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(executor, jobs.square, n) for n in range(10)]
        return await asyncio.gather(*calls)

    assert asyncio.run(run()) == [n * n for n in range(10)]


def test_a_running_call_can_be_cancelled(
    executor: GridExecutor, tmp_path: Path
) -> None:
    """`cancel` ends a call that runs; its worker is free for another."""
    future = executor.submit(jobs.meet, str(tmp_path), 0)
    traces.await_marks(tmp_path, "job0")
    assert future.cancel()
    assert future.cancelled()
    with pytest.raises(CancelledError):
        future.result(5)
    others = [executor.submit(jobs.square, number) for number in range(4)]
    assert [other.result(10) for other in others] == [0, 1, 4, 9]


def test_a_waiting_call_can_be_cancelled(
    executor: GridExecutor, tmp_path: Path
) -> None:
    """A call that no worker has begun is never run; the others are."""
    busy = [executor.submit(jobs.meet, str(tmp_path), number) for number in (0, 1)]
    for number in (0, 1):
        traces.await_marks(tmp_path, f"job{number}")
    waiting = [executor.submit(jobs.meet, str(tmp_path), n) for n in (2, 3, 4)]
    assert waiting[1].cancel()
    (tmp_path / "go").touch()
    assert [future.result(10) for future in busy] == [0, 1]
    assert [waiting[0].result(10), waiting[2].result(10)] == [4, 16]
    assert traces.marks(tmp_path, "job3") == []
    assert not waiting[0].cancel()  # it is done


def test_shutdown_waits_for_what_was_submitted() -> None:
    """Leaving the block waits; afterwards nothing more is taken."""
    with GridExecutor(backend="local") as executor:
        futures = [executor.submit(jobs.square, number) for number in range(5)]
    assert all(future.done() for future in futures)
    assert [future.result(0) for future in futures] == [0, 1, 4, 9, 16]
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(jobs.square, 1)
    executor.shutdown()  # again, harmless


def test_shutdown_need_not_wait(tmp_path: Path) -> None:
    """`shutdown(wait=False)` returns at once, and the calls end all the same."""
    executor = GridExecutor(backend="local")
    future = executor.submit(jobs.meet, str(tmp_path), 3)
    executor.shutdown(wait=False)
    assert not future.done()
    with pytest.raises(RuntimeError):
        executor.submit(jobs.square, 1)
    (tmp_path / "go").touch()
    assert future.result(10) == 9


def test_shutdown_can_cancel(tmp_path: Path, runs: Path) -> None:
    """`cancel_futures` takes back what has not ended, running or not."""
    executor = GridExecutor(1, backend="local")
    futures = [executor.submit(jobs.meet, str(tmp_path), n) for n in range(3)]
    traces.await_marks(tmp_path, "job0")
    executor.shutdown(cancel_futures=True)
    assert all(future.cancelled() for future in futures)
    assert traces.processes(runs) == []
    assert traces.marks(tmp_path, "job1") == []


def test_an_exception_in_the_block_kills(tmp_path: Path, runs: Path) -> None:
    """Leaving the block by an exception ends what runs."""
    with pytest.raises(LookupError), GridExecutor(backend="local") as executor:  # noqa: PT012 - leaving it is the test
        future = executor.submit(jobs.meet, str(tmp_path), 0)
        traces.await_marks(tmp_path, "job0")
        raise LookupError
    assert future.cancelled()
    assert traces.processes(runs) == []


def test_an_executor_that_was_never_used_costs_nothing(runs: Path) -> None:
    """No run is opened before the first call."""
    with GridExecutor(backend="local"):
        pass
    assert not runs.exists()


def test_what_cannot_be_sent_is_told_at_once(executor: GridExecutor) -> None:
    """`submit` raises for an unpicklable argument and goes on with the next."""
    with pytest.raises(UnpicklableError):
        executor.submit(jobs.same, threading.Lock())
    assert executor.submit(jobs.same, 1).result(10) == 1


def test_threads_may_share_an_executor(executor: GridExecutor) -> None:
    """Submissions from several threads get their own results."""
    results: dict[int, int] = {}

    def run(number: int) -> None:
        results[number] = sum(executor.map(jobs.add, [number] * 20, range(20)))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == {number: 20 * number + 190 for number in range(5)}


def test_runners_stay_up_between_calls(executor: GridExecutor) -> None:
    """A second call finds the first one's runner."""
    first = executor.submit(jobs.runner_pid).result(10)
    results = {executor.submit(jobs.runner_pid).result(10) for _ in range(5)}
    assert first in results
    assert len(results) <= 2


@pytest.mark.slow
def test_a_script_that_ends_waits_for_its_executor(tmp_path: Path) -> None:
    """A script that never shuts its executor down still gets its results and ends."""
    text = """
        from gridmap import GridExecutor
        executor = GridExecutor(backend="local")
        future = executor.submit(pow, 2, 10)
        future.add_done_callback(lambda f: print(f.result()))
    """
    with driving(tmp_path, text) as driver:
        assert driver.output() == "1024\n"


def test_an_executor_that_is_dropped_ends_its_runners(runs: Path) -> None:
    """An executor nobody holds any more is taken down."""
    executor = GridExecutor(backend="local")
    assert executor.submit(jobs.square, 2).result(10) == 4
    assert traces.processes(runs)
    del executor
    gc.collect()
    eventually(
        lambda: not traces.directories(runs), within_s=10, what="its directory to go"
    )
    assert traces.processes(runs) == []


def test_an_executor_that_is_dropped_does_what_it_was_given(tmp_path: Path) -> None:
    """Calls that were handed in are finished, as by the standard library's."""
    futures = [GridExecutor(backend="local").submit(jobs.meet, str(tmp_path), 5)]
    traces.await_marks(tmp_path, "job5")
    gc.collect()
    (tmp_path / "go").touch()
    assert futures[0].result(10) == 25


def test_a_script_that_shuts_down_without_waiting_tidies_up(
    tmp_path: Path, runs: Path
) -> None:
    """`shutdown(wait=False)` at the end of a script leaves no directory behind."""
    text = """
        from gridmap import GridExecutor
        executor = GridExecutor(backend="local")
        executor.submit(pow, 2, 10).result()
        executor.shutdown(wait=False)
    """
    with driving(tmp_path, text) as driver:
        assert driver.output() == ""
        assert traces.directories(runs) == []


def test_rejected_runs_break_the_executor() -> None:
    """A run that cannot be opened raises, and says why, at the first call."""
    executor = GridExecutor(backend="local", settings={"python": "/no/such/python"})
    future = executor.submit(jobs.square, 1)
    error = future.exception(15)
    assert isinstance(error, JobException | BrokenExecutor)
    assert "/no/such/python" in str(error)
    executor.shutdown()
