"""The places where whole maps are tested: this machine, Grid Engine, Slurm.

A site looks at scheduler and nodes from outside, with their own programs, and breaks
things the way people and machines do.
"""

import os
import signal
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.cluster.client import Cluster, HostName

from gridmap.testing import eventually


class Site:
    """This machine, with the local backend.

    Attributes:
        backend: What users write in ``backend=``.
        label: What records of faults call it.
        nodes: Where runners can be; None is here.
        slots: How many runners can run at a time; None: as many as are wanted.
        runs: Where the test's runs are kept.
        options: What maps in these tests are given besides.
        broken: Whether a test has broken the cluster, so that it has to be repaired.
    """

    backend = "local"
    label = "local"
    nodes: Sequence[HostName | None] = (None,)
    slots: int | None = None

    def __init__(self, runs: Path, cluster: Cluster | None = None) -> None:
        self.runs = runs
        self._cluster = cluster
        self.options: dict[str, Any] = {"backend": self.backend}
        self.broken = False

    @property
    def cluster(self) -> Cluster:
        """The clusters' agent."""
        assert self._cluster is not None, "the marker skips tests without a cluster"
        return self._cluster

    def run(self, node: HostName | None, *argv: str, user: str | None = None) -> str:
        """Run a program on a node and return what it prints, whatever its status."""
        if node is None:
            assert user is None
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
        else:
            done = self.cluster.run(node, argv, user=user)
        return done.stdout

    def pids(self) -> list[tuple[HostName | None, int]]:
        """Return the test's runners, workers, and what these started, on all nodes."""
        found: list[tuple[HostName | None, int]] = []
        # Without a shell's quoting: the path of a test's directory is plain.
        text = f"grep -lsF 'GRIDMAP_CONNECTION={self.runs}/' /proc/[0-9]*/environ"
        for node in self.nodes:
            lines = self.run(node, "/bin/sh", "-c", text).splitlines()
            found += [(node, int(line.split("/")[2])) for line in lines]
        return found

    def kill(self, node: str, pid: int, number: int = signal.SIGKILL) -> None:
        """Signal a process of the test's on a node, as its owner or administrator."""
        del node
        os.kill(pid, number)

    def queue(self, name: str) -> list[str]:
        """Return what the scheduler still has of the map of this name."""
        del name
        return []

    def cancel(self, handle: str) -> None:
        """Take a runner away through the scheduler, as a person does."""
        raise NotImplementedError(handle)

    def cancel_all(self, job: str) -> None:
        """Take all runners of one submission away, as a person does."""
        raise NotImplementedError(job)

    def suspend(self, handle: str) -> None:
        """Suspend a runner through the scheduler, as an administrator does."""
        raise NotImplementedError(handle)

    def resume(self, handle: str) -> None:
        """Let a suspended runner go on."""
        raise NotImplementedError(handle)

    def requeue(self, handle: str) -> None:
        """Take a runner off its node and put it back into the queue."""
        raise NotImplementedError(handle)

    def close(self, node: HostName) -> None:
        """Let a node start no more jobs, as an administrator does before its service."""
        raise NotImplementedError(node)

    def bury(self, node: HostName) -> None:
        """Tell the scheduler that a node is dead, as an administrator does."""
        raise NotImplementedError(node)

    def forget(self, name: str) -> None:
        """Let the scheduler forget a map whose processes are gone.

        A daemon that took over a runner tells of its end up to a minute late.
        """

    def await_end(self, name: str, within_s: float = 10.0) -> None:
        """Wait until neither scheduler nor nodes have anything of this map."""
        left: list[object] = []

        def gone() -> bool:
            left[:] = [*self.queue(name), *self.pids()]
            return not left

        what = f"{name} to be gone from queue and nodes"
        try:
            eventually(gone, within_s=within_s, what=what, gap_s=0.1)
        except AssertionError as error:
            error.add_note(f"left: {left}")
            raise


