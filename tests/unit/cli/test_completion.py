"""What shells complete: a script for each, and words from this installation."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gridmap.rundir import RunDirectory

from .conftest import Shell


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell: Shell, name: str) -> None:
    """The script is printed for the shell that is named, or the user's own."""
    environ = {"PATH": os.environ["PATH"]}  # click asks bash for its version
    named = shell.run("completion", name, **environ)
    assert named.returncode == 0
    assert "_GRIDMAP_COMPLETE" in named.stdout
    own = shell.run("completion", SHELL=f"/usr/bin/{name}", **environ)
    assert own.stdout == named.stdout


def test_an_unknown_shell_is_a_usage_error(shell: Shell) -> None:
    """Where it cannot be found out, it has to be named."""
    result = shell.run("completion", SHELL="/bin/tcsh")
    assert result.returncode == 2
    assert "name one of bash, fish, zsh" in result.stderr


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gridmap ba", {"backends"}),
        ("gridmap doctor --ba", {"--backend"}),
        ("gridmap doctor --backend s", {"sge", "slurm"}),
    ],
    ids=["command", "option", "backend"],
)
def test_words_are_completed(shell: Shell, line: str, expected: set[str]) -> None:
    """A shell that asks gets commands, options and names of backends."""
    result = shell.run(
        _GRIDMAP_COMPLETE="bash_complete",
        COMP_WORDS=line,
        COMP_CWORD=str(len(line.split()) - 1),
    )
    found = {entry.partition(",")[2] for entry in result.stdout.splitlines()}
    assert found == expected


@pytest.mark.parametrize(
    ("begun", "expected"),
    [
        ("", ["slow\\ \\$weep", "sweep"]),
        ("slo", ["slow\\ \\$weep"]),
        ("slow\\ ", ["slow\\ \\$weep"]),
        ("'slo", ["slow $weep"]),
    ],
    ids=["nothing", "word", "backslash", "quotation mark"],
)
def test_bash_completes_runs_whose_name_needs_quotes(
    shell: Shell, begun: str, expected: list[str]
) -> None:
    """The word that a real bash puts into the line is one word, and that run's name."""
    bash = shutil.which("bash")
    assert bash is not None
    for name in ("slow $weep", "sweep"):
        RunDirectory.named(shell.home / "runs", name)
    programs = shell.environ["PATH"]
    installed = Path(programs, "gridmap")
    installed.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gridmap "$@"\n')
    installed.chmod(0o755)
    script = """
        eval "$(gridmap completion bash)"
        COMP_WORDS=(gridmap attach "$BEGUN") COMP_CWORD=2
        _gridmap_completion gridmap
        printf '%s\n' "${COMPREPLY[@]}"
    """
    result = subprocess.run(
        [bash, "--norc", "-c", script],
        capture_output=True,
        check=False,
        env=shell.environ
        | {
            "BEGUN": begun,
            "GRIDMAP_RUNS": str(shell.home / "runs"),
            "PATH": f"{programs}:{os.environ['PATH']}",
        },
        text=True,
        timeout=60,
    )
    assert result.stdout.splitlines() == expected, result.stderr
