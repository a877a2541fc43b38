"""The user's records: which runs there are and were, whatever directory they are in.

::

    $XDG_STATE_HOME/gridmap/records/            0700
    ├── 20250131-142501-sweep-3f9a1c2e.run      0600, one a run; see `gridmap.control.record`
    └── 20250131-142501-sweep-3f9a1c2e.jobs     0600, if some failed; see `gridmap.control.kept`

A record is written when a run starts, every few seconds while it goes on, and at its
end, by its own process, in a thread that nothing waits for. So it tells of runs whose
process was killed, too. A process that resumes such a run writes one of its own, which
stands for the run from then on. Only the newest are kept.
"""

from __future__ import annotations

import contextlib
import os
import stat
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.control import record
from gridmap.desk import place
from gridmap.errors import RunError
from gridmap.rundir import RunDirectory, slug

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gridmap.control.record import Record

_SUFFIX: Final = ".run"
_JOBS: Final = ".jobs"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class Entry(msgspec.Struct, frozen=True):
    """A run in the register.

    Attributes:
        name: Its name there, unique: date, name, and the beginning of its token.
        record: What its process wrote down last.
    """

    name: str
    record: Record

    @property
    def short(self) -> str:
        """The last part of its name, by which it can be called too."""
        return _short(self.name)

    @property
    def resume_name(self) -> str | None:
        """The name it can be resumed under; None if it cannot, or is gone."""
        if not self.record.kept:
            return None
        return RunDirectory(path=Path(self.record.directory)).given_name

    @property
    def over(self) -> bool:
        """Whether it ended, or its process is dead, as far as can be seen from here."""
        return self.record.ended is not None or self.record.driver.gone()


class Register:
    """A directory of records.

    Args:
        path: The directory; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, data: bytes) -> None:
        """Put a record in place, at once.

        Raises:
            OSError: If it cannot be written.
            RunError: If the directory cannot be trusted.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._opened() as folder:
            part = f".{name}.new"
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(part, flags, 0o600, dir_fd=folder), "wb") as stream:
                stream.write(data)
            os.replace(part, name + _SUFFIX, src_dir_fd=folder, dst_dir_fd=folder)

    def append(self, name: str, data: bytes) -> None:
        """Put data behind what is kept of a run's jobs.

        Raises:
            OSError: If it cannot be written.
            RunError: If the directory cannot be trusted.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._opened() as folder:
            flags = (
                os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
            )
            descriptor = os.open(
                name + _JOBS, flags | os.O_CLOEXEC, 0o600, dir_fd=folder
            )
            with os.fdopen(descriptor, "ab") as stream:
                place.check_own(descriptor, name)
                stream.write(data)

    def jobs(self, name: str) -> bytes:
        """Return what is kept of a run's jobs; nothing if nothing is.

        Raises:
            OSError: If it cannot be read, or is not the user's own.
            RunError: If the directory cannot be trusted.
        """
        try:
            with self._opened() as folder:
                return _content(folder, name + _JOBS)
        except FileNotFoundError:
            return b""

    def prune(self, most: int) -> None:
        """Take away the oldest records, but *most*. Raises nothing."""
        with contextlib.suppress(OSError, RunError), self._opened() as folder:
            for name in sorted(_names(folder), reverse=True)[most:]:
                for suffix in (_JOBS, _SUFFIX):
                    with contextlib.suppress(OSError):
                        os.unlink(name + suffix, dir_fd=folder)

    def entries(self, most: int | None = None, *, earlier: bool = False) -> list[Entry]:
        """Return the runs there are records of, newest first.

        Records that cannot be read are left out.

        Args:
            most: How many are read; None: all.
            earlier: Whether to return what processes wrote whose run another process
                has resumed since; so a run may come several times.

        Raises:
            RunError: If the directory cannot be read, or not be trusted.
        """
        try:
            with self._opened() as folder:
                names = sorted(_names(folder), reverse=True)
                names = (names if earlier else _latest(names))[:most]
                read = [(name, _read(folder, name + _SUFFIX)) for name in names]
        except FileNotFoundError:
            return []
        except OSError as error:
            msg = (
                f"the records of runs in {self.path} cannot be read: {error.strerror}; "
                "name another place with the setting record_directory"
            )
            raise RunError(msg) from error
        return [Entry(name, found) for name, found in read if found is not None]

    def names(self) -> list[str]:
        """Return the names of the runs, newest first; none if there are none."""
        with contextlib.suppress(OSError, RunError), self._opened() as folder:
            return _latest(sorted(_names(folder), reverse=True))
        return []

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        folder = os.open(self.path, flags)
        try:
            info = os.fstat(folder)
            if info.st_uid != os.geteuid() or info.st_mode & _OTHERS:
                msg = (
                    f"{self.path} must be yours alone (user {os.geteuid()}, mode 0700), "
                    f"but belongs to user {info.st_uid} and has mode "
                    f"{stat.S_IMODE(info.st_mode):04o}, so what it holds cannot be "
                    "trusted; if you know it is yours, mend that, else take it away"
                )
                raise RunError(msg)
            yield folder
        finally:
            os.close(folder)


def name_of(name: str, token: str, at: float) -> str:
    """Return the name of a run's record.

    Args:
        name: The run's name, any text.
        token: Its token.
        at: When it started, seconds since the epoch.
    """
    date = datetime.fromtimestamp(at).astimezone()
    return f"{date:%Y%m%d-%H%M%S}-{slug(name)}-{token[:8]}"


def _short(name: str) -> str:
    return name.rpartition("-")[2]


def _latest(names: Iterable[str]) -> list[str]:
    """Return the first name of each run."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(_short(name), name)
    return list(first.values())


def _names(folder: int) -> Iterator[str]:
    for name in os.listdir(folder):
        if name.endswith(_SUFFIX) and not name.startswith("."):
            yield name.removesuffix(_SUFFIX)


def _content(folder: int, name: str) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, dir_fd=folder), "rb") as stream:
        place.check_own(stream.fileno(), name)
        return stream.read(record.MOST_BYTES)


def _read(folder: int, name: str) -> Record | None:
    try:
        return record.decode(_content(folder, name))
    except (OSError, RunError):
        return None


def find(entries: list[Entry], wanted: str) -> Entry | None:
    """Return the run that somebody means; None if there is none.

    Args:
        entries: Those there are, newest first.
        wanted: A run's directory, its name in the register or the end of that, or the
            name its user gave it; of several the one that still goes on, else the
            newest.
    """
    matches = matching(entries, wanted)
    return next((m for m in matches if not m.over), matches[0] if matches else None)


def matching(entries: list[Entry], wanted: str) -> list[Entry]:
    """Return all runs that somebody may mean; see `find`."""
    path = os.path.realpath(wanted) if os.sep in wanted or wanted == "." else None
    return [entry for entry in entries if _is_meant(entry, wanted, path)]


def _is_meant(entry: Entry, wanted: str, path: str | None) -> bool:
    if path is not None and os.path.realpath(entry.record.directory) == path:
        return True
    folder = Path(entry.record.directory).name
    names = {entry.name, entry.short, entry.record.name, folder}
    return wanted in names or wanted == entry.resume_name
