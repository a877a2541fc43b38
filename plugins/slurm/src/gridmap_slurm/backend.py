"""The verbs of the Slurm backend: commands out, answers in, no rule of its own.

What is asked and what an answer means stands in the pure modules beside this one. Here
is only the order of the questions, and the memory of one run: nodes, submissions whose
fate is in doubt, runners last seen waiting.
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Final, TypeGuard

import attrs

from gridmap.backend import (
    Capabilities,
    Handle,
    Identity,
    Killed,
    NotAsked,
    Observed,
    Rejected,
    Resubmitted,
    SeenState,
)
from gridmap.errors import BackendUnavailableError, InvalidRequestError
from gridmap.hookspecs import hookimpl
from gridmap.retry import GUILTY_NODE
from gridmap_slurm import (
    command,
    endings,
    environment,
    sacct,
    sbatch,
    scancel,
    scontrol,
    sinfo,
    squeue,
    surroundings,
    words,
)
from gridmap_slurm.command import Answer
from gridmap_slurm.plugin import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gridmap.backend import (
        Autopsy,
        Batch,
        Observation,
        Rendered,
        RunContext,
        Seen,
        Submission,
    )
    from gridmap.verdict import Cause

_log = logging.getLogger(__name__)

QUERY_TIMEOUT_S: Final = 30.0
"""Longest wait for a query; Slurm's own limit is ``MessageTimeout``, 10 s by default."""
SUBMIT_TIMEOUT_S: Final = 90.0
"""Longest wait for sbatch, which by itself tries again while the controller is busy."""

_REQUEUE_PAUSES_S: Final = (0.0, 0.5, 1.0)
"""Looks at a runner just requeued, until it is pending and can be told to hurry. One
that takes longer to end is told when it is next observed."""

_WAITING: Final = frozenset({SeenState.QUEUED, SeenState.HELD, SeenState.BLOCKED})


@attrs.define
class _Memory:
    """What has to be remembered of a run between the verbs.

    Attributes:
        site: The configuration, once it was asked for.
        nodes: All nodes of the cluster, once they were asked for.
        doubtful: Comments of batches of which nobody knows whether they were taken.
        waiting: Runners last seen waiting: Slurm's word for it, and when.
        requeued: Runners this backend requeued and that wait for their begin time.
        warned: Options that were warned of.
    """

    site: scontrol.Site = attrs.field(factory=scontrol.Site)
    nodes: frozenset[str] | None = None
    doubtful: set[str] = attrs.field(factory=set)
    waiting: dict[Handle, tuple[str, float]] = attrs.field(factory=dict)
    requeued: set[Handle] = attrs.field(factory=set)
    warned: set[str] = attrs.field(factory=set)


