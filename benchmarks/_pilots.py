"""What gridmap is measured beside on a cluster, each in a process of its own.

Usage, by ``clusters.py``, on a host that may submit: ``python _pilots.py NAME SCHEDULER
JOBS``. Prints two numbers: seconds from the call, nothing being started yet, to the list
of results; and seconds for the same once more, where the workers are still up.

Each is told of as many workers as there are slots, in jobs of the shape that does
better here (dask: one slot each; Parsl: one job a node). What it takes to end them is
counted for us alone: `grid_map` has ended everything when it returns.
"""

import contextlib
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

SECONDS = 0.1
NODES, SLOTS = 2, 4
WORKERS = NODES * SLOTS

Call = Callable[[Sequence[float]], Any]


def nap(seconds: float) -> float:
    """Be a job: wait, and use no processor."""
    import time  # noqa: PLC0415 - some send this function without its module

    time.sleep(seconds)
    return seconds


@contextlib.contextmanager
def _map(scheduler: str) -> Iterator[Call]:
    from gridmap import grid_map  # noqa: PLC0415 - the others do not need it

    yield lambda naps: grid_map(nap, naps, backend=scheduler, max_workers=WORKERS)


@contextlib.contextmanager
def _open_map(scheduler: str) -> Iterator[Call]:
    from gridmap import grid_map  # noqa: PLC0415 - the others do not need it

    yield lambda naps: grid_map(nap, naps, backend=scheduler)


@contextlib.contextmanager
def _executor(scheduler: str) -> Iterator[Call]:
    from gridmap import GridExecutor  # noqa: PLC0415 - the others do not need it

    with GridExecutor(WORKERS, backend=scheduler) as executor:
        yield lambda naps: list(executor.map(nap, naps))


@contextlib.contextmanager
def _dask(scheduler: str) -> Iterator[Call]:
    from distributed import Client  # noqa: PLC0415 - need not be there

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    kind = {"slurm": "SLURMCluster", "sge": "SGECluster"}[scheduler]
    cluster = getattr(import_module("dask_jobqueue"), kind)
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as place,
        cluster(
            cores=1,
            processes=1,
            memory="400MB",
            walltime="00:10:00",
            scheduler_options={"dashboard_address": None},
            local_directory=place,
            log_directory=place,
        ) as workers,
    ):
        workers.scale(jobs=WORKERS)
        with Client(workers) as client:
            yield lambda naps: client.gather(client.map(nap, naps, pure=False))


@contextlib.contextmanager
def _parsl(scheduler: str) -> Iterator[Call]:
    from parsl.concurrent import ParslPoolExecutor  # noqa: PLC0415 - need not be there
    from parsl.config import Config  # noqa: PLC0415 - likewise
    from parsl.executors import HighThroughputExecutor  # noqa: PLC0415 - likewise
    from parsl.launchers import SimpleLauncher  # noqa: PLC0415 - likewise
    from parsl.providers import (  # noqa: PLC0415 - likewise
        GridEngineProvider,
        SlurmProvider,
    )

    # It starts its programs by name, here and there.
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    common: dict[str, Any] = {
        "init_blocks": NODES,
        "max_blocks": NODES,
        "walltime": "00:10:00",
        "worker_init": f"export PATH={os.environ['PATH']}",
        "launcher": SimpleLauncher(),
    }
    if scheduler == "slurm":
        provider = SlurmProvider(
            cores_per_node=SLOTS, mem_per_node=1, exclusive=False, **common
        )
    else:
        options = f"#$ -pe smp {SLOTS}"
        provider = GridEngineProvider(
            queue="all.q", scheduler_options=options, **common
        )
    workers = HighThroughputExecutor(
        max_workers_per_node=SLOTS, provider=provider, encrypted=False
    )
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place:
        config = Config(
            executors=[workers],
            run_dir=place,
            strategy="none",
            initialize_logging=False,
        )
        with ParslPoolExecutor(config) as executor:
            yield lambda naps: list(executor.map(nap, naps))


@contextlib.contextmanager
def _submitit(scheduler: str) -> Iterator[Call]:
    import submitit  # noqa: PLC0415 - need not be there

    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place:
        executor = submitit.AutoExecutor(folder=place, cluster=scheduler)
        executor.update_parameters(
            timeout_min=10, cpus_per_task=1, mem_gb=0.4, slurm_array_parallelism=999
        )
        yield lambda naps: [job.result() for job in executor.map_array(nap, naps)]


class Contender(NamedTuple):
    """A way to run jobs on a cluster.

    Attributes:
        name: What people call it.
        module: What has to be installed.
        start: From a scheduler to a map, for as long as it is not left.
        schedulers: Where it can be used.
        stays: Whether its workers are still up when the list is there.
        slow: Whether each job is one of the scheduler's: many take a minute, and it is
            measured once.
    """

    name: str
    module: str
    start: Callable[[str], contextlib.AbstractContextManager[Call]]
    schedulers: tuple[str, ...] = ("slurm", "sge")
    stays: bool = True
    slow: bool = False


OURS = Contender("grid_map", "gridmap", _map, stays=False)
OPEN = Contender("grid_map, max_workers not said", "gridmap", _open_map, stays=False)
WARM = Contender("GridExecutor", "gridmap", _executor)
PEERS = (
    Contender("dask-jobqueue", "dask_jobqueue", _dask),
    Contender("Parsl", "parsl", _parsl),
    Contender("submitit", "submitit", _submitit, ("slurm",), stays=False, slow=True),
)


def _seconds(call: Call, jobs: int) -> float:
    naps = [SECONDS] * jobs
    begin = time.perf_counter()
    if len(call(naps)) != jobs:
        sys.exit("some results are missing")
    return time.perf_counter() - begin


def _main(name: str, scheduler: str, jobs: int) -> None:
    warnings.simplefilter("ignore")
    (one,) = (each for each in (OURS, OPEN, WARM, *PEERS) if each.name == name)
    import_module(one.module)
    begin = time.perf_counter()
    with one.start(scheduler) as call:
        setting_up = time.perf_counter() - begin
        cold = setting_up + _seconds(call, jobs)
        warm = _seconds(call, jobs) if one.stays else cold
        print(cold, warm, flush=True)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
