"""``gridmap render``: what would be submitted, and that nothing is."""

import subprocess
from pathlib import Path

import pytest

from .conftest import YES, Shell


def test_the_submission_is_that_of_a_map(shell: Shell) -> None:
    """What is asked for, and what the settings say, is in the submission."""
    shell.offer("fine")
    report = shell.json(
        "render", "--backend=fine", "--jobs=4", "--native=-x y", DEFAULT_QUEUE="long"
    )
    assert report["submissions"] == [
        {
            "runners": 4,
            "command": ["submit", "gridmap_job", "long", "-x y"],
            "script": None,
        }
    ]


def test_a_large_map_is_split_as_the_scheduler_needs_it(shell: Shell) -> None:
    """No submission holds more than the scheduler's largest array."""
    shell.offer("fine")
    report = shell.json("render", "-b", "fine", "--jobs", "25")
    assert [one["runners"] for one in report["submissions"]] == [10, 10, 5]
    report = shell.json("render", "-b", "fine", "--jobs", "25", "--max-workers", "3")
    assert [one["runners"] for one in report["submissions"]] == [3]


def test_nothing_is_made_or_submitted(shell: Shell) -> None:
    """No run directory comes into being; submit would have raised."""
    shell.offer("fine")
    before = set(shell.home.rglob("*"))
    assert shell.run("render", "-b", "fine", "--jobs", "3").returncode == 0
    assert set(shell.home.rglob("*")) == before


def test_slurms_submission_can_be_pasted(shell: Shell, tmp_path: Path) -> None:
    """What is printed is shell: a program called sbatch gets the very arguments."""
    result = shell.run(
        "render",
        "-b",
        "slurm",
        "--jobs",
        "3",
        "--memory",
        "2G",
        "--option",
        "qos=a b",
    )
    assert result.returncode == 0
    assert "not usable here" in result.stderr
    program = tmp_path / "bin" / "sbatch"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n/bin/cat\n')
    program.chmod(0o755)
    pasted = subprocess.run(
        ["/bin/sh"],
        capture_output=True,
        check=True,
        env=shell.environ,
        input=result.stdout,
        text=True,
        timeout=30,
    ).stdout.splitlines()
    report = shell.json(
        "render",
        "-b",
        "slurm",
        "--jobs",
        "3",
        "--memory",
        "2G",
        "--option",
        "qos=a b",
    )
    (submission,) = report["submissions"]
    words = [*submission["command"][1:], *submission["script"].splitlines()]
    assert pasted == words
    assert "--qos=a b" in words
    assert "--array=1-3" in words


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--memory", "1Q"], "memory='1Q' is not an amount of memory"),
        (["--cores", "0"], "cores=0 must be a whole number of at least 1"),
        (["--walltime", "soon"], "walltime='soon' is not a length of time"),
        (["--jobs", "0"], "x>=1"),
        (["--option", "qos"], "'qos' is not of the form KEY=VALUE"),
    ],
    ids=["memory", "cores", "walltime", "jobs", "option"],
)
def test_what_makes_no_sense_is_a_usage_error(
    shell: Shell, words: list[str], message: str
) -> None:
    """It is said which word, before any backend is looked at."""
    result = shell.run("render", *words)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_backend_of_another_interface_is_refused(shell: Shell) -> None:
    """Its verbs are not called."""
    shell.offer("old", YES.format(5), "interface=99")
    result = shell.run("render", "-b", "old")
    assert result.returncode == 1
    assert "hook interface 99" in result.stderr
