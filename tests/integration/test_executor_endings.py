"""An executor's futures and its run end in every way they can, and nothing hangs."""

import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, as_completed, wait
from pathlib import Path
from typing import Any

import pytest
from tests import jobs, traces
from tests.driver import driving

from gridmap import GridExecutor
from gridmap.errors import UnpicklableError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def executor() -> Iterator[GridExecutor]:
    """Return an executor on this machine with one worker."""
    with GridExecutor(1, backend="local") as made:
        yield made


def test_who_waits_for_a_cancelled_call_is_told(
    executor: GridExecutor, tmp_path: Path
) -> None:
    """`wait` and `as_completed` count what was taken back as over, before or after."""
    futures = [executor.submit(jobs.meet, str(tmp_path), n) for n in range(3)]
    traces.await_marks(tmp_path, "job0")
    assert futures[0].cancel()
    assert wait(futures[:1], timeout=10).not_done == set()
    each = as_completed(futures, timeout=10)
    assert next(each) is futures[0]
    told = threading.Timer(0.0, lambda: [future.cancel() for future in futures])
    told.start()
    assert set(each) == set(futures[1:])
    told.join()


def test_who_waits_for_a_killed_call_is_told(tmp_path: Path) -> None:
    """`wait` counts what `kill` has ended as over."""
    executor = GridExecutor(1, backend="local")
    futures = [executor.submit(jobs.meet, str(tmp_path), n) for n in range(2)]
    executor.kill()
    assert all(future.cancelled() for future in futures)
    assert wait(futures, timeout=10).not_done == set()


def test_a_late_call_of_a_map_is_taken_back(
    executor: GridExecutor, tmp_path: Path
) -> None:
    """The call whose result came too late does not hold up those that follow."""
    with pytest.raises(TimeoutError):
        list(executor.map(jobs.meet, [str(tmp_path)], [0], timeout=0.5))
    assert executor.submit(jobs.square, 3).result(20) == 9


@pytest.mark.timeout(60)
@pytest.mark.parametrize("way", ["shutdown", "kill"])
def test_a_callback_may_end_its_executor(way: str, runs: Path) -> None:
    """A callback that shuts its executor down does not wait for itself."""
    executor = GridExecutor(1, backend="local")
    ended: Future[None] = Future()

    def end(_: Future[Any]) -> None:
        getattr(executor, way)()
        ended.set_result(None)

    executor.submit(jobs.square, 2).add_done_callback(end)
    ended.result(30)
    executor.shutdown()
    assert traces.directories(runs) == []


def test_a_callback_that_exits_ends_no_other_call(executor: GridExecutor) -> None:
    """`sys.exit` in a callback is logged, and the executor goes on."""

    def leave(_: Future[Any]) -> None:
        sys.exit(3)

    executor.submit(jobs.square, 2).add_done_callback(leave)
    assert executor.submit(jobs.square, 3).result(20) == 9
    assert executor.submit(jobs.square, 4).result(20) == 16


def test_a_call_that_is_refused_harms_no_other() -> None:
    """After a call that was too large to be sent, the executor goes on."""
    settings = {"max_message_bytes": "1M"}
    with GridExecutor(1, backend="local", settings=settings) as executor:
        assert executor.submit(jobs.square, 2).result(20) == 4
        with pytest.raises(UnpicklableError, match="max_message_bytes"):
            executor.submit(len, bytes(2**21))
        assert executor.submit(jobs.square, 3).result(20) == 9


@pytest.mark.slow
def test_ctrl_c_while_an_executor_is_left_kills(tmp_path: Path, runs: Path) -> None:
    """Ctrl-C does not wait for what the end of the block was waiting for."""
    text = """
        import sys
        from gridmap import GridExecutor
        from tests import jobs

        with GridExecutor(2, backend="local") as executor:
            for number in range(2):
                executor.submit(jobs.meet, sys.argv[1], number)
    """
    _interrupt(tmp_path, runs, text)


@pytest.mark.slow
def test_ctrl_c_while_a_script_ends_kills(tmp_path: Path, runs: Path) -> None:
    """Ctrl-C does not wait for what the end of the script was waiting for."""
    text = """
        import sys
        from gridmap import GridExecutor
        from tests import jobs

        executor = GridExecutor(2, backend="local")
        for number in range(2):
            executor.submit(jobs.meet, sys.argv[1], number)
    """
    _interrupt(tmp_path, runs, text)


