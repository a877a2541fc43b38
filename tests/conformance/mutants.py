"""Backends that work, each but for one bug; `bugs` says which rule it breaks.

Most of the bugs were found in a framework in use. Nodes import this module to ask who
they are, so it imports nothing heavy, pytest least of all.
"""
# ruff: noqa: ARG002 - an override has to take what the sound method takes

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from gridmap.backend import (
    Autopsy,
    Availability,
    Batch,
    Ending,
    Handle,
    Identity,
    Killed,
    NotAsked,
    Observation,
    Observed,
    Rejected,
    Rendered,
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


class NumbersForHandles(LocalBackend):
    """Job ids are numbers, are they not?"""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        answer = super().gridmap_submit(batch, context)
        return {
            number: Handle(int(handle.job, 16), handle.task)  # type: ignore[arg-type]
            if isinstance(handle, Handle)
            else handle
            for number, handle in answer.items()
        }


class OneHandleForAll(LocalBackend):
    """The array's id, without the task's."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        answer = super().gridmap_submit(batch, context)
        return dict.fromkeys(answer, next(iter(answer.values())))


class StartsOnlyOne(LocalBackend):
    """The array's size got lost on the way to the scheduler."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        first, *rest = batch.runners
        answer = super().gridmap_submit(
            msgspec.structs.replace(batch, runners=(first,)), context
        )
        handle = answer[first]
        assert isinstance(handle, Handle)
        return {**answer, **{n: Handle(handle.job, str(n)) for n in rest}}


class StartsTwice(LocalBackend):
    """A submission that seemed to fail is tried again."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        super().gridmap_submit(batch, context)
        return super().gridmap_submit(batch, context)


class GluesTheCommand(LocalBackend):
    """Arguments are joined with spaces, as they were on the command line."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        command = ("/bin/sh", "-c", " ".join(batch.command))
        return super().gridmap_submit(
            msgspec.structs.replace(batch, command=command), context
        )


class CutsValuesAtCommas(LocalBackend):
    """``--export=A=1,B=2`` has no way to write a comma."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        values = {k: v.split(",")[0] for k, v in batch.environment.items()}
        return super().gridmap_submit(
            msgspec.structs.replace(batch, environment=values), context
        )


class StumblesOverFunctions(LocalBackend):
    """The whole environment is written out, one ``NAME=value`` a line."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        if any("\n" in value for value in os.environ.values()):
            text = "unexpected end of environment"
            return dict.fromkeys(batch.runners, Rejected(transient=True, text=text))
        return super().gridmap_submit(batch, context)


class StartsAtHome(LocalBackend):
    """Without ``-cwd`` jobs start in the user's home."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        return super().gridmap_submit(
            msgspec.structs.replace(batch, directory="/"), context
        )


class ExpandsPercentSigns(LocalBackend):
    """The scheduler's own patterns in the names of logs are not escaped."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        if "%" not in str(context.logs):
            return super().gridmap_submit(batch, context)
        text = f"invalid pattern in {context.logs}"
        return dict.fromkeys(batch.runners, Rejected(transient=False, text=text))


class MixesOutput(LocalBackend):
    """All tasks of an array write to one file."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        answer = super().gridmap_submit(batch, context)
        first, *rest = [f"{h}.log" for h in answer.values() if isinstance(h, Handle)]
        for name in rest:
            (context.logs / name).unlink()
            (context.logs / name).hardlink_to(context.logs / first)
        return answer


class DropsErrors(LocalBackend):
    """Standard error goes where nobody looks."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        command = ("/bin/sh", "-c", 'exec "$@" 2>/dev/null', "sh", *batch.command)
        return super().gridmap_submit(
            msgspec.structs.replace(batch, command=command), context
        )


class RefusesInSilence(LocalBackend):
    """The reason is in a log somewhere."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        answer = super().gridmap_submit(batch, context)
        return {
            number: msgspec.structs.replace(a, text="")
            if isinstance(a, Rejected)
            else a
            for number, a in answer.items()
        }


class HopesForTheBest(LocalBackend):
    """Whatever is refused may be taken later."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        answer = super().gridmap_submit(batch, context)
        return {
            number: msgspec.structs.replace(a, transient=True)
            if isinstance(a, Rejected)
            else a
            for number, a in answer.items()
        }


class DeclaresTooMuch(LocalBackend):
    """The array limit is somebody else's."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        if len(batch.runners) > 10:
            text = "array too large"
            return dict.fromkeys(batch.runners, Rejected(transient=False, text=text))
        return super().gridmap_submit(batch, context)


class MistakesTheTask(LocalBackend):
    """Task numbers begin with 1 there and with 0 here."""

    @hookimpl
    def gridmap_identify(self, environ: Mapping[str, str]) -> Identity | None:
        identity = super().gridmap_identify(environ)
        if identity is None or identity.handle is None or identity.handle.task is None:
            return identity
        task = str(int(identity.handle.task) - 1)
        return msgspec.structs.replace(
            identity, handle=Handle(identity.handle.job, task)
        )


class IsAlwaysSomebody(LocalBackend):
    """Where there is no job id, zero will do."""

    @hookimpl
    def gridmap_identify(self, environ: Mapping[str, str]) -> Identity | None:
        return super().gridmap_identify(environ) or Identity(handle=Handle("0"))


class MistakesTheClock(LocalBackend):
    """The deadline is what is left, not when it is over."""

    @hookimpl
    def gridmap_identify(self, environ: Mapping[str, str]) -> Identity | None:
        identity = super().gridmap_identify(environ)
        return identity and msgspec.structs.replace(identity, deadline=1800.0)


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


class LeavesAThread(LocalBackend):
    """A poller that nobody stops."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        wait = threading.Event().wait
        threading.Thread(target=wait, args=(60,), daemon=True, name="poller").start()
        return super().gridmap_submit(batch, context)


class LeavesAFile(LocalBackend):
    """The submit script stays in the directory for temporary files."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        import tempfile

        descriptor, _ = tempfile.mkstemp(prefix="submit-")
        os.close(descriptor)
        return super().gridmap_submit(batch, context)


class RendersAnew(LocalBackend):
    """Every rendering has a number of its own."""

    @hookimpl
    def gridmap_render(self, batch: Batch, context: RunContext) -> Rendered:
        rendered = super().gridmap_render(batch, context)
        return msgspec.structs.replace(
            rendered, script=f"{rendered.script}# {os.urandom(4).hex()}"
        )


class RendersByDoing(LocalBackend):
    """To show the script it is written first."""

    @hookimpl
    def gridmap_render(self, batch: Batch, context: RunContext) -> Rendered:
        rendered = super().gridmap_render(batch, context)
        (context.directory / "submit.sh").write_text(rendered.script or "")
        return rendered


class ShowsTheEnvironment(LocalBackend):
    """Everything is exported by name and value."""

    @hookimpl
    def gridmap_render(self, batch: Batch, context: RunContext) -> Rendered:
        lines = "".join(f"export {k}='{v}'\n" for k, v in os.environ.items())
        rendered = super().gridmap_render(batch, context)
        return msgspec.structs.replace(rendered, script=f"{lines}{rendered.script}")


class HidesTheCommand(LocalBackend):
    """A dry run that shows nothing of what will be run."""

    @hookimpl
    def gridmap_render(self, batch: Batch, context: RunContext) -> Rendered:
        return Rendered(command=("submit", batch.name))


class HasDefaults(LocalBackend):
    """pluggy leaves such an argument at its default."""

    @hookimpl
    def gridmap_attach(self, context: RunContext = None) -> Mapping[Handle, Seen]:  # type: ignore[assignment]
        return super().gridmap_attach(context)


class ForgetsTheMarker(LocalBackend):
    """A method that looks like a hook and is none."""

    def gridmap_postmortem(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Autopsy]:
        return super().gridmap_postmortem(handles, context)


class ChangesItsMind(LocalBackend):
    """Capabilities are counted from what is free just now."""

    answers = 0

    @hookimpl
    def gridmap_capabilities(self) -> Any:
        self.answers += 1
        answer = super().gridmap_capabilities()
        return msgspec.structs.replace(answer, largest_fleet=self.answers)


class AsksWhileIdentifying(LocalBackend):
    """Every runner on every node calls the scheduler's commands."""

    @hookimpl
    def gridmap_identify(self, environ: Mapping[str, str]) -> Identity | None:
        subprocess.run([sys.executable, "-c", ""], check=True)
        return super().gridmap_identify(environ)


class LeavesAProcess(LocalBackend):
    """A helper that nobody ends."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        helper = subprocess.Popen(["/bin/sleep", "20"])
        helper.returncode = 0  # or its being thrown away would be the warning
        return super().gridmap_submit(batch, context)


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


class KillsOnlyWhatRuns(Holds):
    """What waits in the queue is not there to be killed."""

    @hookimpl
    def gridmap_kill(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Killed]:
        answer = LocalBackend.gridmap_kill(self, handles, context)
        return {**answer, **{h: Killed.KILLED for h in handles if h in self.held}}


class HasALongStory(LocalBackend):
    """Its summary would not fit the line it has in a list."""


class TakesAnothersName(LocalBackend):
    """It calls itself what another plugin is called."""


class LooksForLong(LocalBackend):
    """Whether it can be used is found out by asking the scheduler."""


def asks_the_scheduler() -> Availability:
    """Take longer than anybody should wait for a list of backends."""
    subprocess.run(["/bin/sleep", "0.06"], check=True)
    return Availability(usable=True, reason="it answered")
