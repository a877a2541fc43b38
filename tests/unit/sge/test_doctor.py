"""Checks that explain themselves."""

from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest
from tests.unit.sge.doubles import INSTALLATION, FakePrograms, recorded

from gridmap.backend import Check
from gridmap.programs import Answer, NoAnswer
from gridmap_sge import doctor, plugin
from gridmap_sge.discovery import Installation
from gridmap_sge.drmaa_process import DrmaaProcess, Opened

ORDER = ["cell", "programs", "master", "submission", "DRMAA", "accounting"]


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    """Make a machine on which all is well."""
    programs = FakePrograms(**{"qconf -sh": "head\n", "qsub -w v": "found\n"})
    unknown = Answer(status=1, errors=recorded("qacct_unknown.txt"))
    programs.say("qacct", unknown)
    monkeypatch.setattr("gridmap_sge.discovery.find", lambda _: INSTALLATION)
    monkeypatch.setattr(DrmaaProcess, "open", lambda _: Opened(system="SGE 8.1.9"))
    return programs


def examine(programs: FakePrograms) -> Mapping[str, Check]:
    """Examine this machine."""
    checks = doctor.examine({}, programs)
    assert [check.name for check in checks] == ORDER
    assert all(check.passed != bool(check.advice) for check in checks)
    return {check.name: check for check in checks}


def test_a_healthy_machine_passes(healthy: FakePrograms) -> None:
    """Each check says what was found."""
    checks = examine(healthy)
    assert all(check.passed for check in checks.values())
    assert "SGE 8.1.9" in checks["DRMAA"].found


def test_a_master_that_is_down_is_told(healthy: FakePrograms) -> None:
    """In its programs' words."""
    healthy.say(
        "qconf -sh", Answer(status=1, errors="error: unable to contact qmaster")
    )
    healthy.say("qsub -w v", NoAnswer(text="no answer within 20 s", started=True))
    checks = examine(healthy)
    assert checks["master"].found == "error: unable to contact qmaster"
    assert "20 s" in checks["submission"].found


def test_accounting_that_cannot_be_read_is_told(healthy: FakePrograms) -> None:
    """And what is lost without it."""
    healthy.say("qacct", Answer(status=1, errors="accounting: Permission denied"))
    check = examine(healthy)["accounting"]
    assert not check.passed
    assert "DRMAA alone" in check.advice


def test_a_library_that_fails_is_told(
    healthy: FakePrograms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By opening a session, for no less proves it."""
    monkeypatch.setattr(DrmaaProcess, "open", lambda _: Opened(error="static TLS"))
    assert "static TLS" in examine(healthy)["DRMAA"].found


@pytest.mark.parametrize(
    "changes", [{"library": None, "obstacles": ("no libdrmaa",)}, {"programs": {}}]
)
def test_what_is_missing_is_told(
    healthy: FakePrograms, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    """Each with its remedy."""
    poorer = attrs.evolve(INSTALLATION, **changes)  # type: ignore[arg-type]
    monkeypatch.setattr("gridmap_sge.discovery.find", lambda _: poorer)
    assert not all(check.passed for check in examine(healthy).values())


def test_without_a_cell_nothing_else_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is nothing to look at."""
    monkeypatch.setattr("gridmap_sge.discovery.find", lambda _: Installation())
    (check,) = plugin.gridmap_doctor("sge")
    assert not check.passed
    assert "SGE_ROOT" in check.advice


def test_programs_lie_in_folders(healthy: FakePrograms) -> None:
    """Which are named."""
    assert str(Path("/sge/bin")) in examine(healthy)["programs"].found
