"""All attacks on a run that goes on, at once and again and again, each by a process.

One by one they are in the tests beside this; here they are made from outside, all the
time, while the run works. Not among them are those that are over before a run begins: a
run directory that is not safe, a connection file that is open to others.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from typing import Final

import attrs
import msgspec
import psutil
import zmq
import zstandard
from tests.security import wire
from tests.security.rogue import Rogue, hello

from gridmap.connection import ConnectionFile, split_tcp_address
from gridmap.errors import GridMapError
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.transport import RunKeys, runner_socket

EVIL_NAME: Final = "x\n#SBATCH --wrap='touch /tmp/c'\r\nBcc: all@x\n<script>$(id)%j"
"""What the run under attack is called."""

SILENT: Final = 2_000
NOBODY: Final = 65534
_BOMB_BYTES: Final = 2**26


@attrs.frozen(kw_only=True)
class Prey:
    """What the attackers know of a run; those who hold no key do not use it.

    Attributes:
        file: Its connection file.
        path: Where that is.
        handle: The scheduler's name of a runner that the rogue is.
        recorded: What an honest runner said when it was listened to.
        pause_s: Between two blows of each attacker: attackers elsewhere would not
            take the processors of the machine that is attacked.
    """

    file: ConnectionFile
    path: Path
    handle: tuple[str, str | None]
    recorded: tuple[bytes, ...]
    pause_s: float = 0.005

    @property
    def target(self) -> tuple[str, int]:
        """Host and port."""
        return split_tcp_address(self.file.addresses[0])

    def rest(self) -> None:
        """Wait for the next blow."""
        time.sleep(self.pause_s)


Attack = Callable[[Prey], None]
ATTACKS: Final[list[Attack]] = []


def attack(function: Attack) -> Attack:
    """List an attack."""
    ATTACKS.append(function)
    return function


@attack
def speak_plainly(prey: Prey) -> None:
    """Send pickles without CURVE, as the ancestor did."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
    for kind in (zmq.DEALER, zmq.REQ):
        with context.socket(kind) as sock:
            sock.setsockopt(zmq.LINGER, 0)
            sock.connect(prey.file.addresses[0])
            sock.send(b"cos\nsystem\n(S'false'\ntR.")
            sock.poll(50)
        prey.rest()


@attack
def show_wrong_keys(prey: Prey) -> None:
    """A client key of one's own, a wrong key of the monitor, all keys of another run."""
    keys = RunKeys.fresh()
    own = {
        "client_public_key": keys.client_public_key,
        "client_secret_key": keys.client_secret_key,
    }
    server = {"server_public_key": keys.server_public_key}
    for changes in (own, server, own | server):
        file = msgspec.structs.replace(prey.file, **changes)
        stranger = runner_socket(file, b"stranger-" + secrets.token_hex(4).encode())
        with contextlib.suppress(GridMapError):
            stranger.connect(0.1)
        stranger.close(0.0)
        prey.rest()


@attack
def say_again(prey: Prey) -> None:
    """Replay and splice what was recorded of an honest runner."""
    said = b"".join(prey.recorded)
    half = len(said) // 2
    for parts in ([said], [said[:64], said[half:]], [said[:half], said[:half]]):
        with contextlib.suppress(OSError):
            wire.replay(prey.target, parts, patience_s=1.0)
        prey.rest()


@attack
def be_silent(prey: Prey) -> None:
    """Hold two thousand connections and say nothing."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as crowd:
        for _ in range(min(SILENT, hard - 100)):
            with contextlib.suppress(OSError):
                crowd.enter_context(socket.create_connection(prey.target, 1.0))
            prey.rest()


@attack
def make_noise(prey: Prey) -> None:
    """Say what is no ZeroMQ, what breaks off, and what promises a terabyte."""
    cut = prey.recorded[0] if prey.recorded else b""
    for noise in (*wire.GARBAGE.values(), os.urandom(10_000), cut[:50], cut[:64]):
        with (
            contextlib.suppress(OSError),
            socket.create_connection(prey.target, 1.0) as stranger,
        ):
            stranger.sendall(noise)
        prey.rest()


@attack
def babble(prey: Prey) -> None:
    """Hold the run's key, greet under no name of the run, and send no messages."""
    with _inside(prey, b"babbler-" + secrets.token_hex(4).encode()) as rogue:
        for number in range(50):
            rogue.socket.send([codec.encode(hello((f"no-{number}", None)))])
            rogue.socket.send([os.urandom(200), os.urandom(2000)])
            rogue.listen(0.0)
            rogue.inbox.clear()
            prey.rest()


