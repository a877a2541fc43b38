"""What accounting remembers of runners, where there is accounting. Pure.

Seen with 22.05.8: a job has several rows, its own and, for what ran in it,
``ID.batch``, ``ID.extern`` and numbered steps. The peak of memory stands in those,
sampled while they ran: a runner that ended at once has none. ``--noconvert`` gives
bytes. A database that cannot be reached is a status of 1; unknown ids are no rows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from gridmap_slurm import ids, states
from gridmap_slurm.scontrol import JobRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridmap.backend import Handle

PROGRAM: Final = "sacct"

_FIELDS: Final = ("JobID", "State", "ExitCode", "MaxRSS", "NodeList", "Reason")
_EXIT: Final = re.compile(r"(\d+):(\d+)")
_AMOUNT: Final = re.compile(r"(\d+(?:\.\d+)?)([KMGTP]?)")
_FACTORS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_UID: Final = re.compile(r"by (\S+)")
_NOWHERE: Final = frozenset({"", "None assigned", "None", "(null)"})


@attrs.frozen(kw_only=True)
class Account:
    """What accounting says of one runner.

    Attributes:
        record: As the controller would tell it.
        peak_memory: Most memory a step of it held, bytes; None if not measured.
        by: Who cancelled it, as a user id or name; None if nobody did.
    """

    record: JobRecord
    peak_memory: int | None = None
    by: str | None = None


def command(jobs: Iterable[str], clusters: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the query for these job ids and all their tasks and steps."""
    return (
        PROGRAM,
        *clusters,
        "--parsable2",
        "--noconvert",
        f"--format={','.join(_FIELDS)}",
        f"--jobs={','.join(sorted(set(jobs)))}",
    )


def parse(output: str) -> dict[Handle, Account] | None:
    """Return what accounting told, None if the output makes no sense.

    Args:
        output: Its standard output, with the header: the proof that it answered.
    """
    lines = output.splitlines()
    header = "|".join(_FIELDS)
    if header not in lines:
        return None
    accounts: dict[Handle, Account] = {}
    peaks: dict[Handle, int] = {}
    for line in lines[lines.index(header) + 1 :]:
        fields = line.split("|", len(_FIELDS) - 1)
        if len(fields) != len(_FIELDS):
            continue
        name, _, step = fields[0].partition(".")
        for handle in ids.parse(name):
            if (peak := _bytes(fields[3])) is not None:
                peaks[handle] = max(peak, peaks.get(handle, 0))
            if not step and (account := _account(handle, fields)):
                accounts[handle] = account
    return {
        handle: attrs.evolve(account, peak_memory=peaks.get(handle))
        for handle, account in accounts.items()
    }


def _account(handle: Handle, fields: list[str]) -> Account | None:
    _, word, exit_code, _, host, reason = fields
    match = _EXIT.fullmatch(exit_code)
    if match is None or not word:
        return None
    by = _UID.search(word)
    record = JobRecord(
        handle=handle,
        state=states.canonical(word),
        reason="" if reason in _NOWHERE else reason,
        exit_status=int(match[1]),
        signal=int(match[2]),
        node=None if host in _NOWHERE else host,
    )
    return Account(record=record, by=by[1] if by else None)


def _bytes(text: str) -> int | None:
    match = _AMOUNT.fullmatch(text.strip())
    return int(float(match[1]) * _FACTORS[match[2]]) if match else None
