"""What is said while things are broken: never anything false, never for ever."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.backends.sge.conftest import Run
from tests.cluster.client import Cluster

from gridmap.backend import Ending, Killed, NotAsked, Rejected, SeenState
from gridmap.errors import BackendUnavailableError
from gridmap.testing import eventually
from gridmap_sge.drmaa_process import DrmaaProcess
from gridmap_sge.frames import Message
from gridmap_sge.scheduler import Scheduler

pytestmark = [pytest.mark.cluster("sge"), pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Give the cluster to a test that breaks it, and repair it after that."""
    found = Cluster.find()
    assert found is not None
    yield found
    found.repair()


@pytest.fixture
def hasty(make_run: Callable[..., Run]) -> Run:
    """Make a run that waits five seconds for answers, not a minute."""
    scheduler = Scheduler()
    scheduler._programs.timeout_s = 5
    assert isinstance(scheduler._admission.submitter, DrmaaProcess)
    scheduler._admission.submitter.timeout_s = 5
    return make_run(scheduler)


def server_of(run: Run) -> int:
    """Return the process id of the process that holds DRMAA."""
    submitter = run.scheduler._admission.submitter
    assert isinstance(submitter, DrmaaProcess)
    assert submitter._child is not None
    return submitter._child._process.pid


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_the_drmaa_process_dies(run: Run, number: signal.Signals) -> None:
    """Another one submits; the ends of the first one's jobs come from accounting."""
    (before,) = run.start("/bin/sh", "-c", "sleep 3; exit 5")
    os.kill(server_of(run), number)
    # The kernel may be slower than we are: then this one is lost with the process.
    (answer,) = run.plugins.submit(run.batch("/bin/true")).values()
    assert not isinstance(answer, Rejected) or answer.transient
    (after,) = run.start("/bin/sh", "-c", "exit 6")
    told = run.autopsies([before, after])
    assert (told[before].exit_status, told[after].exit_status) == (5, 6)


def test_the_drmaa_process_hangs(hasty: Run) -> None:
    """It is replaced; nobody knows whether the array was taken, so it is looked for."""
    hasty.start("/bin/true")
    server = server_of(hasty)
    os.kill(server, signal.SIGSTOP)
    refusal = hasty.refused("/bin/true")
    assert refusal.transient
    assert "no answer within 5 s" in refusal.text
    assert not Path(f"/proc/{server}").exists()
    hasty.start("/bin/true")


def test_an_answer_that_was_lost_is_found_in_the_queue(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler took the array, and the process died before it said so."""
    real = DrmaaProcess._ask

    def forgetful(self: DrmaaProcess, request: Message) -> Message:
        real(self, request)
        return real(self, {"verb": "dance"})  # an error, of which nothing is known

    with monkeypatch.context() as patch:
        patch.setattr(DrmaaProcess, "_ask", forgetful)
        patch.setattr("gridmap_sge.drmaa_process._UNCERTAIN", {"KeyError"})
        handles = run.start("/bin/sleep", "100", count=3)
    assert set(run.plugins.attach()) == set(handles)


def test_the_master_is_gone(cluster: Cluster, run: Run) -> None:
    """No verb says anything about a runner; when it is back, all is as it was."""
    (handle,) = run.start("/bin/sleep", "600")
    run.runs(handle)
    cluster.stop("qmaster")
    some = frozenset({handle})
    assert isinstance(run.plugins.observe(some), NotAsked)
    assert run.plugins.kill(some) == {handle: Killed.FAILED}
    assert run.plugins.postmortem(some) == {}
    with pytest.raises(BackendUnavailableError, match="qstat failed"):
        run.plugins.attach()
    refusal = run.refused("/bin/true")
    assert refusal.transient, refusal
    cluster.start("qmaster")

    def back() -> bool:
        return not isinstance(run.plugins.observe(some), NotAsked)

    eventually(back, within_s=60, what="the master answers")
    assert run.look(some).seen[handle].state is SeenState.RUNNING

    def taken() -> bool:
        (answer,) = run.plugins.submit(run.batch("/bin/true")).values()
        assert not isinstance(answer, Rejected) or answer.transient
        return not isinstance(answer, Rejected)

    eventually(taken, within_s=60, what="an array is taken")
    cluster.repair()  # left alone, nodes hear of deletions minutes later
    assert run.plugins.kill(some) == {handle: Killed.KILLED}
    # An execution daemon that took a job over looks after it once a minute.
    run.over(some, within_s=180)
    assert run.autopsies(some)[handle].ending in {Ending.PERSON, None}


def test_the_master_hangs(cluster: Cluster, hasty: Run) -> None:
    """Questions end after their time, without an answer."""
    (handle,) = hasty.start("/bin/sleep", "600")
    hasty.runs(handle)
    cluster.freeze("qmaster")
    start = time.monotonic()
    some = frozenset({handle})
    assert isinstance(hasty.plugins.observe(some), NotAsked)
    assert hasty.plugins.kill(some) == {handle: Killed.FAILED}
    assert hasty.refused("/bin/true").transient
    assert time.monotonic() - start < 60
    cluster.thaw("qmaster")
    eventually(
        lambda: hasty.plugins.kill(some)[handle] is not Killed.FAILED,
        within_s=90,
        what="the master answers",
    )


def test_a_node_loses_power(cluster: Cluster, run: Run) -> None:
    """It is shown as running for ever, with the reason why that may be false."""
    options = {"rerunnable": "no"}
    first, second = run.start(
        "/bin/sleep", "600", count=2, nodes=["n1"], options=options
    )
    run.runs(second)
    cluster.pull_plug("n1")

    def reason() -> str:
        return run.look([first]).seen[first].reason

    text = eventually(reason, within_s=90, what="the master misses the node", gap_s=2)
    assert text == "the master cannot reach host n1"
    eventually(
        lambda: run.look([first]).seen[first].state is SeenState.UNREACHABLE,
        within_s=60,
        what="certainty",
        gap_s=2,
    )
    assert run.plugins.postmortem(frozenset({first})) == {}
    # A deletion is taken, and waits for the node to come back.
    assert run.plugins.kill(frozenset({first})) == {first: Killed.KILLED}
    assert run.look([first]).seen[first].state is SeenState.ENDING
    cluster.boot("n1")
    told = run.autopsies([first, second])
    assert {one.ending for one in told.values()} == {Ending.NODE}
    assert {one.exit_status for one in told.values()} == {None}


def test_nothing_is_left_of_a_closed_run(run: Run) -> None:
    """The process that holds DRMAA goes with it."""
    run.start("/bin/true")
    server = server_of(run)
    run.plugins.close()
    with contextlib.suppress(ProcessLookupError):
        os.kill(server, 0)
        pytest.fail("the DRMAA process lives on")
