"""Runners' ends of what a node shares, in the hands of a test: here, or as processes.

As a program, it obtains, fetches, fails and forgets when it is told to, and tells of it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import queue
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gridmap.payload import memory
from gridmap.payload.gathering import Gathering
from gridmap.runner.node import lines
from gridmap.runner.node.naming import Content
from gridmap.runner.node.sharing import Sharing

PATIENCE_S: Final = 25.0
SIZES: Final = (1 << 20, 3 << 16)


def fresh(sizes: Sequence[int] = SIZES) -> Content:
    """Return a content that no other test has."""
    return Content(os.urandom(20), tuple(sizes), os.urandom(32))


def frame(content: Content, number: int) -> bytes:
    """Return what a frame is."""
    seed = content.digest + bytes([number])
    return hashlib.shake_256(seed).digest(content.sizes[number])


def sealed(content: Content, number: int) -> int:
    """Return a descriptor of a frame in sealed memory, as downloading does."""
    return sealed_memory(frame(content, number))


def sealed_memory(content: bytes) -> int:
    """Return a descriptor of what was downloaded."""
    with contextlib.closing(Gathering(len(content))) as gathering:
        gathering.add(content)
        return gathering.seal()


def taken(descriptor: int) -> bytes:
    """Return what is in memory, and close it."""
    return bytes(memory.take(descriptor))


def is_bound(content: Content, generation: int = 0) -> bool:
    """Say whether somebody has the name of a content."""
    name = content.place(generation).replace(b"\0", b"@").decode()
    lines = Path("/proc/net/unix").read_text().splitlines()
    return any(line.endswith(name) for line in lines)


def leader(content: Content) -> int:
    """Return the process that has the name of a content; 0 if there is none."""
    with contextlib.suppress(OSError):
        line = lines.connect(content.place(0))
        if line is not None:
            with line.sock:
                peer = line.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                return int.from_bytes(peer[:4], sys.byteorder)
    return 0


class Member:
    """A runner's end in this process, which counts what it downloads."""

    def __init__(self, content: Content) -> None:
        self.sharing = Sharing()
        self.downloads = 0
        self._content = content
        self._obtain = self.sharing.enter(content)

    def obtain(self, number: int = 0) -> int:
        """Return a descriptor of a frame."""
        return self._obtain(number, lambda: self.load(number))

    def obtain_all(self) -> list[bytes]:
        """Return all frames."""
        numbers = range(len(self._content.sizes))
        return [taken(self.obtain(number)) for number in numbers]

    def load(self, number: int) -> int:
        """Download a frame."""
        self.downloads += 1
        return sealed(self._content, number)


@contextlib.contextmanager
def member(content: Content) -> Iterator[Member]:
    """Yield a runner's end in this process."""
    one = Member(content)
    with contextlib.closing(one.sharing):
        yield one


class Peer:
    """A runner's end that is a process.

    Attributes:
        process: It.
    """

    def __init__(
        self, content: Content, heard: queue.SimpleQueue[tuple[Peer, list[str]]]
    ) -> None:
        self._heard = heard
        argv = [
            sys.executable,
            "-m",
            "tests.node",
            msgspec.msgpack.encode(content).hex(),
        ]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def say(self, order: str) -> None:
        """Order something."""
        assert self.process.stdin is not None
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """Kill it, if it lives, and wait for its end."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._heard.put((self, line.split()))


class Crew:
    """Processes that share one content, and what they tell."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.peers: list[Peer] = []
        self._heard: queue.SimpleQueue[tuple[Peer, list[str]]] = queue.SimpleQueue()

    def hire(self, count: int) -> list[Peer]:
        """Start so many more and wait until they are up."""
        hired = [Peer(self.content, self._heard) for _ in range(count)]
        self.peers += hired
        for _ in hired:
            assert self.await_word()[1] == ["up"]
        return hired

    def await_word(self) -> tuple[Peer, list[str]]:
        """Return who says something, and what."""
        return self._heard.get(timeout=PATIENCE_S)

    def await_fetch(self) -> Peer:
        """Return who is the next to begin to fetch; nothing else is to be said first."""
        peer, words = self.await_word()
        assert words[0] == "fetch", words
        return peer

    def await_frames(self, count: int) -> set[str]:
        """Wait until so many frames are had, and nothing else is said.

        Returns:
            The memory they are in: it is one for each frame if it is shared.
        """
        inodes = set()
        for _ in range(count):
            _, words = self.await_word()
            assert words[0] == "have", words
            number, inode, found = int(words[1]), words[2], words[3]
            assert found == hashlib.sha256(frame(self.content, number)).hexdigest()
            inodes.add(inode)
        return inodes


@contextlib.contextmanager
def crew(sizes: Sequence[int] = SIZES[:1]) -> Iterator[Crew]:
    """Yield nobody as yet; who is hired is ended."""
    one = Crew(fresh(sizes))
    try:
        yield one
    finally:
        for peer in one.peers:
            peer.end()


# The program ------------------------------------------------------------------------


def main(content: Content) -> None:
    """Do what standard input says, a word a line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sharing = Sharing()
    permits: queue.SimpleQueue[bool] = queue.SimpleQueue()
    spare: list[int] = []

    def download(number: int) -> int:
        say("fetch", number)
        if not permits.get():
            raise ConnectionResetError
        while spare:
            os.close(spare.pop())
        return sealed(content, number)

    def obtain() -> None:
        errand = sharing.enter(content)
        for number in range(len(content.sizes)):
            try:
                kept = errand(number, functools.partial(download, number))
            except OSError:
                say("failed", number)
                return
            data = os.pread(kept, content.sizes[number], 0)
            say("have", number, os.fstat(kept).st_ino, hashlib.sha256(data).hexdigest())

    def use_up() -> None:
        soft = len(os.listdir("/proc/self/fd")) + 10  # noqa: PTH208 - names are enough
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, soft))
        with contextlib.suppress(OSError):
            while True:
                spare.append(os.open("/dev/null", os.O_RDONLY))
        os.close(spare.pop())  # one is left, for the line to the leader

    orders = {
        "obtain": lambda: threading.Thread(target=obtain, daemon=True).start(),
        "go": lambda: permits.put(True),
        "fail": lambda: permits.put(False),
        "forget": lambda: sharing.forget(content.digest),
        "use-up": use_up,
    }
    say("up")
    for line in sys.stdin:
        orders[line.strip()]()


def say(*words: object) -> None:
    """Tell something."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(msgspec.msgpack.decode(bytes.fromhex(sys.argv[1]), type=Content))
