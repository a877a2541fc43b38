"""``gridmap demo``: a real map over real runners on this machine."""

from .conftest import Shell


def test_a_map_is_run_and_accounted_for(shell: Shell) -> None:
    """Every call is right, and each was done by a runner that is listed."""
    report = shell.json("demo", "--backend", "local", "--calls", "6")
    assert report["backend"] == "local"
    assert report["wrong"] == []
    assert sum(runner["calls"] for runner in report["runners"]) == 6
    assert all(runner["node"] for runner in report["runners"])
    assert 0 < report["seconds_until_first_runner"] < report["seconds"]


def test_the_summary_is_for_people(shell: Shell) -> None:
    """One line a runner, then what it came to; no bar where no terminal is."""
    result = shell.run("demo", "--calls", "3", "--max-workers", "1")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "3 calls of 0.1 s on backend local: no cluster can be used" in result.stdout
    assert "All 3 results are right." in result.stdout
    assert "1 runner on 1 node did" in result.stdout


def test_a_backend_that_is_not_usable_is_one_message(shell: Shell) -> None:
    """The reason is given, with status 1."""
    result = shell.run("demo", "--backend", "slurm")
    assert result.returncode == 1
    assert "'slurm' is installed but not usable here" in result.stderr
    assert "Traceback" not in result.stderr
