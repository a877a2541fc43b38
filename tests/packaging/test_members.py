"""Every member's archives are whole, and install where nothing else of ours is."""

import email
import subprocess
import zipfile
from collections.abc import Mapping
from email.message import Message
from pathlib import Path

import pytest
from tests.packaging.clean import (
    MEMBERS,
    build_sdist,
    build_wheel,
    clean_environ,
    make_environment,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
MAP = "from gridmap import grid_map; print(grid_map(abs, [-1, -2]{}))"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Return each member's wheel, built from its source archive as a packager would."""
    place = tmp_path_factory.mktemp("members")
    return {
        name: build_wheel(build_sdist(source, place), place)
        for name, source in MEMBERS.items()
    }


def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = [n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")]
    return email.message_from_bytes(wheel.read(name))


@pytest.mark.parametrize("member", MEMBERS)
def test_nothing_is_left_out(member: str, wheels: Mapping[str, Path]) -> None:
    """All of the package is in both archives: types, licence, pages and scripts too."""
    with zipfile.ZipFile(wheels[member]) as wheel:
        there = set(wheel.namelist())
    source = MEMBERS[member] / "src"
    files = (p for p in source.rglob("*") if p.is_file() and p.suffix != ".pyc")
    wanted = {str(path.relative_to(source)) for path in files}
    assert wanted <= there
    assert any(name.endswith("/py.typed") for name in there)
    assert any(name.endswith("/licenses/LICENSE") for name in there)


@pytest.mark.parametrize("member", MEMBERS)
def test_the_metadata_is_complete(member: str, wheels: Mapping[str, Path]) -> None:
    """An index and a packager learn what they need."""
    with zipfile.ZipFile(wheels[member]) as wheel:
        told = metadata(wheel)
    assert told["Name"] == f"gridmap-{member}"
    assert told["Version"]
    assert told["Summary"]
    assert told["License-Expression"] == "BSD-3-Clause"
    assert told["Requires-Python"] == ">=3.11"
    assert told["Description-Content-Type"] == "text/markdown"
    assert len(str(told.get_payload())) > 100
    assert "Typing :: Typed" in told.get_all("Classifier", [])
    needs = told.get_all("Requires-Dist", [])
    assert member == "core" or any(one.startswith("gridmap-core") for one in needs)


def run(python: Path, code: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a clean environment, with runs of its own."""
    return subprocess.run(
        [python, "-c", code],
        check=False,
        cwd=place,
        env={**clean_environ(), "GRIDMAP_RUNS": str(place / "runs")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_core_alone_says_what_is_missing(
    wheels: Mapping[str, Path], tmp_path: Path
) -> None:
    """Whether a backend was named or not."""
    python = make_environment(tmp_path / "clean", [wheels["core"]])
    for argument in ("", ", backend='local'"):
        done = run(python, MAP.format(argument), tmp_path)
        assert done.returncode == 1
        assert "gridmap-local" in done.stderr.splitlines()[-1]


def test_core_and_local_run_a_map(wheels: Mapping[str, Path], tmp_path: Path) -> None:
    """With what their metadata asks for, and nothing else."""
    both = [wheels["core"], wheels["local"]]
    python = make_environment(tmp_path / "clean", both)
    done = run(python, MAP.format(", backend='local'"), tmp_path)
    assert (done.returncode, done.stdout) == (0, "[1, 2]\n"), done.stderr
