"""The clusters are what the tests of the backends take them for."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cluster.client import AgentError, Cluster, HostName

from gridmap.testing import eventually

EXECD_PORT = 6445
DEADLINE_S = 20.0

pytestmark = pytest.mark.cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Give the cluster to a test, and repair it and empty its queues after that."""
    found = Cluster.find()
    assert found is not None
    yield found
    found.repair()
    for command in (["qdel", "-u", "gmtest"], ["scancel", "--user=gmtest"]):
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(command, capture_output=True, check=False)
    await_(lambda: queues() == "")


def shell(script: str, **variables: str) -> str:
    """Run a script on this host; return what it prints."""
    done = subprocess.run(
        ["sh", "-ec", script],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def queues() -> str:
    """Return what is queued or runs, on Grid Engine and Slurm."""
    up = os.environ.get("GRIDMAP_TEST_CLUSTERS", "sge slurm").split()
    commands = {"sge": "qstat", "slurm": "squeue --noheader"}
    return "".join(shell(commands[name]) for name in up if name in commands)


def await_(condition: Callable[[], bool]) -> None:
    """Return as soon as *condition* holds; fail if it takes too long."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


def reachable(host: str) -> bool:
    """Return whether a daemon on *host* takes connections."""
    try:
        socket.create_connection((host, EXECD_PORT), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.cluster("sge")
@pytest.mark.usefixtures("cluster")
def test_grid_engine_spreads_an_array_over_both_nodes(tmp_path: Path) -> None:
    """Eight tasks need the slots of two nodes; all succeed, and no job is left."""
    shell(
        "qsub -sync y -terse -t 1-8 -b y -j y -o $OUT sh -c 'hostname; sleep 1'",
        OUT=f"{tmp_path}/$TASK_ID",
    )
    ran = [(tmp_path / str(task)).read_text().strip() for task in range(1, 9)]
    assert set(ran) == {"n1", "n2"}
    assert queues() == ""


@pytest.mark.slow
@pytest.mark.cluster("slurm")
@pytest.mark.usefixtures("cluster")
def test_slurm_spreads_an_array_over_both_nodes(tmp_path: Path) -> None:
    """Eight tasks need the CPUs of two nodes; all succeed, and no job is left."""
    shell(
        "sbatch --wait --array=1-8 --output=$OUT --wrap 'hostname; sleep 1'",
        OUT=f"{tmp_path}/%a",
    )
    ran = [(tmp_path / str(task)).read_text().strip() for task in range(1, 9)]
    assert set(ran) == {"n1", "n2"}
    await_(lambda: queues() == "")


@pytest.mark.slow
@pytest.mark.cluster("sge")
def test_a_job_deleted_on_one_node_takes_none_on_the_other_with_it(
    cluster: Cluster,
) -> None:
    """Grid Engine kills by group id, and both nodes may have given out the same."""
    submit = "qsub -terse -b y -j y -o /dev/null -l hostname=$NODE sleep 300"
    jobs = {node: shell(submit, NODE=node).strip() for node in ("n1", "n2")}
    hosts: tuple[HostName, ...] = ("n1", "n2")
    await_(lambda: all(cluster.pids(host, "^sleep 300$") for host in hosts))
    seen = cluster.run("n2", ["pgrep", "--count", "--exact", "sleep"]).stdout
    assert seen == "2\n", "init, the job, and no process of another host"
    shell("qdel $JOB", JOB=jobs["n1"])
    await_(lambda: not cluster.pids("n1", "^sleep 300$"))
    assert cluster.pids("n2", "^sleep 300$")
    assert jobs["n2"] in queues()


@pytest.mark.cluster("sge")
def test_a_pulled_cable_cuts_the_network_and_nothing_else(cluster: Cluster) -> None:
    """A host without cable cannot be reached, and its processes live on."""
    before = cluster.pids("n2", "sge_execd")
    assert reachable("n2")
    cluster.cable("n2", up=False)
    assert not reachable("n2")
    assert cluster.run("head", ["ping", "-c1", "-W1", "n2"]).returncode == 1
    assert reachable("n1")
    assert cluster.pids("n2", "sge_execd") == before
    cluster.cable("n2", up=True)
    await_(lambda: reachable("n2"))


@pytest.mark.slow
@pytest.mark.cluster("sge")
def test_a_pulled_plug_ends_everything_at_once(cluster: Cluster) -> None:
    """A host without power has no process and no network; booted, it has daemons."""
    cluster.pull_plug("n1")
    assert cluster.pids("n1", "") == []
    assert not reachable("n1")
    with pytest.raises(AgentError, match="n1 is down"):
        cluster.run("n1", ["true"])
    cluster.boot("n1")
    await_(lambda: reachable("n1"))
    assert cluster.run("n1", ["hostname"]).stdout == "n1\n"


@pytest.mark.timeout(180)
@pytest.mark.slow
@pytest.mark.cluster("slurm")
def test_a_daemon_can_be_stopped_frozen_and_started(cluster: Cluster) -> None:
    """Without its controller Slurm says so; with it again it answers."""
    answer = ["scontrol", "ping"]
    assert "UP" in cluster.run("head", answer).stdout
    cluster.stop("slurmctld", signum=signal.SIGKILL)
    assert "DOWN" in cluster.run("head", answer).stdout
    cluster.start("slurmctld")
    await_(lambda: "UP" in cluster.run("head", answer).stdout)
    cluster.freeze("slurmctld")
    with pytest.raises(subprocess.TimeoutExpired):
        cluster.run("head", ["squeue"], timeout=1)
    cluster.thaw("slurmctld")
    # Killed, it may have forgotten how jobs had ended just before, and believes a node
    # that says so only a while after they began (BatchStartTimeout, MessageTimeout).
    cluster.run("head", ["scancel", "--me"])
    eventually(
        lambda: cluster.run("head", ["squeue", "--noheader"]).stdout == "",
        within_s=120.0,
        what="an empty queue",
    )


@pytest.mark.slow
@pytest.mark.cluster("slurm")
def test_slurm_has_accounting_when_wanted(cluster: Cluster) -> None:
    """A job that runs while it is switched on is in it, and sacct fails without it."""
    job = shell("sbatch --parsable --output=/dev/null --wrap 'sleep 60'").strip()
    await_(lambda: "R" in shell(f"squeue --noheader --job={job} --format=%t"))
    cluster.accounting(wanted=True)
    shell(f"scancel {job}")
    command = f"sacct --noheader --allocations --parsable2 --job={job} --format=state"
    await_(lambda: "CANCELLED by" in shell(command))
    cluster.accounting(wanted=False)
    assert shell(f"{command} 2>&1 || true") == "Slurm accounting storage is disabled\n"
    assert cluster.pids("head", "mariadbd|slurmdbd") == []


def test_a_command_runs_as_if_by_ssh(cluster: Cluster) -> None:
    """Host, user, directory, environment, input, status: all as asked for."""
    script = 'hostname; id -un; pwd; echo "$WORD"; cat; exit 7'
    done = cluster.run(
        "n2",
        ["sh", "-c", script],
        user="gmother",
        cwd="/",
        env={"WORD": "ü '"},
        input="line\n",
    )
    assert done.stdout == "n2\ngmother\n/\nü '\nline\n"
    assert done.returncode == 7


def test_a_command_that_takes_too_long_is_killed(cluster: Cluster) -> None:
    """The exception has what it printed before."""
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        cluster.run("n1", ["sh", "-c", "echo begun; sleep 54321"], timeout=0.5)
    assert str(caught.value.stdout) == "begun\n"
    assert cluster.pids("n1", "54321") == []


def test_a_process_can_be_killed_on_its_host_only(cluster: Cluster) -> None:
    """Process ids are the host's own, and another host's are unknown there."""
    started = cluster.run("n1", ["sh", "-c", "sleep 12321 >&- 2>&- & echo $!"])
    pid = int(started.stdout)
    assert cluster.pids("n1", "^sleep 12321$") == [pid]
    assert cluster.pids("n2", "^sleep 12321$") == []
    with pytest.raises(AgentError, match="no process"):
        cluster.kill("n1", 2**22 - 1)
    cluster.kill("n1", pid)
    await_(lambda: cluster.pids("n1", "12321") == [])
    # No zombie stays either: a host's init takes care of orphans.
    assert str(pid) not in cluster.run("n1", ["ps", "-e", "-o", "pid="]).stdout.split()


@pytest.mark.parametrize(
    "argv", [["cat", "/etc/shadow"], ["/bin/qconf", "-sm"]], ids=["other", "path"]
)
def test_root_runs_schedulers_commands_only(cluster: Cluster, argv: list[str]) -> None:
    """Anything else is refused, as is root as a user."""
    with pytest.raises(AgentError, match="is none of"):
        cluster.admin(argv)
    with pytest.raises(AgentError, match="no user 'root'"):
        cluster.run("n1", ["true"], user="root")


@pytest.mark.cluster("sge")
def test_root_configures_grid_engine(cluster: Cluster) -> None:
    """What an ordinary user may not do, a test can."""
    denied = cluster.run("head", ["qmod", "-d", "all.q@n1"])
    assert "no permission" in denied.stdout
    cluster.admin(["qmod", "-d", "all.q@n1"])
    assert "d" in shell("qstat -f -q all.q@n1 | tail -n 1").split()[-1]


def test_another_user_cannot_ask_the_agent(cluster: Cluster) -> None:
    """Whoever can use the agent is as good as root."""
    connect = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    done = cluster.run(
        "head", ["python3", "-c", connect, str(cluster.path)], user="gmother"
    )
    assert "PermissionError" in done.stderr


def test_the_machine_is_out_of_reach(cluster: Cluster) -> None:
    """Hosts have no way to any network but their own."""
    routes = cluster.run("n1", ["ip", "route"], check=True).stdout
    assert routes.split()[0] == "10.77.0.0/24"
    assert "default" not in routes
