"""A backend that keeps to its contract, and what a run asks of it."""

from collections.abc import Mapping
from pathlib import Path

from gridmap.backend import (
    Batch,
    Capabilities,
    Handle,
    Identity,
    Killed,
    Observed,
    Rejected,
    Rendered,
    RunContext,
    Seen,
    SeenState,
)
from gridmap.hookspecs import hookimpl
from gridmap.plugins import RunPlugins
from gridmap.resources import Resources

CONTEXT = RunContext(
    token="0" * 16, name="run", directory=Path("/x"), logs=Path("/x/logs")
)
BATCH = Batch(
    runners=(1, 2),
    command=("true",),
    environment={},
    directory="/",
    name="run",
    resources=Resources(),
)
ONE, TWO = Handle("7", "1"), Handle("7", "2")
BOTH = frozenset({ONE, TWO})
RUNNING = Seen(state=SeenState.RUNNING)


class Good:
    """A backend that keeps to its contract, with as few verbs as may be."""

    @hookimpl
    def gridmap_capabilities(self) -> Capabilities:
        return Capabilities(largest_array=9)

    @hookimpl
    def gridmap_render(self, batch: Batch) -> Rendered:
        return Rendered(command=batch.command)

    @hookimpl
    def gridmap_submit(
        self, batch: Batch, context: RunContext
    ) -> Mapping[int, Handle | Rejected]:
        assert context is CONTEXT
        return dict(zip(batch.runners, (ONE, TWO), strict=True))

    @hookimpl
    def gridmap_observe(self, handles: frozenset[Handle]) -> Observed:
        return Observed(seen=dict.fromkeys(handles, RUNNING))

    @hookimpl
    def gridmap_kill(self, handles: frozenset[Handle]) -> Mapping[Handle, Killed]:
        return dict.fromkeys(handles, Killed.KILLED)

    @hookimpl
    def gridmap_identify(self, environ: Mapping[str, str]) -> Identity:
        return Identity(handle=Handle(environ["JOB"]))


def relay(backend: object, **wrappers: object) -> RunPlugins:
    """Return the plugins of a run on a backend called ``mine``."""
    return RunPlugins(backend, CONTEXT, name="mine", wrappers=wrappers.items())


def answering(verb: str, answer: object) -> Good:
    """Return a backend that answers one verb differently; an exception is raised."""

    class Odd(Good):
        pass

    def respond(self: Odd) -> object:  # noqa: ARG001 - a method
        if isinstance(answer, BaseException):
            raise answer
        return answer

    setattr(Odd, verb, hookimpl(respond))
    return Odd()
