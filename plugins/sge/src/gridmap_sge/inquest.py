"""How runners ended: what DRMAA heard, and what accounting holds.

DRMAA's word is there at once and costs nobody anything: for a runner that simply ended
it is enough. For the others accounting is asked, because only it knows a limit or a
failed start (the table is in `qacct`). That is one qacct for each array, which reads
the cell's whole accounting file. Records appear some seconds late
(``accounting_flush_time``, 15 s by default): until then the runner is left out, and
after `PATIENCE_S` DRMAA's word has to do.

Of a job that was deleted while it waited DRMAA only hears that it is gone, and perhaps
also of one whose end it missed while the master was down: if accounting has no record
of it, it never ran.
"""

from __future__ import annotations

import signal
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap import ranges
from gridmap.backend import Autopsy, Ending, Handle, Limit
from gridmap.programs import NoAnswer
from gridmap_sge import ids, qacct, queueconf

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

    from gridmap.resources import Resources
    from gridmap_sge.programs import Programs
    from gridmap_sge.qacct import Record
    from gridmap_sge.submission import Ended

PATIENCE_S: Final = 25.0
SLACK: Final = timedelta(days=2)
"""How much clocks and time zones may differ; an older record is of another job with the
same number. Numbers begin anew after 9,999,999 jobs, which are not run in two days."""


class Inquest:
    """Remembers what it was told about runners that are over."""

    def __init__(self, programs: Programs, clock: Callable[[], float]) -> None:
        self._programs = programs
        self._clock = clock
        self._told: dict[Handle, Ended] = {}
        self._first_asked: dict[Handle, float] = {}

    def hear(self, ended: Mapping[Handle, Ended]) -> None:
        """Take in what DRMAA says; it says it once."""
        self._told.update(ended)

    def examine(
        self,
        handles: Collection[Handle],
        *,
        deleted: Collection[Handle] = (),
        waiting: Collection[Handle] = (),
        nodes: Mapping[Handle, str] | None = None,
        submitted: Mapping[str, datetime] | None = None,
        asked: Mapping[str, Resources] | None = None,
        lives: Mapping[Handle, int] | None = None,
    ) -> dict[Handle, Autopsy]:
        """Return an autopsy of each of *handles* of which enough is known.

        Args:
            handles: Runners that are over.
            deleted: Those that were seen being deleted.
            waiting: Those that were seen waiting a moment ago.
            nodes: Where they were last seen.
            submitted: When each job was submitted, by this machine's clock.
            asked: What each job asked for.
            lives: How often each runner was started: it has as many records.
        """
        nodes, submitted, asked = nodes or {}, submitted or {}, asked or {}
        clear = self._clear(handles, {*deleted, *waiting})
        nowhere = {
            handle
            for handle in clear - set(nodes)
            if self._told[handle].ran and self._told[handle].exit_status
        }
        unclear = set(handles) - clear | nowhere
        records, answered = self._records(unclear, submitted, lives or {})
        found = {}
        now = self._clock()
        for handle in handles:
            ended = self._told.get(handle)
            first = self._first_asked.setdefault(handle, now)
            record = records.get(handle)
            if record is not None and record.failed != qacct.RESCHEDULED:
                aborted = ended.aborted if ended else (handle in deleted or None)
                found[handle] = qacct.autopsy(
                    record, aborted=aborted, queue=self._queue_limits(record)
                )
            elif ended is not None and (
                handle in clear or not answered or now - first >= PATIENCE_S
            ):
                resources = asked.get(handle.job)
                never = answered or handle in clear
                found[handle] = by_drmaa(
                    ended, nodes.get(handle), resources, accounted=never
                )
        for handle in found:
            del self._first_asked[handle]
        return found

    def _clear(self, handles: Iterable[Handle], never_ran: set[Handle]) -> set[Handle]:
        """Return those of whom DRMAA has said all there is."""
        return {
            handle
            for handle in handles
            if (one := self._told.get(handle)) is not None
            and (_is_clear(one) or (handle in never_ran and not one.ran))
        }

    def _queue_limits(self, record: Record) -> Mapping[str, str] | None:
        """Return the limits of a record's queue, where they may have been what struck."""
        if record.failed != qacct.ENFORCED_LIMIT or qacct.limit_hit(record) is not None:
            return None
        answer = self._programs.ask("qconf", "-sq", record.queue)
        if isinstance(answer, NoAnswer) or answer.status != 0:
            return None
        return queueconf.limits(answer.output, record.host)

    def _records(
        self,
        handles: Collection[Handle],
        submitted: Mapping[str, datetime],
        lives: Mapping[Handle, int],
    ) -> tuple[dict[Handle, Record], bool]:
        """Return records, and whether accounting could be asked at all."""
        jobs: dict[str, list[int]] = {}
        for handle in handles:
            tasks = jobs.setdefault(handle.job, [])
            number = ids.task_number(handle)
            tasks += [] if number is None else [number]
        found: dict[Handle, Record] = {}
        for job, tasks in sorted(jobs.items()):
            arguments = ["-j", job]
            if tasks:
                arguments += ["-t", ",".join(ranges.compact(tasks))]
            answer = self._programs.ask("qacct", *arguments)
            if isinstance(answer, NoAnswer):
                return found, False
            if answer.status != 0 and "not found" not in answer.errors + answer.output:
                return found, False
            oldest = submitted[job] - SLACK if job in submitted else None
            records = (
                record
                for record in qacct.parse(answer.output)
                if not (oldest and record.submitted and record.submitted < oldest)
            )
            last = qacct.last(records, lives)
            found |= {h: r for h, r in last.items() if h in handles}
        return found, True


