"""``gridmap conform``: the suite from the command line, on a site's own cluster."""

from pathlib import Path

import pytest
from tests.conformance.bugs import BUGS
from tests.conformance.mutants.ending import KillsTheWholeArray
from tests.conformance.mutants.starting import ShowsTheEnvironment

from gridmap_local.backend import LocalBackend

from .conftest import OFFER, Shell

ROOT = Path(__file__).resolve().parents[3]
PATH = "/usr/bin:/bin"  # the suite's runners are shell scripts
LOCAL = "gridmap_local.plugin:available"


def offer(shell: Shell, name: str, factory: str, availability: str = LOCAL) -> None:
    """Install a plugin whose backend is made and asked for elsewhere."""
    source = OFFER.format(name=name, module="M", availability="None", extra="")
    source = source.replace("M:Backend", factory).replace("M:available", availability)
    shell.install(name, source)


@pytest.mark.slow
def test_a_sound_backend_conforms(shell: Shell, tmp_path: Path) -> None:
    """Each case is told as it ends; the report is in the file too; no file stays."""
    path = tmp_path / "report.txt"
    words = (
        "-k",
        "idempotent or render or in_the_queue",
        "--within=20",
        f"--report={path}",
    )
    result = shell.run("conform", "local", *words, PATH=PATH)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1/5   ok  render is pure" in result.stdout
    assert "say with --held" in result.stdout
    assert "local conforms: 4 passed, 1 skipped." in result.stdout
    report = path.read_text()
    assert "distribution: gridmap-local" in report
    assert "ok  kill is idempotent" in report
    assert not list(shell.home.rglob("conform-*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "mutant", [KillsTheWholeArray, ShowsTheEnvironment], ids=lambda m: m.__name__
)
def test_a_broken_rule_is_named(shell: Shell, mutant: type[LocalBackend]) -> None:
    """With what was seen, and where the files are; the status says that it failed."""
    bug = BUGS[mutant]
    offer(shell, "mutant", f"{mutant.__module__}:{mutant.__name__}")
    path = f"{shell.environ['PYTHONPATH']}:{ROOT}"
    words = ("conform", "mutant", "--within=3", "-k", bug.case.removeprefix("test_"))
    report = shell.json(*words, status=1, PATH=PATH, PYTHONPATH=path)
    assert (report["passed"], report["counts"]["failed"]) == (False, 1)
    (case,) = report["cases"]
    assert case["rule"]["name"] == bug.rule.name
    assert case["detail"]
    assert Path(report["files"]).is_dir()


def test_what_is_wrong_in_each_case_is_told_once(shell: Shell) -> None:
    """A verb that is missing fails nearly all of the suite, in the same words."""
    offer(shell, "bare", "builtins:object")
    result = shell.run("conform", "bare", "-k", "render", PATH=PATH)
    assert result.returncode == 1
    assert result.stdout.count("FAIL") == 3
    assert result.stdout.count("broke the contract") == 1
    assert result.stdout.count("as the one before") == 2


def test_what_cannot_be_written_is_told_before_anything_is_tried(shell: Shell) -> None:
    """The suite takes minutes on a cluster."""
    file = shell.home / "file"
    file.touch()
    result = shell.run("conform", "local", "--report", str(file / "x"))
    assert (result.returncode, result.stdout) == (2, "")
    assert f"the directory {file} is not there" in result.stderr
    result = shell.run("conform", "local", GRIDMAP_RUNS=str(file / "runs"))
    assert (result.returncode, result.stdout) == (1, "")
    assert "name a directory that the nodes share with --place" in result.stderr


def test_an_unknown_backend_is_a_mistake(shell: Shell) -> None:
    """Those there are are named."""
    result = shell.run("conform", "locl")
    assert result.returncode == 2
    assert "local" in result.stderr


def test_an_unusable_backend_is_not_tried(shell: Shell) -> None:
    """It says why it cannot be used here."""
    result = shell.run("conform", "slurm")
    assert result.returncode == 1
    assert "sbatch" in result.stderr


def test_without_pytest_it_says_what_to_install(shell: Shell) -> None:
    """The suite is an extra of core's."""
    (shell.plugins / "sitecustomize.py").write_text(
        "import sys\nsys.modules['pytest'] = None\n"  # as if it were not installed
    )
    result = shell.run("conform", "local")
    assert result.returncode == 1
    assert "pip install 'gridmap-core[testing]'" in result.stderr


def test_words_that_fit_no_case_are_told(shell: Shell) -> None:
    """Nothing tried is nothing proven."""
    result = shell.run("conform", "local", "-k", "zwirbelgockel")
    assert result.returncode == 1
    assert "no case has a name that fits 'zwirbelgockel'" in result.stderr
