"""The verbs, on the submitting host: which question is asked when, and what follows.

How a question is put and an answer read stands in the pure modules beside this one.
What is remembered here is for one run only: the site, its nodes, submissions whose fate
is in doubt, runners last seen waiting.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

import attrs

from gridmap.backend import (
    Capabilities,
    Handle,
    Killed,
    NotAsked,
    Observed,
    Rejected,
    Resubmitted,
    SeenState,
)
from gridmap.errors import InvalidRequestError
from gridmap.programs import Answer, Reply
from gridmap.retry import GUILTY_NODE
from gridmap_slurm import (
    reasons,
    sbatch,
    scontrol,
    sinfo,
    sizes,
    squeue,
    words,
)
from gridmap_slurm.controller import Controller
from gridmap_slurm.inquest import Inquest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gridmap.backend import (
        Autopsy,
        Batch,
        Observation,
        Rendered,
        RunContext,
        Seen,
        Submission,
    )
    from gridmap.explanation import Explanation
    from gridmap.resources import Resources
    from gridmap.verdict import Cause

_log = logging.getLogger(__name__)

_REQUEUE_PAUSES_S: Final = (0.0, 0.5, 1.0)
"""Looks at a runner just requeued, until it is pending and can be told to hurry. One
that takes longer to end is told when it is next observed."""

_CERTAIN_S: Final = 10.0
"""How long a node must have been silent, at each look, before it counts as lost: a
controller that has just started has not heard of any."""

_WAITING: Final = frozenset({SeenState.QUEUED, SeenState.HELD, SeenState.BLOCKED})


@attrs.define
class _Memory:
    """What has to be remembered of a run between the verbs.

    Attributes:
        site: The configuration, once it was asked for.
        nodes: All nodes of the cluster, once they were asked for.
        doubtful: Comments of batches whose sbatch had no answer, with the job that
            each became; None as long as nobody knows whether it was taken.
        waiting: Runners last seen waiting: Slurm's word for it, and when.
        silent: Nodes that did not answer when they were last looked at, and since when.
        running: Runners seen running when they were last looked at.
        requeued: Runners this backend requeued and that may wait for a begin time.
        warned: Options that were warned of.
    """

    site: scontrol.Site = attrs.field(factory=scontrol.Site)
    nodes: frozenset[str] | None = None
    doubtful: dict[str, str | None] = attrs.field(factory=dict)
    waiting: dict[Handle, tuple[str, float]] = attrs.field(factory=dict)
    silent: dict[str, float] = attrs.field(factory=dict)
    running: set[Handle] = attrs.field(factory=set)
    requeued: set[Handle] = attrs.field(factory=set)
    warned: set[str] = attrs.field(factory=set)


class Scheduler:
    """Drives Slurm by its commands, as the user who runs it. One instance a run.

    Args:
        sleep: Waits; another one in tests.
    """

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._controller = Controller()
        self._inquest = Inquest(self._controller)
        self._sleep = sleep
        self._now = now
        self._memory = _Memory()

    def capabilities(self, context: RunContext) -> Capabilities:
        """Ask for the site's configuration and nodes: two queries a run."""
        site = self._controller.site(context)
        if isinstance(site, NotAsked):
            _log.warning("slurm: defaults are assumed for this site: %s", site.text)
        else:
            self._memory.site = site
        self._memory.nodes = self._controller.nodes(context)
        return Capabilities(
            largest_array=self._memory.site.largest_array,
            requeue=True,
            accounting=True,  # the controller itself remembers for a while
        )

    def render(self, batch: Batch, context: RunContext) -> Rendered:
        """Return the call of sbatch, with what is known of the nodes so far."""
        return sbatch.build(batch, context, self._memory.nodes)

    def submit(self, batch: Batch, context: RunContext) -> Submission:
        """Call sbatch once; where it got no answer, look for the batch in the queue."""
        self._warn(batch)
        mark = sbatch.comment(batch, context)
        if self._memory.doubtful.get(mark, mark) is None:
            found = self._look_for(mark, batch, context)
            if found is not None:
                return found
        if self._memory.nodes is None and (batch.avoid or batch.resources.nodes):
            self._memory.nodes = self._controller.nodes(context)
        if self._memory.nodes is None and len(batch.resources.nodes) > 1:
            text = "the nodes of the cluster are not known, so a choice cannot be said"
            return _all(batch, Rejected(transient=True, text=text))
        try:
            rendered = sbatch.build(batch, context, self._memory.nodes)
        except InvalidRequestError as error:
            return _all(batch, Rejected(transient=False, text=str(error)))
        outcome = self._controller.submit(rendered, context)
        return self._judge(outcome, mark, batch, context)

    def observe(self, handles: frozenset[Handle], context: RunContext) -> Observation:
        """Ask squeue once for all of them, and of all the user's runs.

        Who asks again about a runner that ran already has reason to doubt it: then the
        nodes of such are looked at, too. squeue shows nothing of a node that is gone.
        """
        if not handles:
            return Observed(seen={})
        rows = self._controller.queue(context, fresh=False)
        if isinstance(rows, NotAsked):
            return rows
        found = {handle: squeue.find(handle, rows) for handle in handles}
        seen = {handle: row.seen for handle, row in found.items() if row is not None}
        seen = self._mark_unreachable(seen, context)
        self._remember(seen)
        self._hasten(seen, context)
        return Observed(seen=seen, absent=handles - set(seen))

    def explain(
        self, words: str, resources: Resources, context: RunContext
    ) -> Explanation:
        """Look it up; where a request is too large, one sinfo says how large it may be."""
        found = reasons.find(words)
        fits = ""
        if found is not None and found.fit:
            fits = sizes.compare(resources, self._controller.shapes(context))
        return reasons.explain(words, fits)

    def postmortem(
        self,
        handles: frozenset[Handle],
        lives: Mapping[Handle, int],
        context: RunContext,
    ) -> Mapping[Handle, Autopsy]:
        """Ask accounting, where there is any, and the controller for the rest."""
        memory = self._memory
        return self._inquest.examine(
            handles, lives, context, site=memory.site, waiting=memory.waiting
        )

    def kill(
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
        rows = self._controller.queue(context)
        alive = set(handles)
        if not isinstance(rows, NotAsked):
            alive &= squeue.living(rows)
        if not alive:
            return answer
        trouble = self._controller.cancel(alive, context)
        if trouble is not None:
            _log.warning("slurm: scancel failed: %s", trouble.text)
        done = Killed.KILLED if trouble is None else Killed.FAILED
        return answer | dict.fromkeys(alive, done)

    def resubmit(
        self, handle: Handle, cause: Cause, attempt: int, context: RunContext
    ) -> Resubmitted | None:
        """Requeue it under its own id, unless it should go to another node.

        Blocks for a second or two where the runner still has to end.
        """
        if cause in GUILTY_NODE:
            return None  # a requeued job cannot be told to avoid the node
        trouble = self._controller.requeue(handle, context)
        if trouble is not None:
            _log.info("slurm: %s is not requeued: %s", handle, trouble.text)
            return None
        _log.info("slurm: requeued %s as start %d", handle, attempt)
        self._memory.requeued.add(handle)
        for pause_s in _REQUEUE_PAUSES_S:
            self._sleep(pause_s)
            self.observe(frozenset({handle}), context)
            if handle not in self._memory.requeued:
                break
        return Resubmitted(handle=handle, in_place=True)

    def attach(self, context: RunContext) -> Mapping[Handle, Seen] | NotAsked:
        """Find the run's living runners by their comment."""
        rows = self._controller.queue(context)
        if isinstance(rows, NotAsked):
            return rows
        mark = sbatch.mark(context)
        return {
            handle: rows[handle].seen
            for handle in squeue.living(rows)
            if rows[handle].comment.startswith(mark)
        }

    def close(self, context: RunContext) -> None:
        """Kill what was taken although nobody said so, or twice."""
        doubtful, self._memory = self._memory.doubtful, _Memory()
        if not doubtful:
            return
        rows = self._controller.queue(context)
        if isinstance(rows, NotAsked):
            names = ", ".join(sorted(doubtful))
            _log.warning("slurm: %s may be left over: %s", names, rows.text)
            return
        left = {
            handle
            for handle in squeue.living(rows)
            if doubtful.get(rows[handle].comment, handle.job) != handle.job
        }
        if left:
            self._controller.cancel(left, context)

    def _judge(
        self, outcome: Reply, mark: str, batch: Batch, context: RunContext
    ) -> Submission:
        """Say what sbatch did; if nobody can, find out."""
        said = outcome.errors or outcome.output if isinstance(outcome, Answer) else ""
        if not isinstance(outcome, Answer):
            if not outcome.started:
                return _all(batch, Rejected(transient=False, text=outcome.text))
            text = outcome.text
        elif outcome.status == 0:
            job = sbatch.parse_submitted(outcome.output)
            if job is not None:
                if mark in self._memory.doubtful:
                    self._memory.doubtful[mark] = job
                return sbatch.handles(job, batch)
            text = f"sbatch printed no job id: {outcome.words}"
        elif outcome.status > 0 and not words.in_doubt(said):
            return _all(batch, sbatch.refusal(said))
        else:
            text = outcome.words
        _log.warning("slurm: is %s submitted or not? %s", mark, text)
        self._memory.doubtful[mark] = None
        found = self._look_for(mark, batch, context)
        return found or _all(batch, Rejected(transient=True, text=text))

    def _look_for(
        self, mark: str, batch: Batch, context: RunContext
    ) -> Submission | None:
        """Find a batch that nobody knows the fate of.

        Returns:
            Its handles, if it is there; its rejection, if nobody could be asked; None
            if the queue was read and does not hold it. A controller that is slow may
            take it even later: `close` looks once more.
        """
        rows = self._controller.queue(context)
        if isinstance(rows, NotAsked):
            text = f"not known whether the runners were submitted: {rows.text}"
            return _all(batch, Rejected(transient=True, text=text))
        jobs = squeue.jobs_of(mark, rows)
        if not jobs:
            return None
        job, *others = sorted(jobs, key=int, reverse=True)
        alive = {handle for handle in squeue.living(rows) if handle.job in others}
        if alive:  # it was taken twice after all
            self._controller.cancel(alive, context)
        self._memory.doubtful[mark] = job
        return sbatch.handles(job, batch)

    def _mark_unreachable(
        self, seen: dict[Handle, Seen], context: RunContext
    ) -> dict[Handle, Seen]:
        running = {h for h, one in seen.items() if one.state is SeenState.RUNNING}
        nodes = {seen[h].node for h in running & self._memory.running} - {None}
        self._memory.running -= set(seen) - running
        self._memory.running |= running
        names = {node for node in nodes if node is not None}
        silent = self._controller.silent(names, context) if names else {}
        now, before = self._now(), self._memory.silent
        self._memory.silent = {node: before.get(node, now) for node in silent}
        lost = {n for n, at in self._memory.silent.items() if now - at >= _CERTAIN_S}
        gone = {h for h in running if seen[h].node in lost}
        return seen | {h: sinfo.unreachable(seen[h], silent) for h in gone}

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
            if shown.state is SeenState.QUEUED:  # of its begin time Slurm says so later
                self._controller.hasten(handle, context)

    def _warn(self, batch: Batch) -> None:
        unknown = set(sbatch.unknown_options(batch.resources)) - self._memory.warned
        if unknown:
            self._memory.warned |= unknown
            _log.warning(
                "slurm knows no option %s: ignored; it knows %s",
                ", ".join(sorted(unknown)),
                ", ".join(sorted(sbatch.OPTIONS)),
            )


def _all(batch: Batch, rejected: Rejected) -> dict[int, Handle | Rejected]:
    return dict.fromkeys(batch.runners, rejected)