def by_drmaa(
    ended: Ended,
    node: str | None,
    resources: Resources | None,
    *,
    accounted: bool = False,
) -> Autopsy:
    """Return what DRMAA's word alone proves.

    Args:
        ended: The word.
        node: Where the runner was last seen.
        resources: What it asked for: a runner that SIGKILL ended after its time was over
            was ended by the limit.
        accounted: Whether accounting would have a record if it had ever run.
    """
    if not ended.ran and accounted:
        text = "DRMAA: deleted while it waited"
        return Autopsy(ending=Ending.PERSON, text=text)
    resident = ended.number("ru_maxrss")
    wallclock = ended.number("ru_wallclock") or 0.0
    told = Autopsy(peak_memory=int(resident * 1024) if resident else None, node=node)
    if not ended.number("end_time"):
        # It could not be started, or its node was lost; aborted or not, no status.
        return msgspec.structs.replace(
            told, text="DRMAA: over, without a word on its end"
        )
    if ended.aborted:
        text = "DRMAA: aborted, ended through the scheduler"
        return msgspec.structs.replace(told, ending=Ending.PERSON, text=text)
    if not ended.signal:
        # The shell and env say with 126 and 127 that there is no such program.
        missing = ended.exit_status in qacct.NOT_STARTED
        return msgspec.structs.replace(
            told,
            ending=Ending.START if missing else Ending.ITSELF,
            exit_status=ended.exit_status,
            text=f"DRMAA: exit status {ended.exit_status}, ran {wallclock:g} s",
        )
    return _by_signal(told, ended, wallclock, resources)


def _by_signal(
    told: Autopsy, ended: Ended, wallclock: float, resources: Resources | None
) -> Autopsy:
    """Return the autopsy of a runner that a signal ended."""
    number = _signal(ended.signal)
    walltime = resources.walltime if resources else None
    timed_out = (
        bool(walltime) and number == signal.SIGKILL and wallclock >= (walltime or 0)
    )
    ending: Ending | None = Ending.SCHEDULER_LIMIT if timed_out else Ending.ITSELF
    if number == signal.SIGKILL and not timed_out:
        ending = None  # perhaps a limit of memory: without accounting nobody knows
    return msgspec.structs.replace(
        told,
        ending=ending,
        limit=Limit.TIME if timed_out else None,
        signal=number,
        text=f"DRMAA: ended by {ended.signal}, ran {wallclock:g} s",
    )


def _is_clear(ended: Ended) -> bool:
    """Return whether accounting has nothing to add.

    Of a task that was lost with its node DRMAA says neither exit nor signal nor abort,
    as of a success, but no time of its end either.
    """
    return ended.exit_status is not None and bool(ended.number("end_time"))


def _signal(name: str) -> int | None:
    try:
        return int(signal.Signals[name])
    except KeyError:
        return None
