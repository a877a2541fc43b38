"""What another user of the cluster can see of a run: no key, nothing of the user's own.

The second user looks where schedulers and kernels show things, while a run is open and
its jobs are running, for the run's secret key and for a variable of the environment.
"""

import base64
import logging
import os
import secrets
import stat
from pathlib import Path
from typing import Final

import pytest
from tests.cluster.client import Cluster, HostName
from tests.security import deeds
from tests.security.besieged import Siege, siege

from gridmap import grid_map
from gridmap.events import RunnerUp
from gridmap.settings import load_settings

HOSTS: Final[tuple[HostName, ...]] = ("head", "n1", "n2")

EVERYWHERE: Final = r"""
ps axeww
cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n'
"""

SGE: Final = r"""
for job in $(qstat -u '*' | awk 'NR > 2 { print $1 }' | sort -u); do qstat -j $job; done
qstat -u '*' -xml -j '*'
qstat -u '*' -xml -r -ext
"""

SLURM: Final = r"""
scontrol show job --details
scontrol show job --oneliner
squeue --all --format='%all'
for job in $(squeue --noheader --format=%A | sort -u); do
    scontrol write batch_script $job - 2>&1
done
"""

SPOOLS: Final = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /usr \) -prune -o \
    -type f -readable -newermt "$1" -size -4096k -print0 2>/dev/null |
    xargs -0 -r grep -l -a -F -e "$2" -e "$3" 2>/dev/null || true
"""


@pytest.fixture
def cluster() -> Cluster:
    """Return the cluster these tests run on."""
    found = Cluster.find()
    assert found is not None
    return found


def look(cluster: Cluster, host: HostName, script: str, *words: str) -> str:
    """Run a script on a host as the other user; return all that it printed."""
    command = ["sh", "-c", script, "sh", *words]
    done = cluster.run(host, command, user="gmother", timeout=120.0)
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "backend",
    [
        pytest.param("sge", marks=pytest.mark.cluster("sge")),
        pytest.param("slurm", marks=pytest.mark.cluster("slurm")),
    ],
)
def test_another_user_finds_no_secret(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    cluster: Cluster,
    backend: str,
) -> None:
    """Neither in the scheduler's words, nor in processes, nor in any readable file."""
    caplog.set_level(logging.DEBUG)
    token = f"canary-{secrets.token_hex(16)}"
    monkeypatch.setenv("MY_TOKEN", token)
    since = look(cluster, "head", "date '+%Y-%m-%d %H:%M:%S' -d '-1 sec'").strip()
    control = f"/tmp/gridmap-control-{secrets.token_hex(4)}"  # noqa: S108 - to be found
    look(cluster, "head", 'printf "%s" "$1" > "$2"', token, control)
    with siege(tmp_path, backend, runners=2, jobs=2) as run:
        key = run.file.client_secret_key
        assert key is not None
        shown: dict[str, str] = {h: look(cluster, h, EVERYWHERE) for h in HOSTS}
        script = SGE if backend == "sge" else SLURM
        shown["scheduler"] = look(cluster, "head", script)
        assert run.handle(1)[0] in shown["scheduler"], "the job was looked at"
        for where, text in shown.items():
            for secret in (key, token, base64.b64encode(key.encode()).decode()):
                assert secret not in text, where
        for host in HOSTS:
            found = look(cluster, host, SPOOLS, since, token, key)
            assert found.split() == [control], host
        path = run.directory / "connection.json"
        refused = look(cluster, "n1", f"cat {path}; ls {run.directory}/logs")
        assert refused.count("Permission denied") == 2
        check_texts(run, key)
        run.finish()
    look(cluster, "head", 'rm "$1"', control)
    assert key not in caplog.text
    assert token not in caplog.text


def check_texts(run: Siege, key: str) -> None:
    """Look at what a person might print, and at what lies in the run's directory."""
    settings, _ = load_settings({})
    engine = run.monitor._engine
    assert engine is not None
    opened = engine.opened
    for thing in (run.file, opened, run.monitor.settings, settings, run.events):
        assert key not in f"{thing!r}{thing}"
    for path in run.directory.rglob("*"):
        if path.is_dir():  # a scheduler opens logs as its own umask has it
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
        if path.is_file() and path.name != "connection.json":
            assert key.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("backend", ["local", "loopback"])
def test_arguments_and_environment_of_runners_hold_no_key(
    tmp_path: Path, backend: str
) -> None:
    """They are given a path, and the path of a private file."""
    with siege(tmp_path / "place", backend, runners=1) as run:
        key = (run.file.client_secret_key or "no key on ipc").encode()
        (pid,) = {event.pid for event in run.seen(RunnerUp)}
        assert key not in Path(f"/proc/{pid}/cmdline").read_bytes()
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert key not in environment
        assert os.fsencode(run.directory / "connection.json") in environment
        check_texts(run, key.decode())
        run.finish()


def test_the_jobs_environment_arrives_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in no file and no argument is where the job looks for it."""
    monkeypatch.setenv("MY_TOKEN", "canary")
    gate = tmp_path / "gate"
    gate.touch()
    found = grid_map(
        deeds.variable,
        [[str(gate), "MY_TOKEN"]],
        backend="loopback",
        settings={"interface": "lo"},
    )
    assert found == ["canary"]
