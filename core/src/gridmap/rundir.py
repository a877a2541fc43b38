"""The directory of one run: made private, and taken away without following links.

::

    base/                               the user's own, not world-writable
    └── 20250131-142501-sweep-3f9a1c2e/ 0700, one a run
        ├── connection.json             0600, see gridmap.connection
        ├── journal.sqlite
        ├── monitor.sock                runs on this machine only
        └── logs/                       0700, output of runners
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import secrets
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from gridmap.errors import RunError

if TYPE_CHECKING:
    from datetime import datetime

_log = logging.getLogger(__name__)

_LONGEST_SLUG: Final = 40
_MOST_STEPS: Final = 1000
_STRANGE: Final = re.compile(r"[^A-Za-z0-9_.]+")


def slug(name: str) -> str:
    """Make a file name of a run's name: letters, digits, ``_``, ``.`` and ``-``.

    Example:
        >>> slug("a it(0)/../x")
        'a-it-0-..-x'
    """
    text = _STRANGE.sub("-", name)[:_LONGEST_SLUG].strip("-.")
    return text or "run"


@attrs.frozen(kw_only=True)
class RunDirectory:
    """Where a run keeps its files; open one with `create` or `RunDirectory(path=…)`.

    Attributes:
        path: The directory.
    """

    path: Path

    @property
    def name(self) -> str:
        """The run's name on disk, unique within its base."""
        return self.path.name

    @property
    def connection_file(self) -> Path:
        """What runners are given the path of."""
        return self.path / "connection.json"

    @property
    def journal(self) -> Path:
        """Where the run is recorded."""
        return self.path / "journal.sqlite"

    @property
    def logs(self) -> Path:
        """Where the output of runners goes."""
        return self.path / "logs"

    @classmethod
    def create(cls, base: Path, name: str, now: datetime) -> RunDirectory:
        """Make the directory of a new run.

        Args:
            base: Where runs go; made, mode 0700, if it is not there.
            name: The run's name, any text.
            now: The date to begin the directory's name with.

        Raises:
            RunError: If *base* is unsafe or cannot be written to; says why.
        """
        base = Path(os.path.abspath(base))  # noqa: PTH100 - resolve() would hide what the user called it
        try:
            for folder in (*reversed(base.parents), base):
                # One by one: mkdir(parents=True) opens the others as the umask allows.
                _make(folder)
            _check_way(base)
            descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _refusal(
                base, f"it cannot be made or opened: {error.strerror}"
            ) from error
        try:
            _check_base(base, os.fstat(descriptor))
            unique = f"{now:%Y%m%d-%H%M%S}-{slug(name)}-{secrets.token_hex(4)}"
            os.mkdir(unique, 0o700, dir_fd=descriptor)
            os.mkdir(f"{unique}/logs", 0o700, dir_fd=descriptor)
        except OSError as error:
            raise _refusal(
                base, f"it cannot be written to: {error.strerror}"
            ) from error
        finally:
            os.close(descriptor)
        return cls(path=base / unique)

    def remove(self, *, keep_logs: bool = False) -> None:
        """Take the directory away. Idempotent; follows no links, raises nothing.

        Args:
            keep_logs: Leave the logs, and so the directory, where they are; the
                connection file with its key goes in any case.
        """
        with contextlib.suppress(OSError):
            # First and by itself: a key must not outlive its run, whatever follows.
            self.connection_file.unlink()
        if not keep_logs:
            shutil.rmtree(self.path, onerror=_note)
            return
        try:
            entries = list(os.scandir(self.path))
        except OSError as error:
            _log.debug("cannot look into %s: %s", self.path, error)
            return
        for entry in entries:
            if entry.name == self.logs.name:
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, onerror=_note)
            else:
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()


def _make(folder: Path) -> None:
    """Make a directory that may be there already, or be made by another run now."""
    if folder.is_dir():
        return
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise NotADirectoryError(
                errno.ENOTDIR, f"Not a directory: {folder}"
            ) from None


def _note(_function: object, path: str, error: object) -> None:
    """Note what could not be removed, such as NFS's name of a file still open."""
    if not (isinstance(error, tuple) and isinstance(error[1], FileNotFoundError)):
        _log.debug("cannot remove %s: %s", path, error)


def _check_way(base: Path) -> None:
    """Refuse a base that others could put something else in the place of.

    The owners of the directories above it are trusted, as whoever chose it must have.
    """
    here, rest = Path("/"), list(reversed(base.parts[1:]))
    for _ in range(_MOST_STEPS):
        info = here.stat()
        if info.st_mode & stat.S_IWOTH and not info.st_mode & stat.S_ISVTX and rest:
            text = f"anybody can rename what is in {here}; chmod +t or o-w {here}"
            raise _refusal(base, text)
        if not rest:
            return
        name = rest.pop()
        if name == "..":  # of a link
            here = here.parent
            continue
        step = here / name
        info = step.lstat()
        if not stat.S_ISLNK(info.st_mode):
            here = step
            continue
        if info.st_uid not in {os.geteuid(), 0}:
            text = f"{step} is a symbolic link of user {info.st_uid}, who can change it"
            raise _refusal(base, text)
        target = step.readlink()
        rest += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        here = Path("/") if target.is_absolute() else here
    raise _refusal(base, "its symbolic links lead round in a circle")


def _check_base(base: Path, info: os.stat_result) -> None:
    """Refuse a base in which others could exchange our directories."""
    if info.st_uid != os.geteuid():
        text = f"it belongs to user {info.st_uid}, not to you ({os.geteuid()})"
        raise _refusal(base, text)
    if info.st_mode & stat.S_IWOTH:
        mode = f"{stat.S_IMODE(info.st_mode):04o}"
        text = f"anybody can write to it (mode {mode}); chmod o-w {base}"
        raise _refusal(base, text)


def _refusal(base: Path, text: str) -> RunError:
    """Make the exception that names the directory and the way out."""
    msg = (
        f"the run directory cannot be in {base}: {text}. Choose a directory of your "
        f"own that the nodes see too, such as {Path.home() / 'gridmap-runs'}"
    )
    return RunError(msg)
