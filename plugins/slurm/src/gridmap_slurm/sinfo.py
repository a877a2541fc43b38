"""The names of the cluster's nodes. Pure."""

from __future__ import annotations

from typing import Final

PROGRAM: Final = "sinfo"

_MARK: Final = "gridmap|"


def command(clusters: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the query: one node a line, once for each of its partitions."""
    return (PROGRAM, *clusters, "--all", "--noheader", "--Node", f"--format={_MARK}%N")


def parse(output: str) -> frozenset[str] | None:
    """Return the names, None if there are none: a cluster has at least one node."""
    lines = output.splitlines()
    names = {line.removeprefix(_MARK) for line in lines if line.startswith(_MARK)}
    return frozenset(name for name in names if name) or None
