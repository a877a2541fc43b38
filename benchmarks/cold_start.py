"""From a new interpreter to the first result, and what an import costs.

Usage: ``python benchmarks/cold_start.py [ROUNDS]``

Each figure is the wall-clock time of a new process until it says so; files are in the
page cache, so what a network disk adds is not in it.
"""

import compileall
import subprocess
import sys
import time
from importlib import util
from pathlib import Path

from _figures import Rounds
from _peers import OURS, installed

TARGETS = {"loky": 1.0, "dask.distributed": 0.25, "Parsl": 0.05}
IMPORTS = {"ProcessPoolExecutor": "concurrent.futures.process"}


def compile_ours() -> None:
    """Compile our modules, as an installer does.

    It compiles the peers' and not those of an editable installation, which would be
    compiled at each start where PYTHONDONTWRITEBYTECODE is set.
    """
    for name in ("gridmap", "gridmap_local"):
        spec = util.find_spec(name)
        for place in spec.submodule_search_locations or () if spec else ():
            compileall.compile_dir(place, quiet=2)


def until_told(arguments: list[str]) -> float:
    """Return milliseconds until a new interpreter prints its first result."""
    begin = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        said = process.stdout.readline() if process.stdout else b""
        taken = time.perf_counter() - begin
    if said != b"1\n":
        message = f"{arguments} said {said!r}"
        raise RuntimeError(message)
    return 1000 * taken


def main(rounds: int) -> None:
    """Measure and print."""
    program = str(Path(__file__).parent / "_peers.py")
    compile_ours()
    peers = (OURS, *installed())
    first, imported = Rounds(), Rounds()
    for number in range(rounds + 1):
        # The first round fills the page cache.
        firsts, imports = (first, imported) if number else (Rounds(), Rounds())
        bare = until_told(["-c", "print(1)"])
        for peer in peers:
            firsts.add(peer.name, until_told([program, peer.name]))
            module = IMPORTS.get(peer.name, peer.module)
            taken = until_told(["-c", f"import {module}; print(1)"])
            imports.add(peer.name, taken - bare)
    print("  new interpreter to the first result")
    first.print(OURS.name, TARGETS, "ms", more=False)
    print("  import, beyond the bare interpreter (target for gridmap: 60 ms)")
    imported.print(OURS.name, {}, "ms", more=False)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
