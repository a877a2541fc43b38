"""A stall is told with the place where the function stands; waiting is no stall."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.background import BackgroundMap

from gridmap.errors import JobException
from gridmap.events import JobFailed
from gridmap.verdict import Cause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

QUICK: dict[str, Any] = {"heartbeat_interval": 0.5, "stall_limit": 2.0}


def run(function: Any, inputs: Any = (1,), **settings: Any) -> BackgroundMap:
    """Start a map in which nothing may stand still for long."""
    return BackgroundMap(
        function,
        inputs,
        backend="local",
        max_workers=1,
        settings={**QUICK, "num_resubmits": 0, **settings},
    )


def hold_the_interpreter(_: object) -> None:
    """Stand still in C without letting any other thread of Python run."""
    mutex = ctypes.create_string_buffer(64)
    for _ in range(2):
        ctypes.PyDLL(None).pthread_mutex_lock(mutex)


def wait_for_nothing(_: object) -> None:
    """Wait for what never comes, with another thread beside."""
    helper = threading.Thread(target=threading.Event().wait, args=(40,), daemon=True)
    helper.start()
    threading.Event().wait(40)


@pytest.mark.parametrize("function", [hold_the_interpreter, wait_for_nothing])
def test_a_stall_is_told_with_the_workers_stack(function: Any) -> None:
    """Also of a function that holds the interpreter's lock."""
    error = run(function).wait(20)
    assert isinstance(error, JobException), error
    assert error.verdict.cause is Cause.STALLED
    assert f"in {function.__name__}" in error.verdict.stack
    assert f"in {function.__name__}" in str(error)
    assert "see above where it waits" in str(error)


def test_where_python_is_silent_the_kernel_is_asked() -> None:
    """A process that is stopped runs no handler."""
    error = run(lambda _: os.kill(os.getpid(), signal.SIGSTOP)).wait(30)
    assert isinstance(error, JobException), error
    assert error.verdict.cause is Cause.STALLED
    assert "no answer from Python" in error.verdict.stack
    assert "(stopped)" in error.verdict.stack


def test_so_is_the_stall_of_the_next_worker() -> None:
    """Which is another program, and is asked anew."""
    running = run(wait_for_nothing, num_resubmits=1)
    error = running.wait(30)
    assert isinstance(error, JobException), error
    assert [event.again for event in running.of(JobFailed)] == [True, False]
    for event in running.of(JobFailed):
        assert "in wait_for_nothing" in event.verdict.stack
    assert "before: attempt 1" in str(error)


def test_one_whose_children_compute_is_no_stall() -> None:
    """They are its own, however deep."""
    burn = "import time\nend = time.time() + 4\nwhile time.time() < end: pass"
    nested = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])"

    def wait_for_child(_: object) -> str:
        subprocess.run([sys.executable, "-c", nested], check=True)
        return "well"

    assert run(wait_for_child).wait(30) == ["well"]


def test_one_that_only_waits_for_bytes_is_no_stall(tmp_path: Path) -> None:
    """A few of them, now and then, are enough."""
    path = tmp_path / "pipe"

    def read(_: object) -> int:
        with path.open("rb", buffering=0) as stream:
            return len(b"".join(iter(lambda: stream.read(1), b"")))

    os.mkfifo(path)
    running = run(read)
    with path.open("wb", buffering=0) as stream:
        for _ in range(9):
            threading.Event().wait(0.5)
            stream.write(b"x")
    assert running.wait(20) == [9]
