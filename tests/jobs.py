"""What the tests' jobs do. Workers import this, so it needs the standard library only."""

import ctypes
import hashlib
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE_S = 100.0


def square(number: int) -> int:
    """Return the square."""
    return number * number


def add(left: Any, right: Any = 0) -> Any:
    """Return the sum of two things."""
    return left + right


def same(value: Any) -> Any:
    """Return what was given."""
    return value


def describe(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return how this was called."""
    return args, kwargs


def whereabouts(_: object = None) -> tuple[str, int, int]:
    """Return node, runner's process and worker's process."""
    return socket.gethostname(), os.getppid(), os.getpid()


def runner_pid(_: object = None) -> int:
    """Return the process that this worker belongs to."""
    return os.getppid()


def environment(*names: str) -> dict[str, str | None]:
    """Return some environment variables."""
    return {name: os.environ.get(name) for name in names}


def directory(_: object = None) -> str:
    """Return the working directory."""
    return str(Path.cwd())


def short(number: int) -> tuple[int, str]:
    """Take a tenth of a second; return the square and the node."""
    threading.Event().wait(0.1)
    return number * number, socket.gethostname()


def chatter(text: str) -> int:
    """Print on both streams, and past Python."""
    sys.stdout.write(f"{text} on stdout\n")
    sys.stderr.write(f"{text} on stderr\n")
    return os.write(1, f"{text} past Python\n".encode())


# Deaths


def die(way: str) -> str:
    """End this process in one of many ways, or not at all."""
    _WAYS[way]()
    return way


def _crash() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)


def _kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _exit(status: int | str | None) -> Callable[[], None]:
    return lambda: sys.exit(status)


_WAYS: dict[str, Callable[[], object]] = {
    "not": lambda: None,
    "os._exit(3)": lambda: os._exit(3),
    "os._exit(0)": lambda: os._exit(0),
    "sys.exit()": _exit(None),
    "sys.exit(4)": _exit(4),
    "sys.exit('words')": _exit("words"),
    "segmentation fault": _crash,
    "kill -9": _kill_self,
}


# Exceptions


class Teapot(Exception):  # noqa: N818 - a user's own, with a name of its own
    """An exception with an argument that has a meaning."""

    def __init__(self, litres: float) -> None:
        super().__init__(litres)
        self.litres = litres


class Mute(Exception):  # noqa: N818 - likewise
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise ValueError


def raise_mute(_: object) -> None:
    """Raise it."""
    raise Mute


class Picky(Exception):  # noqa: N818 - likewise
    """An exception that cannot be made from its own arguments, as many cannot."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")
        self.two = two


