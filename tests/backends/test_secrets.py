"""No secret of a run is where another user can read it."""

import json
import re
import sys
from pathlib import Path

import pytest
from tests import jobs, traces
from tests.background import BackgroundMap
from tests.sites import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

SECRET = "correct-horse-battery-staple"  # noqa: S105 - it opens nothing


@pytest.fixture
def running(
    cluster_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> BackgroundMap:
    """Return a map of two runners in mid-job, whose user has a password."""
    import functools

    monkeypatch.setenv("GM_PASSWORD", SECRET)
    function = functools.partial(jobs.meet, str(tmp_path))
    made = BackgroundMap(
        function, range(2), add_env={"GM_ADDED": SECRET}, **cluster_site.options
    )
    for number in range(2):
        traces.await_marks(tmp_path, f"job{number}")
    return made


def secrets_of(site: Site) -> list[str]:
    """Return what nobody else may see: keys of the run and the user's password."""
    (path,) = site.runs.glob("*/connection.json")
    content = json.loads(path.read_text())
    keys = [value for name, value in content.items() if "secret" in name]
    assert len(keys) == 1
    assert len(keys[0]) == 40
    return [*keys, SECRET]


def finish(running: BackgroundMap, place: Path) -> None:
    """Let the jobs end."""
    (place / "go").touch()
    assert running.wait(60) == [0, 1]


def test_the_scheduler_shows_no_secret(
    cluster_site: Site, running: BackgroundMap, tmp_path: Path
) -> None:
    """`qstat -j` and `scontrol show job`, which anybody may ask, hold none."""
    site = cluster_site
    name = site.options["name"]
    (job,) = {line.split()[0].split(".")[0].split("_")[0] for line in site.queue(name)}
    commands = {
        "sge": [("qstat", "-j", job), ("qstat", "-u", "*", "-r", "-ext")],
        "slurm": [("scontrol", "-d", "show", "job", job), ("squeue", "-o", "%all")],
    }
    shown = ""
    for command in commands[site.backend]:
        for user in ("gmother", None):
            shown += site.run("head", *command, user=user)
    secrets = secrets_of(site)
    finish(running, tmp_path)
    assert name in shown
    for secret in secrets:
        assert secret not in shown


def test_process_lists_show_no_secret(
    cluster_site: Site, running: BackgroundMap, tmp_path: Path
) -> None:
    """Neither do arguments, nor the environment of runners, even to their own user."""
    site = cluster_site
    listing = ("ps", "axwwe", "-o", "args")
    shown = site.run("head", *listing, user="gmother")
    shown += site.run("n1", *listing, user="gmother") + site.run("n1", *listing)
    environs = ("/bin/sh", "-c", "cat /proc/[0-9]*/environ | tr '\\0' '\\n'")
    runners = "".join(site.run(node, *environs) for node in site.nodes)
    secrets = secrets_of(site)
    finish(running, tmp_path)
    assert "gridmap.runner" in shown
    assert f"GRIDMAP_CONNECTION={site.runs}" in runners
    for secret in secrets:
        assert secret not in shown
        assert secret not in runners


def test_the_connection_file_is_the_users_alone(
    cluster_site: Site, running: BackgroundMap, tmp_path: Path
) -> None:
    """Another user reads neither the file with the key nor the directory."""
    site = cluster_site
    (path,) = site.runs.glob("*/connection.json")
    mode = path.stat().st_mode & 0o777
    seen = site.run("head", "cat", str(path), user="gmother")
    listed = site.run("n1", "ls", str(path.parent), user="gmother")
    finish(running, tmp_path)
    assert mode == 0o600
    assert (seen, listed) == ("", "")


def test_the_command_line_of_a_runner_is_gridmaps(
    cluster_site: Site, running: BackgroundMap, tmp_path: Path
) -> None:
    """What runs is ``python -m gridmap.runner HOME_ADDRESS JOB_PATH``."""
    site = cluster_site
    node, pid = site.pids()[0]
    line = site.run(node, "cat", f"/proc/{pid}/cmdline").split("\0")
    (path,) = site.runs.glob("*/connection.json")
    addresses = json.loads(path.read_text())["addresses"]
    finish(running, tmp_path)
    home, job_path = line[3:5]
    assert line[:3] == [sys.executable, "-m", "gridmap.runner"]
    assert len([word for word in line if word]) == 5
    assert home == addresses[0]
    assert re.fullmatch(r"tcp://[\d.]+:\d+", home)
    assert job_path == str(Path(jobs.__file__).parents[1])


def test_local_runs_listen_on_no_network(site: Site, tmp_path: Path) -> None:
    """On one machine the address is a socket in the run's own directory."""
    import functools

    function = functools.partial(jobs.meet, str(tmp_path))
    running = BackgroundMap(function, [1], **site.options)
    traces.await_marks(tmp_path, "job1")
    (path,) = site.runs.glob("*/connection.json")
    content = json.loads(path.read_text())
    (tmp_path / "go").touch()
    assert running.wait(60) == [1]
    if site.backend == "local":
        assert all(address.startswith("unix:") for address in content["addresses"])
        assert not content.get("client_secret_key")
    else:
        assert all(address.startswith("tcp:") for address in content["addresses"])
        assert content["client_secret_key"]
