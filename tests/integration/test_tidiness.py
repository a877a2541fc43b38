"""Maps cost the user's process nothing that lasts, and importing costs little."""

import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from tests import jobs

from gridmap import GridExecutor, grid_map
from gridmap.errors import InvalidRequestError
from gridmap.testing import eventually
from gridmap.testing.leftovers import Holdings, holdings


def await_nothing_beyond(before: Holdings) -> None:
    """Wait until this process holds no more than it did."""
    gc.collect()
    eventually(
        lambda: not holdings().beyond(before) or None,
        within_s=5,
        what=f"nothing left: {holdings().beyond(before)}",
        gap_s=0.05,
    )


def test_a_map_leaves_no_thread_file_or_process() -> None:
    """After a map this process holds what it held before."""
    grid_map(jobs.square, [1], backend="local")  # what is made once and for all
    before = holdings()
    for _ in range(3):
        grid_map(jobs.square, range(20), backend="local", max_workers=2)
    await_nothing_beyond(before)


def test_a_failed_map_leaves_no_thread_file_or_process() -> None:
    """Nor after one that failed, one whose worker died, one that could not begin."""
    grid_map(jobs.square, [1], backend="local")
    before = holdings()
    with pytest.raises(jobs.Teapot):
        grid_map(jobs.complain, [1], backend="local")
    grid_map(jobs.die, ["kill -9"], backend="local", return_exceptions=True)
    with pytest.raises(TypeError):
        grid_map(jobs.same, [threading.Lock()], backend="local")
    await_nothing_beyond(before)


def test_an_executor_leaves_no_thread_file_or_process() -> None:
    """Nor after an executor that was shut down."""
    grid_map(jobs.square, [1], backend="local")
    before = holdings()
    with GridExecutor(backend="local") as executor:
        assert list(executor.map(jobs.square, range(5))) == [0, 1, 4, 9, 16]
    del executor
    await_nothing_beyond(before)


def test_an_executor_that_was_never_used_leaves_nothing() -> None:
    """Nor what a backend began for it: shut down, dropped, or refused."""
    grid_map(jobs.square, [1], backend="local")
    before = holdings()
    GridExecutor(backend="local").shutdown()
    await_nothing_beyond(before)
    GridExecutor(backend="local")
    await_nothing_beyond(before)
    kept = GridExecutor(backend="local")
    with pytest.raises(LookupError), kept:
        raise LookupError
    await_nothing_beyond(before)
    with pytest.raises(InvalidRequestError):
        GridExecutor(0, backend="local")
    with pytest.raises(InvalidRequestError):
        grid_map(jobs.square, [1], backend="local", max_workers=0)
    await_nothing_beyond(before)


def test_a_map_leaves_no_descriptor_to_the_collector() -> None:
    """Where the collector is off, or has better things to do, maps use up none."""
    grid_map(jobs.square, [1], backend="local")
    gc.collect()
    gc.disable()
    try:
        before = descriptors()
        for _ in range(3):
            grid_map(jobs.square, [1], backend="local")
        eventually(
            lambda: descriptors() <= before, within_s=10, what="closed descriptors"
        )
    finally:
        gc.enable()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough


def test_a_map_keeps_no_result_alive() -> None:
    """Inputs and results belong to the caller alone once the map is done."""
    import weakref

    results = grid_map(Big, range(3), backend="local")
    watched = [weakref.ref(result) for result in results]
    del results
    gc.collect()
    assert [reference() for reference in watched] == [None] * 3


class Big:
    """A result that can be watched."""

    def __init__(self, number: int) -> None:
        self.number = number


def test_a_map_leaves_the_process_as_it_was() -> None:
    """Signal handlers, directory, environment and path are not touched."""
    import os
    import signal

    def state() -> object:
        handlers = [signal.getsignal(n) for n in signal.valid_signals()]
        return handlers, Path.cwd(), dict(os.environ), list(sys.path)

    before = state()
    grid_map(jobs.square, [1], backend="local")
    assert state() == before


