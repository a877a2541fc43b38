"""Copies of a zygote are what programs of their own would be, or there is none."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from gridmap.backend import Batch, Handle, RunContext
from gridmap.resources import Resources
from gridmap.testing import eventually
from gridmap_local import early, processes
from gridmap_local import nursery as module
from gridmap_local.backend import LocalBackend
from gridmap_local.early import Zygote
from gridmap_local.nursery import Nursery, changes
from gridmap_local.runner import Runner

SOON_S = 20.0
RUNNER = (sys.executable, "-m", "gridmap.runner")

MakeBatch = Callable[..., Batch]

pytestmark = pytest.mark.skipif(
    not early.can_clone(), reason="no copies can be made here"
)


@pytest.fixture
def opened(backend: LocalBackend) -> Callable[[], Nursery]:
    """Open the backend; not before the test is called: pytest changes a variable then."""

    def opened() -> Nursery:
        backend.gridmap_open(None)
        assert backend._nursery is not None
        return backend._nursery

    return opened


@pytest.fixture
def start(
    backend: LocalBackend, context: RunContext, batch: MakeBatch
) -> Callable[..., Runner]:
    """Start a runner that cannot reach anybody: it says so, and ends with 3."""

    def start(**changes: object) -> Runner:
        fields = {"command": (*RUNNER, "unix://x", "-"), "directory": os.getcwd()}  # noqa: PTH109 - as core asks for it
        made = batch(**(fields | changes))
        handle = backend.gridmap_submit(made, context)[1]
        assert isinstance(handle, Handle)
        return backend._runners[handle]

    return start


def end(runner: Runner) -> int | None:
    eventually(runner.check, within_s=SOON_S, what="its end")
    assert runner.end is not None
    return runner.end.exit_status


def test_a_copy_is_a_child_and_a_session_of_its_own(
    opened: Callable[[], Nursery], start: Callable[..., Runner], context: RunContext
) -> None:
    """It is waited for as any child is, and what it says is in its log."""
    nursery = opened()
    runner = start()
    assert runner.program is None
    row = processes.look(runner.pid)
    assert row is not None
    assert row.parent == os.getpid() != nursery.pid
    assert end(runner) == 3
    log = (context.logs / f"{runner.handle}.log").read_text()
    assert log.startswith("gridmap: cannot reach the monitor: the environment variable")


def test_a_copy_tells_its_exit_by_signal(
    opened: Callable[[], Nursery], start: Callable[..., Runner]
) -> None:
    """Its end is the kernel's word, as for a program."""
    opened()
    runner = start()
    os.kill(runner.pid, signal.SIGKILL)
    assert end(runner) in {None, 3}  # it may have been quicker
    assert runner.end is not None
    assert (runner.end.signal == signal.SIGKILL) == (runner.end.exit_status is None)


def test_without_its_zygote_a_runner_is_a_program(
    opened: Callable[[], Nursery], start: Callable[..., Runner]
) -> None:
    """That the zygote is killed costs time and nothing else."""
    nursery = opened()
    before = start()
    assert nursery.pid is not None
    os.kill(nursery.pid, signal.SIGKILL)
    after = start()
    assert before.program is None
    assert after.program is not None
    assert (end(before), end(after)) == (3, 3)
    assert nursery.pid is None


@pytest.mark.parametrize("served", [True, False])
def test_a_stopped_zygote_is_not_waited_for(
    opened: Callable[[], Nursery], start: Callable[..., Runner], served: bool
) -> None:
    """Be it ready or still importing: it is ended, and never serves."""
    nursery = opened()
    assert not served or start().program is None
    pid = nursery.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    after = start()
    assert time.monotonic() - began < module.PATIENCE_S / 2
    assert after.program is not None
    assert processes.look(pid) is None
    assert end(after) == 3


def test_a_slow_zygote_is_waited_for(
    opened: Callable[[], Nursery], start: Callable[..., Runner]
) -> None:
    """It is looked at and goes on, for what it imports takes long on a busy machine."""
    nursery = opened()
    nursery._zygote.home.settimeout(1e-6)
    assert start().program is None


