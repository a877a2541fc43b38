"""A map alone, beside processes that only eat processor time, and under attack.

All attacks go on at once, each by a process of its own: see tests/security/attackers.py.
They share this machine's processors with the run, as attackers elsewhere would not; so
the same map is also run beside as many bystanders, which take as much processor time as
the attackers took and do nothing with it. What the attack itself costs a run is the
ratio to that. Rounds take turns; printed are medians, and of the run's own process also
the processor time it needed, which other load of the machine hardly changes.

Usage: ``python benchmarks/under_attack.py [JOBS [ROUNDS]]`` from the root of a checkout,
with the tests' requirements. Loopback only.
"""

import contextlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = str(ROOT)

import attrs  # noqa: E402 - behind the checkout
from tests.security import attackers, loopback  # noqa: E402

from gridmap import plugins  # noqa: E402
from gridmap.connection import ConnectionFile  # noqa: E402
from gridmap.events import AnyEvent, RunnersSubmitted, RunnerUp  # noqa: E402
from gridmap.monitor.monitor import JobMonitor  # noqa: E402
from gridmap.testing import eventually  # noqa: E402

JOBS = 600_000
ROUNDS = 5
WORKERS = 3
ROGUE = WORKERS + 1
Company = Callable[[attackers.Prey], contextlib.AbstractContextManager[Any]]


@attrs.frozen
class Measured:
    """One run: jobs a second, processor seconds a million jobs, and what was told."""

    rate: float
    cpu: float
    shares: list[float]
    turned_away: dict[str, int]


def shares_of(crew: list[Any], begin: float, before: list[float]) -> list[float]:
    """Return the share of a processor that each of a crew took since."""
    seconds = time.monotonic() - begin
    return [
        (sum(process.cpu_times()[:2]) - cpu) / seconds
        for process, cpu in zip(crew, before, strict=True)
    ]


def measure(jobs: int, company: Company) -> Measured:
    """Run a map in some company."""
    events: list[AnyEvent] = []
    settings: dict[str, Any] = {"interface": "lo"}
    with JobMonitor(
        backend=loopback.NAME,
        name=attackers.EVIL_NAME,
        max_workers=ROGUE,
        settings=settings,
        observers=[("benchmark", events.append)],
    ) as monitor:
        first = monitor.add(abs, [((-1,), None)] * 100)
        seen = eventually(
            lambda: [e for e in events if isinstance(e, RunnerUp)][WORKERS - 1 :],
            within_s=60,
            what="all runners to be up",
        )
        del seen
        take(monitor, len(first))
        with company(prey_of(monitor, events)) as crew:
            before = [sum(process.cpu_times()[:2]) for process in crew]
            begin, cpu = time.monotonic(), time.process_time()
            take(monitor, len(monitor.add(abs, [((-1,), None)] * jobs, final=True)))
            seconds, cpu = time.monotonic() - begin, time.process_time() - cpu
            shares = shares_of(crew, begin, before)
        away = dict(monitor._engine._service.turned_away)  # noqa: SLF001 - before its end
    return Measured(jobs / seconds, cpu * 1e6 / jobs, shares, away)


def prey_of(monitor: JobMonitor, events: list[AnyEvent]) -> attackers.Prey:
    """Return what attackers know of a run."""
    opened = monitor._opened  # noqa: SLF001 - there is no public way, for good
    if opened is None:
        message = "the run is not open"
        raise RuntimeError(message)
    handles: dict[int, str] = {}
    for event in events:
        if isinstance(event, RunnersSubmitted):
            handles |= dict(zip(event.runners, event.handles, strict=True))
    job, _, task = handles[ROGUE].partition(".")
    path = opened.directory.path / "connection.json"
    file = ConnectionFile.read(path)
    return attackers.Prey(
        file=file,
        path=path,
        handle=(job, task or None),
        recorded=attackers.overheard(file),
    )


@contextlib.contextmanager
def nobody(_: attackers.Prey) -> Iterator[list[Any]]:
    """Let it be alone."""
    yield []


@contextlib.contextmanager
def attack(prey: attackers.Prey) -> Iterator[list[Any]]:
    """Attack it, from before it is measured until after."""
    everything = attackers.all_attacks(prey)
    with attackers.crew(attackers.again_and_again, everything) as crew:
        time.sleep(1.0)  # until each is at it
        yield crew


def bystanders(shares: list[float]) -> Company:
    """Return company that takes such shares of a processor."""

    @contextlib.contextmanager
    def beside(_: attackers.Prey) -> Iterator[list[Any]]:
        meals: list[tuple[object, ...]] = [(share,) for share in shares]
        with attackers.crew(attackers.eat, meals) as crew:
            time.sleep(1.0)
            yield crew

    return beside


def take(monitor: JobMonitor, count: int) -> None:
    """Wait for so many right results."""
    while count > 0:
        for outcome in monitor.outcomes.take():
            if outcome.value != 1:
                message = f"a wrong result: {outcome}"
                raise RuntimeError(message)
            count -= 1
    if count < 0:
        message = "a result came twice"
        raise RuntimeError(message)


def main(jobs: int, rounds: int) -> None:
    """Measure, round after round, and print."""
    entries = [*metadata.entry_points(group=plugins.GROUP), loopback.ENTRY]
    known = plugins.Plugins(entries)
    plugins.installed = lambda: known  # type: ignore[assignment] # a plugin of tests
    os.environ[loopback.ROGUES] = str(ROGUE)
    rows: list[tuple[Measured, Measured, Measured]] = []
    with TemporaryDirectory() as place:
        os.environ["GRIDMAP_RUNS"] = place
        for number in range(rounds):
            alone = measure(jobs, nobody)
            under = measure(jobs, attack)
            beside = measure(jobs, bystanders(under.shares))
            rows.append((alone, beside, under))
            rates = " ".join(f"{each.rate:9,.0f}" for each in rows[-1])
            cpus = " ".join(f"{each.cpu:6.1f}" for each in rows[-1])
            load = os.getloadavg()[0]
            print(f"round {number + 1}: {rates} jobs/s, cpu {cpus}, load {load:.1f}")
    report(rows)


def report(rows: list[tuple[Measured, Measured, Measured]]) -> None:
    """Print medians, and the medians of each round's ratios."""
    for at, name in enumerate(("alone", "beside bystanders", "under attack")):
        rate = statistics.median(row[at].rate for row in rows)
        cpu = statistics.median(row[at].cpu for row in rows)
        taken = statistics.median(sum(row[at].shares) for row in rows)
        print(
            f"{name + ':':20}{rate:9,.0f} jobs/s, {cpu:5.1f} processor s a million "
            f"jobs; the others took {taken:.2f} of a processor"
        )

    def ratio(of: Callable[[tuple[Measured, Measured, Measured]], float]) -> float:
        return statistics.median(map(of, rows))

    print(f"attacked / alone:      {ratio(lambda r: r[2].rate / r[0].rate):.2f}")
    print(f"bystanders / alone:    {ratio(lambda r: r[1].rate / r[0].rate):.2f}")
    print(f"attacked / bystanders: {ratio(lambda r: r[2].rate / r[1].rate):.2f}")
    print(
        f"processor time, attacked / alone: {ratio(lambda r: r[2].cpu / r[0].cpu):.2f}"
    )
    print(f"turned away in the last round: {rows[-1][2].turned_away}")


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else JOBS,
        int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS,  # noqa: PLR2004
    )
