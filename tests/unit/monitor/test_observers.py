"""What an observer has not seen yet is bounded, and it is told what it missed."""

import threading

import pytest

from gridmap import events as ev
from gridmap import plugins
from gridmap.events import AnyEvent
from gridmap.monitor import observers
from gridmap.monitor.observers import Observers, installed_observers
from gridmap.settings import Settings
from gridmap.testing import eventually


class Slow:
    """An observer that hangs until it is let go."""

    def __init__(self) -> None:
        self.hangs, self.goes = threading.Event(), threading.Event()
        self.seen: list[AnyEvent] = []

    def __call__(self, event: AnyEvent) -> None:
        self.hangs.set()
        assert self.goes.wait(30)
        self.seen.append(event)


def test_one_that_is_far_behind_misses_events_and_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another sees them all; of the end both hear."""
    monkeypatch.setattr(observers, "_MOST_WAITING", 10)
    slow, quick, seen = Slow(), list[AnyEvent](), threading.Semaphore(0)

    def look(event: AnyEvent) -> None:
        quick.append(event)
        seen.release()

    watch = Observers([("slow", slow), ("quick", look)])
    first = ev.RunnerUp(run="r", at=0.0, runner=0, handle="0", node="n", pid=1)
    watch.tell(first)
    assert slow.hangs.wait(30)
    for at in range(1, 26):
        assert seen.acquire(timeout=30)
        watch.tell(ev.RunnerGone(run="r", at=float(at), runner=0, text=""))
    watch.tell(ev.RunEnded(run="r", at=99.0, error=None))
    slow.goes.set()
    watch.finish(30.0)
    assert len(quick) == 27
    kinds = [type(event) for event in slow.seen]
    assert kinds == [ev.RunnerUp, *[ev.RunnerGone] * 10, ev.EventsMissed, ev.RunEnded]
    missed = slow.seen[-2]
    assert isinstance(missed, ev.EventsMissed)
    assert missed.count == 15
    told = [r.getMessage() for r in caplog.records if "observer slow" in r.getMessage()]
    assert len(told) == 1
    assert "10 events behind" in told[0]


@pytest.mark.parametrize("rest", ["_REST_S", "_BREATH_S"])
def test_the_end_of_a_run_does_not_wait_for_a_rest(
    rest: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Between two looks an observer rests, but not once the run is over."""
    monkeypatch.setattr(observers, rest, 3600.0)
    monkeypatch.setattr(observers, "_STRETCH_S", 0.0)
    quick, seen = list[AnyEvent](), threading.Semaphore(0)

    def look(event: AnyEvent) -> None:
        quick.append(event)
        seen.release()

    watch = Observers([("quick", look)])
    watch.tell(ev.RunnerUp(run="r", at=0.0, runner=0, handle="0", node="n", pid=1))
    assert seen.acquire(timeout=30)
    watch.tell(ev.RunEnded(run="r", at=1.0, error=None))
    watch.finish(30.0)
    assert [type(event) for event in quick] == [ev.RunnerUp, ev.RunEnded]
    assert not caplog.records


def test_they_look_when_a_runner_was_given_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The driver has nothing to do then that anybody waits for."""
    monkeypatch.setattr(observers, "_BREATH_S", 3600.0)
    monkeypatch.setattr(observers, "_STRETCH_S", 0.0)
    seen = threading.Semaphore(0)
    watch = Observers([("quick", lambda _: seen.release())])
    for at in range(5):
        watch.tell(ev.RunnerGone(run="r", at=float(at), runner=0, text=""))
    assert seen.acquire(timeout=30), "the first at once"
    for _ in range(4):

        def look() -> bool:
            watch.go_on()
            return seen.acquire(timeout=0.01)

        eventually(look, within_s=30, what="an event is seen")
    watch.finish(30.0)


@pytest.mark.parametrize(
    ("settings", "mail", "wanted"),
    [
        (Settings(send_error_mail=True), False, "gridmap-mail"),
        (Settings(), True, "gridmap-mail"),
        (Settings(metrics_file="/x"), False, "gridmap-dashboard"),
        (Settings(), False, ""),
    ],
)
def test_what_is_wanted_and_nobody_does_is_warned_of(
    settings: Settings,
    mail: bool,
    wanted: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Else people would wait for mail where gridmap-mail is not installed."""
    installed_observers(settings, completion_mail=mail)
    assert not caplog.messages
    monkeypatch.setattr(plugins, "installed", lambda: plugins.Plugins(()))
    installed_observers(settings, completion_mail=mail)
    assert [wanted in message for message in caplog.messages] == [True] * bool(wanted)
