"""The form of a submission."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.sge.doubles import CONTEXT, batch

from gridmap.backend import RunContext
from gridmap.errors import InvalidResourceError
from gridmap.resources import Resources
from gridmap_sge import array

TEXTS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12
)
PLAIN_QSUB = (
    *("qsub", "-terse", "-b", "y", "-shell", "n", "-w", "e", "-r", "y"),
    *("-ac", "GRIDMAP_RUN=5eed,GRIDMAP_FIRST=10", "-N", "sweep", "-wd", "/home/me"),
    *("-o", ":/run/r/logs/$JOB_ID.$TASK_ID.log", "-j", "y", "-t", "1-2"),
    *("/usr/bin/python3", "-m", "gridmap.runner", "tcp://h:1", "/job path"),
)


def context(logs: str) -> RunContext:
    """Return a run whose logs go to a directory."""
    return msgspec.structs.replace(CONTEXT, logs=Path(logs))


def test_a_plain_batch_becomes_a_plain_command() -> None:
    """Nothing of ours stands between Grid Engine and the runner."""
    assert array.build(batch(), CONTEXT).qsub() == PLAIN_QSUB


@pytest.mark.parametrize(
    "asked",
    [
        {"options": {"resources": "arch=lx-amd64,s_rt=60"}},
        {"native": ("-l h_rt=90,s_rt=0:1:0",)},
    ],
)
def test_a_runner_knows_of_its_soft_limit(asked: dict[str, Any]) -> None:
    """However it was asked for: else the signal that tells of it would end it."""
    one = array.build(batch(resources=Resources(**asked)), CONTEXT)
    assert "GRIDMAP_SGE_SOFT_LIMIT=1" in one.arguments


def test_drmaa_gets_the_same() -> None:
    """A job template has what qsub's arguments have."""
    assert array.build(batch(), CONTEXT).template() == {
        "jobName": "sweep",
        "remoteCommand": "/usr/bin/python3",
        "args": ["-m", "gridmap.runner", "tcp://h:1", "/job path"],
        "workingDirectory": "/home/me",
        "outputPath": ":/run/r/logs/$JOB_ID.$TASK_ID.log",
        "joinFiles": True,
        "nativeSpecification": "-b y -shell n -w e -r y "
        "-ac GRIDMAP_RUN=5eed,GRIDMAP_FIRST=10",
    }


def test_variables_go_through_env() -> None:
    """Sorted, so that the same batch is always the same text."""
    resources = Resources(walltime=60, options={"notify": "1"})
    one = array.build(
        batch(environment={"B": "x=y", "A": "1"}, resources=resources), CONTEXT
    )
    assert one.program == "/usr/bin/env"
    assert one.arguments[:4] == (
        *("A=1", "B=x=y", "GRIDMAP_SGE_NOTIFY=1", "GRIDMAP_SGE_WALLTIME=60"),
    )


@pytest.mark.parametrize("logs", ["/a b", "/a'b", '/a"b', "/a:b", "/aüb", "/a%b"])
def test_harmless_directories_need_no_shell(logs: str) -> None:
    """A shell stands in only where it must."""
    one = array.build(batch(), context(logs))
    assert one.program == "/usr/bin/python3"
    assert one.log == f"{logs}/$JOB_ID.$TASK_ID.log"


@pytest.mark.parametrize("logs", ["/a$b", "/a,b", "/a\nb"])
def test_a_shell_opens_logs_that_grid_engine_cannot(logs: str) -> None:
    """Then Grid Engine is given no odd path at all."""
    one = array.build(batch(), context(logs))
    assert (one.program, one.arguments[0]) == ("/bin/sh", "-c")
    assert (one.directory, one.log) == ("/", "/dev/null")


@settings(max_examples=60, deadline=None)
@given(words=st.lists(TEXTS, max_size=4), value=TEXTS)
def test_a_line_of_shell_changes_no_word(
    words: list[str], value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Arguments, variables and paths arrive as they are, through one line."""
    place = tmp_path_factory.mktemp("it's $HOME, \n so")
    program = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['V'], os.getcwd()]))"
    command = (sys.executable, "-c", program, *words)
    one = array.build(
        batch(command=command, environment={"V": value}, directory=str(place)),
        context(str(place)),
    )
    assert "\n" not in "".join(one.arguments)
    environ = {"JOB_ID": "7", "SGE_TASK_ID": "3"}
    subprocess.run([one.program, *one.arguments], env=environ, check=True, cwd="/")
    log = json.loads((place / "7.3.log").read_text())
    assert log == [words, value, str(place)]


def test_senseless_resources_are_refused() -> None:
    """Before anything is submitted."""
    with pytest.raises(InvalidResourceError):
        array.build(batch(resources=Resources(queue="a b")), CONTEXT)
