"""Any function travels: of a module, of the script, of nowhere at all."""

import functools
import operator
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests import jobs
from tests.driver import driving

from gridmap import grid_map


def _closure(offset: int) -> Callable[[int], int]:
    def function(number: int) -> int:
        return number + offset

    return function


class Adder:
    """Something that can be called and has methods."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    def __call__(self, number: int) -> int:
        return number + self.offset

    def plus(self, number: int) -> int:
        return number + self.offset

    @classmethod
    def one_more(cls, number: int) -> int:
        return cls(1).plus(number)

    @staticmethod
    def two_more(number: int) -> int:
        return number + 2


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        pytest.param(lambda number: number + 1, [1, 2, 3], id="lambda"),
        pytest.param(_closure(2), [2, 3, 4], id="closure"),
        pytest.param(functools.partial(jobs.add, 3), [3, 4, 5], id="partial"),
        pytest.param(
            functools.partial(functools.partial(jobs.add, right=4)),
            [4, 5, 6],
            id="partial of a partial",
        ),
        pytest.param(functools.partial(lambda x, y: x * y, 2), [0, 2, 4], id="both"),
        pytest.param(Adder(5), [5, 6, 7], id="callable object"),
        pytest.param(Adder(6).plus, [6, 7, 8], id="bound method"),
        pytest.param(Adder.one_more, [1, 2, 3], id="class method"),
        pytest.param(Adder.two_more, [2, 3, 4], id="static method"),
        pytest.param(operator.neg, [0, -1, -2], id="builtin"),
        pytest.param(str, ["0", "1", "2"], id="class"),
        pytest.param(operator.itemgetter(0), None, id="itemgetter"),
    ],
)
def test_every_kind_of_function_can_be_mapped(
    function: Callable[..., Any], expected: list[Any] | None
) -> None:
    """Whatever can be called here can be called there."""
    inputs: list[Any] = [0, 1, 2]
    if expected is None:
        inputs, expected = [(7,), (8,)], [7, 8]
    assert grid_map(function, inputs, backend="local") == expected


def test_functions_see_what_their_closure_held_when_mapped() -> None:
    """A closure's values are those at the call, and changes there do not come back."""
    seen: list[int] = []

    def append(number: int) -> int:
        seen.append(number)
        return len(seen)

    assert grid_map(append, [1], backend="local") == [1]
    assert seen == []


MAIN = """
    import sys
    from gridmap import grid_map, process_jobs, Job, GridExecutor

    FACTOR = 3

    class Point:
        def __init__(self, x):
            self.x = x
        def __eq__(self, other):
            return type(self) is type(other) and self.x == other.x
        def __hash__(self):
            return hash(self.x)
        def moved(self):
            return Point(self.x + 1)

    class Mishap(Exception):
        pass

    def helper(x):
        return x * FACTOR

    def times(x):
        return helper(x)

    def move(point):
        return point.moved()

    def fail(x):
        raise Mishap(x)

    {guard}
    assert grid_map(times, [1, 2], backend="local") == [3, 6]
    assert grid_map(lambda x: helper(x) + 1, [1], backend="local") == [4]
    assert grid_map(move, [Point(1)], backend="local") == [Point(2)]
    assert process_jobs([Job(times, [5])], local=True) == [15]
    FACTOR = 4
    assert grid_map(times, [1], backend="local") == [4]
    try:
        grid_map(fail, ["oh"], backend="local")
    except Mishap as error:
        assert error.args == ("oh",)
    else:
        raise AssertionError
    with GridExecutor(backend="local") as executor:
        assert executor.submit(times, 2).result() == 8
    print("all well")
"""


@pytest.mark.slow
@pytest.mark.parametrize("guard", ["", "assert __name__ == '__main__'"])
def test_functions_and_classes_of_the_script_travel(tmp_path: Path, guard: str) -> None:
    """A script's functions, classes and exceptions work, with no guard round the call."""
    with driving(tmp_path, MAIN.replace("{guard}", guard)) as driver:
        assert driver.output() == "all well\n"


