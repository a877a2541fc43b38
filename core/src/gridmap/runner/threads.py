"""How many threads a job's libraries start: as many as it was granted cores. Pure.

Most numerical libraries start a thread for each core of the machine, be the job allowed
one of them or all; eight such jobs on a node of 64 cores are 512 threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CORES: Final = "GRIDMAP_CORES"
"""What tells the job itself how many cores its runner was granted."""

_OPENMP: Final = "OMP_NUM_THREADS"

_FOLLOWING: Final = (
    "BLIS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)
"""Variables of libraries that do without them what OpenMP's says.

One that is set takes precedence, so it is left alone where the user has set OpenMP's.
"""

_OTHERS: Final = (
    "LOKY_MAX_CPU_COUNT",  # joblib, with n_jobs=-1
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def bounded(
    environment: Mapping[str, str | None], own: Mapping[str, str], cores: int | None
) -> dict[str, str | None]:
    """Return a job's environment with the variables that bound its threads.

    Args:
        environment: Variables the job is to have, and (None) not to have.
        own: Those that the runner has, be it from the scheduler or the node.
        cores: What the scheduler granted; None if it does not say: nothing is bounded.
    """
    if cores is None:
        return dict(environment)
    here = {**own, **environment}
    names = {_OPENMP, *_OTHERS}
    if here.get(_OPENMP) is None:
        names.update(_FOLLOWING)
    bounds = {name: str(cores) for name in names if here.get(name) is None}
    return {**environment, **bounds, CORES: str(cores)}
