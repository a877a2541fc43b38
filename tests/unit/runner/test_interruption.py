"""What a runner does about its end while it can still do something."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.backend import Coming, Identity, Notice
from gridmap.runner.interruption import AskCheckpoint, Interruption, Part, Step, Tell

END = Notice(coming=Coming.END, text="the end")
STAY = Notice(coming=Coming.END, text="the end", stay=True)
TIME = Notice(coming=Coming.TIME_LIMIT, text="time")
STOP = Notice(coming=Coming.PREEMPTION, text="a pause")
EACH = pytest.mark.parametrize(
    "notice", [END, STAY, TIME, STOP], ids=["end", "stay", "time", "stop"]
)


def kinds(steps: list[Step] | None) -> list[type[Any]]:
    """Return what is to be done, in short."""
    assert steps is not None
    return [type(step) for step in steps]


@EACH
def test_a_job_that_can_is_asked(notice: Notice) -> None:
    """The monitor hears of it first: the runner may be gone in a moment."""
    rules = Interruption(None, 0.0)
    tell, ask = rules.warned(notice, 12, 7, 1.0)
    assert isinstance(tell, Tell)
    assert (tell.job, tell.signal) == (7, 12)
    assert "SIGUSR2" in tell.text
    assert notice.text in tell.text
    assert tell.ending is rules.closing is (notice.coming is Coming.END)
    assert ask == AskCheckpoint(job=7)
    assert rules.asking


@pytest.mark.parametrize(
    ("notice", "reason"), [(END, "signal"), (TIME, "deadline"), (STOP, "preempted")]
)
def test_a_runner_leaves_with_its_checkpoint(notice: Notice, reason: str) -> None:
    """Each for its own reason."""
    rules = Interruption(None, 0.0)
    rules.warned(notice, 10, 7, 1.0)
    steps = rules.came(7, 2.0)
    assert steps is not None
    (part,) = steps
    assert isinstance(part, Part)
    assert (part.reason, part.signal) == (reason, 10)


def test_a_runner_that_has_to_stay_stays_for_a_while() -> None:
    """It is to be killed, but should nobody do it, it goes by itself."""
    rules = Interruption(None, 0.0)
    rules.grace = 20.0
    rules.warned(STAY, 12, 7, 1.0)
    assert rules.came(7, 10.0) == []
    assert rules.came(7, 11.0) is None
    assert rules.tick(7, 29.0) == []
    (part,) = rules.tick(7, 31.0)
    assert isinstance(part, Part)
    assert "not made" not in part.text
    assert rules.tick(7, 99.0) == []


@EACH
def test_no_checkpoint_and_nobody_asked(notice: Notice) -> None:
    """A function without one: only an end that can be hastened is."""
    rules = Interruption(None, 0.0)
    expected = {id(END): [Part], id(STAY): [Tell]}.get(id(notice), [])
    assert kinds(rules.warned(notice, 12, None, 1.0)) == expected
    assert rules.asking is (notice is STAY)


@EACH
def test_a_checkpoint_that_fails_is_told_of(notice: Notice) -> None:
    """Where the job can go on it does, and is not asked again for the same reason."""
    rules = Interruption(100.0, 0.0)
    rules.warned(notice, 12, 7, 1.0)
    (step,) = rules.failed(7, "OSError: the disk is full")
    assert type(step) is (Part if notice is END else Tell)
    assert isinstance(step, Part | Tell)
    assert "the disk is full" in step.text
    assert rules.tick(7, 99.0) == []
    assert kinds(rules.tick(8, 99.0)) == (
        [] if rules.closing else [Tell, AskCheckpoint]
    )


@pytest.mark.parametrize("notice", [END, TIME])
def test_a_job_that_ends_meanwhile_needs_no_checkpoint(notice: Notice) -> None:
    """Its result is better."""
    rules = Interruption(None, 0.0)
    rules.warned(notice, 12, 7, 1.0)
    assert rules.ended(6) == []
    assert kinds(rules.ended(7)) == ([Part] if notice is END else [])
    assert rules.came(7, 3.0) is None
    assert rules.failed(7, "late") == []


def test_a_runner_that_nobody_ends_leaves_when_it_has_nothing_to_do() -> None:
    """The signal came from a person, or the scheduler thought better of it."""
    rules = Interruption(None, 0.0)
    rules.grace = 20.0
    rules.warned(STAY, 15, None, 1.0)
    assert rules.spared(21.0) == []
    (part,) = rules.spared(21.1)
    assert isinstance(part, Part)
    assert (part.reason, part.signal) == ("signal", 15)
    assert Interruption(None, 0.0).spared(100.0) == []


def test_a_checkpoint_that_hangs_does_not_hold_the_runner() -> None:
    """What becomes of it is told in the goodbye."""
    rules = Interruption(None, 0.0)
    rules.warned(END, 15, 7, 1.0)
    assert rules.tick(7, 60.9) == []
    (part,) = rules.tick(7, 61.1)
    assert isinstance(part, Part)
    assert "not made within 60 s" in part.text


@pytest.mark.parametrize(
    ("left", "reason"), [(140.0, "deadline"), (160.0, "preempted")]
)
def test_a_warning_of_time_that_comes_too_early_is_none(
    left: float, reason: str
) -> None:
    """Some sites send the signal before a preemption, too."""
    rules = Interruption(1000.0, 0.0)
    rules.warned(msgspec.structs.replace(TIME, within_s=150.0), 12, 7, 1000.0 - left)
    (part,) = rules.came(7, 1000.0) or []
    assert isinstance(part, Part)
    assert part.reason == reason
    assert ("give way" in part.text) is (reason == "preempted")


def test_without_a_deadline_nothing_comes_too_early() -> None:
    """The runner does not know better than who warned it."""
    rules = Interruption(None, 0.0)
    rules.warned(msgspec.structs.replace(TIME, within_s=150.0), 12, 7, 1.0)
    (part,) = rules.came(7, 2.0) or []
    assert isinstance(part, Part)
    assert part.reason == "deadline"


def test_an_end_comes_before_other_news() -> None:
    """Who is warned of time and then of the end leaves because of the end."""
    rules = Interruption(None, 0.0)
    rules.warned(TIME, 10, 7, 1.0)
    assert rules.warned(END, 15, 7, 2.0) == []
    (part,) = rules.came(7, 3.0) or []
    assert isinstance(part, Part)
    assert (part.reason, part.signal) == ("signal", 15)


@given(
    remaining=st.floats(0.1, 1e6),
    grace=st.floats(0, 1e4),
    at=st.floats(0, 1.2),
)
def test_its_own_clock_asks_in_time(remaining: float, grace: float, at: float) -> None:
    """No later than the grace before the end, and not in the first three quarters."""
    rules = Interruption(remaining, 1000.0)
    rules.grace = grace
    now = 1000.0 + at * remaining
    pause = rules.pause(now)
    asked = kinds(rules.tick(7, now)) == [Tell, AskCheckpoint]
    if now < 1000.0 + max(0.75 * remaining, remaining - grace) - 1e-6 * remaining:
        assert not asked
        assert 0 < pause <= 1.001 * remaining
    if now > 1000.0 + max(0.75 * remaining, remaining - grace) + 1e-6 * remaining:
        assert asked
        assert pause == float("inf")


def test_a_backend_says_what_a_signal_means() -> None:
    """In words alone it does not: the error is raised where the backend says it."""
    with pytest.raises(TypeError, match="Notice"):
        Identity(warnings={12: "the end"})  # type: ignore[dict-item] # what is tested


def test_without_a_deadline_it_never_asks() -> None:
    """And sleeps as long as it likes."""
    rules = Interruption(None, 0.0)
    assert rules.tick(7, 1e12) == []
    assert rules.pause(1e12) == float("inf")
