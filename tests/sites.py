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
        nodes: Where runners can be; None is here.
        slots: How many runners can run at a time; None: as many as are wanted.
        runs: Where the test's runs are kept.
        options: What maps in these tests are given besides.
        broken: Whether a test has broken the cluster, so that it has to be repaired.
    """

    backend = "local"
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

    def await_end(self, name: str, within_s: float = 10.0) -> None:
        """Wait until neither scheduler nor nodes have anything of this map."""
        eventually(
            lambda: not self.queue(name) and not self.pids(),
            within_s=within_s,
            what=f"{name} to be gone from queue and nodes",
            gap_s=0.1,
        )


class GridEngine(Site):
    """The two-node Grid Engine."""

    backend = "sge"
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


class Slurm(GridEngine):
    """The two-node Slurm."""

    backend = "slurm"

    def queue(self, name: str) -> list[str]:
        """See `Site`."""
        text = self.run("head", "squeue", "-h", "-r", "-o", "%i %T", f"--name={name}")
        return text.splitlines()

    def cancel(self, handle: str) -> None:
        """See `Site`."""
        job, _, task = handle.partition(".")
        self.cluster.run(
            "head", ["scancel", f"{job}_{task}" if task else job], check=True
        )


SITES: Final = {site.backend: site for site in (Site, GridEngine, Slurm)}


def _host(node: str) -> HostName:
    assert node in ("n1", "n2")
    return "n1" if node == "n1" else "n2"


def _text(element: ET.Element, tag: str) -> str:
    return element.findtext(tag) or ""
