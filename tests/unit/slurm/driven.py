"""A run that a Slurm of the test answers, and answers that are of no use."""

from collections.abc import Callable

import msgspec
from tests.unit.slurm import recordings
from tests.unit.slurm.batches import CONTEXT
from tests.unit.slurm.fakes import FakeSlurm, complains, hangs, says

from gridmap.backend import (
    Handle,
)
from gridmap.desk import Desk
from gridmap.plugins import RunPlugins
from gridmap.programs import NoAnswer
from gridmap_slurm.backend import SlurmBackend

COMMENT = "gridmap:5eed:4"
HANDLES = {4: Handle("7", "1"), 5: Handle("7", "2"), 6: Handle("7", "3")}
TASKS = frozenset(HANDLES.values())
NODES = says("gridmap|n1\ngridmap|n2\ngridmap|n3\n")
DOWN = complains("error: Unable to contact slurm controller (connect failure)")
TIMED_OUT = complains(
    "sbatch: error: Batch job submission failed: Socket timed out on send/recv "
    "operation"
)
CONFIG = says(recordings.read("scontrol-config"))
ACCOUNTING = says(
    "MaxArraySize = 1001\nAccountingStorageType = accounting_storage/slurmdbd\n"
)
BAD_ANSWERS = [
    DOWN,
    hangs(),
    says(""),
    says("\ufffd rubbish"),
    NoAnswer(text="squeue cannot be started", started=False),
]


def drive(slurm: FakeSlurm, now: Callable[[], float] = lambda: 0.0) -> RunPlugins:
    """Return a run that this Slurm answers, called as core calls it."""
    context = msgspec.structs.replace(CONTEXT, desk=Desk(run=slurm))
    backend = SlurmBackend(sleep=lambda _: None, now=now)
    return RunPlugins(backend, context, name="slurm")
