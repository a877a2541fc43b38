"""`GridExecutor` behaves where the standard library's executors do, in the corners."""

import gc
import itertools
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import jobs
from tests.driver import driving
from tests.unit.dashboard.conftest import Browser

from gridmap import GridExecutor, grid_map
from gridmap.errors import InvalidRequestError
from gridmap.testing import eventually


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridExecutor]:
    """Return an executor on this machine with two workers, for all of these tests."""
    settings = {"run_directory": str(tmp_path_factory.mktemp("runs"))}
    with GridExecutor(2, backend="local", settings=settings) as made:
        # Opens the run, as nobody's in particular: begun by a test, what its runners
        # are copied from would count as left behind by that test.
        made.submit(abs, 0).result(30)
        yield made


@pytest.mark.timeout(60)
def test_a_buffer_lets_iterables_be_endless(executor: GridExecutor) -> None:
    """No more is read than what is waited for, and the order is kept."""
    read: list[int] = []

    def numbers() -> Iterator[int]:
        for number in itertools.count():
            read.append(number)
            yield number

    results = executor.map(jobs.square, numbers(), buffersize=3)
    assert read == [0, 1, 2]
    assert list(itertools.islice(results, 5)) == [0, 1, 4, 9, 16]
    assert read == list(range(8))
    results.close()  # type: ignore[attr-defined] # a generator


@pytest.mark.timeout(60)
def test_a_buffer_may_be_larger_than_its_map(executor: GridExecutor) -> None:
    """All comes back, and an empty map is one, too."""
    assert list(executor.map(jobs.square, range(4), buffersize=9)) == [0, 1, 4, 9]
    assert list(executor.map(jobs.square, [], buffersize=1)) == []


@pytest.mark.parametrize(("size", "kind"), [(0, ValueError), ("1", TypeError)])
def test_a_senseless_buffer_is_refused(
    executor: GridExecutor, size: int, kind: type[Exception]
) -> None:
    """It is told at once, before anything is read."""
    with pytest.raises(kind, match="buffersize"):
        executor.map(jobs.square, itertools.count(), buffersize=size)


class Falsy(Exception):  # noqa: N818 - what it is
    """An exception that counts as false."""

    def __bool__(self) -> bool:
        """Say no."""
        return False


def _raise_falsy(_: int) -> None:
    raise Falsy


@pytest.mark.timeout(60)
def test_an_exception_that_counts_as_false_is_raised(executor: GridExecutor) -> None:
    """What an exception thinks of itself does not matter.

    `Future.result` itself overlooks such a one in Python 3.11.
    """
    assert isinstance(executor.submit(_raise_falsy, 0).exception(30), Falsy)
    with pytest.raises(Falsy):
        grid_map(_raise_falsy, [0], backend="local")


class Thing:
    """Something that can be referred to weakly."""


@pytest.mark.timeout(60)
def test_arguments_are_let_go(executor: GridExecutor) -> None:
    """Nobody here holds an argument when its call is over."""
    thing = Thing()
    held = weakref.ref(thing)
    future = executor.submit(id, thing)
    del thing
    future.result(30)
    gc.collect()
    assert held() is None


def test_a_number_of_workers_is_at_least_one() -> None:
    """As everywhere, none or fewer make no executor."""
    for count in (0, -1):
        with pytest.raises(ValueError, match="max_workers"):
            GridExecutor(count, backend="local")


@pytest.mark.timeout(60)
def test_a_shutdown_may_race_with_submissions() -> None:
    """Every call that was taken is done, and the others were refused."""
    executor = GridExecutor(1, backend="local")
    taken = [executor.submit(jobs.square, 0)]

    def hand_in() -> None:
        with pytest.raises(RuntimeError, match="shut down"):
            taken.extend(executor.submit(jobs.square, n) for n in itertools.count(1))

    thread = threading.Thread(target=hand_in)
    thread.start()
    executor.shutdown()
    thread.join(30)
    assert [f.result(30) for f in taken] == [n * n for n in range(len(taken))]


def _map_inside(number: int) -> list[int]:
    return grid_map(abs, [number], backend="local")


@pytest.mark.timeout(60)
def test_a_run_inside_of_a_job_is_refused_with_advice(executor: GridExecutor) -> None:
    """It would wait for runners while it keeps one."""
    error = executor.submit(_map_inside, -3).exception(30)
    assert isinstance(error, InvalidRequestError)
    assert "one map over all combinations" in str(error)


@pytest.mark.timeout(60)
def test_a_run_inside_of_a_job_can_be_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever says so gets it."""
    monkeypatch.setenv("GRIDMAP_NESTED", "yes")
    with GridExecutor(1, backend="local") as outer:
        assert outer.submit(_map_inside, -3).result(30) == [3]


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    """No worker runs the user's script again."""
    text = """
        from gridmap import GridExecutor

        print("once")

        def twice(number):
            return 2 * number

        with GridExecutor(2, backend="local") as executor:
            print(sum(executor.map(twice, range(10))))
    """
    with driving(tmp_path, text) as driver:
        assert driver.output() == "once\n90\n"


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_what_was_handed_in_is_done_when_a_script_ends(tmp_path: Path) -> None:
    """Nobody waits for it, and nothing is handed in any more."""
    text = """
        import atexit
        from gridmap import GridExecutor

        def late():
            for executor in (used, GridExecutor(1, backend="local")):
                try:
                    executor.submit(abs, -1)
                except RuntimeError as error:
                    print(error)

        used = GridExecutor(1, backend="local")
        first = used.submit(pow, 2, 10)
        atexit.register(late)
        first.add_done_callback(lambda future: print(future.result()))
    """
    with driving(tmp_path, text) as driver:
        said = sorted(driver.output().splitlines())
    assert said == ["1024", *["cannot submit: this Python has begun to end"] * 2]


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_functions_globals_go_along_as_they_are_at_first(tmp_path: Path) -> None:
    """As with a pool of processes; a function that is made anew is another one."""
    text = """
        from gridmap import GridExecutor

        word = "first"

        def told(_):
            return word

        with GridExecutor(1, backend="local") as executor:
            print(*executor.map(told, [0]))
            word = "second"
            print(*executor.map(told, [0]))
            print(*executor.map(lambda _: word, [0]))
    """
    with driving(tmp_path, text) as driver:
        assert driver.output() == "first\nfirst\nsecond\n"


def test_an_executors_run_has_a_page(capfd: pytest.CaptureFixture[str]) -> None:
    """From its first call until it is shut down, at the address that is printed."""
    with GridExecutor(1, backend="local", name="mine", dashboard=True) as executor:
        assert executor.submit(pow, 2, 10).result() == 1024
        said: list[str] = []

        def printed() -> bool:
            said.append(capfd.readouterr().err)
            return "&run=" in "".join(said)

        eventually(printed, within_s=10, what="the address")
        url = "".join(said).partition("dashboard of mine: ")[2].split()[0]
        page = Browser(url)
        page.enter()
        assert "mine" in {run["name"] for run in page.json("/api/runs")["runs"]}

    def refused() -> bool:
        # Where the machine is busy, the end does not wait for the server's for ever.
        try:
            page.ask("/")
        except ConnectionRefusedError:
            return True
        return False

    eventually(refused, within_s=10, what="the end of the page")