def _interrupt(place: Path, runs: Path, text: str) -> None:
    """Run a script that waits for two jobs at its end, and interrupt it once."""
    environ = {"PYTHONPATH": str(ROOT)}
    with driving(place, text, str(place), environ=environ) as driver:
        for number in range(2):
            traces.await_marks(place, f"job{number}")
        driver.kill(signal.SIGINT)
        driver.wait(15)
        assert traces.processes(runs) == []
        assert traces.directories(runs) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "way", ["sys.exit()", "executor.kill()", "executor.shutdown()"]
)
def test_a_forked_child_leaves_the_run_alone(way: str, tmp_path: Path) -> None:
    """A child of `os.fork` ends without waiting for, or ending, its parent's run."""
    text = f"""
        import os, sys
        from gridmap import GridExecutor
        from tests import jobs

        with GridExecutor(2, backend="local") as executor:
            first = executor.submit(jobs.meet, sys.argv[1], 3)
            child = os.fork()
            if not child:
                {way}
                sys.exit()
            print(os.waitpid(child, 0)[1])
            second = executor.submit(jobs.square, 4)  # needs another runner
            print(second.result(20))
            open(os.path.join(sys.argv[1], "go"), "w").close()
            print(first.result(20))
    """
    environ = {"PYTHONPATH": str(ROOT)}
    with driving(tmp_path, text, str(tmp_path), environ=environ) as driver:
        assert driver.output(60).split() == ["0", "16", "9"]


@pytest.mark.slow
def test_a_forked_child_is_told_whose_run_it_is(tmp_path: Path) -> None:
    """A child of `os.fork` that hands in a call is refused, and not left waiting."""
    text = """
        import os
        from gridmap import GridExecutor

        with GridExecutor(1, backend="local") as executor:
            executor.submit(abs, 2).result(20)
            child = os.fork()
            if not child:
                try:
                    executor.submit(abs, 3)
                except RuntimeError as error:
                    print(error)
                os._exit(0)
            os.waitpid(child, 0)
    """
    with driving(tmp_path, text) as driver:
        assert "forked" in driver.output(60)


@pytest.mark.slow
def test_a_forked_child_does_not_wait_for_a_result(tmp_path: Path) -> None:
    """Nobody would tell it; what was there when it was forked, it has."""
    text = """
        import os, sys
        from concurrent.futures import BrokenExecutor
        from pathlib import Path
        from gridmap import GridExecutor
        from tests import jobs

        with GridExecutor(2, backend="local") as executor:
            over = executor.submit(abs, -2)
            over.result(20)
            waits = executor.submit(jobs.await_file, Path(sys.argv[1], "go"))
            child = os.fork()
            if not child:
                print(over.result(), flush=True)
                for wait in (waits.result, waits.exception):
                    try:
                        wait()
                    except BrokenExecutor as error:
                        print(error, flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            open(os.path.join(sys.argv[1], "go"), "w").close()
            print(waits.exception(20))
    """
    environ = {"PYTHONPATH": str(ROOT)}
    with driving(tmp_path, text, str(tmp_path), environ=environ) as driver:
        first, *told, last = driver.output(60).splitlines()
    assert (first, last) == ("2", "None")
    assert len(told) == 2
    assert all("forked from the one that handed in the call" in line for line in told)


@pytest.mark.slow
def test_a_forked_child_takes_nothing_of_its_parents_run_away(tmp_path: Path) -> None:
    """A child that leaves the block of a monitor leaves the run's directory there."""
    text = """
        import os, sys
        from gridmap import JobMonitor

        with JobMonitor(backend="local") as monitor:
            child = os.fork()
            if not child:
                sys.exit()
            os.waitpid(child, 0)
            print(os.listdir(os.environ["GRIDMAP_RUNS"]) != [])
            monitor.add(abs, [((-2,), None)], final=True)
            print([outcome.value for outcome in monitor.outcomes.take()])
    """
    with driving(tmp_path, text) as driver:
        assert driver.output(60) == "True\n[2]\n"
