"""What the documentation's tests share."""

import importlib
import os
import stat
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridmap import plugins
from gridmap.plugins import entries

TOYQ = Path(__file__).resolve().parents[2] / "examples" / "toyq"


@pytest.fixture(scope="session")
def toyq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the example backend as pip would, as far as anybody can tell.

    Its entry points are found by its metadata, its program on PATH, and both by child
    processes too; nothing is downloaded, and nothing stays behind.
    """
    place = tmp_path_factory.mktemp("toyq")
    project = tomllib.loads((TOYQ / "pyproject.toml").read_text())["project"]
    info = place / f"gridmap_toyq-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = project["entry-points"]["gridmap"]
    lines = ["[gridmap]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    module, _, function = project["scripts"]["toyq"].partition(":")
    program = place / "bin" / "toyq"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\n"
        f"sys.exit({function}())\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    paths = [str(TOYQ / "src"), str(place)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOYQ_SPOOL", str(place / "spool"))
        patch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        old = os.environ.get("PYTHONPATH")
        patch.setenv("PYTHONPATH", os.pathsep.join([*paths, *([old] if old else [])]))
        patch.setattr(sys, "path", [*paths, *sys.path])
        importlib.invalidate_caches()
        _look_again()
        yield place
    _look_again()


def _look_again() -> None:
    """Have plugins looked for anew, in this process too."""
    entries.known.cache_clear()
    plugins.installed.cache_clear()
