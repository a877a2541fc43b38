"""Submitting with qsub, where DRMAA is not to be had.

It does all that a run needs. What is lost: how a runner ended is known only from
accounting, which cannot tell a qdel from a kill -9; and a runner that cannot be started
stays in the queue in error (``Eqw``) until somebody looks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gridmap.backend import Handle
from gridmap.programs import NoAnswer
from gridmap_sge import ids
from gridmap_sge.submission import SubmitError, is_transient

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gridmap_sge.array import Array
    from gridmap_sge.programs import Programs
    from gridmap_sge.submission import Ended

_ID: Final = re.compile(r"^(\d+)\.([\d:,-]+)\s*$", re.MULTILINE)


class Qsub:
    """Submits with qsub. Used from one thread."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def prepare(self) -> None:
        """Need nothing."""

    def submit(self, array: Array) -> tuple[Handle, ...]:
        """Submit with one qsub; see `submission.Submitter`."""
        answer = self._programs.ask("qsub", *array.qsub()[1:])
        if isinstance(answer, NoAnswer):
            raise SubmitError(answer.text, transient=True, uncertain=answer.started)
        handles = parse(answer.output)
        if len(handles) == array.tasks:
            return handles
        text = clean(answer.words)
        # Without an id and without the words of a refusal nobody knows.
        refused = answer.status != 0 and bool((answer.errors + answer.output).strip())
        raise SubmitError(
            text, transient=not refused or is_transient(text), uncertain=not refused
        )

    def reap(self, handles: Collection[Handle]) -> Mapping[Handle, Ended]:
        """Know nothing: qsub has long ended."""
        del handles
        return {}

    def close(self) -> None:
        """Hold nothing."""


def parse(text: str) -> tuple[Handle, ...]:
    """Return the handles in what ``qsub -terse`` of an array printed: ``17.1-200:1``.

    Other lines are a site's banners and warnings.
    """
    found = _ID.search(text)
    spans = ids.parse_tasks(found[2]) if found else None
    if found is None or spans is None:
        return ()
    return tuple(Handle(found[1], str(number)) for span in spans for number in span)


def clean(text: str) -> str:
    """Return a refusal without the words that are in every one."""
    text = " ".join(text.split())
    return text.removeprefix("Unable to run job: ").removesuffix("Exiting.").strip()