@pytest.mark.parametrize(
    "asked",
    [
        {"command": ("/bin/sh", "-c", "exit 3")},
        {"command": ("/usr/bin/env", *RUNNER, "unix://x", "-")},
        {"environment": {"LD_BIND_NOW": "1"}},
        {"environment": {"GRIDMAP_X": "x" * early.SPACE}},
        {"command": (*RUNNER, "unix://x", "/" * early.SPACE)},
        {"directory": "/"},
        {"resources": Resources(memory_limit="4G")},
    ],
    ids=["program", "launcher", "environment", "long", "longer", "directory", "memory"],
)
def test_what_a_copy_would_not_give_is_a_program(
    opened: Callable[[], Nursery],
    start: Callable[..., Runner],
    asked: dict[str, object],
) -> None:
    """Nothing that was asked for is lost for the sake of speed."""
    nursery = opened()
    runner = start(**asked)
    assert runner.program is not None
    assert end(runner) == 3
    assert nursery.pid is not None


def test_variables_that_changed_since_make_a_program(
    opened: Callable[[], Nursery],
    start: Callable[..., Runner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An interpreter reads some of them only when it starts."""
    opened()
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    assert start().program is not None


@contextmanager
def masked() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@contextmanager
def limited() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (4096 * (before[0] != 4096), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


@contextmanager
def ignoring() -> Iterator[None]:
    before = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGUSR2, before)


@contextmanager
def bound() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    if len(before) == 1:
        pytest.skip("needs two cores")
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.parametrize("changed", [masked, limited, ignoring, bound])
def test_what_a_process_would_inherit_now_is_what_counts(
    opened: Callable[[], Nursery],
    start: Callable[..., Runner],
    changed: Callable[[], AbstractContextManager[None]],
) -> None:
    """A limit set after the run was opened holds for runners started from then on."""
    opened()
    with changed():
        assert start().program is not None
    assert start().program is None


def test_a_zygote_that_was_begun_before_is_the_one(
    backend: LocalBackend, start: Callable[..., Runner]
) -> None:
    """Nothing is started twice."""
    begun = Zygote()
    backend.gridmap_open(begun)
    assert backend._nursery is not None
    assert backend._nursery.pid == begun.pid is not None
    assert start().program is None


@pytest.mark.parametrize("changed", ["variable", "directory"])
def test_a_zygote_of_what_this_process_was_is_replaced(
    backend: LocalBackend,
    start: Callable[..., Runner],
    monkeypatch: pytest.MonkeyPatch,
    changed: str,
) -> None:
    """Runners are copies of one that is as this process is now; the other is gone."""
    begun = Zygote()
    before = begun.pid
    assert before is not None
    if changed == "variable":
        monkeypatch.setenv("NEW_SINCE", "1")
    else:
        monkeypatch.chdir("/")
    backend.gridmap_open(begun)
    assert processes.look(before) is None
    assert start().program is None


@pytest.mark.parametrize(
    ("after", "new"),
    [
        ({"A": "1"}, {}),
        ({"A": "1", "GRIDMAP_X": "2"}, {"GRIDMAP_X": "2"}),
        ({"A": "1", "B": "2"}, None),
        ({"A": "2"}, None),
        ({}, None),
    ],
)
def test_only_our_own_variables_may_be_new(
    after: dict[str, str], new: dict[str, str] | None
) -> None:
    """All others are what they were when the zygote began."""
    assert changes({"A": "1"}, after) == new


def test_closing_ends_the_zygote(opened: Callable[[], Nursery]) -> None:
    """Nothing is left of it, not even a row of the process table."""
    nursery = opened()
    pid = nursery.pid
    assert pid is not None
    nursery.close()
    nursery.close()
    assert processes.look(pid) is None


DRIVER = """\
import os, time
from gridmap_local.nursery import Nursery, changes
nursery = Nursery()
if os.fork():
    print(nursery.pid, flush=True)
time.sleep(60)
"""


def test_a_zygote_ends_with_the_process_that_started_it() -> None:
    """It does so although a copy of that process holds the line."""
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, process_group=0
    ) as driver:
        assert driver.stdout is not None
        pid = int(driver.stdout.readline())
        driver.kill()
        try:
            eventually(
                lambda: processes.look(pid) is None, within_s=SOON_S, what="its end"
            )
        finally:
            os.killpg(driver.pid, signal.SIGKILL)


def test_where_no_copies_can_be_made_there_is_no_zygote(
    opened: Callable[[], Nursery],
    start: Callable[..., Runner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every runner is a program then."""
    monkeypatch.setattr(early, "CLONE", {})
    assert opened().pid is None
    assert end(start()) == 3
