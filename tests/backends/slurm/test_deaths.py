"""Each death on a real Slurm without accounting, and what is said of it."""

from pathlib import Path

import msgspec
import pytest
from tests.cluster.client import Cluster

from gridmap.backend import Autopsy, Ending, Handle, Limit, SeenState
from gridmap.resources import Resources
from gridmap.testing import Trial, eventually
from gridmap.verdict import Cause

pytestmark = [pytest.mark.cluster("slurm"), pytest.mark.slow, pytest.mark.timeout(180)]

HOLDS_MEMORY = Path("/sys/fs/cgroup/memory/cgroup.procs").exists()


def start(trial: Trial, body: str, count: int = 1, **resources: object) -> list[Handle]:
    """Start runners that do *body* and ask for *resources*."""
    asked = Resources(**resources)  # type: ignore[arg-type] # what a user may write
    program = trial.program(f"#!/bin/sh\n{body}\n")
    return trial.start(trial.batch(program, count, resources=asked))


def running(trial: Trial, count: int = 1, **resources: object) -> list[Handle]:
    """Start runners that sleep, and wait until they are seen to run."""
    handles = start(trial, "exec sleep 170", count, **resources)
    wait_for(trial, handles, SeenState.RUNNING)
    return handles


def wait_for(
    trial: Trial, handles: list[Handle], state: SeenState, within_s: float = 30.0
) -> None:
    """Wait until all these runners are in one state."""
    eventually(
        lambda: set(trial.states(handles).values()) == {state},
        within_s=within_s,
        what=f"{handles} to be {state}",
    )


def autopsy(trial: Trial, handle: Handle, within_s: float = 30.0) -> Autopsy:
    """Return what is known of a runner's end, as soon as it is."""
    return eventually(
        lambda: trial.postmortem([handle]), within_s=within_s, what="an autopsy"
    )[handle]


@pytest.mark.parametrize(
    ("body", "exit_status", "signal"),
    [
        ("exit 0", 0, None),
        ("exit 3", 3, None),
        ("kill -9 $$", None, 9),
        ("kill -SEGV $$", None, 11),
        ("exec /no/such/program", 127, None),
    ],
)
def test_an_end_of_its_own(
    trial: Trial, body: str, exit_status: int | None, signal: int | None
) -> None:
    """Exit status or signal, and the node, are known without accounting."""
    (handle,) = start(trial, body)
    found = autopsy(trial, handle)
    assert found.ending is Ending.ITSELF
    assert (found.exit_status, found.signal) == (exit_status, signal)
    assert found.node in {"n1", "n2"}


def test_each_task_of_an_array_has_an_end_of_its_own(trial: Trial) -> None:
    """One query tells them all apart."""
    handles = start(trial, "exit $SLURM_ARRAY_TASK_ID", 3)
    trial.wait_over(handles)
    found = trial.postmortem(handles)
    statuses = [found[handle].exit_status for handle in handles]
    assert statuses == [1, 2, 3]


@pytest.mark.skipif(not HOLDS_MEMORY, reason="no cgroup v1: nothing holds the memory")
@pytest.mark.parametrize("after", ["", "; exit 0"])
def test_too_much_memory(trial: Trial, after: str) -> None:
    """Even where the script swallows the death of its child and ends with 0."""
    hungry = 'python3 -c "x = bytearray(800 * 2**20); print(len(x))"'
    (handle,) = start(trial, hungry + after, memory="100M")
    found = autopsy(trial, handle)
    assert (found.ending, found.limit) == (Ending.SCHEDULER_LIMIT, Limit.MEMORY)
    assert found.exit_status is None


def test_too_much_time(trial: Trial) -> None:
    """A minute is the least that Slurm counts; it looks twice a minute."""
    (handle,) = running(trial, walltime=60)
    found = autopsy(trial, handle, within_s=150.0)
    assert (found.ending, found.limit) == (Ending.SCHEDULER_LIMIT, Limit.TIME)


def test_cancelled_while_it_ran(trial: Trial, cluster: Cluster) -> None:
    """By somebody else, behind our back."""
    handles = running(trial, 2)
    cluster.run("head", ["scancel", f"{handles[0].job}_1"], check=True)
    found = autopsy(trial, handles[0])
    assert found.ending is Ending.PERSON
    assert trial.states(handles)[handles[1]] is SeenState.RUNNING