class Stubborn(Exception):  # noqa: N818 - likewise
    """An exception that pickles and cannot be unpickled anywhere."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse, ("to come back",)


def _refuse(what: str) -> None:
    raise NotImplementedError(what)


def complain(number: int) -> int:
    """Raise for odd numbers."""
    if number % 2:
        raise Teapot(number / 2)
    return number


def touch(path: str) -> str:
    """Make an empty file; return its path."""
    Path(path).touch()
    return path


def be_picky(_: object) -> None:
    """Raise what pickling alone cannot rebuild."""
    one, two = "salt", "pepper"
    raise Picky(one, two)


def be_stubborn(_: object) -> None:
    """Raise what nobody can rebuild."""
    msg = "salt and pepper"
    raise Stubborn(msg)


def interrupt(_: object) -> None:
    """Raise what is no Exception."""
    raise KeyboardInterrupt


# Meeting the test half-way


def mark(place: str, name: str) -> None:
    """Let the test see that something happened; holds who and where this is."""
    text = f"{socket.gethostname()} {os.getppid()} {os.getpid()}"
    once = f"{os.getpid()}.{time.monotonic_ns()}"
    whole = Path(place, f".{name}.{once}")
    whole.write_text(text)
    whole.rename(Path(place, f"{name}.{socket.gethostname()}.{once}"))


def await_file(path: Path) -> None:
    """Wait until the test makes a file."""
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(str(path))
        threading.Event().wait(0.01)


def meet(place: str, number: int) -> int:
    """Say that this job runs, wait for the file ``go``, return the square."""
    mark(place, f"job{number}")
    await_file(Path(place, "go"))
    return number * number


def await_marks(place: str, count: int) -> None:
    """Wait until so many jobs have said that they run."""
    deadline = time.monotonic() + PATIENCE_S
    while len(list(Path(place).glob("job*"))) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(place)
        threading.Event().wait(0.02)


def share(
    place: str, count: int, number: int, table: Any
) -> tuple[str, int, str, set[str]]:
    """Meet others; return node, runner, what is shared, and the memory frames are in."""
    mark(place, f"job{number}")
    await_marks(place, count)
    maps = Path("/proc/self/maps").read_text().splitlines()
    frames = {line.split()[4] for line in maps if "gridmap-frame" in line}
    return socket.gethostname(), os.getppid(), hashlib.sha256(table).hexdigest(), frames


def meet_after(place: str, quick: int, number: int) -> int:
    """Like `meet`, but the first jobs end by themselves, and each says that it is over.

    They take long enough for the others not to be handed out several at a time.
    """
    mark(place, f"job{number}")
    if number < quick:
        threading.Event().wait(0.3)
    else:
        await_file(Path(place, "go"))
    mark(place, f"end{number}")
    return number * number


def meet_once(place: str, number: int) -> int:
    """Like `meet`, but wait only at the first attempt."""
    first = not list(Path(place).glob(f"job{number}.*"))
    mark(place, f"job{number}")
    if first:
        await_file(Path(place, "go"))
    return number * number


def meet_one(place: str, slow: int, number: int, *, once: bool = False) -> int:
    """Like `meet`, but all other jobs end at once; or wait at its first attempt only."""
    if number == slow:
        first = not list(Path(place).glob(f"job{number}.*"))
        mark(place, f"job{number}")
        if first or not once:
            await_file(Path(place, "go"))
    return number * number


def need_the_next(place: str, needy: int, number: int) -> int:
    """End at once, but for one job that waits for the job behind it to have run."""
    if number == needy:
        await_file(Path(place, "go"))
    elif number == needy + 1:
        Path(place, "go").touch()
    return number


# Trying again


def succeed_late(place: str, times: int, number: int) -> int:
    """Be refused by a server for some attempts, then return the square."""
    before = sorted(Path(place).glob(f"attempt{number}.*"))
    Path(place, f"attempt{number}.{len(before)}").touch()
    if len(before) < times:
        msg = f"attempt at {number}"
        raise ConnectionRefusedError(msg)
    return number * number


def hold(mib: int, *, touched: bool = True) -> int:
    """Take so many MiB of memory, for a moment; return the number."""
    block = bytearray(mib << 20)
    if touched:
        block[::4096] = b"x" * (len(block) // 4096)
    return len(block) >> 20


def last(seconds: float) -> float:
    """Take so long."""
    threading.Event().wait(seconds)
    return seconds


# Checkpoints


class Pieces:
    """Work in pieces, which can be interrupted between any two of them.

    Attributes:
        done: Each piece that was done, and in which process.
    """

    def __init__(self, place: str, seconds: float, first: str = "") -> None:
        self.place = place
        self.seconds = seconds
        self.first = first
        self.done: list[tuple[int, int]] = []

    def __call__(self, count: int) -> list[tuple[int, int]]:
        """Do so many pieces, and tell which were done where."""
        mark(self.place, f"job{count}")
        while len(self.done) < count:
            threading.Event().wait(self.seconds)
            with Path(self.place, "pieces").open("a") as file:
                file.write(f"{count} {len(self.done)}\n")
            self.done.append((len(self.done), os.getpid()))
            if self.first and self.first == f"{len(self.done)}":
                await_file(Path(self.place, "go"))
        return self.done

    def checkpoint(self) -> "Pieces":
        """Go on with what is done."""
        mark(self.place, "checkpoint")
        return self


class Ramp:
    """Adds to an array of its own."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __call__(self, amount: int) -> float:
        """Add so much to all of it and return the first number."""
        self.array += amount
        return float(self.array[0])

    def checkpoint(self) -> "Ramp":
        """Go on with what it is by now."""
        return self


class BadPieces(Pieces):
    """Pieces whose checkpoint does not come, in a way that is asked for."""

    way = "raise"

    def checkpoint(self) -> Any:
        """Fail."""
        mark(self.place, "checkpoint")
        if self.way == "raise":
            msg = "the disk is full"
            raise OSError(msg)
        if self.way == "hang":
            threading.Event().wait(PATIENCE_S)
        if self.way == "nothing":
            return None
        self.lock = threading.Lock()
        return self
