"""``gridmap doctor``: what is wrong is found, explained, and told by the status."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from .conftest import VERBS, YES, Shell


def failures(report: Any) -> dict[str, Any]:
    """Return the failed checks by name."""
    return {
        check["name"]: check
        for section in report["sections"]
        for check in section["checks"]
        if not check["passed"]
    }


def checks(report: Any) -> dict[str, Any]:
    """Return all checks by name."""
    return {
        check["name"]: check
        for section in report["sections"]
        for check in section["checks"]
    }


def test_a_healthy_machine_passes(shell: Shell) -> None:
    """Everything is looked at, and nothing is left behind."""
    report = shell.json("doctor")
    assert report["passed"] is True
    assert {"Python", "gridmap", "settings", "run directory", "clock"} <= set(
        checks(report)
    )
    runs = shell.home / ".local" / "state" / "gridmap" / "runs"
    assert list(runs.iterdir()) == []
    printed = shell.run("doctor").stdout
    assert "FAIL" not in printed
    assert "checks passed." in printed


def test_it_looks_at_what_the_user_uses(shell: Shell) -> None:
    """The backend of the settings, else that of the last run; it says which and why."""
    shell.offer("fine")

    def chosen(setting: str = "") -> tuple[str, str]:
        found = shell.json("doctor", "--no-probe", GRIDMAP_BACKEND=setting)
        report = checks(found)
        (name,) = {"fine", "local"} & set(report)
        return name, report[name]["found"]

    assert chosen()[0] == "fine"
    ran = shell.run("demo", "--backend", "local")
    assert ran.returncode == 0, ran.stderr
    name, why = chosen()
    assert name == "local"
    assert "as your last run had it, demo (" in why
    name, why = chosen("fine")
    assert name == "fine"
    assert "named by environment variable GRIDMAP_BACKEND" in why


def test_every_failure_says_what_to_do(shell: Shell) -> None:
    """A check that fails has found something and has advice."""
    shell.install("sick", "raise RuntimeError('no')")
    report = shell.json(
        "doctor",
        "--no-probe",
        "--backend",
        "slurm",
        status=1,
        GRIDMAP_COMPRESSION="zip",
    )
    failed = failures(report)
    assert {"settings", "plugin sick", "slurm usable here"} <= set(failed)
    assert all(check["found"] and check["advice"] for check in failed.values())
    result = shell.run("doctor", "--no-probe", "--backend", "slurm")
    assert result.returncode == 1
    assert "FAIL  slurm usable here: " in result.stdout


def test_a_network_backend_is_told_which_addresses_would_be_offered(
    shell: Shell,
) -> None:
    """The socket of a run is opened for that, with the settings of a run."""
    shell.offer("fine")
    report = shell.json("doctor", "--no-probe", "-b", "fine", GRIDMAP_HOST="127.0.0.1")
    offered = checks(report)["offered to nodes"]
    assert offered["found"].startswith("tcp://127.0.0.1 ")
    assert "Only this machine can reach that" in offered["advice"]
    report = shell.json(
        "doctor", "--no-probe", "-b", "fine", status=1, GRIDMAP_INTERFACE="nosuch0"
    )
    failed = failures(report)
    assert "no interface 'nosuch0'" in failed["listening"]["found"]


def test_a_run_directory_that_cannot_be_made(shell: Shell) -> None:
    """It is said which, and how to name another."""
    file = shell.home / "file"
    file.touch()
    failed = failures(
        shell.json("doctor", "--no-probe", status=1, GRIDMAP_RUNS=str(file / "runs"))
    )
    assert str(file) in failed["run directory"]["found"]
    assert "run_directory" in failed["run directory"]["advice"]


def test_a_full_disk_is_no_bug(shell: Shell) -> None:
    """The probe's own run cannot begin, which says what to mend."""
    command = [sys.executable, "-m", "gridmap", "doctor", "-b", "local", "--json"]
    done = subprocess.run(
        ["sh", "-c", 'trap "" XFSZ; ulimit -f 1; exec "$@"', "sh", *command],
        capture_output=True,
        check=False,
        cwd=shell.home,
        env=shell.environ | {"PATH": os.environ["PATH"]},
        timeout=30,
    )
    assert done.returncode == 1, done.stderr
    failed = failures(json.loads(done.stdout))
    assert "File too large" in failed["probe"]["found"]
    assert failed["probe"]["advice"] == "Mend that, and ask again."


def test_a_run_directory_that_others_can_write_to(shell: Shell) -> None:
    """A place where others could exchange files is no place for keys."""
    shared = shell.home / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    failed = failures(
        shell.json("doctor", "--no-probe", status=1, GRIDMAP_RUNS=str(shared))
    )
    assert "anybody can write" in failed["run directory"]["found"]


def test_plugins_add_checks_of_their_own(shell: Shell) -> None:
    """They are asked about the backend that is looked at."""
    shell.install(
        "nurse",
        """
        from gridmap.backend import Check
        from gridmap.hookspecs import hookimpl

        @hookimpl
        def gridmap_doctor(backend):
            return [Check(name="licence", passed=False, found=backend, advice="pay")]
        """,
    )
    assert (
        failures(shell.json("doctor", "--no-probe", status=1))["licence"]["found"]
        == "local"
    )


@pytest.mark.parametrize(
    "body", ["raise RuntimeError('no')", "return 5", "return ['ok']", "exit(4)"]
)
def test_a_plugins_check_that_fails_hides_no_other(shell: Shell, body: str) -> None:
    """The plugin is named, and everything else is looked at all the same."""
    shell.install(
        "nurse",
        "from gridmap.hookspecs import hookimpl\n"
        f"@hookimpl\ndef gridmap_doctor():\n    {body}\n",
    )
    report = shell.json("doctor", "--no-probe", status=1)
    assert set(failures(report)) == {"checks of plugin nurse"}
    assert {"usable cores", "run directory"} <= set(checks(report))


def test_a_backend_that_does_not_load_is_found_out(shell: Shell) -> None:
    """Whether it can be used is not only asked but tried."""
    shell.offer("fine")
    module = shell.plugins / "plugin_fine.py"
    module.write_text(module.read_text().replace("class Backend", "class Other"))
    failed = failures(shell.json("doctor", "--no-probe", "-b", "fine", status=1))
    assert "failed to load" in failed["fine loads"]["found"]


def test_a_backend_without_a_verb_is_found_out(shell: Shell) -> None:
    """It would fail at the first map."""
    shell.offer("fine", YES.format(50))
    module = shell.plugins / "plugin_fine.py"
    assert "gridmap_kill" in VERBS
    module.write_text(module.read_text().replace("gridmap_kill", "gridmap_klil"))
    failed = failures(shell.json("doctor", "--no-probe", "-b", "fine", status=1))
    assert "gridmap_k" in failed["fine loads"]["found"]
