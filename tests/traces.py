"""What a run can leave in the world: processes, directories, marks of its jobs."""

import contextlib
import os
from pathlib import Path

import attrs
import psutil

from gridmap.testing import eventually

_CONNECTION = b"GRIDMAP_CONNECTION="


def processes(runs: Path) -> list[psutil.Process]:
    """Return the runners and workers on this machine whose run is below *runs*.

    They are known by the environment they were started with, which what they start
    has too.
    """
    wanted = _CONNECTION + os.fsencode(runs) + b"/"
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            environ = Path(f"/proc/{process.pid}/environ").read_bytes()
            belongs = any(item.startswith(wanted) for item in environ.split(b"\0"))
            if belongs and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def zygotes(runs: Path) -> list[psutil.Process]:
    """Return the processes that runners were copied from, of users of *runs*."""
    wanted = b"GRIDMAP_RUNS=" + os.fsencode(runs)
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            place = Path(f"/proc/{process.pid}")
            if b"gridmap_local.zygote" in (place / "cmdline").read_bytes():
                variables = (place / "environ").read_bytes().split(b"\0")
                found += [process] if wanted in variables else []
    return found


def directories(runs: Path) -> list[Path]:
    """Return the directories of runs below *runs*."""
    return sorted(runs.iterdir()) if runs.is_dir() else []


def logs(runs: Path) -> str:
    """Return all that runners below *runs* have written."""
    paths = sorted(runs.glob("*/logs/*.log"))
    return "\n".join(path.read_text(errors="replace") for path in paths)


@attrs.frozen
class Mark:
    """What a job said of itself with `tests.jobs.mark`."""

    node: str
    runner: int
    worker: int


def marks(place: Path, name: str) -> list[Mark]:
    """Return the marks of this name, one for each attempt that came so far."""
    paths = sorted(place.glob(f"{name}.*"), key=lambda path: path.stat().st_mtime_ns)
    texts = [path.read_text().split() for path in paths]
    return [Mark(node, int(runner), int(worker)) for node, runner, worker in texts]


def await_marks(
    place: Path, name: str, count: int = 1, within_s: float = 20.0
) -> list[Mark]:
    """Wait until so many marks of this name are there."""

    def enough() -> list[Mark] | None:
        found = marks(place, name)
        return found if len(found) >= count else None

    found = eventually(enough, within_s=within_s, what=f"{count} of {name}", gap_s=0.05)
    assert found is not None
    return found
