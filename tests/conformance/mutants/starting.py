"""Backends that work but for one bug: in how they start runners."""

# ruff: noqa: ARG002 - an override has to take what the sound method takes

import os
from collections.abc import Mapping

import msgspec

from gridmap.backend import (
    Autopsy,
    Batch,
    Handle,
    Identity,
    Rejected,
    Rendered,
    RunContext,
    Submission,
)
from gridmap.hookspecs import hookimpl
from gridmap_local.backend import LocalBackend


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


class ForgetsTheMarker(LocalBackend):
    """A method that looks like a hook and is none."""

    def gridmap_postmortem(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Autopsy]:
        return super().gridmap_postmortem(handles, context)
