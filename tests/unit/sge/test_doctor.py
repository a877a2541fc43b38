"""Checks that explain themselves."""

from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest
from tests.unit.sge.doubles import INSTALLATION, FakePrograms, recorded

from gridmap.backend import Check
from gridmap.programs import Answer, NoAnswer
from gridmap_sge import doctor, plugin, qstat, site
from gridmap_sge.discovery import Installation
from gridmap_sge.drmaa_process import DrmaaProcess, Opened

ORDER = [
    "cell", "programs", "master", "submission", "memory", "parallel environments",
    "queues", "DRMAA", "accounting",
]  # fmt: skip
SITE = {"memory", "parallel environments", "queues"}


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    """Make a machine on which all is well."""
    programs = FakePrograms(
        **{
            "qconf -sh": "head\n",
            "qsub -w v": "found\n",
            "qconf -sc": recorded("qconf_sc.txt"),
            "qconf -sq": recorded("qconf_sq.txt"),
            "qconf -spl": "smp\n",
            "qstat -f -xml": recorded("qstat_f.xml"),
        }
    )
    unknown = Answer(status=1, errors=recorded("qacct_unknown.txt"))
    programs.say("qacct", unknown)
    monkeypatch.setattr("gridmap_sge.discovery.find", lambda _: INSTALLATION)
    monkeypatch.setattr(DrmaaProcess, "open", lambda _: Opened(system="SGE 8.1.9"))
    return programs


def examine(programs: FakePrograms) -> Mapping[str, Check]:
    """Examine this machine."""
    checks = doctor.examine({}, programs)
    silent = SITE if not checks[2].passed else set()  # nobody to ask
    assert [check.name for check in checks] == [n for n in ORDER if n not in silent]
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


def test_memory_that_jobs_cannot_ask_for_is_told() -> None:
    """With the resources that they can ask for instead."""
    known = site.parse_complexes(recorded("qconf_sc.txt"))
    assert site.judge_memory(known).found == (
        "mem_free: a measured value, which nobody reserves, h_vmem is counted"
    )
    del known["mem_free"]
    check = site.judge_memory(known)
    assert not check.passed
    assert "virtual_free" in check.advice
    assert "slots" not in check.advice


@pytest.mark.parametrize(
    ("there", "used", "words"),
    [
        (["smp"], "smp", ""),
        (["smp", "mpi"], "make smp,[n1=smp]", "ask for mpi would wait for ever"),
        (["smp", "mpi"], "NONE,[@fast=mpi]", "parallel_environment: mpi"),
        ([], "NONE", "qconf -aattr"),
    ],
    ids=["well", "one too many", "another", "none"],
)
def test_a_parallel_environment_that_no_queue_has_is_told(
    there: list[str], used: str, words: str
) -> None:
    """A job that asks for it would wait for ever."""
    queues = f"qname all.q\npe_list               {used}\nslots 4\n"
    check = site.judge_environments(there, site.parse_environments(queues))
    assert check.passed
    assert words in check.advice if words else not check.advice


def test_queues_that_are_shut_are_told() -> None:
    """And where all are, that is a failure."""
    states = qstat.parse_states(recorded("qstat_f_disabled.xml"))
    check = site.judge_queues(states)
    assert check.passed
    assert check.found == "1 of 2 on single hosts take jobs; all.q@n1 is disabled"
    assert not site.judge_queues(dict.fromkeys(states, "au")).passed
    assert not site.judge_queues({}).passed
    assert not site.judge_queues({"all.q@n1": "a"}).advice  # a load that passes
