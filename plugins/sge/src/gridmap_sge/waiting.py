"""Finding out why runners wait, politely.

Error states are looked into once, when they are first seen. Arrays of which some tasks
run are left alone, since the rest waits for its turn. The scheduler's remarks on
what waits are asked for when something is first seen to wait, then at most once a
minute, for a few jobs, which stand for the others of the same array; validation comes
in from the second time on, for what has waited a minute may wait for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.backend import Handle, Seen, SeenState
from gridmap.programs import NoAnswer
from gridmap_sge import ids, pending, qstat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gridmap_sge.programs import Programs
    from gridmap_sge.qstat import Details

INTERVAL_S: Final = 60.0
MOST_JOBS: Final = 20
"""Jobs asked about at a time."""
MOST_VALIDATIONS: Final = 3

_WAITS: Final = frozenset({SeenState.QUEUED, SeenState.HELD})


class Waiting:
    """Remembers why jobs wait."""

    def __init__(self, programs: Programs, clock: Callable[[], float]) -> None:
        self._programs = programs
        self._clock = clock
        self._asked_at: float | None = None
        self._remarks: dict[str, str] = {}
        self._never: dict[str, str] = {}
        self._errors: dict[Handle, str] = {}

    def explain(
        self, seen: Mapping[Handle, Seen], working: frozenset[str] = frozenset()
    ) -> dict[Handle, Seen]:
        """Return *seen* with reasons where something waits or is in error.

        Args:
            seen: What qstat showed.
            working: Jobs of which some task is on a host, and others that ask for the
                same. The rest waits for its turn: nobody is asked why.
        """
        waits = {h.job for h, one in seen.items() if one.state in _WAITS} - working
        for job in working:
            self._remarks.pop(job, None)
        broken = {
            handle
            for handle, one in seen.items()
            if one.state is SeenState.BLOCKED and handle not in self._errors
        }
        due = waits if self._due() else set()
        if due and self._asked_at is not None:
            self._validate(due)
        if due or broken:
            self._ask(due, broken)
        return {handle: self._with_reason(handle, one) for handle, one in seen.items()}

    def _due(self) -> bool:
        return self._asked_at is None or self._clock() - self._asked_at >= INTERVAL_S

    def _ask(self, waits: set[str], broken: set[Handle]) -> None:
        jobs = sorted({handle.job for handle in broken})[:MOST_JOBS]
        if waits:
            self._asked_at = self._clock()
            jobs += sorted(waits - set(jobs))[: MOST_JOBS - len(jobs)]
        answer = self._programs.ask("qstat", "-j", ",".join(jobs))
        if isinstance(answer, NoAnswer):
            return
        details = qstat.parse_details(answer.output)
        for job, one in details.items():
            self._remarks[job] = pending.explain(one.remarks)
        for handle in broken:
            if handle.job in details:
                self._errors[handle] = _error(handle, details[handle.job])

    def _validate(self, waits: set[str]) -> None:
        for job in sorted(waits - set(self._never))[:MOST_VALIDATIONS]:
            answer = self._programs.ask("qalter", "-w", "v", job)
            if isinstance(answer, NoAnswer):
                return
            text = answer.output + answer.errors
            if pending.never(text):
                reason = pending.explain(text.splitlines())
                self._never[job] = f"no queue can ever run it: {reason}"

    def _with_reason(self, handle: Handle, seen: Seen) -> Seen:
        if seen.state is SeenState.BLOCKED:
            return msgspec.structs.replace(seen, reason=self._errors.get(handle, ""))
        if seen.state not in _WAITS:
            return seen
        if never := self._never.get(handle.job):
            return msgspec.structs.replace(seen, state=SeenState.BLOCKED, reason=never)
        return msgspec.structs.replace(seen, reason=self._remarks.get(handle.job, ""))


def _error(handle: Handle, details: Details) -> str:
    reasons = details.errors
    return reasons.get(ids.task_number(handle) or 1) or next(
        iter(reasons.values()), "it is in error state"
    )
