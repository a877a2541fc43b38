"""That a runner is there, one case at a time."""

import pytest
from msgspec.structs import replace

from gridmap.protocol import messages as m
from gridmap.runner.actions import Glance, Vitals
from gridmap.runner.presence import Presence

HELLO = m.Hello(
    version=1, nonce="n", job="1", task=None, node="a", pid=1, python=(3, 11, 0),
    gridmap="1", remaining=100.0,
)  # fmt: skip
WELCOME = m.Welcome(version=1, interval=4.0, orphan=60.0)


@pytest.fixture
def presence() -> Presence:
    """A runner that was let in at 10 s."""
    presence = Presence(10.0)
    presence.connected(10.0)
    presence.heard(WELCOME, 10.0)
    return presence


def test_a_greeting_tells_what_is_true_when_it_is_said(presence: Presence) -> None:
    """What is held, by which connection, and how much time is left."""
    presence.connected(40.0)
    expected = replace(HELLO, holds=(3, 5), connection=2, remaining=70.0)
    assert presence.greeting(HELLO, (3, 5), 40.0) == expected


def test_a_runner_without_a_deadline_has_none_later() -> None:
    """Whatever the time."""
    hello = replace(HELLO, remaining=None)
    assert Presence(0.0).greeting(hello, (), 5.0).remaining is None


def test_a_beat_that_is_late_is_not_made_up_for(presence: Presence) -> None:
    """The next one comes an interval after it, or after it was due, not at once."""
    presence.beat(Glance(), None, (), 10.2)
    assert not presence.due(14.1)
    assert presence.due(14.2)
    presence.beat(Glance(), None, (), 31.0)
    presence.beat(Glance(), None, (), 31.0)
    assert not presence.due(34.9)


def test_a_beat_is_owed_to_each_welcome(presence: Presence) -> None:
    """A monitor that lets it in anew hears of it at once."""
    presence.beat(Glance(), None, (), 10.0)
    presence.heard(WELCOME, 11.0)
    assert presence.due(11.0)


def test_the_first_jobs_come_before_the_first_beat(presence: Presence) -> None:
    """To look at its worker a runner imports more than for all else that it does."""
    assert not presence.due(10.1)
    assert presence.due(10.3)


def test_a_beat_carries_the_latest_echo(presence: Presence) -> None:
    """Echoes may come out of order: one that is older takes nothing back."""
    presence.heard(m.Echo(number=2), 11.0)
    presence.heard(m.Echo(number=1), 12.0)
    assert presence.beat(Glance(), None, (), 12.0).echo == 2


def test_a_beat_tells_the_progress_of_its_own_job_only(presence: Presence) -> None:
    """What the worker runs may not be one of the runner's any more."""
    seen = Glance(
        vitals=Vitals(cpu=2.0, rss=3), job=7, seconds=1.5,
        progress=m.Progress(done=1.0), tail="said",
    )  # fmt: skip
    mine = presence.beat(seen, 7, (1,), 10.0)
    assert (mine.job, mine.progress, mine.running) == (7, m.Progress(done=1.0), 1.5)
    assert (mine.cpu, mine.rss, mine.tail, mine.holds) == (2.0, 3, "said", (1,))
    other = presence.beat(seen, None, (1,), 10.0)
    assert (other.job, other.progress) == (None, None)
    assert other.number == mine.number + 1


def test_silence_makes_it_greet_and_then_makes_it_an_orphan(presence: Presence) -> None:
    """After two and a half intervals, and after the orphan time; any word counts."""
    assert not presence.unanswered(20.0)
    assert presence.unanswered(20.1)
    assert not presence.orphaned(70.0)
    assert presence.orphaned(70.1)
    presence.heard(m.Ack(numbers=()), 70.1)
    assert not presence.unanswered(80.1)
    assert not presence.orphaned(130.1)
    assert presence.silence(75.1) == 5.0
