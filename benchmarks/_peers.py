"""What gridmap is measured beside, each as an executor with as many processes.

Usage, by other benchmarks: ``python _peers.py NAME [hold]``. Starts one, prints the
first result, and with "hold" stays until its standard input is closed. So nothing is
imported here that not everyone needs.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from importlib import util
from pathlib import Path
from typing import Any, NamedTuple

WORKERS = 2


class Peer(NamedTuple):
    """Another way to run a function elsewhere.

    Attributes:
        name: What people call it.
        module: What has to be installed.
        start: Starts it; ends it when left.
        jobs: How many jobs it does in a second or two.
    """

    name: str
    module: str
    start: Callable[[], contextlib.AbstractContextManager[Executor]]
    jobs: int


def _gridmap() -> Executor:
    from gridmap import GridExecutor  # noqa: PLC0415 - the others do not need it

    return GridExecutor(WORKERS, backend="local")


def _standard() -> Executor:
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - takes 13 ms

    return ProcessPoolExecutor(WORKERS)


def _loky() -> Executor:
    import loky  # noqa: PLC0415 - need not be there

    executor: Executor = loky.ProcessPoolExecutor(WORKERS)
    return executor


@contextlib.contextmanager
def _dask() -> Iterator[Executor]:
    from distributed import Client, LocalCluster  # noqa: PLC0415 - need not be there

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with (
        LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor(pure=False)


@contextlib.contextmanager
def parsl(*, encrypted: bool = False) -> Iterator[Executor]:
    """Start Parsl on this machine; encrypted is what it is unless told."""
    import tempfile  # noqa: PLC0415 - the others do not need it

    from parsl.concurrent import ParslPoolExecutor  # noqa: PLC0415 - need not be there
    from parsl.config import Config  # noqa: PLC0415 - likewise
    from parsl.executors import HighThroughputExecutor  # noqa: PLC0415 - likewise
    from parsl.providers import LocalProvider  # noqa: PLC0415 - likewise

    # It starts its programs by name.
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    provider = LocalProvider(init_blocks=1, max_blocks=1)
    with tempfile.TemporaryDirectory() as place:
        runners = HighThroughputExecutor(
            address="127.0.0.1",
            max_workers_per_node=WORKERS,
            provider=provider,
            encrypted=encrypted,
        )
        config = Config(executors=[runners], run_dir=place, initialize_logging=False)
        with ParslPoolExecutor(config) as executor:
            yield executor


class _RayExecutor(Executor):
    """Ray, as an executor."""

    def __init__(self) -> None:
        import ray  # noqa: PLC0415 - need not be there

        self._ray = ray
        ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
        self._call = ray.remote(lambda function, args: function(*args))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = self._call.remote(fn, args).future()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        del wait, cancel_futures
        self._ray.shutdown()


OURS = Peer("gridmap", "gridmap", _gridmap, 10_000)
STANDARD = Peer("ProcessPoolExecutor", "concurrent", _standard, 10_000)
PEERS = (
    STANDARD,
    Peer("loky", "loky", _loky, 10_000),
    Peer("dask.distributed", "distributed", _dask, 1_000),
    Peer("Parsl", "parsl", parsl, 1_000),
    Peer("Ray", "ray", _RayExecutor, 1_000),
)


def installed() -> list[Peer]:
    """Return the peers that are here; says which are not."""
    missing = [peer.name for peer in PEERS if util.find_spec(peer.module) is None]
    if missing:
        print(f"  not installed, so left out: {', '.join(missing)}")
    return [peer for peer in PEERS if peer.name not in missing]


def _rest() -> None:
    import time  # noqa: PLC0415 - Parsl sends this function without its module

    time.sleep(1.0)


def _main(name: str, *, hold: bool) -> None:
    (peer,) = (one for one in (OURS, *PEERS) if one.name == name)
    with peer.start() as executor:
        print(executor.submit(abs, -1).result(), flush=True)
        if hold:
            for future in [executor.submit(_rest) for _ in range(WORKERS)]:
                future.result()
            print("all workers are up", flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    _main(sys.argv[1], hold="hold" in sys.argv)
