"""Each death, died on the real cluster, is told apart."""

import os
import signal
import subprocess

import pytest
from tests.backends.sge.conftest import Run

from gridmap.backend import Ending, Limit
from gridmap.plugins import identify
from gridmap.verdict import Cause
from gridmap_sge.backend import GridEngineBackend
from gridmap_sge.discovery import find
from gridmap_sge.scheduler import Scheduler

pytestmark = [pytest.mark.cluster("sge"), pytest.mark.slow, pytest.mark.timeout(150)]

KILLED = int(signal.SIGKILL)
LARGE_CHILD = "x = bytearray(80 << 20); import time; time.sleep(60)"
THREE_LARGE_CHILDREN = f"""
import subprocess, sys
children = [subprocess.Popen([sys.executable, "-c", {LARGE_CHILD!r}]) for _ in range(3)]
[child.wait() for child in children]
"""


def sh(script: str) -> tuple[str, ...]:
    """Return a command that runs a script."""
    return ("/bin/sh", "-c", script)


@pytest.mark.parametrize("status", [0, 3, 99 + 38])
def test_exits(run: Run, status: int) -> None:
    """A status above 128 of the program's own is no signal."""
    told = run.autopsy(*sh(f"exit {status}"))
    assert (told.ending, told.exit_status, told.signal) == (Ending.ITSELF, status, None)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_signals_from_outside_the_scheduler(run: Run, number: signal.Signals) -> None:
    """They are not the scheduler's doing."""
    told = run.autopsy(*sh(f"kill -{int(number)} $$"))
    assert (told.ending, told.signal, told.limit) == (Ending.ITSELF, number, None)
    assert told.node in {"n1", "n2"}


def test_a_person_deletes_a_running_one(run: Run) -> None:
    """With qdel, as people do; accounting alone shows a kill -9."""
    (handle,) = run.start("/bin/sleep", "100")
    run.runs(handle)
    subprocess.run(["qdel", str(handle)], check=True, capture_output=True)
    told = run.autopsies([handle])[handle]
    assert (told.ending, told.signal) == (Ending.PERSON, KILLED)


def test_a_person_deletes_a_waiting_one(run: Run) -> None:
    """There is no accounting record of it at all."""
    (handle,) = run.start("/bin/sleep", "100", native=["-h"])
    subprocess.run(["qdel", str(handle)], check=True, capture_output=True)
    assert run.autopsies([handle])[handle].ending is Ending.PERSON


def test_the_time_limit(run: Run) -> None:
    """By ``h_rt``."""
    told = run.autopsy("/bin/sleep", "100", walltime=3)
    assert (told.ending, told.limit) == (Ending.SCHEDULER_LIMIT, Limit.TIME)
    assert "h_rt=3" in told.text


def test_the_soft_time_limit(run: Run) -> None:
    """By ``s_rt``, whose signal the program did not catch."""
    told = run.autopsy("/bin/sleep", "100", options={"resources": "s_rt=3"})
    assert (told.ending, told.limit) == (Ending.SCHEDULER_LIMIT, Limit.TIME)


def test_the_memory_limit_of_all_processes(run: Run) -> None:
    """Each alone was within ``h_vmem``."""
    told = run.autopsy(
        "/usr/bin/python3", "-c", THREE_LARGE_CHILDREN, memory_limit="150M"
    )
    assert (told.ending, told.limit) == (Ending.SCHEDULER_LIMIT, Limit.MEMORY)
    assert (told.peak_memory or 0) > 150 * 2**20


def test_the_memory_limit_of_one_process(run: Run) -> None:
    """It is refused the memory and ends as it likes: that is no limit that struck."""
    program = ("/usr/bin/python3", "-c", "x = bytearray(300 << 20)")
    told = run.autopsy(*program, memory_limit="100M")
    assert (told.ending, told.exit_status, told.limit) == (Ending.ITSELF, 1, None)


