"""One query for many runners: squeue, and what it prints. Pure.

Seen with 22.05.8:

* The header is asked for, not suppressed: it is the proof that squeue really answered.
  Each line carries a mark, so that whatever a site's wrapper prints is told apart.
* Ended jobs are shown (``--states=all``) until ``MinJobAge`` is over, 300 s by default.
* A task that is cancelled before it started leaves the array without a trace, except
  for the array's last one, after which the array itself is shown, with no index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from gridmap.backend import Seen, SeenState
from gridmap_slurm import ids, states

if TYPE_CHECKING:
    from gridmap.backend import Handle
    from gridmap.programs import Answer

PROGRAM: Final = "squeue"

_MARK: Final = "gridmap"
# The free texts come last: a reason has no bar in it, a comment of the user's may.
_FORMAT: Final = f"{_MARK}|%i|%T|%B|%r|%k"
_FIELDS: Final = 6
_HEADER: Final = "JOBID"
_NOTHING: Final = frozenset({"", "n/a", "N/A", "None", "(null)"})


@attrs.frozen(kw_only=True)
class Row:
    """What squeue showed of one runner.

    Attributes:
        seen: The state, for core.
        comment: The job's comment, by which a run finds its own.
        refused: Whether the controller did not take it, but remembers it all the same.
    """

    seen: Seen
    comment: str
    refused: bool = False


def command(uid: int, clusters: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the query: the same for all runs of a user, so that they can share it.

    Args:
        uid: Whose jobs; the controller then sends no others'.
        clusters: Option that names the cluster.
    """
    return (
        PROGRAM,
        *clusters,
        "--all",  # partitions that are hidden, too
        "--array",
        "--states=all",
        f"--user={uid}",
        f"--format={_FORMAT}",
    )


def is_sound(answer: Answer) -> bool:
    """Return whether this is what squeue prints when the controller answers."""
    return answer.status == 0 and parse(answer.output) is not None


def parse(output: str) -> dict[Handle, Row] | None:
    """Return what squeue showed, None if the output makes no sense.

    Args:
        output: Its standard output. Lines without our mark are a site's own.
    """
    lines = [line.split("|", _FIELDS - 1) for line in output.splitlines()]
    ours = [fields for fields in lines if fields[0] == _MARK]
    if not any(fields[1:2] == [_HEADER] for fields in ours):
        return None
    rows: dict[Handle, Row] = {}
    for fields in ours:
        if fields[1:2] == [_HEADER]:
            continue
        if len(fields) != _FIELDS:
            return None
        handles = ids.parse(fields[1])
        if not handles:
            return None
        row = _row(fields)
        rows.update(dict.fromkeys(handles, row))
    return rows


def find(handle: Handle, rows: dict[Handle, Row]) -> Row | None:
    """Return the row of a runner, None if there is none.

    An array whose last waiting task was cancelled is shown without an index; that row
    stands for all tasks that have none of their own.
    """
    if (row := rows.get(handle)) is not None or handle.task is None:
        return row
    whole = rows.get(msgspec.structs.replace(handle, task=None))
    return whole if whole and whole.seen.state is SeenState.ENDED else None


def living(rows: dict[Handle, Row]) -> set[Handle]:
    """Return the runners that are not over: waiting, running, or in an unknown state."""
    return {h for h, row in rows.items() if row.seen.state is not SeenState.ENDED}


def jobs_of(comment: str, rows: dict[Handle, Row]) -> set[str]:
    """Return the ids of the jobs with this comment.

    Those the controller refused do not count: it remembers them as ended for a reason
    that no waiting cures, which no job gets that was accepted (seen in 22.05.8:
    ``FAILED``, ``BadConstraints``).
    """
    return {
        handle.job
        for handle, row in rows.items()
        if row.comment == comment and not row.refused
    }


def _row(fields: list[str]) -> Row:
    _, _, word, host, reason, comment = fields
    state = states.state(word, reason)
    said = "" if reason in _NOTHING else reason
    seen = Seen(
        state=state,
        raw=word,
        reason=said,
        node=None if host in _NOTHING else host,
    )
    refused = (
        seen.state is SeenState.ENDED and word == "FAILED" and states.never(reason)
    )
    return Row(seen=seen, comment=comment, refused=refused)