def test_cancelled_while_it_waited(trial: Trial, cluster: Cluster) -> None:
    """Slurm forgets such a task at once; that it waited tells how it went."""
    handles = start(trial, "exit 0", 3, native=("--hold",))
    wait_for(trial, handles, SeenState.HELD)
    cluster.run("head", ["scancel", f"{handles[0].job}_2"], check=True)
    found = autopsy(trial, handles[1])
    assert found.ending is Ending.PERSON
    assert found.exit_status is None
    assert set(trial.postmortem(handles)) == {handles[1]}


@pytest.mark.parametrize("count", [1, 3])
def test_all_cancelled_while_they_waited(
    trial: Trial, cluster: Cluster, count: int
) -> None:
    """The last one leaves the array itself behind, without an index."""
    handles = start(trial, "exit 0", count, native=("--hold",))
    wait_for(trial, handles, SeenState.HELD)
    for handle in handles:
        name = handle.job if handle.task is None else f"{handle.job}_{handle.task}"
        cluster.run("head", ["scancel", name], check=True)
    trial.wait_over(handles)
    endings = {found.ending for found in trial.postmortem(handles).values()}
    assert endings == {Ending.PERSON}
    assert len(trial.postmortem(handles)) == count


def test_a_log_that_cannot_be_written(trial: Trial) -> None:
    """Slurm does not start a job whose output it cannot open."""
    trial.context.logs.rmdir()
    (handle,) = start(trial, "exit 0")
    found = autopsy(trial, handle)
    trial.context.logs.mkdir()
    assert found.ending is Ending.START


def test_preempted_for_good(trial: Trial) -> None:
    """A job that may not be requeued is ended by a more urgent one."""
    (handle,) = running(trial, cores=4, nodes="n2", native=("--no-requeue",))
    running(trial, cores=4, nodes="n2", queue="urgent")
    found = autopsy(trial, handle)
    assert found.ending is Ending.PREEMPTION


def test_preempted_and_requeued(trial: Trial) -> None:
    """The same handle waits again: that is no end, and there is no autopsy."""
    (handle,) = running(trial, cores=4, nodes="n2")
    running(trial, cores=4, nodes="n2", queue="urgent")
    wait_for(trial, [handle], SeenState.QUEUED)
    assert trial.postmortem([handle]) == {}


def test_a_node_that_is_gone(trial: Trial, cluster: Cluster) -> None:
    """What may be requeued waits again, the rest ended with its node."""
    (lost,) = running(trial, nodes="n1", native=("--no-requeue",))
    (waiting,) = running(trial, nodes="n1")
    cluster.pull_plug("n1")
    found = autopsy(trial, lost, within_s=120.0)
    assert found.ending is Ending.NODE
    assert found.node == "n1"
    wait_for(trial, [waiting], SeenState.QUEUED)
    assert trial.postmortem([waiting]) == {}


def test_suspended_is_alive(trial: Trial, cluster: Cluster) -> None:
    """And comes back."""
    handles = running(trial)
    cluster.admin(["scontrol", "suspend", handles[0].job])
    wait_for(trial, handles, SeenState.SUSPENDED)
    assert trial.postmortem(handles) == {}
    cluster.admin(["scontrol", "resume", handles[0].job])
    wait_for(trial, handles, SeenState.RUNNING)


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        (Resources(queue="other", walltime="10:00:00"), "PartitionTimeLimit"),
        (Resources(cores=64), "PartitionConfig"),
        (
            Resources(options={"dependency": "afterok:{failed}"}),
            "DependencyNeverSatisfied",
        ),
    ],
    ids=["time", "cores", "dependency"],
)
def test_what_can_never_run_says_so(
    trial: Trial, resources: Resources, reason: str
) -> None:
    """Slurm took it, and it will wait for ever."""
    (failed,) = start(trial, "exit 1")
    trial.wait_over([failed])
    options = {name: text.format(failed=failed) for name, text in resources.options}
    asked = msgspec.structs.replace(resources, options=options)
    (handle,) = trial.start(trial.batch(("true",), resources=asked))
    wait_for(trial, [handle], SeenState.BLOCKED)
    eventually(
        lambda: reason in trial.observe([handle]).seen[handle].reason,
        within_s=10.0,
        what=reason,
    )


def test_a_job_requeued_after_its_end_runs_again(trial: Trial) -> None:
    """As core does with a runner that died: soon, and under the same handle."""
    (handle,) = start(trial, "echo ran")
    trial.wait_over([handle])
    answer = trial.resubmit(handle, Cause.PREEMPTED, 2)
    assert answer is not None
    assert msgspec.structs.astuple(answer) == (handle, True)
    eventually(
        lambda: trial.log(handle).splitlines() == ["ran", "ran"],
        within_s=10.0,  # without being hurried it waits for longer, even here
        what="the second run",
    )