def modules_of(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has after a statement."""
    program = (
        f"import sys; before = set(sys.modules); {statement}; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


def test_importing_gridmap_is_light() -> None:
    """`import gridmap` imports itself and next to nothing besides."""
    modules = modules_of("import gridmap")
    heavy = {
        "attrs", "attr", "cloudpickle", "drmaa", "matplotlib", "msgspec", "numpy",
        "pandas", "pluggy", "psutil", "rich", "zmq",
    }  # fmt: skip
    assert heavy & modules == set()
    ours = {name for name in modules if name.startswith("gridmap")}
    assert ours <= {"gridmap", "gridmap.version"}
    assert len(modules) < 40, sorted(modules)  # most of them for typing


def test_a_runner_of_small_functions_imports_nothing_for_large_ones() -> None:
    """What a node's runners share is a matter of those who are sent something large."""
    modules = modules_of("import gridmap.runner.service")
    assert "gridmap.runner.talk" in modules
    assert not {name for name in modules if name.startswith("gridmap.runner.node")}


def test_the_names_of_gridmap_import_no_more_than_they_need() -> None:
    """`from gridmap import grid_map, Job` needs neither a display nor numpy nor drmaa."""
    modules = modules_of("from gridmap import grid_map, Job")
    assert {
        "attr",
        "drmaa",
        "matplotlib",
        "numpy",
        "pandas",
        "rich",
        "click",
    } & modules == set()


FIRST = """
import json, sys
before_runners, why, started = [], {}, []

def look(event, arguments):
    if event == "subprocess.Popen":
        started.append(arguments[1][-4:-2])
        if not before_runners:
            before_runners.extend(sys.modules)
    if event == "import" and arguments[0] not in why:
        frame, chain = sys._getframe(1), []
        while frame is not None:
            if "importlib" not in frame.f_code.co_filename:
                chain.append(f"{frame.f_code.co_filename}:{frame.f_lineno}")
            frame = frame.f_back
        why[arguments[0]] = chain[:6]

def loaded():
    import sys
    return list(sys.modules)

sys.addaudithook(look)
from gridmap import GridExecutor
with GridExecutor(1, backend="local") as executor:
    executor.submit(abs, -1).result()
    first = list(sys.modules)
    worker = executor.submit(loaded).result()
    print(json.dumps([before_runners, first, worker, why, started]))
"""


def test_a_first_result_waits_for_no_module_that_it_does_without() -> None:
    """In the user's process, what runners wait for there, and in a worker."""
    with tempfile.TemporaryDirectory(prefix="gm") as state:  # with no leftovers in it
        done = subprocess.run(
            [sys.executable, "-c", FIRST],
            env={"PATH": os.environ["PATH"], "HOME": state, "XDG_STATE_HOME": state},
            cwd=state,
            check=True,
            capture_output=True,
            text=True,
        )
    *loaded, why, started = json.loads(done.stdout)
    before_runners, first, worker = map(set, loaded)
    never = {"attr", "email", "importlib.metadata", "platformdirs", "rich", "click"}
    never |= {"numpy", "sqlite3", "asyncio", "multiprocessing", "zmq"}
    assert never & first == set()
    assert never & worker == set()
    later = {"hashlib", "ctypes", "secrets", "random", "difflib", "psutil"}
    later |= {"tempfile", "shutil"}  # bring archives and compression along
    later |= {"msgspec", "pluggy", "inspect", "pathlib", "typing_extensions"}
    early = (later | never) & before_runners
    assert not early, {name: why.get(name) for name in early}
    assert "subprocess" in before_runners  # so this has seen a runner being started
    assert len(started) == 1, started


def test_a_runner_begins_without_what_it_may_never_need() -> None:
    """What the first job waits for; the rest is imported behind it, or not at all."""
    modules = modules_of(
        "import gridmap.runner.__main__, gridmap.runner.service, gridmap_local.backend"
    )
    later = {"attr", "cloudpickle", "logging", "psutil", "sqlite3", "zmq", "zstandard"}
    assert later & modules == set()


@pytest.mark.slow
def test_importing_warns_of_nothing_and_writes_nothing() -> None:
    """Importing every public name is silent, with warnings as errors."""
    program = "import gridmap\nfor n in gridmap.__all__: getattr(gridmap, n)\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
