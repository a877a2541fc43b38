"""Each errand has its answer, whatever a backend raises."""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gridmap import backend as b
from gridmap.hookspecs import hookimpl
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.monitor.errands import Errand, ErrandRunner, Launch
from gridmap.plugins import RunPlugins
from gridmap.resources import Resources
from gridmap.verdict import Cause

HANDLE = b.Handle("7")
HANDLES = frozenset({HANDLE})


class Mute(Exception):  # noqa: N818 - a stranger's own
    """Says nothing, and fails when it is asked to."""

    def __str__(self) -> str:
        raise ValueError


class Odd(Mapping[Any, Any]):
    """A mapping that cannot be read."""

    def __getitem__(self, key: object) -> Any:
        raise Mute

    def __iter__(self) -> Iterator[Any]:
        raise Mute

    def __len__(self) -> int:
        raise Mute


class Faulty:
    """A backend that does in every verb what it was made for."""

    def __init__(self, fault: object) -> None:
        self.fault = fault

    def _fail(self) -> Any:
        if isinstance(self.fault, BaseException):
            raise self.fault
        return self.fault

    @hookimpl
    def gridmap_capabilities(self) -> b.Capabilities:
        return b.Capabilities()

    @hookimpl
    def gridmap_render(self, batch: b.Batch) -> b.Rendered:
        return b.Rendered(command=batch.command)

    @hookimpl
    def gridmap_submit(self) -> Any:
        return self._fail()

    @hookimpl
    def gridmap_observe(self) -> Any:
        return self._fail()

    @hookimpl
    def gridmap_kill(self) -> Any:
        return self._fail()

    @hookimpl
    def gridmap_postmortem(self) -> Any:
        return self._fail()

    @hookimpl
    def gridmap_resubmit(self) -> Any:
        return self._fail()

    @hookimpl
    def gridmap_attach(self) -> Any:
        return self._fail()

    @hookimpl
    def gridmap_identify(self) -> b.Identity:
        return b.Identity()


def carry_out(backend: object, errands: list[Errand]) -> list[f.Fact]:
    """Carry errands out; return what the ledger is told."""
    told: list[f.Fact] = []
    all_told = threading.Event()

    def tell(fact: f.Fact) -> None:
        told.append(fact)
        if len(told) == len(errands):
            all_told.set()

    where = Path("/nowhere")
    context = b.RunContext(token="0" * 32, name="run", directory=where, logs=where)
    launch = Launch(command=("true",), environment={}, directory="/", name="run")
    runner = ErrandRunner(RunPlugins(backend, context, name="mine"), launch, tell)
    runner.start(b.Capabilities())
    for errand in errands:
        runner.put(errand)
    assert all_told.wait(10)
    runner.finish(10)
    return told


@pytest.mark.parametrize(
    "fault",
    [SystemExit(3), Mute(), MemoryError(), Odd()],
    ids=["exits", "mute", "memory", "odd"],
)
def test_whatever_a_backend_does_is_an_answer(fault: object) -> None:
    """An errand without one would leave its run waiting for ever."""
    submitted, killed, looked, autopsied, resubmitted, attached = carry_out(
        Faulty(fault),
        [
            i.SubmitRunners(runners=(1,), resources=Resources(), avoid=frozenset()),
            i.KillRunners(handles=HANDLES),
            i.Look(handles=HANDLES, since=0.0, requests={HANDLE: Resources()}),
            i.HoldAutopsy(handles=HANDLES, lives={HANDLE: 1}),
            i.ResubmitRunner(runner=1, handle=HANDLE, cause=Cause.LOST, attempt=2),
            i.Attach(),
        ],
    )
    assert isinstance(submitted, f.Submitted)
    answer = submitted.answers[1]
    assert isinstance(answer, b.Rejected)
    assert not answer.transient
    assert killed == f.KillAnswered(results={HANDLE: b.Killed.FAILED})
    assert isinstance(looked, f.Looked)
    assert isinstance(looked.observation, b.NotAsked)
    assert isinstance(autopsied, f.Autopsied)
    assert autopsied.findings == {}
    assert resubmitted == f.ResubmitAnswered(runner=1, answer=None)
    assert isinstance(attached, f.Attached)
    assert isinstance(attached.found, b.NotAsked)