@attack
def lie(prey: Prey) -> None:
    """Be a runner: report jobs of others, old attempts, the same again, and bombs.

    It hands back all it is given, says what is no message, and then greets again.
    """
    bomb = zstandard.ZstdCompressor().compress(bytes(_BOMB_BYTES))
    nonce, old = secrets.token_hex(8), deque[m.Work](maxlen=20)
    while True:
        with _inside(prey, b"liar") as rogue:
            rogue.greet(prey.handle, nonce=nonce)
            for turn in range(50):
                rogue.listen(0.0)
                _hand_back(rogue, old)
                for grant in (turn, *(work.grant for work in old)):
                    said = m.Report(number=rogue.next(), grant=grant, first=0, count=1)
                    rogue.socket.send([codec.encode(said), b"\1\1", bomb, bomb])
                    prey.rest()
            rogue.socket.send([b"\xc1"])
        prey.rest()


def _hand_back(rogue: Rogue, old: deque[m.Work]) -> None:
    """Give back twice what has come, and remember it."""
    while rogue.inbox:
        message = rogue.inbox.popleft()
        if isinstance(message, m.Work):
            old.append(message)
            for _ in range(2):
                back = m.Returned(
                    number=rogue.next(),
                    grant=message.grant,
                    first=message.first,
                    count=message.count,
                )
                rogue.socket.send([codec.encode(back)])


@attack
def plant(prey: Prey) -> None:
    """As another user, where that can be: read the key, plant links and directories."""
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    elsewhere = os.geteuid() == NOBODY
    run = prey.path.parent
    for name in ("monitor.sock", "connection.json", "x.parked", "lock"):
        for folder in (run, run.parent) if elsewhere else ():
            with contextlib.suppress(OSError):
                (folder / name).symlink_to("/etc/passwd")
            with contextlib.suppress(OSError):
                (folder / name).read_bytes()
        prey.rest()


@contextlib.contextmanager
def _inside(prey: Prey, identity: bytes) -> Iterator[Rogue]:
    """Connect with the run's key."""
    rogue = Rogue(runner_socket(prey.file, identity))
    try:
        rogue.socket.connect(5.0)
        yield rogue
    finally:
        rogue.socket.close(0.0)


def overheard(file: ConnectionFile) -> tuple[bytes, ...]:
    """Return what one with the run's key says, as it is on the wire."""
    with wire.tapped(split_tcp_address(file.addresses[0])) as tap:
        through = msgspec.structs.replace(
            file, addresses=(f"tcp://127.0.0.1:{tap.port}",)
        )
        rogue = Rogue(runner_socket(through, b"overheard"))
        try:
            rogue.socket.connect(20.0)
            rogue.greet(("nobody", None))
            rogue.await_one(m.Refuse)
        finally:
            rogue.socket.close(0.0)
    return tuple(tap.calls[0].said)


def again_and_again(prey: Prey, number: int, ready: Semaphore) -> None:
    """Attack until killed; say when it begins."""
    ready.release()
    while True:
        with contextlib.suppress(OSError, AssertionError, zmq.ZMQError, GridMapError):
            ATTACKS[number](prey)


def eat(share: float, ready: Semaphore) -> None:
    """Take a share of a processor's time, and do nothing else with it."""
    ready.release()
    begin, before = time.monotonic(), time.process_time()
    while True:
        if time.process_time() - before < share * (time.monotonic() - begin):
            sum(range(20_000))
        else:
            time.sleep(0.002)


@contextlib.contextmanager
def crew(
    function: Callable[..., None], arguments: list[tuple[object, ...]]
) -> Iterator[list[psutil.Process]]:
    """Let processes do something for as long as this lasts; all have begun."""
    context = multiprocessing.get_context("spawn")
    ready = context.Semaphore(0)
    processes = [
        context.Process(target=function, args=(*each, ready), daemon=True)
        for each in arguments
    ]
    for process in processes:
        process.start()
    try:
        for _ in processes:
            ready.acquire()
        yield [psutil.Process(p.pid) for p in processes if p.pid is not None]
    finally:
        for process in processes:
            process.kill()
            process.join()


def all_attacks(prey: Prey) -> list[tuple[object, ...]]:
    """Return the arguments with which `crew` makes every attack at once."""
    return [(prey, number) for number in range(len(ATTACKS))]
