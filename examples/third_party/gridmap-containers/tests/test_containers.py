"""Runners start in a real container and with real environment modules."""

import os
import platform
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from gridmap_containers.plugin import surrounded

from gridmap import JobException, grid_map

COMMAND = ("/usr/bin/python3", "-m", "gridmap.runner", "tcp://a b")


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDMAP_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)


def local_map(function: Any, calls: list[Any], **options: Any) -> list[Any]:
    return list(grid_map(function, calls, backend="local", quiet=True, **options))


def need(program: str, package: str) -> None:
    """Skip where a program is missing; on CI it has to be there."""
    if not shutil.which(program) and not Path(program).exists():
        reason = f"no {program}: apt install {package}"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"CI=true, and there is {reason}")
        pytest.skip(reason)


def test_a_command_stays_as_it_is_where_nothing_is_asked_for() -> None:
    """Whoever has the plugin and wants nothing of it notices nothing."""
    assert surrounded(COMMAND, setup=" \n", container="") == COMMAND


def test_set_up_comes_before_the_container() -> None:
    """Which a module may bring; the runner's words stay whole."""
    made = surrounded(COMMAND, setup="module load a\n b", container="in 'my box'")
    shell = ("/bin/bash", "-l", "-c", 'module load a && b && exec "$@"', "bash")
    assert made == (*shell, "in", "my box", *COMMAND)


def test_jobs_run_in_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a root and a name of its own, in which only a few directories are bound."""
    need("bwrap", "bubblewrap")
    libraries = Path(attrs.__file__).resolve().parents[1]
    own = {tmp_path, Path(sys.prefix), Path(sys.base_prefix), libraries, Path("/tmp")}  # noqa: S108 - where runners on one machine are met
    box = ["bwrap", "--unshare-uts", "--hostname", "box", "--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib64"):
        box += ["--symlink", f"usr/{name}", f"/{name}"]
    box += ["--proc", "/proc", "--dev", "/dev", "--ro-bind", "/etc", "/etc"]
    for path in sorted(own - {Path("/usr")}):
        box += ["--bind", str(path), str(path)]
    monkeypatch.setenv("GRIDMAP_CONTAINER", shlex.join(box))
    seen = local_map(lambda _: (platform.node(), Path("/var/lib").exists()), [0, 1])
    assert seen == [("box", False)] * 2


def test_jobs_find_what_a_module_brings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that is not there ends the map, with what the module command says."""
    need("/usr/share/modules/init/sh", "environment-modules")
    (tmp_path / "tool").write_text("#%Module\nsetenv GM_MODULE loaded\n")
    lines = [". /usr/share/modules/init/sh", f"module use {shlex.quote(str(tmp_path))}"]
    monkeypatch.setenv("GRIDMAP_SETUP", "\n".join([*lines, "module load tool"]))
    assert local_map(os.getenv, ["GM_MODULE"]) == ["loaded"]
    monkeypatch.setenv("GRIDMAP_SETUP", "\n".join([*lines, "module load no-such"]))
    with pytest.raises(JobException, match="no-such"):
        local_map(os.getenv, ["GM_MODULE"])
