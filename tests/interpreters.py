"""Run what needs no cluster on the other Pythons that gridmap supports.

Usage: ``python3 -m tests.interpreters [PYTEST ARGUMENTS]``, in the checkout's root.

The whole suite runs on one Python, see tests/suite.py. A share of it runs here on each
other one that this machine has, side by side, with the same locked requirements, and
with gridmap built and installed as users have it. One that is not there is told, and
is no failure. They run as whoever calls this: a Python below root's home is closed to
the clusters' user.

Only the standard library is used: this runs before anything is installed.
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import suite

SUPPORTED = ("3.11", "3.12", "3.13")
WHOLE_RUNS = (
    "exceptions",
    "executor",
    "executor_manners",
    "functions",
    "results",
    "surroundings",
    "values",
)
UNITS = (
    "journal",
    "local",
    "mail",
    "monitor",
    "payload",
    "plugins",
    "protocol",
    "runner",
    "settings",
)
SHARE = (
    *(f"tests/unit/{name}" for name in UNITS),
    "tests/protocol",
    "tests/compatibility",
    *(f"tests/integration/test_{name}.py" for name in WHOLE_RUNS),
    "tests/backends/local",
)
QUICK = ("-m", "not cluster and not slow", "--reruns=1", "-rR")
CHECK = "import ensurepip, sys, venv; print(*sys.version_info[:3], sep='.')"


def main(arguments: Sequence[str]) -> int:
    """Run pytest with *arguments* on each, and say which there were; return a status."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted = [version for version in SUPPORTED if version != own]
    there = {version: python for version in wanted if (python := find(version))}
    name = suite.digest(str(suite.ROOT))[:12]
    place = suite.AREA / f"gridmap-pythons-{os.getuid()}-{name}"
    if "--clean" in arguments:
        shutil.rmtree(place, ignore_errors=True)
        return 0
    suite.own_directory(place)
    checkout = suite.stage(place / "checkout")
    os.environ["PIP_NO_COMPILE"] = "1"  # half of the time, for what runs once
    with ThreadPoolExecutor() as beside:
        venvs = [place / f"venv-{version}" for version in there]
        installed = functools.partial(
            suite.environment, checkout=checkout, in_place=False
        )
        pythons = list(beside.map(installed, venvs, there.values()))
    tests = arguments or [*SHARE, *QUICK]
    os.environ["GRIDMAP_TEST_NO_CLUSTERS"] = "no clusters: another Python is tried"
    parts = [suite.Part([str(python), "-m", "pytest", *tests]) for python in pythons]
    status = suite.run(parts, cwd=checkout) if parts else 0
    for version in wanted:
        found = there.get(version)
        suite.say(f"Python {version}: {found or 'not on this machine, NOT TESTED'}")
    return status


def find(version: str) -> str | None:
    """Return a Python of this version that can make environments; None: there is none."""
    for candidate in candidates(version):
        command = [candidate, "-c", CHECK]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.startswith(f"{version}."):
            return candidate
    return None


def candidates(version: str) -> Iterator[str]:
    """Yield what may be a Python of this version."""
    named = shutil.which(f"python{version}")
    if named is not None:
        yield named
    # What pyenv puts on PATH does nothing unless somebody has chosen that version.
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for path in sorted(versions.glob(f"{version}.*/bin/python{version}")):
        yield str(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
