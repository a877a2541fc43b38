"""Reading qacct, and what it says about deaths. Pure.

What each death looks like, 8.1.9, by experiment (sge_status(5) for the codes):

===========================  =====================  ===========  ==================
death                        failed                 exit_status  DRMAA's wait
===========================  =====================  ===========  ==================
exit 0, exit 3               0                      0, 3         exited
exit 137 by itself           0                      137          exited 137
kill -9 from outside         100 assumedly after    137          signalled SIGKILL
segmentation fault           100                    139          signalled SIGSEGV
over s_rt                    100                    138 (USR1)   signalled SIGUSR1
over h_rt                    37 qmaster enforced    137          signalled SIGKILL
over h_vmem, the whole tree  37                     137          signalled SIGKILL
over h_vmem, one process     0, malloc fails        its own      exited
qdel, running                100                    137          **aborted**
qdel with -notify            0 or 100               its own      **aborted**
qdel, waiting                no record              none         no usage (code 24)
cannot start (directory,     26, 27, 28             0            aborted
log file, program)
exit 100                     30 application error   100          aborted
exit 99, qmod -rj            25 rescheduling, then  99, 0        at the last end
                             another record
node lost, and back          19 before writing ...  0            none of the three
node lost, not back          no record, qstat: r    none         nothing
===========================  =====================  ===========  ==================

So qacct alone cannot tell qdel from kill -9, DRMAA can; and DRMAA cannot tell a limit
from kill -9, qacct can. ``ru_maxrss`` is of the largest single process, in KiB, but
printed as if it were bytes (``307.961KB`` for 308 MiB); ``maxvmem`` is virtual memory
of the whole tree. A job's number comes again when the master starts from new: the last
record counts. While an execution daemon is stopped its jobs go on; started again, it
notices an end up to a minute late.
"""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

import attrs

from gridmap.backend import Autopsy, Ending, Handle, Limit

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_FAILURE: Final = 0
RESCHEDULED: Final = 25
APPLICATION_ERROR: Final = 30
ENFORCED_LIMIT: Final = 37
AFTER_JOB: Final = 100

START_CODES: Final = frozenset(
    {1, 3, 4, 6, 7, 8, 9, 10, 11, 26, 27, 28, 29, 31, 32, 33, 34, 36, 38}
)
"""Failures before the program ran: sge_status(5), 8.1.9."""
NODE_CODES: Final = frozenset({18, 19, 20, 21, 22})
"""The execution daemon lost track of the job, or its host restarted."""
MIGRATED: Final = 24

_NO_STATUS: Final = START_CODES | NODE_CODES | {RESCHEDULED}
"""Failures whose records show an exit status of 0 that nobody has seen."""

NOT_STARTED: Final = frozenset({126, 127})
"""Exit status of env(1) and sh(1) where there is no such program, or none to execute."""

_MEMORY: Final = re.compile(r"([\d.]+)\s*([KMGTP]?)(?:i?B)?", re.IGNORECASE)
_FACTORS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_DURATION: Final = re.compile(r"([\d.]+)\s*s?")
_REQUEST: Final = re.compile(r"(?:^|[\s,])(h_rt|s_rt|h_vmem|h_cpu)=([\w.:]+)")
_DATES: Final = ("%a %b %d %H:%M:%S %Y", "%m/%d/%Y %H:%M:%S.%f", "%m/%d/%Y %H:%M:%S")


@attrs.frozen(kw_only=True)
class Record:
    """One accounting record: one start of one task.

    Attributes:
        handle: Whose.
        failed: The failure's code.
        failure: The same in words.
        exit_status: As accounted: 128 + n for a death by signal *n*.
        host: Where it ran; None if nowhere.
        queue: The queue it ran in; empty if none.
        submitted: When it was submitted; None if the record does not say.
        slots: How many slots it had.
        wallclock_s: How long it ran.
        resident: Bytes, the most the largest process held in memory.
        virtual: Bytes, the most virtual memory of all its processes.
        requests: ``h_rt``, ``s_rt``, ``h_vmem``, ``h_cpu`` as they were asked for.
    """

    handle: Handle
    failed: int
    failure: str
    exit_status: int | None
    host: str | None
    queue: str
    submitted: datetime | None
    slots: int
    wallclock_s: float | None
    resident: int | None
    virtual: int | None
    requests: Mapping[str, str]


