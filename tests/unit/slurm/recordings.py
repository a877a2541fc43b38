"""Outputs of real commands, kept beside this module with their provenance."""

from pathlib import Path

_DIRECTORY = Path(__file__).with_name("recorded")


def read(name: str) -> str:
    """Return a recorded output without its lines of provenance."""
    text = (_DIRECTORY / f"{name}.txt").read_text()
    lines = text.splitlines(keepends=True)
    assert lines[0].startswith("# Slurm "), "a recording says where it comes from"
    return "".join(line for line in lines if not line.startswith("# "))
