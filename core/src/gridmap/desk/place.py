"""Where the runs of one user on one host meet: a private directory of small files.

::

    $XDG_RUNTIME_DIR/gridmap-desk/   0700, ours, or it is not used
    ├── 0f3a….slate                  what `rules.Slate` holds, one a scheduler
    ├── 0f3a….lock                   held while a slate is changed, microseconds
    ├── 77c1….answer                 the last answer to one question
    └── 77c1….asking                 held while that question is being asked

Where there is no runtime directory, the user's state directory serves, with a directory
for each host: clocks are a host's own. Locks are flock(2)'s, so the kernel lets go of
them when their holder is killed. Nothing here is followed, waited for or believed that
another could have put there: the directory must be ours and closed to others, files are
opened without following links and must be regular, and what makes no sense is no
content.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from gridmap import homes
from gridmap.desk.rules import Slate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NAME: Final = "gridmap-desk"

MOST_BYTES: Final = 64 * 2**20
"""Of one file; a longer answer is not shared."""

SLATE_PATIENCE_S: Final = 1.0
"""How long a slate may be held by another: it takes microseconds, unless he sleeps."""

_POLL_S: Final = 0.02
_OPEN: Final = (
    os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
)  # a planted FIFO holds no one


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of the scheduler.

    Attributes:
        at: When the query began.
        output: What it printed.
    """

    at: float
    output: str


class Place(Protocol):
    """Where slates and answers are kept. Files may fail: any method, with OSError."""

    def slate(self, scheduler: str) -> Slate:
        """Return what is known of a scheduler."""

    def change(self, scheduler: str, how: Callable[[Slate], Slate]) -> Slate:
        """Change what is known of it, alone; return what it is now."""

    def answer(self, question: str) -> Snapshot | None:
        """Return the last answer to a question, None if there is none."""

    def keep(self, question: str, snapshot: Snapshot) -> None:
        """Keep an answer for others. Called by who holds `asking`."""

    def asking(
        self, question: str, patience_s: float
    ) -> contextlib.AbstractContextManager[bool]:
        """Be the only one who asks; gives whether that was granted in time."""


class Alone:
    """A place for one desk, in memory."""

    def __init__(self) -> None:
        self._slates: dict[str, Slate] = {}
        self._answers: dict[str, Snapshot] = {}

    def slate(self, scheduler: str) -> Slate:
        """See `Place`."""
        return self._slates.get(scheduler, Slate())

    def change(self, scheduler: str, how: Callable[[Slate], Slate]) -> Slate:
        """See `Place`."""
        self._slates[scheduler] = after = how(self.slate(scheduler))
        return after

    def answer(self, question: str) -> Snapshot | None:
        """See `Place`."""
        return self._answers.get(question)

    def keep(self, question: str, snapshot: Snapshot) -> None:
        """See `Place`."""
        self._answers[question] = snapshot

    @contextlib.contextmanager
    def asking(self, question: str, patience_s: float) -> Iterator[bool]:
        """Grant it: there is nobody else."""
        del question, patience_s
        yield True


