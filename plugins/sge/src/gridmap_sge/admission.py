"""Getting an array into the queue, whatever stands in its way at first.

DRMAA may not work on this machine, or may fall silent with a submission under way; and
the validation of a request knows nothing of load values, which jobs may well ask for.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs

from gridmap.backend import Handle, NotAsked
from gridmap.programs import NoAnswer
from gridmap_sge import array, native, pending
from gridmap_sge.qsub import Qsub
from gridmap_sge.submission import NO_QUEUE, SubmitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gridmap.backend import Batch, RunContext
    from gridmap.resources import Resources
    from gridmap_sge.discovery import Installation
    from gridmap_sge.programs import Programs
    from gridmap_sge.submission import Submitter

_log = logging.getLogger(__name__)


class Admission:
    """Submits arrays. Used from one thread.

    Attributes:
        submitter: The way of submitting that is used now.
    """

    def __init__(
        self,
        installation: Installation,
        programs: Programs,
        submitter: Submitter,
        unheard: Callable[[str], Mapping[str, str] | NotAsked],
    ) -> None:
        """Begin.

        Args:
            installation: Where Grid Engine is.
            programs: By what it is asked.
            submitter: The way of submitting to begin with; qsub takes its place if it
                does not work here.
            unheard: Returns the jobs of a run's token that the scheduler has without
                having said so, each with the number of its first runner.
        """
        self.submitter = submitter
        self._installation = installation
        self._programs = programs
        self._unheard = unheard
        self._warned: set[str] = set()
        self._unverifiable: set[Resources] = set()

    def submit(self, batch: Batch, context: RunContext) -> tuple[Handle, ...]:
        """Submit a batch as one array; return handles in the order of its runners.

        Raises:
            InvalidResourceError: If Grid Engine cannot be asked for such resources.
            SubmitError: If the scheduler did not take it, or may not have.
        """
        self._warn(batch.resources)
        unverifiable = batch.resources in self._unverifiable
        validation = "n" if unverifiable else "e"
        one = array.build(batch, context, validation=validation)
        try:
            return self._try(one, batch, context)
        except SubmitError as error:
            if NO_QUEUE not in error.text or validation == "n":
                raise
            reasons = self._why_no_queue(one)
            if pending.UNPROVEN not in reasons:
                explained = pending.explain(reasons.splitlines())
                text = f"{error.text}: {explained}" if explained else error.text
                raise SubmitError(text, transient=False) from error
            # It asks for a load value, of which validation knows nothing.
            self._unverifiable.add(batch.resources)
            return self._try(
                array.build(batch, context, validation="n"), batch, context
            )

    def _try(
        self, one: array.Array, batch: Batch, context: RunContext
    ) -> tuple[Handle, ...]:
        try:
            return self.submitter.submit(one)
        except SubmitError as error:
            if error.broken and "qsub" in self._installation.programs:
                _log.warning("DRMAA does not work, qsub is used: %s", error.text)
                self.submitter.close()
                self.submitter = Qsub(self._programs)
                return self._try(one, batch, context)
            if not error.uncertain:
                raise
            found = self._recover(batch, context)
            if not found:
                raise
            return found

    def _recover(self, batch: Batch, context: RunContext) -> tuple[Handle, ...]:
        """Return the handles of a batch that the scheduler took without saying so."""
        jobs = self._unheard(context.token)
        if isinstance(jobs, NotAsked):
            _log.warning("it is not known whether a submission arrived: %s", jobs.text)
            return ()
        mark = str(batch.runners[0])
        for job, first in jobs.items():
            if first == mark:
                return tuple(Handle(job, str(n + 1)) for n in range(len(batch.runners)))
        return ()

    def _why_no_queue(self, one: array.Array) -> str:
        """Let the request be validated without submitting it; return the reasons."""
        options = list(one.options)
        options[options.index("-w") + 1] = "v"
        reasons = self._validate(attrs.evolve(one, options=tuple(options)))
        if pending.NO_SLOTS not in reasons or "-pe" not in options:
            return reasons
        # That hides what a host lacks: asked for one slot, it would be named.
        start = options.index("-pe")
        del options[start : start + 3]
        hidden = self._validate(attrs.evolve(one, options=tuple(options)))
        return hidden if pending.UNPROVEN in hidden else reasons

    def _validate(self, one: array.Array) -> str:
        answer = self._programs.ask(*one.qsub())
        if isinstance(answer, NoAnswer):
            return ""
        return f"{answer.output}\n{answer.errors}"

    def _warn(self, resources: Resources) -> None:
        new = set(native.unknown(resources)) - self._warned
        if new:
            self._warned |= new
            _log.warning(
                "Grid Engine knows no options %s: ignored", ", ".join(sorted(new))
            )
