"""The log of a job's runner: found where its run keeps logs, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gridmap_dashboard.state import RunState

MOST_BYTES: Final = 64 * 1024


def find(state: RunState, job: int) -> Path | None:
    """Return where the log of a job's runner would be; None: nobody knows.

    Names come from schedulers and, in a record, from a file: one that leads out of the
    run's directory of logs is nobody's. The caller holds the run's lock.
    """
    overview = state.overview
    failure = overview.failures.get(job)
    if failure is not None and failure.verdict.log_path:
        name = Path(failure.verdict.log_path).name
    else:
        try:
            number = overview.job(job).runner
        except IndexError:
            return None
        runner = None if number is None else overview.runners.get(number)
        if runner is None or not runner.handle:
            return None
        name = f"{runner.handle}.log"
    if not overview.directory or "/" in name or "\0" in name:
        return None
    return Path(overview.directory) / "logs" / name


def tail(path: Path) -> str | None:
    """Return the end of a log; None if it is not there, or no plain file."""
    try:
        if path.is_symlink() or not path.is_file():
            return None
        with path.open("rb") as stream:
            stream.seek(0, 2)
            size = stream.tell()
            stream.seek(max(0, size - MOST_BYTES))
            data = stream.read(MOST_BYTES)
    except OSError:
        return None
    text = data.decode(errors="replace")
    return text if size <= MOST_BYTES else "…" + text.partition("\n")[2]
