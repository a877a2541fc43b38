"""What a runner keeps for its worker, and for how long."""

import pytest

from gridmap import payload
from gridmap.errors import RemoteProtocolError
from gridmap.protocol import messages as m
from gridmap.runner.actions import Feed
from gridmap.runner.records import ONCE, RecordType
from gridmap.runner.supplies import Supplies

STATE: list[payload.Frame] = [b"state"]
SECOND: list[payload.Frame] = [b"second"]


def work(grant: int, function: bytes, count: int = 1) -> m.Work:
    return m.Work(grant=grant, first=0, count=count, attempt=1, function=function)


def inputs(count: int = 1) -> list[payload.Frame]:
    return list(payload.pack([b"input"] * count))


def fed(supplies: Supplies, grant: int, function: bytes) -> list[tuple[int, bytes]]:
    """Hand the first job of a grant over; return types and first frames."""
    feed = Feed(grant=grant, first=0, stop=1, function=function)
    return [(r.type, bytes(r.frames[0])) for r in supplies.feed(feed)]


def test_a_function_is_told_at_once_and_to_each_worker() -> None:
    """And not again with each grant."""
    supplies = Supplies()
    (told,) = supplies.learn(m.Content(digest=b"f"), STATE)
    assert (told.type, told.kind, told.frames) == (
        RecordType.CONTENT, 0, (b"f", b"state"),
    )  # fmt: skip
    supplies.take(work(1, b"f"), inputs())
    assert fed(supplies, 1, b"f") == [(RecordType.JOBS, b"f")]
    assert [record.frames for record in supplies.contents()] == [(b"f", b"state")]


def test_a_checkpoint_is_told_with_its_jobs() -> None:
    """As often as they are handed over, and it is gone with its grant."""
    supplies = Supplies()
    assert not list(supplies.learn(m.Content(digest=b"c", once=True), STATE))
    supplies.take(work(1, b"c"), inputs())
    both = [(RecordType.CONTENT, b"c"), (RecordType.JOBS, b"c")]
    assert fed(supplies, 1, b"c") == both
    assert fed(supplies, 1, b"c") == both
    assert not list(supplies.contents())
    supplies.drop(1)
    supplies.take(work(2, b"c"), inputs())
    assert fed(supplies, 2, b"c") == both[1:]


def test_equal_checkpoints_are_kept_for_each_grant() -> None:
    """One grant's end takes nothing from another."""
    supplies = Supplies()
    for grant in (1, 2):
        list(supplies.learn(m.Content(digest=b"c", once=True), STATE))
        supplies.take(work(grant, b"c"), inputs())
    supplies.drop(1)
    (content, _) = supplies.feed(Feed(grant=2, first=0, stop=1, function=b"c"))
    assert (content.kind, content.frames) == (ONCE, (b"c", b"state"))


def test_a_grant_heard_twice_keeps_what_it_had() -> None:
    """And what came with it the second time does not go to another."""
    supplies = Supplies()
    supplies.take(work(1, b"f"), inputs())
    list(supplies.learn(m.Content(digest=b"c", once=True), SECOND))
    supplies.take(work(1, b"f"), inputs())
    supplies.take(work(2, b"c"), inputs())
    assert fed(supplies, 2, b"c") == [(RecordType.JOBS, b"c")]


def test_inputs_that_are_none_are_refused() -> None:
    """By the error that closes no session of ours."""
    with pytest.raises(RemoteProtocolError):
        Supplies().take(work(1, b"f"), [b"rubbish"])


def test_a_function_is_forgotten_when_the_monitor_says_so() -> None:
    """The worker is told, once; a fresh one never hears of it."""
    supplies = Supplies()
    list(supplies.learn(m.Content(digest=b"f"), STATE))
    (told,) = supplies.discard(b"f")
    assert (told.type, told.frames) == (RecordType.DISCARD, (b"f",))
    assert not list(supplies.discard(b"f"))
    assert not list(supplies.contents())
