"""Which nodes a submission may use, in the two words Slurm has for it. Pure.

``--nodelist=a,b`` means "all of these", not "any of these": with one node asked for,
sbatch answers ``invalid number of nodes (-N 2-1)`` (seen in 22.05.8). "Any of these" is
therefore written as ``--exclude`` of all others, which takes knowing the others. And a
name that Slurm does not know, even in ``--exclude``, makes it refuse the submission, so
that names are looked up first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from gridmap import ranges
from gridmap.errors import InvalidResourceError

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBERED: Final = re.compile(r"(.*?)(\d{1,9})")
_SAFE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@attrs.frozen(kw_only=True)
class Placement:
    """Where runners may start.

    Attributes:
        only: The one node to use (``--nodelist``), None if there is a choice.
        exclude: Nodes not to use (``--exclude``), in Slurm's short form.
    """

    only: str | None = None
    exclude: str = ""


def place(
    allowed: Iterable[str], avoided: Iterable[str], known: frozenset[str] | None
) -> Placement:
    """Return the placement that uses one of *allowed* and none of *avoided*.

    Args:
        allowed: Nodes that may be used; empty: any. ``queue@node``, as Grid Engine has
            it, is understood as the node.
        avoided: Nodes not to use. Those the cluster does not know are left out.
        known: All nodes of the cluster; None if it could not be asked, in which case
            names are taken as they are, and a choice between several shows a
            description in place of a list.

    Raises:
        InvalidResourceError: If a name cannot be a node's, or no node is left.
    """
    wanted = [_plain(name) for name in allowed]
    unwanted = {_plain(name) for name in avoided}
    if known is None:
        return _place_blindly(wanted, unwanted)
    usable = {name for name in (_known(name, known) for name in wanted) if name}
    if wanted and not usable:
        msg = f"none of the nodes {wanted} belongs to this cluster: {_some(known)}"
        raise InvalidResourceError(msg)
    out = {name for name in (_known(name, known) for name in unwanted) if name}
    left = (usable or known) - out
    if not left:
        msg = f"no node is left: {sorted(usable or known)} less those to be avoided"
        raise InvalidResourceError(msg)
    if usable and len(left) == 1:
        return Placement(only=next(iter(left)))
    return Placement(exclude=shorten(known - left if usable else out))


def _place_blindly(wanted: list[str], unwanted: set[str]) -> Placement:
    left = [name for name in wanted if name not in unwanted]
    if wanted and not left:
        msg = f"no node is left: {wanted} less those to be avoided"
        raise InvalidResourceError(msg)
    if len(left) > 1:
        return Placement(exclude=f"<every node but {','.join(left)}>")
    if left:
        return Placement(only=left[0])
    return Placement(exclude=shorten(unwanted))


def _plain(name: str) -> str:
    node = name.rpartition("@")[2].strip()
    if not _SAFE.fullmatch(node):
        msg = f"{name!r} cannot be the name of a node"
        raise InvalidResourceError(msg)
    return node


def _known(name: str, known: frozenset[str]) -> str | None:
    """Return Slurm's name for a node that may be given with its domain."""
    short = name.partition(".")[0]
    return name if name in known else short if short in known else None


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    return shorten(names[:50]) + (", ..." if len(names) > 50 else "")  # noqa: PLR2004


def shorten(names: Iterable[str]) -> str:
    """Return names in Slurm's short form, such as ``"gpu,n[01-16,20]"``."""
    plain: list[str] = []
    numbered: dict[tuple[str, int], list[int]] = {}
    for name in sorted(set(names)):
        if match := _NUMBERED.fullmatch(name):
            numbered.setdefault((match[1], len(match[2])), []).append(int(match[2]))
        else:
            plain.append(name)
    for (prefix, width), numbers in sorted(numbered.items()):
        text = ",".join(ranges.compact(numbers, width))
        plain.append(f"{prefix}{text}" if len(numbers) == 1 else f"{prefix}[{text}]")
    return ",".join(plain)
