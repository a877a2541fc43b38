"""Runners are started with what they need, or refused in the system's words."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gridmap.backend import Batch, Handle, Rejected, RunContext
from gridmap.resources import Resources
from gridmap.testing import eventually
from gridmap_local import start
from gridmap_local.backend import LocalBackend
from gridmap_local.runner import Runner

MakeBatch = Callable[..., Batch]
Launch = Callable[..., Runner]


def test_environment_is_joined(batch: MakeBatch) -> None:
    """The user's variables, over them the batch's, over them who the runner is."""
    made = batch(environment={"A": "batch", "B": "batch"}, resources=Resources(cores=3))
    base = {"A": "user", "C": "user", "GRIDMAP_LOCAL_DEADLINE": "1.0"}
    assert start.environment(made, Handle("job", "1"), None, base) == {
        "A": "batch",
        "B": "batch",
        "C": "user",
        "GRIDMAP_LOCAL_HANDLE": "job.1",
        "GRIDMAP_LOCAL_SLOTS": "3",
    }


@pytest.mark.parametrize(
    ("number", "transient"),
    [
        (errno.EAGAIN, True),
        (errno.ENOMEM, True),
        (errno.EMFILE, True),
        (errno.ENOSPC, True),
        (errno.ENOENT, False),
        (errno.EACCES, False),
        (errno.ENOEXEC, False),
        (errno.E2BIG, False),
    ],
    ids=lambda value: errno.errorcode.get(value, "") if value > 1 else "",
)
def test_shortages_are_transient(
    batch: MakeBatch, number: int, transient: bool
) -> None:
    """What the machine is short of may be there later; a wrong path will not."""
    answer = start.rejection(batch(), OSError(number, os.strerror(number), "/x"))
    assert answer.transient is transient
    assert os.strerror(number) in answer.text
    assert "/x" in answer.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"command": ("/no/such/program",)}, "No such file or directory"),
        ({"command": ("/etc/passwd",)}, "Permission denied"),
        ({"directory": "/no/such/directory"}, "'/no/such/directory'"),
        ({"environment": {"A": "x" * 3_000_000}}, "Argument list too long"),
        ({"environment": {"A=B": "x"}}, "illegal environment variable name"),
        ({"command": ("/bin/echo", "\0")}, "embedded null byte"),
    ],
    ids=["program", "permission", "directory", "too-long", "name", "null"],
)
def test_impossible_starts_are_refused(
    backend: LocalBackend,
    context: RunContext,
    batch: MakeBatch,
    changes: dict[str, Any],
    words: str,
) -> None:
    """Each runner is refused for good, with the reason, and leaves no log."""
    answer = backend.gridmap_submit(batch(count=3, **changes), context)
    assert set(answer) == {1, 2, 3}
    for refusal in answer.values():
        assert isinstance(refusal, Rejected)
        assert not refusal.transient
        assert words in refusal.text
    assert list(context.logs.iterdir()) == []
    assert backend.gridmap_attach(context) == {}


def test_half_a_batch_can_be_refused(
    backend: LocalBackend,
    context: RunContext,
    batch: MakeBatch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the process table is full, those that were started count."""
    real = subprocess.Popen
    starts: list[subprocess.Popen[bytes]] = []

    def full_after_two(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        if len(starts) == 2:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        child: subprocess.Popen[bytes] = real(*args, **kwargs)
        starts.append(child)
        return child

    monkeypatch.setattr(subprocess, "Popen", full_after_two)
    answer = backend.gridmap_submit(batch(count=4), context)
    kinds = [type(answer[number]) for number in (1, 2, 3, 4)]
    assert kinds == [Handle, Handle, Rejected, Rejected]
    assert all(a.transient for a in answer.values() if isinstance(a, Rejected))
    assert len(backend.gridmap_attach(context)) == 2


def test_log_is_private(context: RunContext, launch: Launch) -> None:
    """What a job prints is the user's own."""
    runner = launch("echo ready; exec sleep 60")
    log = context.logs / f"{runner.handle}.log"
    assert log.stat().st_mode & 0o777 == 0o600


def test_runner_has_nothing_of_ours(context: RunContext, launch: Launch) -> None:
    """A session of its own, standard input that is empty, no descriptor more."""
    descriptor = os.open("/etc/hostname", os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    try:
        runner = launch("cat; ls /proc/$$/fd | tr '\\n' ' '; echo ready; exec sleep 60")
    finally:
        os.close(descriptor)
    assert os.getsid(runner.pid) == os.getpgid(runner.pid) == runner.pid
    text = (context.logs / f"{runner.handle}.log").read_text()
    numbers = text.split("ready")[0].split()
    assert {"0", "1", "2"} <= set(numbers)
    assert str(descriptor) not in numbers


def test_memory_limit_is_set(launch: Launch) -> None:
    """Each process of a runner may have so much private memory and no more."""
    runner = launch(resources=Resources(memory_limit="64M"))
    limits = resource.prlimit(runner.pid, resource.RLIMIT_DATA)
    assert limits == (64 * 2**20, 64 * 2**20)


def test_no_limit_is_set_unasked(launch: Launch) -> None:
    """Without a memory limit the user's own stay as they are."""
    runner = launch()
    ours = resource.getrlimit(resource.RLIMIT_DATA)
    assert resource.prlimit(runner.pid, resource.RLIMIT_DATA) == ours


def test_rendered_script_does_the_same(
    context: RunContext, batch: MakeBatch, tmp_path: Path
) -> None:
    """What is shown to people can be run, awkward values and all."""
    odd = 'it\'s\n$HOME "100%" `id`'
    program = "import os, sys; print(sys.argv[1], os.environ['A%%'], sep='|', end='')"
    where = tmp_path / "a 'b'"
    where.mkdir()
    made = batch(
        command=(sys.executable, "-c", program, odd),
        environment={"A%%": odd},
        directory=str(where),
        resources=Resources(memory_limit="1G", walltime=60),
    )
    subprocess.run(["/bin/sh"], input=start.script(made, context).encode(), check=True)
    log = context.logs / "runner-1.log"
    eventually(
        lambda: log.exists() and log.read_text() == f"{odd}|{odd}",
        within_s=10,
        what="the script's output",
    )


def test_blocked_signals_are_not_inherited(launch: Launch) -> None:
    """A thread that blocks SIGTERM still starts runners that hear it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        runner = launch()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    status = Path(f"/proc/{runner.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("SigBlk")]
    assert int(line.split()[1], 16) == 0
