"""The conformance suite rejects backends with one bug each, by the rule they break."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.conformance.bugs import BUGS

from gridmap.testing import Rule
from gridmap_local.backend import LocalBackend

ROOT = Path(__file__).resolve().parents[2]
SUITE = Path(__file__).with_name("suite.py")


def run_suite(cases: list[str], place: Path) -> Mapping[str, str]:
    """Run cases in a pytest of their own.

    Args:
        cases: Each as ``CLASS::NAME``, or ``CLASS`` for all of its cases.
        place: An empty directory.

    Returns:
        For each case that was run, as ``CLASS::NAME``, what it failed with; empty if
        it passed or was skipped.
    """
    report = place / "report.xml"
    options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=", "-o", "timeout=60"]
    options += [f"--rootdir={ROOT}", f"--junitxml={report}"]
    options += [f"--basetemp={place / 'temp'}", "--import-mode=importlib"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *(f"{SUITE}::{c}" for c in cases)],
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},  # for the nodes' sake
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert report.exists(), done.stdout + done.stderr
    results: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        troubles = [*case.iter("failure"), *case.iter("error")]
        text = "\n".join(f"{t.get('message')}\n{t.text}" for t in troubles)
        results[name] = f"{results.get(name, '')}{text}"
    return results


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What the suite says of each mutant, in the case that is to catch it."""
    cases = [f"Test{mutant.__name__}::{bug.case}" for mutant, bug in BUGS.items()]
    return run_suite(cases, tmp_path_factory.mktemp("mutants"))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "mutant", [pytest.param(mutant, id=mutant.__name__) for mutant in BUGS]
)
def test_each_bug_is_named(
    mutant: type[LocalBackend], verdicts: Mapping[str, str]
) -> None:
    """A backend with one bug fails the case made for it, and the report says why."""
    bug = BUGS[mutant]
    name = f"Test{mutant.__name__}::{bug.case}"
    text = "\n".join(v for k, v in verdicts.items() if k.partition("[")[0] == name)
    assert f"rule {bug.rule.number}, {bug.rule.name}, is broken" in text


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_sound_backend_passes(tmp_path: Path) -> None:
    """What the mutants are made of passes, by the same way of running the suite."""
    results = run_suite(["TestHolds"], tmp_path)
    assert len(results) > len(BUGS) / 2
    assert {name: text for name, text in results.items() if text} == {}


def test_every_rule_has_a_mutant() -> None:
    """No rule is only claimed: for each there is a bug that it catches."""
    assert {bug.rule for bug in BUGS.values()} == set(Rule)
