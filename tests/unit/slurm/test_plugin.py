"""The door of the plugin, as core sees it."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.slurm import recordings
from tests.unit.slurm.batches import CONTEXT
from tests.unit.slurm.fakes import FakeSlurm, complains, hangs, says

from gridmap.backend import Availability
from gridmap.plugins import Plugins, RunPlugins, installed, load_backend
from gridmap_slurm import discovery, doctor, plugin
from gridmap_slurm.backend import SlurmBackend


def test_it_is_found_by_its_entry_point() -> None:
    """As a stranger's plugin would be."""
    backend = installed().find("slurm")
    assert backend.distribution.startswith("gridmap-slurm ")
    assert isinstance(backend.availability().reason, str)
    assert isinstance(backend.create(), SlurmBackend)


def test_every_hook_has_the_shape_core_wants() -> None:
    """Registration would fail for a misspelt verb or argument."""
    factory = plugin.gridmap_backends()[0].factory
    RunPlugins(load_backend(factory), CONTEXT, name="slurm")


def test_looking_at_the_door_imports_nothing_behind_it() -> None:
    """The door costs a few milliseconds at most, in every process that uses gridmap."""
    code = (
        "import sys, gridmap.plugins.discovery, time\n"
        "before = set(sys.modules); t = time.perf_counter()\n"
        "import gridmap_slurm.plugin as p; p.gridmap_backends()\n"
        "print(time.perf_counter() - t, *sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    seconds, *modules = done.stdout.split()
    assert modules == ["gridmap_slurm", "gridmap_slurm.plugin"]
    assert float(seconds) < 0.05


def test_other_backends_are_none_of_its_business() -> None:
    """The doctor asks every plugin about one backend."""
    assert plugin.gridmap_doctor("sge") == ()


def test_the_doctor_speaks_through_the_hook() -> None:
    """Core's own call gives checks, whatever this machine has."""
    entries = importlib.metadata.entry_points(group="gridmap", name="slurm")
    checks = Plugins(entries).doctor("slurm")
    assert checks
    assert all(check.passed or check.advice for check in checks)


CONFIG = says(recordings.read("scontrol-config"))
NODES = says(recordings.read("sinfo"))
DOWN = complains("Unable to contact slurm controller (connect failure)")


@pytest.mark.parametrize(
    ("slurm", "passed"),
    [
        (FakeSlurm(scontrol=CONFIG, sinfo=NODES), [True, True, True, True]),
        (FakeSlurm(scontrol=DOWN), [True, False]),
        (FakeSlurm(scontrol=hangs()), [True, False]),
        (FakeSlurm(scontrol=CONFIG, sinfo=DOWN), [True, True, False, True]),
        (FakeSlurm(scontrol=CONFIG, sinfo=hangs()), [True, True, False, True]),
    ],
)
def test_the_doctor_explains_itself(
    monkeypatch: pytest.MonkeyPatch, slurm: FakeSlurm, passed: list[bool]
) -> None:
    """What is wrong comes with advice, what is right with what was found."""
    usable = Availability(usable=True, reason="configured by slurm.conf")
    monkeypatch.setattr(discovery, "available", lambda: usable)
    checks = doctor.checks(slurm)
    assert [check.passed for check in checks] == passed
    assert all(check.found for check in checks)
    assert all(bool(check.advice) is not check.passed for check in checks)


def test_the_doctor_asks_nobody_where_there_is_no_slurm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Missing commands are the first and only finding."""
    missing = Availability(usable=False, reason="sbatch not found on PATH")
    monkeypatch.setattr(discovery, "available", lambda: missing)
    (check,) = doctor.checks(FakeSlurm())
    assert not check.passed
    assert "sbatch" in check.found


def test_accounting_is_named_where_there_is_any(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Sacct on PATH and a database in the configuration."""
    (tmp_path / "sacct").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    usable = Availability(usable=True, reason="configured by slurm.conf")
    monkeypatch.setattr(discovery, "available", lambda: usable)
    config = says(
        "MaxArraySize = 1001\nAccountingStorageType = accounting_storage/slurmdbd\n"
    )
    checks = doctor.checks(FakeSlurm(scontrol=config, sinfo=NODES))
    assert "sacct" in checks[-1].found


def test_the_doctor_names_nodes_that_are_drained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a remark while others take jobs, and as a failure when none does."""
    usable = Availability(usable=True, reason="configured by slurm.conf")
    monkeypatch.setattr(discovery, "available", lambda: usable)
    recorded = recordings.read("sinfo-drained")
    for text, passed in ((recorded, True), (recorded.replace("idle", "down"), False)):
        nodes = doctor.checks(FakeSlurm(scontrol=CONFIG, sinfo=says(text)))[2]
        assert nodes.passed is passed
        assert "n2 (drained: disk is full)" in nodes.found
        assert "State=RESUME" in nodes.advice
