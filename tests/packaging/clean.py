"""Clean environments: wheels built here, and what their metadata asks for, no more.

Nothing is downloaded. A wheel is built by pip from its directory; the environment is a
fresh one of this interpreter's, into which pip puts the wheels. The distributions they
say they need are linked from this test's own environment, so what a wheel needs and
does not name is not there.
"""

import importlib.metadata
import os
import subprocess
import sys
import venv
from collections.abc import Iterable, Sequence
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
MEMBERS = {
    path.parent.name: path.parent
    for path in [
        ROOT / "core" / "pyproject.toml",
        *sorted(ROOT.glob("plugins/*/pyproject.toml")),
    ]
}
_PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
_OFFLINE = ("--no-index", "--no-deps")


def build_wheel(source: Path, place: Path) -> Path:
    """Build a distribution's wheel in an empty directory below *place*; return it."""
    out = place / f"wheel-{source.name}"
    options = ("--no-build-isolation", "--wheel-dir", str(out))
    _run(*_PIP, "wheel", *_OFFLINE, *options, str(source))
    (wheel,) = out.glob("*.whl")
    return wheel


def build_sdist(source: Path, place: Path) -> Path:
    """Build a distribution's source archive below *place*; return it unpacked."""
    out = place / f"sdist-{source.name}"
    command = (
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "-t",
        "sdist",
        "-d",
        str(out),
    )
    _run(*command, cwd=source)
    (archive,) = out.glob("*.tar.gz")
    _run("tar", "-xzf", str(archive), cwd=out)
    return out / archive.name.removesuffix(".tar.gz")


def make_environment(place: Path, wheels: Sequence[Path], *extra: str) -> Path:
    """Make an environment with these wheels; return its Python.

    Args:
        place: Where it goes; must not be there yet.
        wheels: What is installed.
        extra: Requirements besides, such as ``"pytest"``: from this environment.
    """
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    _run(*_PIP, "--python", str(python), "install", *_OFFLINE, *map(str, wheels))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = place / "lib" / version / "site-packages"
    own = {d.name: d for d in importlib.metadata.distributions(path=[str(site)])}
    wanted = [word for d in own.values() for word in d.requires or ()]
    for name in _closure([*wanted, *extra], set(own)):
        _link(importlib.metadata.distribution(name), site)
    return python


def clean_environ() -> dict[str, str]:
    """Return this process's environment without what leads to the checkout."""
    names = ("PYTHON", "VIRTUAL_ENV", "GRIDMAP_", "PYTEST_", "COV")
    return {k: v for k, v in os.environ.items() if not k.startswith(names)}


def _closure(requirements: Iterable[str], there: set[str]) -> set[str]:
    """Return the distributions that satisfy all this, without those already there."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        one = waiting.pop()
        if one.marker and not one.marker.evaluate({"extra": ""}):
            continue
        if one.name in found or one.name in there:
            continue
        found.add(one.name)
        asked = importlib.metadata.distribution(one.name).requires or ()
        waiting += [Requirement(text) for text in asked]
    return found


def _link(distribution: importlib.metadata.Distribution, site: Path) -> None:
    """Let a distribution of this environment be found in another one."""
    tops = {file.parts[0] for file in distribution.files or ()}
    here = Path(str(distribution.locate_file("")))
    for top in tops - {"..", "__pycache__"}:
        if not (site / top).exists():
            (site / top).symlink_to(here / top)


def _run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(
        command,
        check=False,
        cwd=cwd,
        capture_output=True,
        text=True,
        env=clean_environ(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
