"""The conversation with Grid Engine on behalf of one run.

The shell round the pure parts: it runs programs, keeps the DRMAA process, and remembers
what a later question needs. Used from one thread. Whatever programs print, no method
raises: what is not understood is an answer of its own kind.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pwd
import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Final

from gridmap.backend import (
    Capabilities,
    Handle,
    Killed,
    NotAsked,
    Observed,
    Reach,
    Rejected,
    Resubmitted,
    SeenState,
)
from gridmap.desk import Desk
from gridmap.errors import InvalidResourceError
from gridmap.programs import Answer, NoAnswer
from gridmap.retry import GUILTY_NODE
from gridmap.verdict import Cause
from gridmap_sge import array, discovery, qdel, qstat, reasons
from gridmap_sge.admission import Admission
from gridmap_sge.drmaa_process import DrmaaProcess
from gridmap_sge.hosts import SilentHosts
from gridmap_sge.inquest import Inquest
from gridmap_sge.programs import Programs
from gridmap_sge.qsub import Qsub
from gridmap_sge.submission import SubmitError
from gridmap_sge.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from gridmap.backend import (
        Autopsy,
        Batch,
        Observation,
        RunContext,
        Seen,
        Submission,
    )
    from gridmap.explanation import Explanation
    from gridmap.resources import Resources
    from gridmap_sge.discovery import Installation
    from gridmap_sge.qstat import Row
    from gridmap_sge.submission import Submitter

DEFAULT_LARGEST_ARRAY: Final = 75_000
"""``max_aj_tasks`` as Grid Engine comes, sge_conf(5)."""

_LATELY_S: Final = 10.0
"""Who waited so lately and is gone without a word of DRMAA's was deleted: in that time
no runner starts, ends, and is forgotten."""

_WAITING: Final = frozenset({SeenState.QUEUED, SeenState.HELD, SeenState.BLOCKED})

_NEVER: Final = float("-inf")

_RESCHEDULED: Final = "Pushed rescheduling of"
_SETTING: Final = re.compile(r"^(max_aj_tasks|max_aj_instances)\s+(\d+)", re.MULTILINE)

_log = logging.getLogger(__name__)


class Scheduler:
    """Grid Engine, for one run.

    Attributes:
        installation: Where it is.
        user: Whose jobs are looked at.
    """

    def __init__(
        self,
        installation: Installation | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        desk: Desk | None = None,
        submitter: Submitter | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.installation = installation or discovery.find(environ)
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self._desk = desk or Desk()
        self._programs = Programs(self.installation, environ, self._desk)
        self._admission = Admission(
            self.installation,
            self._programs,
            submitter or self._choose(environ),
            self._unheard,
        )
        self._waiting = Waiting(self._programs, clock)
        self._inquest = Inquest(self._programs, clock)
        self._clock = clock
        self._waited: dict[Handle, float] = {}
        self._vanished: set[Handle] = set()
        self._silent = SilentHosts()
        self._now = now
        self._asked: dict[str, Resources] = {}
        self._submitted: dict[str, datetime] = {}
        self._nodes: dict[Handle, str] = {}
        self._deleted: set[Handle] = set()

    def _choose(self, environ: Mapping[str, str]) -> Submitter:
        if self.installation.drmaa:
            environ = self.installation.drmaa_environment(environ)
            return DrmaaProcess(environ, note=self._desk.note)
        why = "; ".join(self.installation.obstacles)
        _log.warning("runners are submitted with qsub, not over DRMAA: %s", why)
        return Qsub(self._programs)

    # Limits

    def capabilities(self) -> Capabilities:
        """Return what the cell allows; its defaults where it cannot be asked."""
        self._admission.submitter.prepare()
        answer = self._programs.ask("qconf", "-sconf")
        limits = {}
        if isinstance(answer, Answer) and answer.status == 0:
            limits = {name: int(text) for name, text in _SETTING.findall(answer.output)}
        largest = limits.get("max_aj_tasks", DEFAULT_LARGEST_ARRAY)
        # More tasks of one array than this never run at the same time.
        bounds = [limits.get("max_aj_instances", 0), self._slots()]
        return Capabilities(
            reach=Reach.NETWORK,
            largest_array=largest or None,  # 0: no limit
            largest_fleet=min((bound for bound in bounds if bound), default=None),
            requeue=True,
            accounting=True,
        )

    def _slots(self) -> int:
        answer = self._programs.ask("qstat", "-xml", "-g", "c")
        if isinstance(answer, NoAnswer) or answer.status != 0:
            return 0
        return qstat.parse_slots(answer.output) or 0

    # Submission

    def submit(self, batch: Batch, context: RunContext) -> Submission:
        """Submit a batch as one array; a refusal holds for each of its runners."""
        try:
            handles = self._admission.submit(batch, context)
        except InvalidResourceError as error:
            refusal = Rejected(transient=False, text=str(error))
            return dict.fromkeys(batch.runners, refusal)
        except SubmitError as error:
            refusal = Rejected(transient=error.transient, text=error.text)
            return dict.fromkeys(batch.runners, refusal)
        job = handles[0].job
        self._asked[job] = batch.resources
        self._submitted[job] = self._now()
        return dict(zip(batch.runners, handles, strict=True))

    def _unheard(self, token: str) -> Mapping[str, str] | NotAsked:
        """Return the jobs of a run that are not known here; see `_marked`."""
        jobs = self._marked(token)
        if isinstance(jobs, NotAsked):
            return jobs
        return {job: mark for job, mark in jobs.items() if job not in self._submitted}

    # Looking

    def observe(self, handles: Collection[Handle]) -> Observation:
        """Return what qstat shows of *handles*."""
        if not handles:
            return Observed(seen={})
        rows = self._rows(fresh=False)
        if isinstance(rows, NotAsked):
            return rows
        seen = dict(qstat.find(rows, handles))
        self._remember(seen)
        seen = self._waiting.explain(
            self._mark_unreachable(seen), self._at_work({r.job for r in rows if r.host})
        )
        return Observed(seen=seen, absent=frozenset(handles) - frozenset(seen))

    def _at_work(self, running: set[str]) -> frozenset[str]:
        """Return *running* with this run's other arrays that ask for the same."""
        kinds = {self._asked[job] for job in running if job in self._asked}
        alike = {job for job, asked in self._asked.items() if asked in kinds}
        return frozenset(running | alike)

    def _rows(self, *, fresh: bool = True) -> tuple[Row, ...] | NotAsked:
        """Return all of the user's jobs, by a qstat that all his runs share.

        Args:
            fresh: Whether it has to begin now; else what the errand says counts.
        """
        answer = self._programs.look(
            qstat.is_sound, "qstat", "-xml", "-u", self.user, fresh=fresh
        )
        if isinstance(answer, NoAnswer) or answer.status != 0:
            self._silent.looked((), 0.0)
            return NotAsked(text=f"qstat failed: {answer.words}")
        try:
            return qstat.parse(answer.output)
        except qstat.QstatError as error:
            return NotAsked(text=str(error))

    def _remember(self, seen: Mapping[Handle, Seen]) -> None:
        for handle, one in seen.items():
            if one.node is not None:
                self._nodes[handle] = one.node
            if "d" in one.raw:
                self._deleted.add(handle)
            if one.state in _WAITING:
                self._waited[handle] = self._clock()
            else:
                self._waited.pop(handle, None)

    def _mark_unreachable(self, seen: dict[Handle, Seen]) -> dict[Handle, Seen]:
        """Say of runners on silent hosts that these are; they are shown as running."""
        if not any(one.node for one in seen.values()):
            return seen
        now = self._clock()
        answer = self._programs.ask("qstat", "-xml", "-f", "-qs", "u", "-u", self.user)
        silent: Collection[str] = ()
        if not isinstance(answer, NoAnswer) and answer.status == 0:
            with contextlib.suppress(qstat.QstatError):
                silent = qstat.parse_unreachable(answer.output)
        self._silent.looked(silent, now)
        return {handle: self._silent.mark(one, now) for handle, one in seen.items()}

    def explain(self, words: str, asked: Resources) -> Explanation:
        """Return what its words mean; one qstat more where slots are lacking."""
        slots = None
        if reasons.wants_slots(words):
            answer = self._programs.ask("qstat", "-xml", "-f")
            if isinstance(answer, Answer):
                slots = qstat.parse_largest(answer.output)
        return reasons.explain(words, asked, slots)

    def attach(self, token: str) -> Mapping[Handle, Seen] | NotAsked:
        """Return the runners of the run *token* that still exist."""
        jobs = self._marked(token)
        if isinstance(jobs, NotAsked):
            return jobs
        rows = self._rows() if jobs else ()
        if isinstance(rows, NotAsked):
            return rows
        mine = [row for row in rows if row.job in jobs]
        seen = qstat.find(mine, qstat.handles_of(mine))
        self._remember(seen)
        return seen

    def _marked(self, token: str) -> Mapping[str, str] | NotAsked:
        """Return the jobs of a run, each with the number of its first runner."""
        rows = self._rows()
        if isinstance(rows, NotAsked):
            return rows
        jobs = sorted({row.job for row in rows})
        if not jobs:
            return {}
        answer = self._programs.ask("qstat", "-j", ",".join(jobs))
        if isinstance(answer, NoAnswer):
            return NotAsked(text=f"qstat -j failed: {answer.words}")
        contexts = {
            job: details.context
            for job, details in qstat.parse_details(answer.output).items()
        }
        return {
            job: context.get(array.FIRST_VARIABLE, "")
            for job, context in contexts.items()
            if context.get(array.RUN_VARIABLE) == token
        }

    # Ends

    def postmortem(
        self, handles: Collection[Handle], lives: Mapping[Handle, int]
    ) -> Mapping[Handle, Autopsy]:
        """Return how those of *handles* ended of which enough is known.

        Args:
            handles: About whom.
            lives: How often each was started.
        """
        self._inquest.hear(self._admission.submitter.reap(handles))
        lately = self._clock() - _LATELY_S
        self._vanished |= {h for h in handles if self._waited.get(h, _NEVER) > lately}
        return self._inquest.examine(
            handles,
            deleted=self._deleted,
            waiting=self._vanished,
            nodes=self._nodes,
            submitted=self._submitted,
            asked=self._asked,
            lives=lives,
        )

    def kill(self, handles: Collection[Handle]) -> Mapping[Handle, Killed]:
        """Delete *handles*; where qdel says nothing of one, qstat tells."""
        result: dict[Handle, Killed] = {}
        for arguments in qdel.arguments(handles):
            answer = self._programs.ask("qdel", *arguments)
            if isinstance(answer, Answer):
                result |= qdel.parse(f"{answer.output}\n{answer.errors}", handles)
        rest = [handle for handle in handles if handle not in result]
        rows = self._rows() if rest else ()
        if isinstance(rows, NotAsked):
            result |= dict.fromkeys(rest, Killed.FAILED)
        else:
            seen = qstat.find(rows, rest)
            result |= {handle: _fate(seen.get(handle)) for handle in rest}
        self._deleted |= {h for h, fate in result.items() if fate is Killed.KILLED}
        return result

    def resubmit(self, handle: Handle, cause: Cause) -> Resubmitted | None:
        """Reschedule a runner in place; None where that cannot be or would not help.

        The master may choose the same host again, so it is no cure for what a host is
        guilty of, unless the master cannot reach it either.
        """
        if cause in GUILTY_NODE and cause is not Cause.NODE_LOST:
            return None
        answer = self._programs.ask("qmod", "-rj", str(handle))
        if isinstance(answer, Answer) and _RESCHEDULED in answer.output:
            return Resubmitted(handle=handle, in_place=True)
        return None

    def close(self) -> None:
        """End the DRMAA session; jobs go on."""
        self._admission.submitter.close()


def _fate(seen: Seen | None) -> Killed:
    if seen is None:
        return Killed.GONE
    ending = {SeenState.ENDING, SeenState.ENDED}
    return Killed.KILLED if seen.state in ending else Killed.FAILED
