"""A map alone, and the same map while other processes attack it all the time.

Prints the medians of both rates, taken in turns, and their ratio. Usage: ``python benchmarks/under_attack.py [JOBS]``
from the root of a checkout, in whose environment the tests' requirements are. The
attackers connect and say nothing, talk HTTP and noise, knock with keys of their own,
and, with the run's key, greet under no name and send what is no message. Loopback only.
"""

import contextlib
import multiprocessing
import os
import secrets
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = str(ROOT)

from tests.security import loopback  # noqa: E402 - it is in the checkout

from gridmap import plugins  # noqa: E402
from gridmap.connection import ConnectionFile, split_tcp_address  # noqa: E402
from gridmap.errors import GridMapError  # noqa: E402
from gridmap.monitor.monitor import JobMonitor  # noqa: E402
from gridmap.transport import RunKeys, RunnerSocket  # noqa: E402

JOBS = 300_000
ROUNDS = 3
WORKERS = 4
NOISE = (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100_000, b"\x01\0\x06\0hello")
ATTACKS: list[Callable[[ConnectionFile], None]] = []
PAUSE_S = 0.005
"""Between two knocks: attackers on other machines would not take our processors."""


def attack(function: Callable[[ConnectionFile], None]) -> Callable[..., None]:
    """List an attack."""
    ATTACKS.append(function)
    return function


@attack
def be_silent(file: ConnectionFile) -> None:
    """Hold some hundred connections and say nothing."""
    target = split_tcp_address(file.addresses[0])
    with contextlib.ExitStack() as crowd:
        for _ in range(200):
            crowd.enter_context(socket.create_connection(target, 1.0))
            time.sleep(PAUSE_S)


@attack
def make_noise(file: ConnectionFile) -> None:
    """Say what is no ZeroMQ."""
    target = split_tcp_address(file.addresses[0])
    for noise in (*NOISE, os.urandom(10_000)):
        with socket.create_connection(target, 1.0) as stranger:
            stranger.sendall(noise)
        time.sleep(PAUSE_S)


@attack
def knock(file: ConnectionFile) -> None:
    """Show keys of another run."""
    keys = RunKeys.fresh()
    other = attrs.evolve(
        file,
        client_public_key=keys.client_public_key,
        client_secret_key=keys.client_secret_key,
    )
    stranger = RunnerSocket(other, secrets.token_bytes(8).hex().encode())
    with contextlib.suppress(GridMapError):
        stranger.connect(0.1)
    stranger.close(0.0)
    time.sleep(PAUSE_S)


@attack
def lie(file: ConnectionFile) -> None:
    """Hold the run's key and send what is no message."""
    rogue = RunnerSocket(file, secrets.token_bytes(8).hex().encode())
    with contextlib.suppress(GridMapError):
        rogue.connect(1.0)
        for _ in range(50):
            rogue.send([os.urandom(200), os.urandom(2000)])
            time.sleep(PAUSE_S)
    rogue.close(0.0)


def again_and_again(path: Path, number: int) -> None:
    """Attack until killed."""
    file = ConnectionFile.read(path)
    while True:
        with contextlib.suppress(OSError):
            ATTACKS[number](file)


@contextlib.contextmanager
def attackers(path: Path) -> Iterator[None]:
    """Let one process for each attack go on for as long as this lasts."""
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=again_and_again, args=(path, number), daemon=True)
        for number in range(len(ATTACKS))
    ]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def rate(jobs: int, *, attacked: bool) -> tuple[float, str]:
    """Run a map; return jobs a second, and what was turned away."""
    settings: dict[str, Any] = {"interface": "lo"}
    with JobMonitor(
        backend=loopback.NAME, max_workers=WORKERS, settings=settings
    ) as monitor:
        opened = monitor._opened  # noqa: SLF001 - there is no public way, for good
        if opened is None:
            message = "the run is not open"
            raise RuntimeError(message)
        path = opened.directory.path / "connection.json"
        with attackers(path) if attacked else contextlib.nullcontext():
            first = monitor.add(abs, [((-1,), None)] * 100)
            take(monitor, len(first))
            begin = time.perf_counter()
            take(monitor, len(monitor.add(abs, [((-1,), None)] * jobs, final=True)))
            seconds = time.perf_counter() - begin
        counters = opened.socket.counters
        told = f"{counters.strangers} strangers, {counters.denied} denied"
    return jobs / seconds, told


def take(monitor: JobMonitor, count: int) -> None:
    """Wait for so many right results."""
    while count > 0:
        for outcome in monitor.outcomes.take():
            if outcome.value != 1:
                message = f"a wrong result: {outcome}"
                raise RuntimeError(message)
            count -= 1


def main(jobs: int) -> None:
    """Measure both, and print them."""
    entries = [*metadata.entry_points(group=plugins.GROUP), loopback.ENTRY]
    known = plugins.Plugins(entries)
    plugins.installed = lambda: known  # type: ignore[assignment] # a plugin of tests
    with TemporaryDirectory() as place:
        os.environ["GRIDMAP_RUNS"] = place
        rounds = [
            (rate(jobs, attacked=False)[0], *rate(jobs, attacked=True))
            for _ in range(ROUNDS)
        ]
    alone = statistics.median(row[0] for row in rounds)
    besieged = statistics.median(row[1] for row in rounds)
    told = rounds[-1][2]
    print(f"alone:        {alone:10,.0f} jobs/s")
    print(f"under attack: {besieged:10,.0f} jobs/s ({told})")
    print(f"ratio:        {besieged / alone:10.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else JOBS)
