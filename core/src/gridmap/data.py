"""GridMap's names for packing and unpacking an object.

Nothing in gridmap uses them; programs written for GridMap import them from here.
"""

from __future__ import annotations

import bz2
import pickle  # noqa: TID251 - what these two functions are


def zdumps(obj: object) -> bytes:
    """Return *obj* pickled by cloudpickle and compressed by bz2, as GridMap did."""
    import cloudpickle  # noqa: PLC0415 - 25 ms for whoever only imports the module

    pickled: bytes = cloudpickle.dumps(obj, protocol=pickle.HIGHEST_PROTOCOL)
    return bz2.compress(pickled, 9)


def zloads(pickled_data: bytes) -> object:
    """Return the object that `zdumps` packed.

    Never to be called on bytes of a stranger: unpickling runs what they say.
    """
    return pickle.loads(bz2.decompress(pickled_data))  # noqa: S301 - users' own bytes
