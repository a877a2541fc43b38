"""What the distribution tells gridmap."""

import subprocess
import sys

from gridmap.plugins import installed


def test_it_is_found_by_its_names() -> None:
    """By the entry point, as any plugin."""
    for name in ("sge", "grid_engine", "gridengine"):
        assert installed().find(name).distribution.startswith("gridmap-sge ")
    assert installed().find("sge").create() is not None


def test_it_only_examines_its_own() -> None:
    """Doctor asks every plugin about every backend."""
    from gridmap_sge import plugin

    assert plugin.gridmap_doctor("slurm") == []


def test_a_node_loads_no_scheduler() -> None:
    """Identity costs little: nothing that talks to a scheduler is imported for it."""
    program = (
        "import sys; from gridmap_sge.backend import GridEngineBackend as B; "
        "B().gridmap_identify(environ={}); "
        "print(sorted(m for m in sys.modules if m in "
        "{'gridmap_sge.scheduler', 'xml', 'drmaa', 'gridmap_sge.drmaa_process'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
