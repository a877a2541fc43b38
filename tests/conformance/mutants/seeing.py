"""Backends that work but for one bug: in what they see, and say of it."""

# ruff: noqa: ARG002 - an override has to take what the sound method takes

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from gridmap.backend import (
    Batch,
    Handle,
    Killed,
    NotAsked,
    Observation,
    Observed,
    RunContext,
    Seen,
    SeenState,
    Submission,
)
from gridmap.explanation import Explanation
from gridmap.hookspecs import hookimpl
from gridmap.resources import Resources
from gridmap_local.backend import LocalBackend

ENDED = Seen(state=SeenState.ENDED, raw="gone")
RUNNING = Seen(state=SeenState.RUNNING, raw="R")


class TakesAbsenceForTheEnd(LocalBackend):
    """What is not listed must have completed."""

    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        answer = super().gridmap_observe(handles, context)
        assert isinstance(answer, Observed)
        return Observed(seen={**answer.seen, **dict.fromkeys(answer.absent, ENDED)})


class TakesSilenceForTheEnd(LocalBackend):
    """A query that failed has found nobody."""

    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        if context.desk.run(("true",)).ok:
            return super().gridmap_observe(handles, context)
        return Observed(seen={}, absent=handles)


class BelievesWhateverIsPrinted(LocalBackend):
    """Lines that name nobody are the list of an empty queue."""

    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        answer = context.desk.run(("true",))
        if answer.ok and not answer.output:
            return super().gridmap_observe(handles, context)
        if not answer.ok:
            return NotAsked(text=answer.words)
        return Observed(seen={}, absent=handles)


class FindsNobodyInTrouble(LocalBackend):
    """After a restart, runners that the scheduler did not show are given up."""

    @hookimpl
    def gridmap_attach(self, context: RunContext) -> Mapping[Handle, Seen]:
        if context.desk.run(("true",)).ok:
            return super().gridmap_attach(context)
        return {}


class LosesSightOfTheLiving(LocalBackend):
    """Every few polls the list is cut short."""

    polls = 0

    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        self.polls += 1
        answer = super().gridmap_observe(handles, context)
        living = isinstance(answer, Observed) and [
            h for h, s in answer.seen.items() if s.state is SeenState.RUNNING
        ]
        if self.polls < 6 or not living or not isinstance(answer, Observed):
            return answer
        seen = {h: s for h, s in answer.seen.items() if h != max(living)}
        return Observed(seen=seen, absent=handles - set(seen))


class NeverSeesAnEnd(LocalBackend):
    """What was submitted is running, says the cache."""

    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        answer = super().gridmap_observe(handles, context)
        assert isinstance(answer, Observed)
        return msgspec.structs.replace(answer, seen=dict.fromkeys(answer.seen, RUNNING))


class RaisesTheDead(LocalBackend):
    """The cache and the queue disagree, and take turns."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: dict[Handle, int] = {}

    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        answer = super().gridmap_observe(handles, context)
        assert isinstance(answer, Observed)
        seen = dict(answer.seen)
        for handle, shown in answer.seen.items():
            if shown.state is SeenState.ENDED:
                self.ends[handle] = self.ends.get(handle, 0) + 1
                seen[handle] = RUNNING if self.ends[handle] == 4 else shown
        return msgspec.structs.replace(answer, seen=seen)


class TellsOfEverybody(LocalBackend):
    """One query for all, and all of it is handed over."""

    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        answer = super().gridmap_observe(frozenset(self._runners) | handles, context)
        assert isinstance(answer, Observed)
        return answer


class FailsOnStrangers(LocalBackend):
    """The scheduler's "invalid job id" ends up as an exception."""

    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        for handle in handles:
            self._runners[handle]
        return super().gridmap_observe(handles, context)


class KeepsHandlesInMind(LocalBackend):
    """What this process did not start does not exist."""

    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        answer = super().gridmap_observe(handles & set(self._runners), context)
        assert isinstance(answer, Observed)
        return msgspec.structs.replace(answer, absent=handles - set(answer.seen))


class AttachesToNobody(LocalBackend):
    """Looking by a token that was never written down."""

    @hookimpl
    def gridmap_attach(self, context: RunContext) -> Mapping[Handle, Seen]:
        return {}


class AttachesToEverybody(LocalBackend):
    """All jobs of this user are taken for ours."""

    everyone: ClassVar[dict[Handle, Seen]] = {}

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        answer = super().gridmap_submit(batch, context)
        handles = [handle for handle in answer.values() if isinstance(handle, Handle)]
        self.everyone.update(dict.fromkeys(handles, RUNNING))
        return answer

    @hookimpl
    def gridmap_kill(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Killed]:
        for handle in handles:
            self.everyone.pop(handle, None)
        return super().gridmap_kill(handles, context)

    @hookimpl
    def gridmap_attach(self, context: RunContext) -> Mapping[Handle, Seen]:
        return dict(self.everyone)


class AttachesToTheDead(LocalBackend):
    """Whoever has ever been ours is found."""

    @hookimpl
    def gridmap_attach(self, context: RunContext) -> Mapping[Handle, Seen]:
        from gridmap_local import registry

        return dict.fromkeys(registry.read(context), RUNNING)


class IsSlowToAppear(LocalBackend):
    """The queue shows a runner only some time after it has taken it."""

    asked = 0

    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        self.asked += 1
        if self.asked == 1:
            return Observed(seen={}, absent=handles)
        return super().gridmap_observe(handles, context)


class KnowsAllReasons(LocalBackend):
    """There are no reasons but those in its list."""

    @hookimpl
    def gridmap_explain(
        self, words: str, resources: Resources, context: RunContext
    ) -> Explanation:
        meanings = {"hqw": "it is on hold"}
        return Explanation(reason=words, meaning=meanings[words])


class UsesItsOwnWords(LocalBackend):
    """What it means is told, and what was said is not."""

    @hookimpl
    def gridmap_explain(
        self, words: str, resources: Resources, context: RunContext
    ) -> Explanation:
        return Explanation(reason="refused", meaning="the scheduler would not take it")


class Holds(LocalBackend):
    """No bug either: runners that ask for it are never started, and can be killed."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[Handle, Seen] = {}

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        if batch.resources.option("held") is None:
            return super().gridmap_submit(batch, context)
        handles = {number: Handle("held", str(number)) for number in batch.runners}
        held = Seen(state=SeenState.HELD, raw="hqw", reason="on hold")
        self.held |= dict.fromkeys(handles.values(), held)
        return handles

    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        answer = super().gridmap_observe(handles, context)
        assert isinstance(answer, Observed)
        held = {h: self.held[h] for h in handles if h in self.held}
        return Observed(seen={**answer.seen, **held}, absent=answer.absent - set(held))

    @hookimpl
    def gridmap_kill(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Killed]:
        held = {h: Killed.KILLED for h in handles if self.held.pop(h, None)}
        return {**super().gridmap_kill(handles, context), **held}


class MumblesOfWaiting(Holds):
    """Reasons are told in capitals: they look more important."""

    @hookimpl
    def gridmap_explain(
        self, words: str, resources: Resources, context: RunContext
    ) -> Explanation:
        return Explanation(reason=words.upper())