class GridEngine(Site):
    """The two-node Grid Engine."""

    backend = label = "sge"
    nodes: Sequence[HostName | None] = ("n1", "n2")
    slots: int | None = 8

    def kill(self, node: str, pid: int, number: int = signal.SIGKILL) -> None:
        """See `Site`."""
        self.cluster.kill(_host(node), pid, signal.Signals(number))

    def queue(self, name: str) -> list[str]:
        """See `Site`."""
        text = self.run("head", "qstat", "-u", "*", "-g", "d", "-xml")
        return [
            f"{_text(job, 'JB_job_number')}.{_text(job, 'tasks')} {_text(job, 'state')}"
            for job in ET.fromstring(text).iter("job_list")  # noqa: S314 - our own master's
            if _text(job, "JB_name") == name
        ]

    def cancel(self, handle: str) -> None:
        """See `Site`."""
        job, _, task = handle.partition(".")
        self.cluster.run("head", ["qdel", job, "-t", task or "1"], check=True)

    def cancel_all(self, job: str) -> None:
        """See `Site`."""
        self.cluster.run("head", ["qdel", job], check=True)

    def suspend(self, handle: str) -> None:
        """See `Site`."""
        self.cluster.admin(["qmod", "-sj", handle])

    def resume(self, handle: str) -> None:
        """See `Site`."""
        self.cluster.admin(["qmod", "-usj", handle])

    def requeue(self, handle: str) -> None:
        """See `Site`."""
        self.cluster.admin(["qmod", "-rj", handle])

    def close(self, node: HostName) -> None:
        """See `Site`."""
        self.cluster.admin(["qmod", "-d", f"all.q@{node}"])

    def bury(self, node: HostName) -> None:
        """See `Site`: Grid Engine finds out when the node is back without its jobs."""

    def forget(self, name: str) -> None:
        """See `Site`."""
        eventually(lambda: not self.pids(), within_s=15, what="no processes", gap_s=0.1)
        for job in {line.partition(".")[0] for line in self.queue(name)}:
            self.cluster.admin(["qdel", "-f", job], check=False)


class Slurm(GridEngine):
    """The two-node Slurm."""

    backend = label = "slurm"

    def queue(self, name: str) -> list[str]:
        """See `Site`."""
        text = self.run("head", "squeue", "-h", "-r", "-o", "%i %T", f"--name={name}")
        return text.splitlines()

    def cancel(self, handle: str) -> None:
        """See `Site`."""
        self.cluster.run("head", ["scancel", _slurms(handle)], check=True)

    def cancel_all(self, job: str) -> None:
        """See `Site`."""
        self.cluster.run("head", ["scancel", job], check=True)

    def suspend(self, handle: str) -> None:
        """See `Site`."""
        self.cluster.admin(["scontrol", "suspend", _slurms(handle)])

    def resume(self, handle: str) -> None:
        """See `Site`."""
        self.cluster.admin(["scontrol", "resume", _slurms(handle)])

    def requeue(self, handle: str) -> None:
        """See `Site`."""
        self.cluster.admin(["scontrol", "requeue", _slurms(handle)])

    def close(self, node: HostName) -> None:
        """See `Site`."""
        update = ["scontrol", "update", f"nodename={node}", "state=drain"]
        self.cluster.admin([*update, "reason=service"])

    def bury(self, node: HostName) -> None:
        """See `Site`: else its jobs are ``COMPLETING`` for most of a minute."""
        update = ["scontrol", "update", f"nodename={node}", "state=down"]
        self.cluster.admin([*update, "reason=dead"])

    def forget(self, name: str) -> None:
        """See `Site`: Slurm's daemons know at once."""


class AccountedSlurm(Slurm):
    """The same with slurmdbd, which somebody has switched on."""

    label = "slurm+slurmdbd"


SITES: Final = {site.label: site for site in (Site, GridEngine, Slurm, AccountedSlurm)}


def _slurms(handle: str) -> str:
    return handle.replace(".", "_")


def _host(node: str) -> HostName:
    assert node in ("n1", "n2")
    return "n1" if node == "n1" else "n2"


def _text(element: ET.Element, tag: str) -> str:
    return element.findtext(tag) or ""