def parse(text: str) -> tuple[Record, ...]:
    """Return the records in the output of ``qacct -j``, in its order; skips rubbish."""
    records = []
    for block in re.split(r"^=+\s*$", text, flags=re.MULTILINE):
        fields = dict(_fields(block))
        record = _record(fields)
        if record is not None:
            records.append(record)
    return tuple(records)


def last(
    records: Iterable[Record], lives: Mapping[Handle, int] | None = None
) -> Mapping[Handle, Record]:
    """Return each task's last record; of a task whose last start has none, none.

    Args:
        records: In the order in which they were written: one for each start.
        lives: How often each task was started; None: once.
    """
    known = tuple(records)
    written = Counter(record.handle for record in known)
    return {
        record.handle: record
        for record in known
        if written[record.handle] >= (lives or {}).get(record.handle, 1)
    }


def autopsy(
    record: Record,
    *,
    aborted: bool | None = None,
    queue: Mapping[str, str] | None = None,
) -> Autopsy:
    """Return what a record proves.

    Args:
        record: The last one of a task that is over.
        aborted: Whether DRMAA says that the job was ended through the scheduler; None
            if DRMAA was not asked or does not know.
        queue: The limits of the queue it ran in; None if they are not known.
    """
    limit = limit_hit(record, queue)
    ending = _ending(record, limit, aborted=aborted)
    over_memory = limit is Limit.MEMORY
    peak = record.virtual if over_memory else record.resident or record.virtual
    return Autopsy(
        ending=ending,
        limit=limit,
        exit_status=None if record.failed in _NO_STATUS else record.exit_status,
        signal=signal_of(record),
        peak_memory=peak or None,
        node=record.host,
        text=_words(record, ending),
    )


def limit_hit(record: Record, queue: Mapping[str, str] | None = None) -> Limit | None:
    """Return the limit that ended it, None if none did or it cannot be told which.

    Args:
        record: The record.
        queue: The queue's own limits; None if they are not known.
    """
    if record.failed == AFTER_JOB and signal_of(record) == signal.SIGUSR1:
        soft = _least("s_rt", record.requests)
        wallclock = record.wallclock_s or 0.0
        return Limit.TIME if soft is not None and wallclock >= soft else None
    if record.failed != ENFORCED_LIMIT:
        return None
    return _enforced(record, queue)


def _enforced(record: Record, queue: Mapping[str, str] | None) -> Limit | None:
    known = (record.requests, queue or {})
    memory, time = _least("h_vmem", *known), _least("h_rt", *known)
    if memory is not None and (record.virtual or 0) >= memory * record.slots:
        return Limit.MEMORY
    over = time is not None and (record.wallclock_s or 0.0) >= time
    if over or _least("h_cpu", *known) is not None:
        return Limit.TIME
    if queue is not None and time is None:
        # No time was limited: it was a consumable's default, which may even be 0.
        return Limit.MEMORY
    # Memory was asked for and not used up, so that it was a limit of the queue's.
    return Limit.TIME if memory is not None else None


def _least(name: str, *sources: Mapping[str, str]) -> float | None:
    amounts = [_amount(name, source[name]) for source in sources if name in source]
    return min((amount for amount in amounts if amount is not None), default=None)


def signal_of(record: Record) -> int | None:
    """Return the signal that ended the job, None if none did."""
    status = record.exit_status or 0
    if record.failed in {AFTER_JOB, ENFORCED_LIMIT} and 128 < status < 128 + 65:  # noqa: PLR2004
        return status - 128
    return None


