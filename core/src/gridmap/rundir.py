"""The directory of one run: made private, and taken away without following links.

::

    base/                               the user's own, not world-writable
    ├── 20250131-142501-sweep-3f9a1c2e/ 0700, one a run
    │   ├── connection.json             0600, see gridmap.connection
    │   ├── monitor.sock                runs on this machine only
    │   └── logs/                       0700, output of runners
    └── named/                          0700
        └── sweep-7-5d1c09aa/           0700, one a name, there until the run is over
            ├── name                    the exact name; digits above are its digest
            ├── lock                    who drives the run, see gridmap.journal.lock
            ├── journal.sqlite          and more, see gridmap.journal.log
            ├── journal.frames/
            └── connection.json, monitor.sock, logs/    as above
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from gridmap.backend import Handle

_log = logging.getLogger(__name__)

_NAMED: Final = "named"
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
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


class RunDirectory(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run keeps its files.

    Open one with `create`, `named` or `RunDirectory(path=…)`.

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
        """Where a named run is recorded."""
        return self.path / "journal.sqlite"

    @property
    def lock(self) -> Path:
        """What the process that drives a named run holds."""
        return self.path / "lock"

    @property
    def given_name(self) -> str | None:
        """The exact name a run was given; None if it has none that can be read."""
        try:
            data = (self.path / "name").read_bytes()
            return data.decode("utf-8", "surrogatepass")
        except (OSError, ValueError):
            return None

    @property
    def logs(self) -> Path:
        """Where the output of runners goes."""
        return self.path / "logs"

    def log_path(self, handle: Handle) -> str:
        """Return where a runner's log lies."""
        return str(self.logs / f"{handle}.log")

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
        unique = f"{now:%Y%m%d-%H%M%S}-{slug(name)}-{os.urandom(4).hex()}"
        with _opened(base) as (folder, descriptor):
            os.mkdir(unique, 0o700, dir_fd=descriptor)
            os.mkdir(f"{unique}/logs", 0o700, dir_fd=descriptor)
        return cls(path=folder / unique)

    @classmethod
    def named(cls, base: Path, name: str) -> RunDirectory:
        """Open the directory of the run that can be resumed under *name*, or make it.

        Args:
            base: Where runs go; made, mode 0700, if it is not there.
            name: Any text; equal names give the same directory, others another.

        Raises:
            RunError: If *base* is unsafe or cannot be written to, or the directory
                is not the caller's own alone; says why.
        """
        with contextlib.ExitStack() as stack:
            folder, descriptor = stack.enter_context(_opened(base))
            for part in (_NAMED, _name_on_disk(name)):
                folder /= part
                descriptor = _step_into(folder, descriptor)
                stack.callback(os.close, descriptor)
            os.close(_step_into(folder / "logs", descriptor))
            _write_name(name, descriptor)
        run = cls(path=folder)
        if run.given_name != name:
            msg = (
                f"{run.path} is not that of run {name!r}, but of {run.given_name!r}; "
                "choose another name, or take the directory away"
            )
            raise RunError(msg)
        return run

    @classmethod
    def all_named(cls, base: Path) -> list[RunDirectory]:
        """Return the named runs of a base, by name; none if there is no such base.

        Each has a `given_name`. Those of other users, were there any, are left out.

        Raises:
            RunError: If the base cannot be read.
        """
        try:
            entries = list(os.scandir(base / _NAMED))
        except FileNotFoundError:
            return []
        except OSError as error:
            msg = (
                f"the runs in {base} cannot be read: {error.strerror}; name another "
                "place with the setting run_directory"
            )
            raise RunError(msg) from error
        runs = [
            cls(path=Path(entry.path))
            for entry in entries
            if entry.is_dir(follow_symlinks=False)
            and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
        ]
        return sorted(
            (run for run in runs if run.given_name is not None),
            key=lambda run: run.given_name or "",
        )

    def leave(self) -> None:
        """End the use of a named run: all stays, but for its key and its socket."""
        for path in (self.connection_file, self.path / "monitor.sock"):
            with contextlib.suppress(OSError):
                path.unlink()

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
            _remove(self.path)
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
                _remove(entry.path)
            else:
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()


@contextlib.contextmanager
def _opened(base: Path) -> Iterator[tuple[Path, int]]:
    """Make a base, check it, and open it to make something in it."""
    base = Path(os.path.abspath(base))  # noqa: PTH100 - resolve() would hide what the user called it
    try:
        for folder in (*reversed(base.parents), base):
            # One by one: mkdir(parents=True) opens the others as the umask allows.
            _make(folder)
        _check_way(base)
        descriptor = os.open(base, _FOLDER)
    except OSError as error:
        raise _refusal(
            base, f"it cannot be made or opened: {error.strerror}"
        ) from error
    try:
        _check_base(base, os.fstat(descriptor))
        yield base, descriptor
    except OSError as error:
        raise _refusal(base, f"it cannot be written to: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _name_on_disk(name: str) -> str:
    """Return the name of the directory of a named run: readable, and one of its own."""
    from hashlib import blake2b  # noqa: PLC0415 - few runs have a name

    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4)
    return f"{slug(name)}-{digest.hexdigest()}"


def _step_into(folder: Path, parent: int) -> int:
    """Open a private directory in an open one, making it if it is not there."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder.name, 0o700, dir_fd=parent)
    try:
        descriptor = os.open(folder.name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    except OSError as error:
        if error.errno not in {errno.ENOTDIR, errno.ELOOP}:
            raise
        msg = f"{folder} is a link or a file, not a directory of yours; take it away"
        raise RunError(msg) from error
    info = os.fstat(descriptor)
    if info.st_uid == os.geteuid() and not info.st_mode & _OTHERS:
        return descriptor
    os.close(descriptor)
    msg = (
        f"{folder} must be yours alone (user {os.geteuid()}, mode 0700), but belongs to "
        f"user {info.st_uid} and has mode {stat.S_IMODE(info.st_mode):04o}, so what it "
        "holds cannot be trusted; if you know it is yours, mend that, else take it away"
    )
    raise RunError(msg)


def _write_name(name: str, directory: int) -> None:
    """Write down a run's exact name unless it is there, in one step."""
    with contextlib.suppress(FileNotFoundError):
        os.stat("name", dir_fd=directory, follow_symlinks=False)
        return
    part = f".name.{os.urandom(4).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(part, flags, 0o600, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(name.encode("utf-8", "surrogatepass"))
        os.replace(part, "name", src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:  # a full disk: the next try has a part of its own
        with contextlib.suppress(OSError):
            os.unlink(part, dir_fd=directory)
        raise


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


def _remove(path: str | Path) -> None:
    """Remove a directory without following links; what stays is noted."""
    from shutil import rmtree  # noqa: PLC0415 - 2 ms, with what it can pack

    rmtree(path, onerror=_note)


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
    home = os.path.expanduser("~")  # noqa: PTH111 - there may be none
    example = f"{home}/gridmap-runs" if os.access(home, os.W_OK) else "DIRECTORY"
    msg = (
        f"the run directory cannot be in {base}: {text}. Choose a directory of your "
        "own that the nodes see too, with temp_dir= or the setting run_directory: "
        f"export GRIDMAP_RUNS={example}"
    )
    return RunError(msg)
