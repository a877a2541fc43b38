"""How runners ended: what accounting holds, and what the controller remembers."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from gridmap.backend import Handle, NotAsked
from gridmap_slurm import endings
from gridmap_slurm.scontrol import Site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap.backend import Autopsy, RunContext
    from gridmap_slurm.controller import Controller

_log = logging.getLogger(__name__)

_MOST_RECORDS: Final = 50
"""Questions to the controller for one post-mortem: it is asked array by array."""


class Inquest:
    """Asks about runners that are over."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._waiting: Mapping[Handle, tuple[str, float]] = {}
        self._site = Site()

    def examine(
        self,
        handles: frozenset[Handle],
        lives: Mapping[Handle, int],
        context: RunContext,
        *,
        site: Site,
        waiting: Mapping[Handle, tuple[str, float]],
    ) -> dict[Handle, Autopsy]:
        """Return an autopsy of each of which enough is known.

        Of a runner that was started again the controller is asked first: it knows the
        present start only, and accounting may still hold the one before as the last.

        Args:
            handles: About whom.
            lives: How often each was started.
            context: Their run.
            site: How the site is configured.
            waiting: Runners last seen waiting: Slurm's word for it, and when.
        """
        self._site, self._waiting = site, waiting
        again = frozenset(h for h in handles if lives.get(h, 1) > 1)
        autopsies = self._accounts(handles - again, context)
        told: dict[Handle, Autopsy | None] = {}
        jobs = sorted({handle.job for handle in handles - set(autopsies)})
        for job in jobs[:_MOST_RECORDS]:  # core asks again for those left out
            told |= self._records(job, handles, context)
        autopsies |= {handle: one for handle, one in told.items() if one is not None}
        if len(jobs) <= _MOST_RECORDS:
            autopsies |= self._accounts(again - set(told), context)
        return {handle: autopsies[handle] for handle in handles & set(autopsies)}

    def _accounts(
        self, handles: frozenset[Handle], context: RunContext
    ) -> dict[Handle, Autopsy]:
        if not handles or not self._site.accounting:
            return {}
        jobs = {handle.job for handle in handles}
        accounts = self._controller.accounts(jobs, context)
        if isinstance(accounts, NotAsked):
            _log.info("slurm: no accounting: %s", accounts.text)
            return {}
        found = {
            handle: endings.autopsy(account.record, account.peak_memory, account.by)
            for handle, account in accounts.items()
            if handle in handles
        }
        return {handle: autopsy for handle, autopsy in found.items() if autopsy}

    def _records(
        self, job: str, handles: frozenset[Handle], context: RunContext
    ) -> dict[Handle, Autopsy | None]:
        """Return what the controller knows of runners of one job.

        Returns:
            None for those that have not ended, and for all where it could not be asked;
            those it has forgotten are left out.
        """
        wanted = [handle for handle in handles if handle.job == job]
        records = self._controller.records(job, context)
        if isinstance(records, NotAsked):
            return dict.fromkeys(wanted)
        told: dict[Handle, Autopsy | None] = {}
        for handle in wanted:
            # The array itself stands for tasks cancelled before they started.
            record = records.get(handle) or records.get(Handle(job))
            if record is not None:
                told[handle] = endings.autopsy(record)
            elif vanished := self._vanished(handle, bool(records)):
                told[handle] = vanished
        return told

    def _vanished(self, handle: Handle, array_known: bool) -> Autopsy | None:
        """Explain a runner that is gone while its array is not.

        Had it started, the controller would remember it as long as ``MinJobAge``.
        """
        word, when = self._waiting.get(handle, ("", 0.0))
        recently = time.monotonic() - when < self._site.remembers_s
        if handle.task is None or not array_known or not word or not recently:
            return None
        return endings.taken_out(word)