class Shared:
    """A place for all processes of the user on this host.

    Args:
        path: The directory; made if it is not there. What is above it must be.
        boot: Tells this start of the host from others: clocks begin again with each.
    """

    def __init__(self, path: Path, boot: str | None = None) -> None:
        self.path = path
        self._boot = _boot() if boot is None else boot

    def slate(self, scheduler: str) -> Slate:
        """See `Place`."""
        with self._folder() as folder:
            return self._slate(folder, scheduler)

    def change(self, scheduler: str, how: Callable[[Slate], Slate]) -> Slate:
        """See `Place`."""
        with (
            self._folder() as folder,
            _locked(folder, f"{scheduler}.lock", SLATE_PATIENCE_S) as held,
        ):
            if not held:
                msg = f"somebody has held {scheduler}.lock for {SLATE_PATIENCE_S:g} s"
                raise TimeoutError(msg)
            after = how(self._slate(folder, scheduler))
            self._write(folder, f"{scheduler}.slate", msgspec.structs.asdict(after))
            return after

    def answer(self, question: str) -> Snapshot | None:
        """See `Place`."""
        with self._folder() as folder:
            head, output = self._read(folder, f"{question}.answer")
        try:
            return Snapshot(at=float(head["at"]), output=output) if head else None
        except (KeyError, TypeError, ValueError):
            return None

    def keep(self, question: str, snapshot: Snapshot) -> None:
        """See `Place`."""
        if len(snapshot.output) > MOST_BYTES // 4:  # a character may take four bytes
            return
        with self._folder() as folder:
            head = {"at": snapshot.at}
            self._write(folder, f"{question}.answer", head, snapshot.output)

    @contextlib.contextmanager
    def asking(self, question: str, patience_s: float) -> Iterator[bool]:
        """See `Place`."""
        with (
            self._folder() as folder,
            _locked(folder, f"{question}.asking", patience_s) as held,
        ):
            yield held

    @contextlib.contextmanager
    def _folder(self) -> Iterator[int]:
        """Open the directory, made sure of each time: it may have been cleared away."""
        with contextlib.suppress(FileExistsError):
            self.path.mkdir(mode=0o700)
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | _OPEN)
        try:
            info = os.fstat(folder)
            if info.st_uid != os.geteuid() or stat.S_IMODE(info.st_mode) & 0o077:
                mode = f"user {info.st_uid}, mode {stat.S_IMODE(info.st_mode):04o}"
                text = f"others could have put something there ({mode})"
                raise PermissionError(errno.EPERM, text, str(self.path))
            yield folder
        finally:
            os.close(folder)

    def _slate(self, folder: int, scheduler: str) -> Slate:
        head, _ = self._read(folder, f"{scheduler}.slate")
        try:
            return Slate(
                asked=tuple(float(at) for at in head["asked"]),
                failures=int(head["failures"]),
                trouble=str(head["trouble"]),
                quiet_until=float(head["quiet_until"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return Slate()

    def _read(self, folder: int, name: str) -> tuple[dict[str, Any], str]:
        """Return a file's first line as an object and the rest; of no use: nothing."""
        try:
            descriptor = os.open(name, os.O_RDONLY | _OPEN, dir_fd=folder)
        except FileNotFoundError:
            return {}, ""
        with os.fdopen(descriptor, "rb") as stream:
            check_own(descriptor, name)
            data = stream.read(MOST_BYTES + 1)
        line, _, rest = data.partition(b"\n")
        try:
            head = json.loads(line)
        except (ValueError, RecursionError):
            return {}, ""
        known = isinstance(head, dict) and head.get("boot") == self._boot
        if not known or len(data) > MOST_BYTES:
            return {}, ""
        return head, rest.decode(errors="surrogateescape")

    def _write(
        self, folder: int, name: str, head: Mapping[str, Any], rest: str = ""
    ) -> None:
        """Put a file in place at once, so that who reads without a lock sees a whole."""
        line = json.dumps({**head, "boot": self._boot}).encode()
        data = line + b"\n" + rest.encode(errors="surrogateescape")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _OPEN
        descriptor = os.open(f"{name}.new", flags, 0o600, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as stream:
            check_own(descriptor, name)
            stream.write(data)
        os.replace(f"{name}.new", name, src_dir_fd=folder, dst_dir_fd=folder)


@contextlib.contextmanager
def _locked(folder: int, name: str, patience_s: float) -> Iterator[bool]:
    """Hold a lock file; give whether it was to be had in time."""
    flags = os.O_RDWR | os.O_CREAT | _OPEN
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        check_own(descriptor, name)
        held = _lock(descriptor, time.monotonic() + patience_s)
        try:
            yield held
        finally:
            if held:
                # A child forked meanwhile has the descriptor, and would hold the lock.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        else:
            return True


def check_own(descriptor: int, name: str) -> None:
    """See that what was opened is a file of the user's own, and a regular one.

    Args:
        descriptor: What was opened, with O_NOFOLLOW and O_NONBLOCK.
        name: What it is called, for the error.

    Raises:
        PermissionError: If it is not.
    """
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "not a file of ours", name)


def _boot() -> str:
    """Return what tells this start of the host from others; empty if nothing does."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def of_user(environ: Mapping[str, str] = os.environ) -> Shared:
    """Return the place where this user's runs on this host meet.

    Args:
        environ: ``XDG_RUNTIME_DIR`` counts. It may be unset in one of the user's
            processes and set in another (cron, ssh), so systemd's place for it is
            looked at as well.

    Raises:
        OSError: If the user's state directory cannot be made.
    """
    user = os.geteuid()
    for name in (environ.get("XDG_RUNTIME_DIR"), f"/run/user/{user}"):
        if name and name.startswith("/"):
            with contextlib.suppress(OSError):
                info = os.lstat(name)
                private = not stat.S_IMODE(info.st_mode) & 0o077
                if stat.S_ISDIR(info.st_mode) and info.st_uid == user and private:
                    return Shared(Path(name) / NAME)
    base = homes.state()
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    host = "".join(c if c.isalnum() or c in "-." else "_" for c in socket.gethostname())
    return Shared(base / f"{NAME}-{host}")
