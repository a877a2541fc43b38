"""A batch to be submitted, and the run it is of."""

from pathlib import Path

import msgspec

from gridmap.backend import Batch, RunContext
from gridmap.resources import Resources
from gridmap_slurm import sbatch

CONTEXT = RunContext(
    token="5eed",  # noqa: S106 - not a secret, by its own definition
    name="sweep",
    directory=Path("/runs/5eed"),
    logs=Path("/runs/5eed/logs"),
)
BATCH = Batch(
    runners=(4, 5, 6),
    command=("/usr/bin/python3", "-m", "gridmap.runner", "home.json", "/home/jane"),
    environment={"GRIDMAP_RUN": "5eed"},
    directory="/home/jane",
    name="sweep",
    resources=Resources(),
)


def render(**resources: object) -> tuple[str, ...]:
    """Return the call of sbatch for the batch with these resources."""
    asked = Resources(**resources)  # type: ignore[arg-type] # what a user may write
    return sbatch.build(
        msgspec.structs.replace(BATCH, resources=asked), CONTEXT
    ).command
