"""Names, options and paths that are commands somewhere: taken literally, or refused."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from tests.security import deeds

from gridmap import grid_map
from gridmap.backend import Batch, RunContext
from gridmap.errors import GridMapError, InvalidResourceError, JobException
from gridmap.monitor.opening import safe_name
from gridmap.resources import Resources
from gridmap.rundir import slug
from gridmap_sge import array, native
from gridmap_slurm import sbatch

EVIL: Final = {
    "substitution": "$(touch CANARY)",
    "backquotes": "`touch CANARY`",
    "semicolon": "x; touch CANARY;",
    "line break": "x\ntouch CANARY\n",
    "directive": "x\n#SBATCH --wrap='touch CANARY'\n#$ -V",
    "quotes": "'\" ' touch CANARY '\" '",
    "pattern": "%j %A %a %u %%n",
    "option": "--wrap=touch CANARY",
    "short option": "-V",
    "variables": "$HOME ${HOME} $JOB_ID",
    "slashes": "../../CANARY",
    "mail header": "x\r\nBcc: everybody@example.org",
    "markup": "<script>alert(1)</script>",
    "escape": "\x1b]0;title\x07",
}
ODD_SIGNS: Final = set("$`;\n\r'\"%<>/\\ \x1b&|*?(){}")
SCHEDULERS: Final = [
    pytest.param("sge", marks=pytest.mark.cluster("sge")),
    pytest.param("slurm", marks=pytest.mark.cluster("slurm")),
]


@pytest.mark.parametrize("text", EVIL.values(), ids=EVIL.keys())
def test_a_name_becomes_a_plain_word(text: str) -> None:
    """For schedulers and for files alike, and no option."""
    for word in (safe_name(text), slug(text)):
        assert not ODD_SIGNS & set(word)
        assert not word.startswith(("-", "."))


def batch(resources: Resources) -> tuple[Batch, RunContext]:
    """Return a submission of two runners."""
    context = RunContext(
        token="0" * 32, name="run", directory=Path("/run"), logs=Path("/run/logs")
    )
    return (
        Batch(
            runners=(1, 2),
            command=("/usr/bin/python3", "-m", "gridmap.runner", "tcp://h:1", "-"),
            environment={"GRIDMAP_CONNECTION": "/run/connection.json"},
            directory="/home/user",
            name="run",
            resources=resources,
        ),
        context,
    )


FIELDS: Final[dict[str, Callable[[str], Resources]]] = {
    "queue": lambda text: Resources(queue=text),
    "account": lambda text: Resources(account=text),
    "nodes": lambda text: Resources(nodes=text),
    "par_env": lambda text: Resources(cores=2, options={"par_env": text}),
    "constraint": lambda text: Resources(options={"constraint": text}),
    "dependency": lambda text: Resources(options={"dependency": text}),
}


@pytest.mark.parametrize("make", FIELDS.values(), ids=FIELDS.keys())
@pytest.mark.parametrize("text", EVIL.values(), ids=EVIL.keys())
def test_a_value_is_one_argument_or_refused(
    make: Callable[[str], Resources], text: str
) -> None:
    """It never becomes an option, a second word, or a line of its own."""
    try:
        asked, context = batch(make(text))
        plain, _ = batch(make("plain"))
    except InvalidResourceError:
        return
    for build in (_sge, _slurm):
        try:
            words, script = build(asked, context)
        except GridMapError:
            continue
        others, other_script = build(plain, context)
        assert len(words) == len(others)
        assert script == other_script
        for word, other in zip(words, others, strict=True):
            assert word in (other, other.replace("plain", text))


def _sge(asked: Batch, context: RunContext) -> tuple[tuple[str, ...], str | None]:
    made = array.build(asked, context)
    native.specification(made.options)
    return made.options, None


def _slurm(asked: Batch, context: RunContext) -> tuple[tuple[str, ...], str | None]:
    made = sbatch.build(asked, context, frozenset({"n1", "n2"}))
    return made.command, made.script


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("backend", SCHEDULERS)
def test_evil_names_and_paths_are_taken_literally(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """A map with such a name, from such a directory, gives its results."""
    place = tmp_path / 'it\'s $(touch CANARY) `x` %j "q"; #$ -V'
    place.mkdir()
    gate = tmp_path / "gate"
    gate.touch()
    monkeypatch.chdir(place)
    monkeypatch.setenv("GRIDMAP_RUNS", str(tmp_path / "runs $(touch CANARY); %A"))
    try:
        for name in (EVIL["line break"], EVIL["directive"], EVIL["option"]):
            found = grid_map(
                deeds.square_after,
                [[str(gate), 3], [str(gate), 4]],
                name=name,
                backend=backend,
                max_workers=1,
            )
            assert found == [9, 16]
    finally:
        left = list(tmp_path.rglob("CANARY")) + list(Path.home().glob("CANARY"))
        for base in tmp_path.glob("runs *"):
            base.rmdir()
    assert left == []


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("backend", SCHEDULERS)
@pytest.mark.parametrize("field", ["queue", "account"])
def test_evil_values_are_refused_or_taken_literally(
    tmp_path: Path, backend: str, field: str
) -> None:
    """By us or by the scheduler; a Slurm without accounting takes any account."""
    gate = tmp_path / "gate"
    gate.touch()
    for text in (EVIL["substitution"], EVIL["semicolon"], EVIL["short option"]):
        arguments: dict[str, Any] = {"queue" if field == "queue" else "project": text}
        try:
            found = grid_map(
                deeds.square_after,
                [[str(gate), 3]],
                backend=backend,
                max_workers=1,
                settings={"start_timeout": 10},
                **arguments,
            )
        except (GridMapError, JobException):
            continue
        assert (found, backend, field) == ([9], "slurm", "account")
    assert not list(tmp_path.rglob("CANARY"))
    assert not os.path.exists("CANARY")  # noqa: PTH110 - in whatever directory this is
