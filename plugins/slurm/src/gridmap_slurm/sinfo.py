"""The cluster's nodes: their names, and which of them are silent. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.backend import SeenState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gridmap.backend import Seen

PROGRAM: Final = "sinfo"

_MARK: Final = "gridmap|"
_SHUT: Final = ("drain", "down", "fail", "maint", "inval")


def command(clusters: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the query: one node a line, once for each of its partitions."""
    return (PROGRAM, *clusters, "--all", "--noheader", "--Node", f"--format={_MARK}%N")


def shut_command() -> tuple[str, ...]:
    """Return the query for states of all nodes and why they are so, one a line."""
    return (PROGRAM, "--all", "--noheader", "--Node", f"--format={_MARK}%N|%T|%E")


def parse_shut(output: str) -> tuple[dict[str, str], int]:
    """Return the nodes that take no job, each with why, and how many nodes there are.

    Their states begin with drain, down, fail or maint, or have a star: they do not
    answer (sinfo(1), "NODE STATE CODES"; 22.05.8).
    """
    shut, names = {}, set()
    for line in output.splitlines():
        mark, _, rest = line.partition("|")
        name, _, rest = rest.partition("|")
        state, _, reason = rest.partition("|")
        if f"{mark}|" != _MARK or not name:
            continue
        names.add(name)
        if state.startswith(_SHUT) or state.endswith("*"):
            shut[name] = state + ("" if reason in {"", "none"} else f": {reason}")
    return shut, len(names)


def parse(output: str) -> frozenset[str] | None:
    """Return the names, None if there are none: a cluster has at least one node."""
    lines = output.splitlines()
    names = {line.removeprefix(_MARK) for line in lines if line.startswith(_MARK)}
    return frozenset(name for name in names if name) or None


def state_command(
    nodes: Iterable[str], clusters: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Return the query for the states of these nodes, one a line."""
    names = f"--nodes={','.join(sorted(nodes))}"
    options = ("--all", "--noheader", "--Node", names, f"--format={_MARK}%N|%T")
    return (PROGRAM, *clusters, *options)


def parse_silent(output: str) -> dict[str, str]:
    """Return the nodes that do not answer, each with Slurm's word for its state.

    A node that does not answer has a star behind its state (sinfo(1), "NODE STATE
    CODES"; seen with 22.05.8: ``mixed*`` after 20 s of silence, ``down*`` after 42 s
    with a ``SlurmdTimeout`` of 30 s).
    """
    silent = {}
    for line in output.splitlines():
        mark, _, rest = line.partition("|")
        name, _, state = rest.partition("|")
        if f"{mark}|" == _MARK and name and state.endswith("*"):
            silent[name] = state
    return silent


def unreachable(seen: Seen, silent: Mapping[str, str]) -> Seen:
    """Return what is to be shown of a runner on a node that does not answer."""
    reason = f"Slurm has no answer from node {seen.node} ({silent[seen.node or '']})"
    return msgspec.structs.replace(seen, state=SeenState.UNREACHABLE, reason=reason)
