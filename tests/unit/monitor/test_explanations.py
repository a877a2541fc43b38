"""Why runners do not start is asked once, told while they wait, and in the verdict."""

import threading
from collections.abc import Mapping
from pathlib import Path

from tests.unit.monitor.desk import Desk

from gridmap import backend as b
from gridmap.events import RunnerPending
from gridmap.explanation import Explanation
from gridmap.hookspecs import hookimpl
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.monitor.errands import ErrandRunner, Launch
from gridmap.plugins import RunPlugins
from gridmap.resources import Resources

HANDLE = b.Handle("7")
TOKEN = "0" * 16
TOO_MANY = Explanation(
    reason="PE", meaning="no node has so many", advice="ask for at most 4"
)


class Sluggish:
    """A backend whose runners all wait, and that counts how often it is asked why."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @hookimpl
    def gridmap_capabilities(self) -> b.Capabilities:
        return b.Capabilities()

    @hookimpl
    def gridmap_render(self, batch: b.Batch) -> b.Rendered:
        return b.Rendered(command=batch.command)

    @hookimpl
    def gridmap_submit(self, batch: b.Batch) -> Mapping[int, b.Rejected]:
        rejected = b.Rejected(transient=batch.runners == (2,), text="PE")
        return dict.fromkeys(batch.runners, rejected)

    @hookimpl
    def gridmap_observe(self, handles: frozenset[b.Handle]) -> b.Observed:
        waits = b.Seen(state=b.SeenState.QUEUED, raw="qw", reason="PE")
        return b.Observed(seen=dict.fromkeys(handles, waits))

    @hookimpl
    def gridmap_kill(self) -> Mapping[b.Handle, b.Killed]:
        return {}

    @hookimpl
    def gridmap_identify(self) -> b.Identity:
        return b.Identity()

    @hookimpl
    def gridmap_explain(self, words: str) -> Explanation:
        self.asked.append(words)
        if words == "broken":
            raise RuntimeError
        return TOO_MANY


def run_errands(backend: Sluggish, *errands: i.Look | i.SubmitRunners) -> list[f.Fact]:
    """Carry errands out; return what the ledger is told."""
    told: list[f.Fact] = []
    all_told = threading.Event()

    def tell(fact: f.Fact) -> None:
        told.append(fact)
        if len(told) == len(errands):
            all_told.set()

    where = Path("/nowhere")
    context = b.RunContext(token=TOKEN, name="run", directory=where, logs=where)
    launch = Launch(command=("true",), environment={}, directory="/", name="run")
    runner = ErrandRunner(RunPlugins(backend, context, name="slow"), launch, tell)
    runner.start(b.Capabilities())
    for errand in errands:
        runner.put(errand)
    assert all_told.wait(10)
    runner.finish(10)
    return told


def test_a_reason_is_asked_about_once() -> None:
    """However long runners wait: explaining may cost questions to the scheduler."""
    backend = Sluggish()
    look = i.Look(
        handles=frozenset({HANDLE}), since=0.0, requests={HANDLE: Resources()}
    )
    told = run_errands(backend, look, look, look)
    whys = [fact.why for fact in told if isinstance(fact, f.Looked)]
    assert whys == [{HANDLE: TOO_MANY}] * 3
    assert backend.asked == ["PE"]


def test_a_refusal_for_good_is_explained() -> None:
    """One for now is not: the same is asked for again."""
    backend = Sluggish()
    one = i.SubmitRunners(runners=(1,), resources=Resources(), avoid=frozenset())
    two = i.SubmitRunners(runners=(2,), resources=Resources(), avoid=frozenset())
    told = run_errands(backend, one, two)
    answers = [fact.answers for fact in told if isinstance(fact, f.Submitted)]
    assert answers == [
        {1: b.Rejected(transient=False, text=str(TOO_MANY))},
        {2: b.Rejected(transient=True, text="PE")},
    ]


def pending(desk: Desk) -> list[RunnerPending]:
    """Return what observers were told of runners that wait."""
    events = [publish.event for publish in desk.take(i.Publish)]
    return [event for event in events if isinstance(event, RunnerPending)]


def test_the_meaning_is_told_while_it_waits_and_in_the_verdict() -> None:
    """With what to do, and how long it has waited."""
    desk = Desk(max_workers=1, start_timeout_s=30.0)
    desk.add(1)
    (handle,) = desk.accept()
    seen = b.Seen(state=b.SeenState.QUEUED, raw="qw", reason="PE")
    verdicts: list[i.DeliverVerdict] = []
    while not verdicts:
        desk.tick(5.0)
        for look in desk.take(i.Look):
            assert look.requests == {handle: Resources()}
            observed = b.Observed(seen={handle: seen})
            why = {handle: TOO_MANY}
            desk.tell(
                f.Looked(asked=look.handles, observation=observed, at=desk.now, why=why)
            )
        verdicts = desk.take(i.DeliverVerdict)
    assert "no node has so many (PE): ask for at most 4" in (
        verdicts[0].verdict.explain()
    )
    events = pending(desk)
    assert events
    assert events[-1].why == "no node has so many (PE): ask for at most 4"
    assert events[-1].waited_s >= 25.0
