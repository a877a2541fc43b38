"""A run on the real Grid Engine, for tests of what is Grid Engine's own."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gridmap.backend import (
    Autopsy,
    Batch,
    Handle,
    Observed,
    Rejected,
    RunContext,
    Seen,
    SeenState,
)
from gridmap.plugins import RunPlugins
from gridmap.resources import Resources
from gridmap.testing import eventually
from gridmap_sge.backend import GridEngineBackend
from gridmap_sge.scheduler import Scheduler

START_S = 20.0
END_S = 30.0
ACCOUNT_S = 40.0


class Run:
    """One run, with an instance of the backend as core would hold it."""

    def __init__(self, place: Path, scheduler: Scheduler | None = None) -> None:
        self.place = place
        self.context = RunContext(
            token=secrets.token_hex(8), name="run", directory=place, logs=place
        )
        self.object = GridEngineBackend(scheduler)
        self.plugins = RunPlugins(self.object, self.context, name="sge")
        self.handles: set[Handle] = set()
        self._next = 0

    @property
    def scheduler(self) -> Scheduler:
        """The conversation with Grid Engine."""
        assert self.object._known is not None
        return self.object._known

    def batch(self, *command: str, count: int = 1, **fields: Any) -> Batch:
        """Return a batch of runners that run a command."""
        numbers = tuple(range(self._next, self._next + count))
        self._next += count
        directory = fields.pop("directory", str(self.place))
        avoid = frozenset(fields.pop("avoid", ()))
        return Batch(
            runners=numbers,
            command=command,
            environment=fields.pop("environment", {}),
            directory=directory,
            name="gridmap-test",
            resources=Resources(**fields),
            avoid=avoid,
        )

    def start(self, *command: str, count: int = 1, **fields: Any) -> list[Handle]:
        """Submit a batch that has to be taken; return its handles."""
        answers = self.plugins.submit(self.batch(*command, count=count, **fields))
        handles = [one for one in answers.values() if isinstance(one, Handle)]
        assert len(handles) == count, answers
        self.handles.update(handles)
        return handles

    def refused(self, *command: str, **fields: Any) -> Rejected:
        """Submit a batch that has to be refused; return the refusal."""
        (answer,) = self.plugins.submit(self.batch(*command, **fields)).values()
        if isinstance(answer, Handle):
            self.handles.add(answer)
        assert isinstance(answer, Rejected)
        return answer

    def look(self, handles: Iterable[Handle]) -> Observed:
        """Observe; the scheduler has to answer."""
        answer = self.plugins.observe(frozenset(handles))
        assert isinstance(answer, Observed), answer
        return answer

    def until(
        self, handle: Handle, true: Callable[[Seen | None], bool], what: str
    ) -> Seen | None:
        """Wait until something is true of a runner; return what was seen of it."""

        def found() -> list[Seen | None]:
            seen = self.look([handle]).seen.get(handle)
            return [seen] if true(seen) else []

        return eventually(found, within_s=END_S, what=f"{handle} {what}", gap_s=0.5)[0]

    def runs(self, handle: Handle) -> Seen | None:
        """Wait until a runner runs."""
        return self.until(
            handle, lambda s: s is not None and s.raw in {"r", "Rr"}, "runs"
        )

    def over(self, handles: Iterable[Handle], within_s: float = 90) -> None:
        """Wait until runners are gone."""
        wanted = frozenset(handles)
        eventually(
            lambda: not self.look(wanted).seen, within_s=within_s, what="they are over"
        )

    def autopsies(self, handles: Iterable[Handle]) -> Mapping[Handle, Autopsy]:
        """Wait until runners are over and it is known how they ended."""
        wanted = frozenset(handles)
        told: dict[Handle, Autopsy] = {}

        def all_told() -> bool:
            told.update(self.plugins.postmortem(wanted - set(told)))
            return set(told) == wanted

        self.over(wanted)
        eventually(all_told, within_s=ACCOUNT_S, what=f"autopsies, {told}")
        return told

    def autopsy(self, *command: str, **fields: Any) -> Autopsy:
        """Run a command to its end; return how it ended."""
        (handle,) = self.start(*command, **fields)
        return self.autopsies([handle])[handle]

    def finish(self) -> None:
        """Leave nothing in the queue."""
        with contextlib.suppress(Exception):
            self.plugins.kill(frozenset(self.handles))
        self.plugins.close()


@pytest.fixture
def make_run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Make runs; their runners are killed afterwards."""
    with contextlib.ExitStack() as stack:

        def make(scheduler: Scheduler | None = None) -> Run:
            run = Run(tmp_path, scheduler)
            stack.callback(run.finish)
            return run

        yield make


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    """Make one run."""
    return make_run()


@pytest.fixture
def waiting() -> frozenset[SeenState]:
    """What a runner that has not started is shown as."""
    return frozenset({SeenState.QUEUED, SeenState.HELD, SeenState.BLOCKED})
