"""``gridmap doctor`` on real clusters, whole and broken: it names what is wrong."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.backends.conftest import CLUSTERS, make_site
from tests.sites import Site

PORTS = "40000-40100"
NODE = "On a node"
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"

ONCE = pytest.mark.parametrize(
    "cluster_site", [CLUSTERS[1]], indirect=True, ids=["slurm"]
)
"""What does not depend on the scheduler is tried with one."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def examine(site: Site, *words: str, **environ: str) -> Any:
    """Run the command on the host where a user sits; return its checks by section."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "gridmap",
            "doctor",
            "--json",
            "-b",
            site.backend,
            *words,
        ],
        capture_output=True,
        check=False,
        encoding="utf-8",
        env=os.environ | environ,
        stdin=subprocess.DEVNULL,
        timeout=100,
    )
    assert done.returncode in {0, 1}, done.stderr
    report = json.loads(done.stdout)
    assert report["passed"] is (done.returncode == 0)
    return {
        section["title"]: {check["name"]: check for check in section["checks"]}
        for section in report["sections"]
    }


def failures(report: Any) -> dict[str, Any]:
    """Return the failed checks by name; each says what to do."""
    failed = {
        name: check
        for checks in report.values()
        for name, check in checks.items()
        if not check["passed"]
    }
    assert all(check["found"] and check["advice"] for check in failed.values()), failed
    return failed


@pytest.fixture
def broken(cluster_site: Site) -> Iterator[Site]:
    """Return a cluster that a test may break."""
    yield cluster_site
    cluster_site.cluster.repair()


def test_all_is_well(site: Site) -> None:
    """The probe comes back from a node over the run's own channel."""
    report = examine(site)
    assert failures(report) == {}, report
    there = report[NODE]
    assert {"greeting", "clock there", "memory there", "run directory there"} <= set(
        there
    )
    if site.backend != "local":
        words = there["probe"]["found"].split()
        assert words[:2] == ["ran", "on"]
        assert words[2] in site.nodes
    if site.backend == "slurm":
        text = (HOW_TO / "transcripts" / "doctor.txt").read_text()
        shown = set(re.findall(r"^  ok  (.*?): ", text, flags=re.MULTILINE))
        assert shown == {name for checks in report.values() for name in checks}


@ONCE
def test_a_firewall_is_found(broken: Site) -> None:
    """The probe runs, cannot come back, and says so through the run directory."""
    for node in ("n1", "n2"):
        broken.cluster.block(node, PORTS)
    report = examine(broken, GRIDMAP_PORT_RANGE=PORTS)
    failed = failures(report)
    assert set(failed) == {"way back to this machine"}, failed
    assert "unreachable" in failed["way back to this machine"]["found"]
    assert "port_range" in failed["way back to this machine"]["advice"]


@ONCE
def test_a_wrong_hosts_entry_is_found(broken: Site) -> None:
    """Names do not matter to gridmap until the setting host is one."""
    for node in ("n1", "n2"):
        broken.cluster.misname(node, "head", "10.77.0.9")
    failed = failures(examine(broken))
    assert set(failed) == {"name head there"}, failed
    assert failed["name head there"]["found"] == (
        "10.77.0.9, but this machine is 10.77.0.1"
    )


@ONCE
def test_a_wrong_address_to_offer_is_found(cluster_site: Site) -> None:
    """One that is nobody's, where the setting host names it."""
    failed = failures(examine(cluster_site, GRIDMAP_HOST="10.77.0.9"))
    assert "way back to this machine" in failed, failed
    assert "tcp://10.77.0.9:" in failed["way back to this machine"]["found"]


@ONCE
def test_a_python_without_gridmap_is_found(cluster_site: Site) -> None:
    """The probe works with any Python, and says which import failed."""
    report = examine(cluster_site, GRIDMAP_PYTHON="/usr/bin/python3")
    failed = failures(report)
    assert "gridmap there" in failed, report
    assert "No module named 'gridmap'" in failed["gridmap there"]["found"]
    assert "/usr/bin/python3" in failed["gridmap there"]["advice"]


def test_a_python_that_is_not_there_is_found(cluster_site: Site) -> None:
    """The probe ends before its first word."""
    failed = failures(examine(cluster_site, GRIDMAP_PYTHON="/no/such/python"))
    assert set(failed) == {"probe"}, failed
    assert "/no/such/python" in failed["probe"]["advice"] + failed["probe"]["found"]
    assert "setting python" in failed["probe"]["advice"]


def test_closed_queues_are_explained(broken: Site) -> None:
    """A probe that waits says why, in plain words, and leaves the queue."""
    # A node that could not find the master tells late that an earlier probe has ended.
    broken.await_end("doctor", within_s=60.0)
    for node in ("n1", "n2"):
        broken.close(node)
    failed = failures(examine(broken, "--wait", "3"))
    shut = "queues" if broken.backend == "sge" else "Slurm's nodes"
    assert set(failed) == {"probe", shut}, failed
    assert "0 of 2" in failed[shut]["found"]
    assert "has not started in 3 s" in failed["probe"]["found"]
    broken.await_end("doctor")


def test_a_stopped_master_is_found(broken: Site) -> None:
    """With what to ask the administrator; nothing hangs."""
    sge = broken.backend == "sge"
    broken.cluster.stop("qmaster" if sge else "slurmctld")
    failed = failures(examine(broken, "--no-probe"))
    name = "master" if sge else "Slurm's controller"
    assert name in failed, failed
    assert "administrator" in failed[name]["advice"]


@pytest.mark.cluster("sge")
def test_a_missing_libdrmaa_is_found(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs go on with qsub, which tells less: that is said too."""
    site = make_site("sge", tmp_path, monkeypatch)
    nowhere = {"DRMAA_LIBRARY_PATH": "/no/such/libdrmaa.so"}
    failed = failures(examine(site, "--no-probe", **nowhere))
    assert set(failed) == {"DRMAA"}, failed
    assert "qsub is used" in failed["DRMAA"]["found"]
