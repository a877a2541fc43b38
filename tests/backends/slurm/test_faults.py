"""What becomes of questions and submissions while Slurm itself is ill."""

import threading

import pytest
from tests.backends.slurm.test_deaths import running, wait_for
from tests.cluster.client import Cluster

from gridmap.backend import Handle, Killed, NotAsked, Rejected, SeenState
from gridmap.resources import Resources
from gridmap.testing import Trial, eventually

pytestmark = [pytest.mark.cluster("slurm"), pytest.mark.slow, pytest.mark.timeout(180)]


def test_without_a_controller_nothing_is_said_of_anybody(
    trial: Trial, cluster: Cluster
) -> None:
    """Neither dead nor forgotten, and all is well when it is back."""
    handles = running(trial, 2)
    cluster.stop("slurmctld")
    assert isinstance(trial.plugins.observe(frozenset(handles)), NotAsked)
    assert trial.postmortem(handles) == {}
    assert set(trial.kill(handles).values()) == {Killed.FAILED}
    for answer in trial.submit(trial.batch(("true",), 2)).values():
        assert isinstance(answer, Rejected)
        assert answer.transient
        assert "Unable to contact slurm controller" in answer.text
    cluster.start("slurmctld")
    wait_for(trial, handles, SeenState.RUNNING)
    assert set(trial.kill(handles).values()) == {Killed.KILLED}
    trial.wait_over(handles)


def test_a_batch_a_hanging_controller_took_is_not_submitted_twice(
    trial: Trial, cluster: Cluster
) -> None:
    """Once sbatch has given up, the controller wakes up and takes it after all."""
    batch = trial.batch(("sleep", "100"), 3)
    cluster.freeze("slurmctld")
    for answer in trial.submit(batch).values():
        assert isinstance(answer, Rejected)
        assert answer.transient
    cluster.thaw("slurmctld")
    eventually(
        lambda: len(queue(cluster, trial)) == 3, within_s=30.0, what="the late batch"
    )
    handles = trial.start(batch)
    assert set(handles) == {Handle(handles[0].job, str(task)) for task in (1, 2, 3)}
    assert len(queue(cluster, trial)) == 3
    wait_for(trial, handles, SeenState.RUNNING)


def test_a_batch_is_found_within_the_same_call(trial: Trial, cluster: Cluster) -> None:
    """The controller wakes up while sbatch's fate is being looked for."""
    batch = trial.batch(("sleep", "100"), 3)
    cluster.freeze("slurmctld")
    # sbatch waits for 5 s (MessageTimeout), and so does the question after it.
    thaw = threading.Timer(7.0, cluster.thaw, ["slurmctld"])
    thaw.start()
    handles = trial.start(batch)
    thaw.join()
    assert set(handles) == {Handle(handles[0].job, str(task)) for task in (1, 2, 3)}
    assert len(queue(cluster, trial)) == 3


def test_what_was_given_up_is_not_left_behind(trial: Trial, cluster: Cluster) -> None:
    """A run that ends before its doubts are settled settles them."""
    cluster.freeze("slurmctld")
    trial.submit(trial.batch(("sleep", "100"), 3))
    cluster.thaw("slurmctld")
    eventually(
        lambda: len(queue(cluster, trial)) == 3, within_s=30.0, what="the late batch"
    )
    trial.close()
    eventually(lambda: not queue(cluster, trial), within_s=30.0, what="its end")


def test_without_its_slurmd_a_runner_goes_on(trial: Trial, cluster: Cluster) -> None:
    """The daemon is not the job, and nobody may call it dead."""
    handles = running(trial, nodes="n1")
    cluster.stop("slurmd", "n1")
    for _ in range(5):
        assert trial.states(handles) == {handles[0]: SeenState.RUNNING}
    assert trial.postmortem(handles) == {}
    cluster.start("slurmd", "n1")
    wait_for(trial, handles, SeenState.RUNNING)


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"queue": "nosuch"}, "invalid partition specified: nosuch"),
        ({"options": {"constraint": "nosuch"}}, "Invalid feature specification"),
        ({"options": {"reservation": "nosuch"}}, "Requested reservation is invalid"),
        ({"options": {"licenses": "nosuch"}}, "Invalid license specification"),
        ({"options": {"gres": "tpu:1"}}, "Invalid generic resource"),
        ({"gpus": 3}, "Requested node configuration is not available"),
        ({"memory": "2T"}, "Memory specification can not be satisfied"),
        ({"nodes": "nosuch"}, "none of the nodes"),
        ({"native": "--nosuchoption"}, "unrecognized option '--nosuchoption'"),
        ({"native": "--time=soon"}, "Invalid --time specification"),
        ({"options": {"qos": "high;low"}}, "cannot be given to Slurm"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_slurm_refuses_is_refused_for_good(
    trial: Trial, resources: dict[str, object], words: str
) -> None:
    """In its own words, and nothing of it is left."""
    asked = Resources(**resources)  # type: ignore[arg-type] # what a user may write
    for answer in trial.submit(trial.batch(("true",), 2, resources=asked)).values():
        assert isinstance(answer, Rejected)
        assert not answer.transient
        assert words in answer.text
    assert trial.attach() == {}


@pytest.mark.parametrize(
    ("nodes", "avoid", "used"),
    [
        (("n1",), (), {"n1"}),
        (("n2.example.org",), (), {"n2"}),
        (("n1", "n2"), (), {"n1", "n2"}),
        ((), ("n1",), {"n2"}),
        (("n1", "n2"), ("n2", "elsewhere"), {"n1"}),
    ],
)
def test_runners_go_where_they_may(
    trial: Trial, nodes: tuple[str, ...], avoid: tuple[str, ...], used: set[str]
) -> None:
    """Any of the white list, none of those to be avoided; both nodes if both may be."""
    count = 4 if len(used) == 1 else 8
    batch = trial.batch(
        ("sleep", "100"),
        count,
        resources=Resources(nodes=nodes),
        avoid=frozenset(avoid),
    )
    handles = trial.start(batch)
    wait_for(trial, handles, SeenState.RUNNING)
    assert {seen.node for seen in trial.observe(handles).seen.values()} == used


def test_the_largest_array_is_one_submission(trial: Trial, cluster: Cluster) -> None:
    """As many as declared, and one more is refused."""
    largest = trial.capabilities.largest_array
    assert largest == 500
    held = Resources(native=("--hold",))
    handles = trial.start(trial.batch(("true",), largest, resources=held))
    assert {handle.job for handle in handles} == {handles[0].job}
    assert len(trial.observe(handles).seen) == largest
    too_many = trial.submit(trial.batch(("true",), largest + 1, resources=held))
    for answer in too_many.values():
        assert isinstance(answer, Rejected)
        assert not answer.transient
    assert set(trial.kill(handles).values()) == {Killed.KILLED}
    assert queue(cluster, trial) == []


def test_at_most_so_many_run_at_once(trial: Trial) -> None:
    """The array's own limit."""
    asked = Resources(options={"array_limit": "2"})
    handles = trial.start(trial.batch(("sleep", "100"), 5, resources=asked))
    eventually(
        lambda: list(trial.states(handles).values()).count(SeenState.RUNNING) == 2,
        within_s=30.0,
        what="two runners",
    )
    assert list(trial.states(handles).values()).count(SeenState.QUEUED) == 3


def queue(cluster: Cluster, trial: Trial) -> list[str]:
    """Return the run's living jobs as Slurm itself tells."""
    command = ["squeue", "--noheader", "--array", "--format=%i %k"]
    shown = cluster.run("head", command, check=True).stdout
    return [line for line in shown.splitlines() if trial.context.token in line]