def test_a_script_is_run_once(tmp_path: Path) -> None:
    """Runners do not run the user's script again, so it needs no main guard."""
    text = """
        from pathlib import Path
        with Path("runs-of-the-script").open("a") as file:
            file.write("x")
        from gridmap import grid_map
        print(grid_map(lambda x: x + 1, [1, 2, 3], backend="local"))
    """
    with driving(tmp_path, text) as driver:
        assert driver.output() == "[2, 3, 4]\n"
    assert (tmp_path / "runs-of-the-script").read_text() == "x"


def test_a_module_that_only_lives_beside_the_script_is_found(tmp_path: Path) -> None:
    """Modules in the script's directory can be imported, whatever the directory is."""
    home, elsewhere = tmp_path / "a b'\"$x", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    (home / "beside.py").write_text("def triple(x):\n    return 3 * x\n")
    package = home / "parcel" / "inner"
    package.mkdir(parents=True)
    (home / "parcel" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "deep.py").write_text(
        "from parcel.inner import deeper\n"
        "def quadruple(x):\n    import beside\n    return beside.triple(x) + x\n"
    )
    (package / "deeper.py").touch()
    text = """
        import beside
        from parcel.inner import deep
        from gridmap import grid_map
        print(grid_map(beside.triple, [1, 2], backend="local"))
        print(grid_map(deep.quadruple, [1, 2], backend="local"))
    """
    with driving(home, text, cwd=elsewhere) as driver:
        assert driver.output() == "[3, 6]\n[4, 8]\n"


def test_a_module_on_the_users_path_is_found(tmp_path: Path) -> None:
    """What the user put on `sys.path` is on the workers' path too."""
    place = tmp_path / "mine"
    place.mkdir()
    (place / "private_module.py").write_text("def halve(x):\n    return x / 2\n")
    text = f"""
        import sys
        sys.path.append({str(place)!r})
        import private_module
        from gridmap import grid_map
        print(grid_map(private_module.halve, [4], backend="local"))
    """
    with driving(tmp_path, text) as driver:
        assert driver.output() == "[2.0]\n"


def test_a_map_works_from_standard_input_and_from_c(tmp_path: Path) -> None:
    """There need not be a script at all."""
    import subprocess
    import sys

    text = "from gridmap import grid_map\ndef f(x): return x + 1\n"
    text += "print(grid_map(f, [1], backend='local'))\n"
    for arguments, given in ((["-c", text], ""), (["-"], text)):
        done = subprocess.run(
            [sys.executable, *arguments],
            input=given,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        assert (done.stdout, done.stderr) == ("[2]\n", "")


@pytest.mark.slow
def test_maps_may_run_side_by_side_in_threads() -> None:
    """Several maps in one process do not disturb each other."""
    results: dict[int, list[int]] = {}

    def run(offset: int) -> None:
        function = functools.partial(jobs.add, offset)
        results[offset] = grid_map(function, range(50), backend="local", max_workers=1)

    threads = [threading.Thread(target=run, args=(n * 1000,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(25)
    assert results == {n * 1000: [n * 1000 + x for x in range(50)] for n in range(4)}


def test_a_second_map_starts_afresh() -> None:
    """Nothing of a map is left to the next: new runners, new function of that name."""

    def first() -> list[tuple[str, int, int]]:
        return grid_map(jobs.whereabouts, [0], backend="local")

    assert first() != first()
    for offset in (1, 2):
        function = _closure(offset)
        assert grid_map(function, [0], backend="local") == [offset]


def test_a_failed_map_does_not_spoil_the_next() -> None:
    """After a map that failed the next one is as good as ever."""
    with pytest.raises(jobs.Teapot):
        grid_map(jobs.complain, range(10), backend="local")
    assert grid_map(jobs.square, [3], backend="local") == [9]


@pytest.mark.slow
def test_a_map_may_run_in_a_job() -> None:
    """A job can map in its turn, if that is asked for."""

    def outer(count: int) -> list[int]:
        nested = {"nested": True}
        return grid_map(jobs.square, range(count), backend="local", settings=nested)

    assert grid_map(outer, [3], backend="local", max_workers=1) == [[0, 1, 4]]


def test_a_job_may_use_processes_of_its_own() -> None:
    """`multiprocessing` works within a job, as GridMap's users had it."""
    assert grid_map(_pool, [4], backend="local") == [[0, 1, 4, 9]]


def _pool(count: int) -> list[int]:
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(jobs.square, range(count))
