"""Backends that work but for one bug: in how they end runners, and tell of ends."""

# ruff: noqa: ARG002 - an override has to take what the sound method takes

import subprocess
from collections.abc import Mapping
from typing import Any

import msgspec
from tests.conformance.mutants.seeing import Holds

from gridmap.backend import (
    Autopsy,
    Batch,
    Ending,
    Handle,
    Killed,
    RunContext,
    Submission,
)
from gridmap.hookspecs import hookimpl
from gridmap_local.backend import LocalBackend


class KillsTheWholeArray(LocalBackend):
    """The job's id is used where the task's was meant."""

    @hookimpl
    def gridmap_kill(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Killed]:
        jobs = {handle.job for handle in handles}
        everyone = frozenset(h for h in self._runners if h.job in jobs)
        answer = super().gridmap_kill(everyone | handles, context)
        return {handle: answer[handle] for handle in handles}


class KillsEveryRun(LocalBackend):
    """All jobs of the user are ended, for good measure."""

    known: frozenset[int] = frozenset()

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        answer = super().gridmap_submit(batch, context)
        pids = {runner.pid for runner in self._runners.values()}
        KillsEveryRun.known |= pids
        return answer

    @hookimpl
    def gridmap_kill(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Killed]:
        mine = {r.pid for h, r in self._runners.items() if h not in handles}
        for pid in KillsEveryRun.known - mine:
            subprocess.run(["/bin/kill", "-9", "--", f"-{pid}"], check=False)
        return super().gridmap_kill(handles, context)


class OnlySaysItKilled(LocalBackend):
    """The request was accepted; what became of it, who knows."""

    @hookimpl
    def gridmap_kill(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Killed]:
        return dict.fromkeys(
            handles & set(self._runners), Killed.KILLED
        ) | dict.fromkeys(handles - set(self._runners), Killed.GONE)


class SparesTheChildren(LocalBackend):
    """Only the program itself is ended, not what it started."""

    @hookimpl
    def gridmap_kill(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Killed]:
        answer = {}
        for handle in handles:
            runner = self._runners.get(handle)
            if runner is None or runner.check() or runner.program is None:
                answer[handle] = Killed.GONE
                continue
            runner.ordered = Ending.PERSON
            runner.program.kill()
            answer[handle] = Killed.KILLED
        return answer


class FailsToKillTheDead(LocalBackend):
    """That a job is already completed is taken for a failure."""

    @hookimpl
    def gridmap_kill(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Killed]:
        answer = super().gridmap_kill(handles, context)
        return {
            handle: Killed.FAILED if what is Killed.GONE else what
            for handle, what in answer.items()
        }


class ForgetsWhatItWasAsked(LocalBackend):
    """Only those it found are in the answer."""

    @hookimpl
    def gridmap_kill(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Killed]:
        answer = super().gridmap_kill(handles, context)
        return {h: what for h, what in answer.items() if what is Killed.KILLED}


class PraisesTheDead(LocalBackend):
    """The status of the last command of some script, which is always 0."""

    @hookimpl
    def gridmap_postmortem(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Autopsy]:
        answer = super().gridmap_postmortem(handles, context)
        success = Autopsy(ending=Ending.ITSELF, exit_status=0)
        return dict.fromkeys(answer, success)


class DoesNotOwnUp(LocalBackend):
    """A runner we killed ended by itself, says accounting."""

    @hookimpl
    def gridmap_postmortem(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Autopsy]:
        answer = super().gridmap_postmortem(handles, context)
        return {
            h: msgspec.structs.replace(a, ending=Ending.ITSELF)
            for h, a in answer.items()
        }


class BlamesSomebody(LocalBackend):
    """Whatever dies by a signal was killed by a person."""

    @hookimpl
    def gridmap_postmortem(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Autopsy]:
        answer = super().gridmap_postmortem(handles, context)
        return {
            handle: msgspec.structs.replace(autopsy, ending=Ending.PERSON)
            if autopsy.signal
            else autopsy
            for handle, autopsy in answer.items()
        }


class KeepsTheWayHomeToItself(LocalBackend):
    """Variables of the framework's own are none of the job's business."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        kept = {k: v for k, v in batch.environment.items() if k != "GRIDMAP_CONNECTION"}
        return super().gridmap_submit(
            msgspec.structs.replace(batch, environment=kept), context
        )


class BuriesTheLiving(LocalBackend):
    """A record without an end is a record with the end 0."""

    @hookimpl
    def gridmap_postmortem(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Autopsy]:
        known = handles & set(self._runners)
        living = {h: Autopsy() for h in known if not self._runners[h].check()}
        return {**super().gridmap_postmortem(handles, context), **living}


class DeclaresRequeue(LocalBackend):
    """Declared, and not done."""

    @hookimpl
    def gridmap_capabilities(self) -> Any:
        return msgspec.structs.replace(super().gridmap_capabilities(), requeue=True)


class KillsOnlyWhatRuns(Holds):
    """What waits in the queue is not there to be killed."""

    @hookimpl
    def gridmap_kill(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Killed]:
        answer = LocalBackend.gridmap_kill(self, handles, context)
        return {**answer, **{h: Killed.KILLED for h in handles if h in self.held}}
