"""Finding Grid Engine, on installations made of empty files."""

import time
from pathlib import Path

import attrs
import pytest

from gridmap_sge import discovery
from gridmap_sge.discovery import Installation

ALLOCATOR = b"\x7fELF...\0libc.so.6\0libjemalloc.so.2\0libm.so.6\0"


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this machine an ordinary one with no Grid Engine of its own."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(discovery, "ROOTS", ())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make an installation with all that is needed."""
    place = tmp_path / "sge"
    cell = place / "default" / "common"
    cell.mkdir(parents=True)
    (cell / "act_qmaster").write_text("head.site.org\n")
    for arch in ("lx-amd64", "lx-x86"):
        binaries = place / "bin" / arch
        binaries.mkdir(parents=True)
        for name in discovery.PROGRAMS:
            (binaries / name).write_text("#!/bin/sh\n")
            (binaries / name).chmod(0o755)
        (place / "lib" / arch).mkdir(parents=True)
    (place / "lib" / "lx-amd64" / "libdrmaa.so").write_bytes(b"\0libc.so.6\0")
    return place


def find(root: Path, **environ: str) -> Installation:
    """Look for it."""
    return discovery.find({"SGE_ROOT": str(root), "PATH": "/nowhere", **environ})


def test_everything_is_found(root: Path) -> None:
    """For this machine's architecture."""
    found = find(root)
    assert (found.root, found.cell, found.master) == (root, "default", "head.site.org")
    assert found.programs["qstat"] == str(root / "bin/lx-amd64/qstat")
    assert found.library == root / "lib/lx-amd64/libdrmaa.so"
    assert found.drmaa
    available = discovery.judge(found)
    assert available.usable
    assert available.preference == discovery.PREFERENCE
    assert "head.site.org" in available.reason


def test_the_users_architecture_counts(root: Path) -> None:
    """``SGE_ARCH`` is obeyed."""
    found = find(root, SGE_ARCH="lx-x86")
    assert found.programs["qstat"] == str(root / "bin/lx-x86/qstat")


def test_usual_places_are_looked_into(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where ``SGE_ROOT`` does not say."""
    monkeypatch.setattr(discovery, "ROOTS", ("/no/such/place", str(root)))
    assert discovery.find({"PATH": ""}).root == root


def test_the_cell_may_have_another_name(root: Path) -> None:
    """One that is there is taken, unless ``SGE_CELL`` names one that is not."""
    (root / "default").rename(root / "site")
    assert find(root).cell == "site"
    assert find(root, SGE_CELL="site").cell == "site"
    assert find(root, SGE_CELL="other").root is None


def test_programs_may_be_on_the_path(root: Path, tmp_path: Path) -> None:
    """The cell's own come first: there may be another scheduler's namesakes."""
    other = tmp_path / "other"
    other.mkdir()
    (root / "bin/lx-amd64/qstat").rename(other / "qstat")
    (other / "qdel").write_text("#!/bin/sh\n")
    (other / "qdel").chmod(0o755)
    programs = find(root, PATH=str(other)).programs
    assert programs["qstat"] == str(other / "qstat")
    assert programs["qdel"] == str(root / "bin/lx-amd64/qdel")


def test_what_the_library_needs_is_preloaded(root: Path, tmp_path: Path) -> None:
    """The very file that is named, beside what the user preloads."""
    (root / "lib/lx-amd64/libdrmaa.so").write_bytes(ALLOCATOR)
    folder = tmp_path / "lib"
    folder.mkdir()
    (folder / "libjemalloc.so.2").touch()
    found = find(root, LD_LIBRARY_PATH=str(folder))
    assert found.preload == (folder / "libjemalloc.so.2",)
    environ = found.drmaa_environment({"LD_PRELOAD": "mine.so", "HOME": "/h"})
    assert environ["LD_PRELOAD"] == f"{folder}/libjemalloc.so.2:mine.so"
    assert environ["DRMAA_LIBRARY_PATH"] == str(root / "lib/lx-amd64/libdrmaa.so")
    assert (environ["SGE_ROOT"], environ["HOME"]) == (str(root), "/h")
    assert (environ["LC_ALL"], environ["PYTHONUTF8"]) == ("C", "1")


def test_nothing_is_preloaded_without_need(root: Path) -> None:
    """The user's own stays."""
    environ = find(root).drmaa_environment({"LD_PRELOAD": "mine.so"})
    assert environ["LD_PRELOAD"] == "mine.so"
    assert "LD_PRELOAD" not in find(root).drmaa_environment({})


def test_a_library_that_is_missing_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An allocator, of which libdrmaa only holds the name."""
    (root / "lib/lx-amd64/libdrmaa.so").write_bytes(ALLOCATOR)
    monkeypatch.setattr(discovery, "_library_folders", lambda *_: iter(()))
    available = discovery.judge(find(root))
    assert "libjemalloc.so.2" in available.reason
    assert available.preference == discovery.PREFERENCE_QSUB


@pytest.mark.parametrize("content", [b"", b"\0libtcmalloc_minimal.so.4\0"])
def test_any_file_may_be_the_library(root: Path, content: bytes) -> None:
    """An empty one names nothing."""
    (root / "lib/lx-amd64/libdrmaa.so").write_bytes(content)
    assert bool(find(root).obstacles) == bool(content)


def test_the_users_library_counts(root: Path, tmp_path: Path) -> None:
    """``DRMAA_LIBRARY_PATH`` is obeyed, also where it is wrong."""
    mine = tmp_path / "mine.so"
    assert find(root, DRMAA_LIBRARY_PATH=str(mine)).library is None
    mine.touch()
    assert find(root, DRMAA_LIBRARY_PATH=str(mine)).library == mine


def test_without_drmaa_there_is_qsub(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said why, and how to mend it."""
    monkeypatch.setattr(discovery, "_find_library", lambda *_: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    found = find(root)
    available = discovery.judge(found)
    assert available.usable
    assert "gridengine-drmaa1.0" in available.reason
    assert "pip install drmaa" in available.reason
    without = attrs.evolve(found, programs={"qstat": "/q", "qdel": "/q"})
    assert not discovery.judge(without).usable


def test_without_programs_it_cannot_be_used(root: Path) -> None:
    """What is missing is named."""
    available = discovery.judge(attrs.evolve(find(root), programs={"qsub": "/q"}))
    assert not available.usable
    assert "qstat or qdel" in available.reason


@pytest.mark.parametrize("content", ["", " \n"])
def test_a_cell_without_a_master_is_none(root: Path, content: str) -> None:
    """It was never configured, as after the packages' installation."""
    (root / "default/common/act_qmaster").write_text(content)
    available = discovery.judge(find(root))
    assert not available.usable
    assert "SGE_ROOT" in available.reason


def test_it_is_quick() -> None:
    """The promise of an availability check, here with room to spare."""
    start = time.perf_counter()
    discovery.available()
    assert time.perf_counter() - start < 0.05