class SlurmBackend:
    """Drives Slurm by its commands, as the user who runs it. One instance a run.

    Attributes:
        run: Starts a command; another one in tests.
        sleep: Waits; another one in tests.
    """

    def __init__(
        self,
        run: command.Run = command.run,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.run = run
        self.sleep = sleep
        self._memory = _Memory()

    @hookimpl
    def gridmap_capabilities(self, context: RunContext) -> Capabilities:
        """Ask for the site's configuration and nodes: two queries a run."""
        answer = self._ask(scontrol.config_command(sbatch.clusters(context)))
        site = scontrol.parse_config(answer.output) if _fine(answer) else None
        if site is None:
            _log.warning(
                "slurm: no configuration, defaults are assumed: %s", _say(answer)
            )
        else:
            self._memory.site = site
        self._learn_nodes(context)
        return Capabilities(
            largest_array=self._memory.site.largest_array,
            requeue=True,
            accounting=True,  # the controller itself remembers for a while
        )

    @hookimpl
    def gridmap_render(self, batch: Batch, context: RunContext) -> Rendered:
        """Return the call of sbatch, with what is known of the nodes so far."""
        return sbatch.build(batch, context, self._memory.nodes)

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        """Call sbatch once; where it got no answer, look for the batch in the queue."""
        self._warn(batch)
        mark = sbatch.comment(batch, context)
        if mark in self._memory.doubtful:
            found = self._look_for(mark, batch, context)
            if found is not None:
                return found
        if self._memory.nodes is None and (batch.avoid or batch.resources.nodes):
            self._learn_nodes(context)
        if self._memory.nodes is None and len(batch.resources.nodes) > 1:
            text = "the nodes of the cluster are not known, so a choice cannot be said"
            return _all(batch, Rejected(transient=True, text=text))
        try:
            rendered = sbatch.build(batch, context, self._memory.nodes)
        except InvalidRequestError as error:
            return _all(batch, Rejected(transient=False, text=str(error)))
        outcome = self.run(
            rendered.command,
            environment.for_submission(os.environ),
            rendered.script or "",
            SUBMIT_TIMEOUT_S,
        )
        return self._judge_submission(outcome, mark, batch, context)

    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        """Ask squeue once for all of them."""
        if not handles:
            return Observed(seen={})
        rows = self._queue(context, {handle.job for handle in handles})
        if isinstance(rows, NotAsked):
            return rows
        found = {handle: squeue.find(handle, rows) for handle in handles}
        seen = {handle: row.seen for handle, row in found.items() if row is not None}
        self._remember(seen)
        self._hasten(seen, context)
        return Observed(seen=seen, absent=handles - set(seen))

    @hookimpl
    def gridmap_postmortem(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Autopsy]:
        """Ask accounting, where there is any, and the controller for the rest."""
        autopsies = self._accounts(handles, context)
        for job in sorted({handle.job for handle in handles - set(autopsies)}):
            autopsies |= self._records(job, handles, context)
        return {handle: autopsies[handle] for handle in handles & set(autopsies)}

    @hookimpl
    def gridmap_kill(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Killed]:
        """Look who is there, then call scancel once for those who are.

        scancel itself says nothing of what it did not find, and exits with 0
        (seen in 22.05.8).
        """
        self._memory.requeued -= handles
        answer = dict.fromkeys(handles, Killed.GONE)
        if not handles:
            return answer
        rows = self._queue(context, {handle.job for handle in handles})
        if isinstance(rows, NotAsked):
            alive = set(handles)
        else:
            alive = squeue.living(rows) & handles
        if not alive:
            return answer
        outcome = self._ask(scancel.command(alive, sbatch.clusters(context)))
        done = Killed.KILLED if _fine(outcome) else Killed.FAILED
        if done is Killed.FAILED:
            _log.warning("slurm: scancel failed: %s", _say(outcome))
        return answer | dict.fromkeys(alive, done)

    @hookimpl
    def gridmap_resubmit(
        self, handle: Handle, cause: Cause, attempt: int, context: RunContext
    ) -> Resubmitted | None:
        """Requeue it under its own id, unless it should go to another node."""
        if cause in GUILTY_NODE:
            return None  # a requeued job cannot be told to avoid the node
        outcome = self._ask(scontrol.requeue_command(handle, sbatch.clusters(context)))
        if not _fine(outcome):
            _log.info("slurm: %s is not requeued: %s", handle, _say(outcome))
            return None
        _log.info("slurm: requeued %s as start %d", handle, attempt)
        self._memory.requeued.add(handle)
        for pause_s in _REQUEUE_PAUSES_S:
            self.sleep(pause_s)
            self.gridmap_observe(frozenset({handle}), context)
            if handle not in self._memory.requeued:
                break
        return Resubmitted(handle=handle, in_place=True)

    @hookimpl
    def gridmap_attach(self, context: RunContext) -> Mapping[Handle, Seen]:
        """Find the run's living runners by their comment.

        Raises:
            BackendUnavailableError: If the queue could not be read.
        """
        rows = self._queue(context)
        if isinstance(rows, NotAsked):
            raise BackendUnavailableError(NAME, rows.text)
        mark = sbatch.mark(context)
        return {
            handle: rows[handle].seen
            for handle in squeue.living(rows)
            if rows[handle].comment.startswith(mark)
        }

    @hookimpl
    def gridmap_identify(self, environ: Mapping[str, str]) -> Identity | None:
        """Read it from the variables of the job."""
        return surroundings.identify(environ)

    @hookimpl
    def gridmap_close(self, context: RunContext) -> None:
        """Kill what was taken although sbatch did not say so."""
        for mark in sorted(self._memory.doubtful):
            rows = self._queue(context)
            if isinstance(rows, NotAsked):
                _log.warning(
                    "slurm: submission %s may be left over: %s", mark, rows.text
                )
                continue
            alive = squeue.living(rows)
            left = {handle for handle in alive if rows[handle].comment == mark}
            if left:
                self._ask(scancel.command(left, sbatch.clusters(context)))
        self._memory = _Memory()

    def _judge_submission(
        self, outcome: command.Outcome, mark: str, batch: Batch, context: RunContext
    ) -> Submission:
        if not isinstance(outcome, Answer):
            if not outcome.started:
                return _all(batch, Rejected(transient=False, text=outcome.text))
            text = outcome.text
        elif outcome.status == 0:
            job = sbatch.parse_submitted(outcome.output)
            if job is not None:
                self._memory.doubtful.discard(mark)
                return sbatch.handles(job, batch)
            text = f"sbatch printed no job id: {outcome.words}"
        elif outcome.status > 0 and not words.in_doubt(outcome.errors):
            return _all(batch, sbatch.refusal(outcome.errors or outcome.output))
        else:
            text = outcome.words
        _log.warning("slurm: is %s submitted or not? %s", mark, text)
        self._memory.doubtful.add(mark)
        found = self._look_for(mark, batch, context)
        return found or _all(batch, Rejected(transient=True, text=text))

    def _look_for(
        self, mark: str, batch: Batch, context: RunContext
    ) -> Submission | None:
        """Find a batch that nobody knows the fate of.

        Returns:
            Its handles, if it is there; its rejection, if nobody could be asked; None
            if the queue was read and does not hold it.
        """
        rows = self._queue(context)
        if isinstance(rows, NotAsked):
            text = f"not known whether the runners were submitted: {rows.text}"
            return _all(batch, Rejected(transient=True, text=text))
        jobs = squeue.jobs_of(mark, rows)
        if not jobs:
            return None
        job, *others = sorted(jobs, key=int, reverse=True)
        alive = {handle for handle in squeue.living(rows) if handle.job in others}
        if alive:  # it was taken twice after all
            self._ask(scancel.command(alive, sbatch.clusters(context)))
        self._memory.doubtful.discard(mark)
        return sbatch.handles(job, batch)

    def _queue(
        self, context: RunContext, jobs: Iterable[str] = ()
    ) -> dict[Handle, squeue.Row] | NotAsked:
        query = squeue.command(os.getuid(), jobs, sbatch.clusters(context))
        outcome = self._ask(query)
        if isinstance(outcome, Answer) and outcome.status != 0:
            if jobs and words.UNKNOWN_JOB in outcome.errors:
                return {}
            return NotAsked(text=outcome.words)
        if not _fine(outcome):
            return NotAsked(text=_say(outcome))
        rows = squeue.parse(outcome.output)
        if rows is None:
            start = " ".join(outcome.output.split())[:200]
            return NotAsked(text=f"squeue printed what makes no sense: {start!r}")
        return rows

    def _remember(self, seen: Mapping[Handle, Seen]) -> None:
        now = time.monotonic()
        for handle, shown in seen.items():
            if shown.state in _WAITING:
                self._memory.waiting[handle] = (shown.raw, now)
            else:
                self._memory.waiting.pop(handle, None)

    def _hasten(self, seen: Mapping[Handle, Seen], context: RunContext) -> None:
        for handle in self._memory.requeued & set(seen):
            shown = seen[handle]
            if shown.state is SeenState.ENDING:
                continue  # not pending yet
            self._memory.requeued.discard(handle)
            if shown.state is SeenState.QUEUED and "BeginTime" in shown.reason:
                self._ask(scontrol.hasten_command(handle, sbatch.clusters(context)))

    def _accounts(
        self, handles: frozenset[Handle], context: RunContext
    ) -> dict[Handle, Autopsy]:
        if not handles or not self._memory.site.accounting:
            return {}
        jobs = {handle.job for handle in handles}
        outcome = self._ask(sacct.command(jobs, sbatch.clusters(context)))
        accounts = sacct.parse(outcome.output) if _fine(outcome) else None
        if accounts is None:
            _log.info("slurm: no accounting: %s", _say(outcome))
            return {}
        found = {
            handle: endings.autopsy(account.record, account.peak_memory, account.by)
            for handle, account in accounts.items()
        }
        return {handle: autopsy for handle, autopsy in found.items() if autopsy}

    def _records(
        self, job: str, handles: frozenset[Handle], context: RunContext
    ) -> dict[Handle, Autopsy]:
        outcome = self._ask(scontrol.job_command(job, sbatch.clusters(context)))
        if not _fine(outcome):
            return {}
        records = scontrol.parse_jobs(outcome.output)
        autopsies = {}
        for handle in (handle for handle in handles if handle.job == job):
            # The array itself stands for tasks cancelled before they started.
            record = records.get(handle) or records.get(Handle(job))
            autopsy = endings.autopsy(record) if record else None
            if record is None:
                autopsy = self._vanished(handle, bool(records))
            if autopsy is not None:
                autopsies[handle] = autopsy
        return autopsies

    def _vanished(self, handle: Handle, array_known: bool) -> Autopsy | None:
        """Explain a runner that is gone while its array is not.

        Had it started, the controller would remember it as long as ``MinJobAge``.
        """
        word, when = self._memory.waiting.get(handle, ("", 0.0))
        recently = time.monotonic() - when < self._memory.site.remembers_s
        if handle.task is None or not array_known or not word or not recently:
            return None
        return endings.taken_out(word)

    def _learn_nodes(self, context: RunContext) -> None:
        outcome = self._ask(sinfo.command(sbatch.clusters(context)))
        if _fine(outcome):
            self._memory.nodes = sinfo.parse(outcome.output)

    def _warn(self, batch: Batch) -> None:
        unknown = set(sbatch.unknown_options(batch.resources)) - self._memory.warned
        if unknown:
            self._memory.warned |= unknown
            _log.warning(
                "slurm knows no option %s: ignored; it knows %s",
                ", ".join(sorted(unknown)),
                ", ".join(sorted(sbatch.OPTIONS)),
            )

    def _ask(self, argv: Sequence[str]) -> command.Outcome:
        queries = environment.for_queries(os.environ)
        return self.run(argv, queries, "", QUERY_TIMEOUT_S)


def _all(batch: Batch, rejected: Rejected) -> dict[int, Handle | Rejected]:
    return dict.fromkeys(batch.runners, rejected)


def _fine(outcome: command.Outcome) -> TypeGuard[Answer]:
    return isinstance(outcome, Answer) and outcome.status == 0


def _say(outcome: command.Outcome) -> str:
    return outcome.words if isinstance(outcome, Answer) else outcome.text