def _ending(
    record: Record, limit: Limit | None, *, aborted: bool | None
) -> Ending | None:
    by_code: dict[int, Ending | None] = {
        RESCHEDULED: None,
        ENFORCED_LIMIT: Ending.SCHEDULER_LIMIT,
        MIGRATED: Ending.PREEMPTION,
        APPLICATION_ERROR: Ending.ITSELF,
    }
    by_code |= dict.fromkeys(START_CODES, Ending.START)
    by_code |= dict.fromkeys(NODE_CODES, Ending.NODE)
    if limit is not None:
        return Ending.SCHEDULER_LIMIT
    if record.failed in by_code:
        return by_code[record.failed]
    if record.failed == NO_FAILURE and record.exit_status in NOT_STARTED:
        return Ending.START
    if aborted:
        return Ending.PERSON
    if record.failed == AFTER_JOB and aborted is None:
        # Without DRMAA, qdel and a signal from elsewhere look the same.
        return None if signal_of(record) == signal.SIGKILL else Ending.ITSELF
    return Ending.ITSELF


def _words(record: Record, ending: Ending | None) -> str:
    parts = [f"failed {record.failed}: {record.failure}"] if record.failed else []
    if record.exit_status is not None:
        parts.append(f"exit status {record.exit_status}")
    if record.wallclock_s is not None:
        parts.append(f"ran {record.wallclock_s:g} s")
    parts += [f"asked for {name}={text}" for name, text in record.requests.items()]
    if ending is Ending.PERSON:
        parts.append("ended through the scheduler (qdel)")
    return "Grid Engine accounts: " + ", ".join(parts)


def _fields(block: str) -> Iterable[tuple[str, str]]:
    for line in block.splitlines():
        key, _, value = line.partition(" ")
        if key:
            yield key, value.strip()


def _record(fields: Mapping[str, str]) -> Record | None:
    job, task = fields.get("jobnumber", ""), fields.get("taskid", "undefined")
    failed = re.match(r"\d+", fields.get("failed", ""))
    if not job.isdecimal() or failed is None:
        return None
    status = re.match(r"\d+", fields.get("exit_status", ""))
    resident = _bytes(fields.get("ru_maxrss", ""))
    slots = fields.get("slots", "")
    return Record(
        handle=Handle(job, task if task.isdecimal() else None),
        failed=int(failed[0]),
        failure=fields["failed"][failed.end() :].strip(" :"),
        exit_status=int(status[0]) if status and int(status[0]) < 256 else None,  # noqa: PLR2004
        host=fields.get("hostname") or None,
        queue=fields.get("qname", ""),
        submitted=_date(fields.get("qsub_time", "")),
        slots=int(slots) if slots.isdecimal() else 1,
        wallclock_s=_seconds(fields.get("ru_wallclock", "")),
        resident=None if resident is None else resident * 1024,
        virtual=_bytes(fields.get("maxvmem", "")),
        requests=dict(_REQUEST.findall(fields.get("category", ""))),
    )


def _amount(name: str, text: str) -> float | None:
    if name == "h_vmem":
        # sge_types(1): k, m, g are powers of 1000, K, M, G of 1024.
        match = _MEMORY.fullmatch(text)
        if match and match[2] and match[2].islower():
            return float(match[1]) * 1000.0 ** ("kmgtp".index(match[2]) + 1)
        return _bytes(text)
    seconds = 0.0
    for part in text.split(":"):
        if part and not re.fullmatch(r"\d+(?:\.\d+)?", part):
            return None
        seconds = seconds * 60 + float(part or 0)
    return seconds


def _bytes(text: str) -> int | None:
    match = _MEMORY.fullmatch(text)
    try:
        return int(float(match[1]) * _FACTORS[match[2].upper()]) if match else None
    except ValueError:
        return None


def _seconds(text: str) -> float | None:
    match = _DURATION.fullmatch(text)
    try:
        return float(match[1]) if match else None
    except ValueError:
        return None


def _date(text: str) -> datetime | None:
    for form in _DATES:
        try:
            found = datetime.strptime(text, form)  # noqa: DTZ007 - the master's own zone
        except ValueError:
            continue
        return found if found.year > 1970 else None  # noqa: PLR2004 - the epoch: not known
    return None
