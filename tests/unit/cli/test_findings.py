"""What a probe's answer means: each thing that can be wrong with a node, by itself."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.cli.findings import Answer, Here, Memory, compare
from gridmap.cli.network import judge_name
from gridmap.resources import Resources
from gridmap.runner import probe

GIB = 2**30
ADDRESS = "tcp://10.0.0.1:40000"
OTHER = "tcp://[fd00::1]:40000"

HERE = Here(
    host="head",
    python=(3, 11, 2),
    packages={"gridmap-core": "0.1", "numpy": "2.0"},
    modules="gcc/12:cuda/12",
    handle="7.1",
    requested=Resources(cores=2, memory="1G"),
    sent=1000.0,
    heard=1003.0,
    spoken=True,
    runs="/home/a/runs/1",
)
THERE = Answer(
    host="n1",
    began=1001.0,
    python=(3, 11, 9),
    executable="/usr/bin/python3",
    packages={"gridmap-core": "0.1", "numpy": "2.0", "more": "1"},
    imports={"gridmap.runner.service": ""},
    identity=("7.1", ""),
    reached={ADDRESS: ""},
    resolved=["10.0.0.1"],
    directories={"/home/a/runs/1": "", "/work": ""},
    cores=2.0,
    memory=Memory(total=64 * GIB),
    files=1024,
    room=9 * GIB,
    modules="gcc/12:cuda/12",
)

WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "python": ({"python": (3, 9, 1)}, "Python there", "setting python"),
    "gridmap": (
        {"imports": {"zmq": "ModuleNotFoundError: No module named 'zmq'"}},
        "gridmap there",
        "pip install",
    ),
    "nobody": (
        {"identity": ("", "")},
        "identity there",
        "gridmap_identify",
    ),
    "somebody else": ({"identity": ("8.1", "")}, "identity there", "container"),
    "identity": (
        {"identity": ("", "PluginError: boo")},
        "identity there",
        "report it",
    ),
    "version": (
        {"packages": {"gridmap-core": "0.2", "numpy": "2.0"}},
        "packages there",
        "same versions",
    ),
    "firewall": (
        {"reached": {ADDRESS: "no answer within 4 s"}},
        "way back to this machine",
        "port_range",
    ),
    "hosts": ({"resolved": ["10.0.0.9"]}, "name head there", "/etc/hosts"),
    "runs": (
        {"directories": {"/home/a/runs/1": "PermissionError: no"}},
        "run directory there",
        "run_directory",
    ),
    "directory": (
        {"directories": {"/work": "FileNotFoundError: no"}},
        "working directory there",
        "share",
    ),
    "ahead": ({"began": 1063.0}, "clock there", "NTP"),
    "behind": ({"began": 900.0}, "clock there", "NTP"),
    "cores": ({"cores": 1.0}, "cores there", "fewer cores"),
    "memory": (
        {"memory": Memory(total=64 * GIB, limit=GIB // 2)},
        "memory there",
        "out of memory",
    ),
    "files": ({"files": 64}, "open files there", "ulimit -n"),
    "full": ({"room": 1000}, "temporary files there", "TMPDIR"),
    "no room": ({"room": "OSError: no"}, "temporary files there", "TMPDIR"),
}


def test_a_node_as_it_should_be_passes() -> None:
    """Without a remark."""
    checks = compare(HERE, THERE)
    assert all(check.passed and not check.advice for check in checks), checks


@pytest.mark.parametrize(("change", "name", "advice"), WRONG.values(), ids=WRONG)
def test_one_fault_is_one_failure(
    change: dict[str, Any], name: str, advice: str
) -> None:
    """It is named, with what to do."""
    checks = compare(HERE, attrs.evolve(THERE, **change))
    failed = [check for check in checks if not check.passed]
    assert [check.name for check in failed] == [name]
    assert advice in failed[0].advice


@pytest.mark.parametrize(
    ("change", "name", "remark"),
    [
        ({"packages": {"gridmap-core": "0.1"}}, "packages there", "numpy missing"),
        (
            {"reached": {OTHER: "timed out", ADDRESS: ""}},
            "way back to this machine",
            OTHER,
        ),
        ({"resolved": "gaierror: unknown"}, "name head there", "needs no name"),
        ({"modules": "gcc/12"}, "modules there", "cuda/12"),
    ],
    ids=["package", "address", "name", "module"],
)
def test_what_may_be_so_is_a_remark(
    change: dict[str, Any], name: str, remark: str
) -> None:
    """No failure, but it is told."""
    checks = {c.name: c for c in compare(HERE, attrs.evolve(THERE, **change))}
    assert all(check.passed for check in checks.values())
    assert remark in checks[name].found + checks[name].advice
    assert checks[name].advice


def test_a_proxy_that_swallows_what_is_said_is_found() -> None:
    """The address answers, and the run's channel does not."""
    failed = [
        check
        for check in compare(attrs.evolve(HERE, spoken=False), THERE)
        if not check.passed
    ]
    assert [check.name for check in failed] == ["greeting"]


@given(began=st.floats(0, 4e9), sent=st.floats(0, 2e9), took=st.floats(0, 1e6))
def test_a_clock_is_blamed_for_what_waiting_cannot_explain(
    began: float, sent: float, took: float
) -> None:
    """A moment between question and answer accuses nobody."""
    here = attrs.evolve(HERE, sent=sent, heard=sent + took)
    checks = {c.name: c for c in compare(here, attrs.evolve(THERE, began=began))}
    outside = began - here.heard >= 5 or sent - began >= 5
    assert checks["clock there"].passed is not outside


@pytest.mark.parametrize(
    ("meant", "error", "passed", "told"),
    [
        (["10.0.0.1"], "", True, "10.0.0.1"),
        (["127.0.1.1"], "", True, "other addresses"),
        (["10.0.0.9"], "", False, "10.0.0.1"),
        ([], "unknown", True, "unknown"),
    ],
    ids=["right", "debian", "wrong", "none"],
)
def test_a_machines_own_name_is_judged(
    meant: list[str], error: str, passed: bool, told: str
) -> None:
    """Only one that leads elsewhere is a failure."""
    check = judge_name("head", meant, ["10.0.0.1", "127.0.0.1"], error)
    assert check.passed is passed
    assert told in check.found + check.advice


def test_the_probe_answers_where_gridmap_is_not(tmp_path: Path) -> None:
    """With the standard library alone, into a file and onto standard output."""
    script = tmp_path / "probe.py"
    script.write_bytes(Path(probe.__file__).read_bytes())
    question = {
        "connection": str(tmp_path / "none"),
        "imports": ["json", "no_such_module"],
        "factory": "no_such_module:Backend",
        "addresses": [f"unix://{tmp_path}/none.sock"],
        "host": "localhost",
        "directories": [str(tmp_path), str(tmp_path / "none")],
    }
    (tmp_path / probe.QUESTION).write_text(json.dumps(question))
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script)],
        capture_output=True,
        check=True,
        timeout=30,
    )
    answer = msgspec.json.decode((tmp_path / probe.ANSWER).read_bytes(), type=Answer)
    assert msgspec.json.decode(done.stdout, type=Answer) == answer
    assert answer.imports["json"] == ""
    assert "no_such_module" in answer.imports["no_such_module"]
    assert answer.identity[0] == ""
    assert "No module named 'gridmap'" in answer.identity[1]
    assert all(answer.reached.values())
    assert answer.directories[str(tmp_path)] == ""
    assert answer.directories[str(tmp_path / "none")]
    assert answer.cores > 0
