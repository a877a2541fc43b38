"""How fast a run is recorded, and what that takes from other threads.

Usage: ``python benchmarks/journal.py [DIRECTORY]``

A map of 100,000 no-op jobs makes about 1,000 items of 30 kB in a second; the writer has
to be faster than that beside a thread that computes in Python. DIRECTORY (made, and
left empty) should be on the disk that runs are kept on.
"""

import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from gridmap.journal.log import Item, JournalLog

PATIENCE_S = 120.0


class Log:
    """A journal in a directory of its own, and waiting for it."""

    def __init__(self, folder: Path, *, locks: bool = True) -> None:
        self.path = folder / "journal.sqlite"
        self._news = threading.Condition()
        self.log = JournalLog.open(self.path, on_commit=self._tell, locks=locks)

    def _tell(self) -> None:
        with self._news:
            self._news.notify_all()

    def write(self, items: list[Item]) -> None:
        """Put items and wait until they are committed."""
        ticket = self.log.put(items)
        with self._news:
            self._news.wait_for(lambda: self.log.committed >= ticket, PATIENCE_S)


@contextlib.contextmanager
def computing(*, busy: bool) -> Iterator[list[int]]:
    """Have a thread count as fast as Python can; yields the count."""
    count, stop = [0], threading.Event()

    def compute() -> None:
        while not stop.is_set():
            for _ in range(1000):
                count[0] += 1

    thread = threading.Thread(target=compute)
    if busy:
        thread.start()
    try:
        yield count
    finally:
        stop.set()
        if busy:
            thread.join()


def stream(log: Log, items: list[Item], *, busy: bool) -> tuple[float, float]:
    """Return items a second, and what the other thread counted meanwhile, a second."""
    with computing(busy=busy) as count:
        begin = time.perf_counter()
        # Not all at once: as they come, a turn of the monitor's loop at a time.
        for start in range(0, len(items) - 100, 100):
            log.log.put(items[start : start + 100])
            while log.log.committed < start - 1000:
                time.sleep(0.001)
        log.write(items[-100:])
        taken = time.perf_counter() - begin
    return len(items) / taken, count[0] / taken


def delays(log: Log, item: Item, times: int = 300) -> tuple[float, float]:
    """Return median and 99th percentile of the time to commit one item, ms."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        log.write([item])
        taken.append(1000 * (time.perf_counter() - begin))
    return statistics.median(taken), statistics.quantiles(taken, n=100)[-1]


def measure(folder: Path, *, locks: bool) -> None:
    """Measure one way of writing."""
    log = Log(folder, locks=locks)
    print("  write-ahead log" if locks else "  rollback journal, as on network disks")
    with computing(busy=True) as count:
        time.sleep(1)
    print(f"    counting alone                {count[0]:12,} /s")
    sizes = {"300 B": (300, 50_000), "30 kB": (30_000, 5_000)}
    for name, (size, times) in sizes.items():
        items = [Item(b"", (os.urandom(size),)) for _ in range(times)]
        for busy in (False, True):
            rate, counted = stream(log, items, busy=busy)
            beside = f", counting beside it {counted:12,.0f} /s" if busy else ""
            print(f"    items of {name:5} {rate:12,.0f} /s{beside}")
    large = [Item(b"", (os.urandom(10 * 2**20),)) for _ in range(30)]
    rate, _ = stream(log, [*large, *[Item(b"")] * 100], busy=False)
    print(f"    frames of 10 MiB {rate * 300 / 130 * 1.048576:10,.0f} MB/s")
    middle, worst = delays(log, Item(b"x" * 300))
    print(f"    one item committed in  p50 {middle:.2f} ms  p99 {worst:.2f} ms")
    log.log.close(PATIENCE_S)
    megabytes = log.path.stat().st_size / 1e6
    begin = time.perf_counter()
    again = JournalLog.open(log.path, locks=locks)
    opened = time.perf_counter() - begin
    begin = time.perf_counter()
    found = sum(1 for _ in again.read())
    read = time.perf_counter() - begin
    again.close(PATIENCE_S)
    print(
        f"    {megabytes:,.0f} MB, {found:,} items: checked in {opened:.2f} s, "
        f"read in {read:.2f} s"
    )


def main(arguments: list[str]) -> None:
    """Measure and print."""
    print("the journal of a run")
    base = Path(arguments[0]) if arguments else Path(tempfile.gettempdir())
    for locks in (True, False):
        folder = Path(tempfile.mkdtemp(dir=base))
        try:
            measure(folder, locks=locks)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