def test_peak_memory(run: Run) -> None:
    """In bytes, whatever the units on the way."""
    program = "x = bytearray(200 << 20); import time; time.sleep(2)"
    told = run.autopsy("/usr/bin/python3", "-c", program)
    assert 200 * 2**20 < (told.peak_memory or 0) < 230 * 2**20


def test_what_cannot_start(run: Run) -> None:
    """No such directory, no such program; neither stays in the queue."""
    (lost,) = run.start("/bin/true", directory="/no/such/directory")
    (none,) = run.start("/no/such/program")
    (wrapped,) = run.start("/no/such/program", environment={"A": "1"})
    told = run.autopsies([lost, none, wrapped])
    assert {told[h].ending for h in (lost, none, wrapped)} == {Ending.START}


def test_an_exit_status_that_grid_engine_takes_for_its_own(run: Run) -> None:
    """100 means an error of the application; it would stay as Eqw after qsub."""
    told = run.autopsy(*sh("exit 100"))
    assert (told.ending, told.exit_status) == (Ending.ITSELF, 100)


def test_a_restart_in_place(run: Run) -> None:
    """The same handle, perhaps another host; the first start was no end."""
    script = 'test "$RESTARTED" = 1 && exit 4; sleep 100'
    (handle,) = run.start(*sh(script))
    run.runs(handle)
    assert run.plugins.postmortem(frozenset({handle})) == {}
    again = run.plugins.resubmit(handle, Cause.PREEMPTED, 2)
    assert again is not None
    assert (again.handle, again.in_place) == (handle, True)
    twice = {handle: 2}
    assert run.plugins.postmortem(frozenset({handle}), twice) == {}
    assert run.autopsies([handle])[handle].exit_status == 4
    assert run.plugins.postmortem(frozenset({handle}), twice)[handle].exit_status == 4


def test_no_restart_of_what_may_not_or_does_not_run(run: Run) -> None:
    """Core is to submit another."""
    (fixed,) = run.start("/bin/sleep", "100", options={"rerunnable": "no"})
    (held,) = run.start("/bin/sleep", "100", native=["-h"])
    run.runs(fixed)
    assert run.plugins.resubmit(fixed, Cause.PREEMPTED, 2) is None
    assert run.plugins.resubmit(held, Cause.PREEMPTED, 2) is None


def test_a_warning_comes_before_the_end(run: Run) -> None:
    """With ``-notify``; and ending by itself then is still somebody's deletion."""
    options = {"notify": "yes"}
    script = "trap 'echo warned; exit 5' USR2; sleep 100 & wait"
    (handle,) = run.start(*sh(script), options=options)
    run.runs(handle)
    run.plugins.kill(frozenset({handle}))
    told = run.autopsies([handle])[handle]
    assert told.ending is Ending.PERSON
    assert "warned" in (run.place / f"{handle}.log").read_text()
    environ = {"JOB_ID": "1", "SGE_TASK_ID": "1", "GRIDMAP_SGE_NOTIFY": "1"}
    warnings = identify(GridEngineBackend(), environ).warnings
    assert signal.SIGUSR2 in warnings


def test_without_drmaa_deaths_are_told_from_accounting(
    run: Run, make_run: object
) -> None:
    """By qsub and qacct: all but who sent a SIGKILL."""
    del run
    assert callable(make_run)
    environ = {**os.environ, "DRMAA_LIBRARY_PATH": "/no/such/library.so"}
    plain: Run = make_run(Scheduler(find(environ), environ=environ))
    assert plain.autopsy(*sh("exit 3")).exit_status == 3
    assert plain.autopsy("/bin/sleep", "100", walltime=2).limit is Limit.TIME
    killed = plain.autopsy(*sh("kill -9 $$"))
    assert (killed.ending, killed.signal) == (None, KILLED)
    handles = plain.start("/bin/sleep", "100", count=3)
    plain.runs(handles[2])
    assert set(plain.plugins.attach()) == set(handles)
    plain.plugins.kill(frozenset(handles))
    plain.over(handles)
