"""What the partitions' nodes have, and what of a request does not fit. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from gridmap.errors import InvalidResourceError
from gridmap.resources import format_memory, parse_walltime
from gridmap_slurm.sinfo import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.resources import Resources

_MARK: Final = "gridmap|"
_FIELDS: Final = 5
_GPUS: Final = re.compile(r"\bgpu(?::[^:,()]+)?:(\d+)")


@attrs.frozen(kw_only=True)
class Shape:
    """Nodes of one kind in one partition.

    Attributes:
        partition: The partition.
        default: Whether it is the one that is taken if none is named.
        cores: Of one node.
        memory: Of one node, bytes.
        walltime: Longest time a job may take, seconds; None: no limit.
        gpus: Of one node.
    """

    partition: str
    default: bool
    cores: int
    memory: int
    walltime: int | None
    gpus: int


def command(clusters: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the query: one line for each kind of node in each partition."""
    # Partition with "*" if default, CPUs, MB, longest time, GRES: sinfo(1).
    return (
        PROGRAM,
        *clusters,
        "--all",
        "--noheader",
        f"--format={_MARK}%P|%c|%m|%l|%G",
    )


def parse(output: str) -> tuple[Shape, ...]:
    """Return what sinfo printed; lines that make no sense are left out."""
    lines = (line for line in output.splitlines() if line.startswith(_MARK))
    shapes = (_shape(line.removeprefix(_MARK)) for line in lines)
    return tuple(shape for shape in shapes if shape is not None)


def _shape(line: str) -> Shape | None:
    fields = line.split("|", _FIELDS - 1)
    if len(fields) != _FIELDS:
        return None
    partition, cores, memory, limit, gres = fields
    # A group of nodes that are not all alike shows "4+": its least.
    numbers = [text.rstrip("+") for text in (cores, memory)]
    if not all(text.isascii() and text.isdecimal() for text in numbers):
        return None
    return Shape(
        partition=partition.rstrip("*"),
        default=partition.endswith("*"),
        cores=int(numbers[0]),
        memory=int(numbers[1]) * 2**20,
        walltime=_seconds(limit),
        gpus=sum(int(count) for count in _GPUS.findall(gres)),
    )


def _seconds(text: str) -> int | None:
    try:
        return parse_walltime(text)
    except InvalidResourceError:
        return None  # infinite, n/a


def compare(asked: Resources, shapes: Sequence[Shape]) -> str:
    """Return what of a request does not fit and what would; empty if all does."""
    mine = _mine(asked, shapes)
    if not mine:
        return ""
    place = f"partition {mine[0].partition}"
    memory = asked.memory_limit or asked.memory or 0
    most_memory = max(shape.memory for shape in mine)
    texts = []
    for wanted, most, what in (
        (asked.cores, max(shape.cores for shape in mine), "cores"),
        (asked.gpus, max(shape.gpus for shape in mine), "graphics processors"),
    ):
        if wanted > most:
            texts.append(
                f"asked for {wanted} {what}; the largest node of {place} has {most}: ask "
                f"for at most {most}"
            )
    if memory > most_memory:
        have = format_memory(most_memory)
        texts.append(
            f"asked for {format_memory(memory)} of memory; the largest node of {place} "
            f"has {have}: ask for at most {have}"
        )
    texts += _time(asked, mine, shapes)
    return "; ".join(_elsewhere(asked, text, shapes) for text in texts)


def _mine(asked: Resources, shapes: Sequence[Shape]) -> list[Shape]:
    names = (asked.queue or "").split(",")
    named = [shape for shape in shapes if shape.partition in names]
    return named or [shape for shape in shapes if shape.default]


def _time(
    asked: Resources, mine: Sequence[Shape], shapes: Sequence[Shape]
) -> list[str]:
    limits = [shape.walltime for shape in mine if shape.walltime is not None]
    if asked.walltime is None or len(limits) < len(mine):
        return []
    most = max(limits)
    if asked.walltime <= most:
        return []
    others = sorted(
        {s.partition for s in shapes if s.walltime is None or s.walltime > most}
    )
    more = f", or use partition {' or '.join(others)}" if others else ""
    return [
        (
            f"asked for {asked.walltime} s; partition {mine[0].partition} grants {most} s: "
            f"ask for at most {most} s{more}"
        )
    ]


def _elsewhere(asked: Resources, text: str, shapes: Sequence[Shape]) -> str:
    """Add the partitions whose nodes are large enough, if there are some."""
    memory = asked.memory_limit or asked.memory or 0
    fitting = {
        shape.partition
        for shape in shapes
        if shape.cores >= asked.cores
        and shape.gpus >= asked.gpus
        and shape.memory >= memory
    }
    if "grants" in text or not fitting:
        return text
    return f"{text}, or use partition {' or '.join(sorted(fitting))}"
