"""Make the transcripts of ``gridmap doctor`` anew, on the test cluster::

    # python3 tests/cluster up slurm
    # python3 tests/cluster run --cwd /tmp -- PYTHON docs/how-to/transcripts/make.py PLACE

PYTHON is one that has gridmap and that the test user may run; PLACE a directory he may
write to, from which the files are then copied here. A test holds them against reality.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[3]
PORTS = "40000-40100"


def transcribe(place: Path, name: str, environ: Mapping[str, str]) -> None:
    """Run the command as a user would see it, and keep what it prints."""
    command = ["gridmap", "doctor", "--backend", "slurm"]
    done = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        check=False,
        env={**os.environ, **environ, "COLUMNS": "100"},
        text=True,
        timeout=120,
    )
    text = re.sub(r"/[^ ,:]*/runs", "/home/ann/.local/state/gridmap/runs", done.stdout)
    text = text.replace(sys.executable, "/home/ann/venv/bin/python")
    text = re.sub(
        r"(?<= )/[^ ]*/gridmap$", "/home/ann/venv/lib/gridmap", text, flags=re.MULTILINE
    )
    given = "".join(f"{key}={value} " for key, value in environ.items())
    (place / f"{name}.txt").write_text(f"$ {given}{' '.join(command)}\n{text}")


def main(place: Path) -> None:
    """Look at the cluster as it is, then with a firewall round its nodes."""
    sys.path.insert(0, str(ROOT))
    from tests.cluster.client import Cluster  # noqa: PLC0415 - only with the cluster

    cluster = Cluster.find()
    if cluster is None:
        sys.exit("there is no test cluster: see the beginning of this file")
    transcribe(place, "doctor", {})
    cluster.block("n1", PORTS)
    cluster.block("n2", PORTS)
    try:
        transcribe(place, "doctor-firewall", {"GRIDMAP_PORT_RANGE": PORTS})
    finally:
        cluster.repair()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
