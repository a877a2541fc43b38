"""Large frames in pieces, both ends joined in memory: what comes, and when."""

import msgspec
import pytest
from tests.greetings import HELLO
from tests.protocol.joined import LARGE, LIMIT, PEER, SMALL, Joined, here

from gridmap import payload
from gridmap.payload import memory
from gridmap.protocol.pieces import WINDOW_BYTES
from gridmap.runner.pieces import ASK_AGAIN_S
from gridmap.transport.bulk.requests import numbered


@pytest.mark.parametrize("refusal", [0.0, 0.3])
def test_frames_are_brought(refusal: float) -> None:
    """Also where the lines are full now and then."""
    joined = Joined(refusal)
    frames = [LARGE, SMALL, LARGE[1:]]
    references = joined.bring(frames)
    joined.settle()
    joined.refusal = 0.0
    joined.settle()
    assert joined.runner.brought()
    for reference, frame in zip(references, frames, strict=True):
        assert joined.monitor.has(PEER, reference)
        assert joined.monitor.take(PEER, reference, LIMIT) == frame
        assert not joined.monitor.has(PEER, reference)
    assert joined.under_way <= WINDOW_BYTES


def test_what_is_brought_moves_from_its_beginning_until_it_is_given_up() -> None:
    """Others may have their turn before it has its first."""
    joined = Joined()
    joined.now = 5.0
    joined.bring([LARGE])
    assert joined.runner.moved == 5.0
    joined.now = 6.0
    joined.settle()
    assert joined.runner.moved == 6.0
    joined.runner.give_up()
    assert joined.runner.moved < 0.0


@pytest.mark.parametrize("refusal", [0.0, 0.3])
def test_frames_are_fetched(refusal: float) -> None:
    """Likewise; large ones are memory that is handed on as it is."""
    joined = Joined(refusal)
    frames = [LARGE, SMALL, LARGE[1:]]
    references = [joined.monitor.offer(PEER, frame) for frame in frames]
    assert not here(joined, references)
    joined.settle()
    assert here(joined, references)
    taken = [joined.runner.take(reference) for reference in references]
    assert taken == frames
    assert payload.encode(taken, "none", neighbour=True)[0] == b"\3\0\3"
    assert joined.under_way <= WINDOW_BYTES


def test_both_at_once() -> None:
    joined = Joined()
    offered, brought = joined.monitor.offer(PEER, LARGE), joined.bring([LARGE])
    assert not here(joined, [offered, offered])
    joined.settle()
    assert joined.woken == 2
    assert joined.monitor.take(PEER, brought[0], LIMIT) == LARGE
    assert here(joined, [offered])
    assert joined.runner.take(offered) == LARGE


@pytest.mark.parametrize("forgotten", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 5, 15])
def test_a_greeting_by_the_same_connection_loses_nothing(
    steps: int, *, forgotten: bool
) -> None:
    """What is under way goes on; what the monitor has forgotten begins anew."""
    joined = Joined()
    brought = joined.bring([LARGE, SMALL])
    for _ in range(steps):
        joined.step()
    joined.runner.greeted()
    joined.settle()  # what was said before arrives before
    if forgotten:
        joined.monitor.part(PEER)
    joined.monitor.meet(PEER, HELLO)
    known = joined.monitor.bringing(PEER)
    offered = joined.monitor.offer(PEER, LARGE)
    here(joined, [offered])
    assert not joined.up, "it waits for the answer"
    came = sum(map(len, joined.monitor._brought[PEER].frames.values())) if known else 0
    joined.came = 0
    joined.runner.welcomed(known)
    joined.settle()
    assert joined.came == len(LARGE) + len(SMALL) - came
    assert joined.monitor.take(PEER, brought[0], LIMIT) == LARGE
    assert joined.monitor.take(PEER, brought[1], LIMIT) == SMALL
    assert here(joined, [offered])
    assert joined.runner.take(offered) == LARGE


@pytest.mark.parametrize("earlier", [(), (SMALL,)], ids=["nothing", "something"])
def test_an_answer_to_an_earlier_greeting_begins_nothing_anew(
    earlier: tuple[bytes, ...],
) -> None:
    """A monitor that was held up answers at once all greetings said meanwhile.

    What is brought after the first answer is in none of them, and may not be said twice.
    """
    joined = Joined()
    if earlier:
        joined.bring([*earlier])
    joined.step()
    joined.step()
    joined.runner.greeted()
    joined.runner.greeted()
    known = joined.monitor.bringing(PEER)
    joined.runner.welcomed(known)
    joined.settle()
    assert joined.runner.brought()
    (reference,) = joined.bring([LARGE])
    joined.runner.welcomed(known)
    joined.settle()
    assert joined.monitor.take(PEER, reference, LIMIT) == LARGE


def test_another_connection_begins_all_anew() -> None:
    """What was offered by the one before is not there any more, and that is said."""
    joined = Joined()
    offered = joined.monitor.offer(PEER, LARGE)
    joined.monitor.meet(PEER, msgspec.structs.replace(HELLO, connection=2))
    assert not here(joined, [offered])
    joined.settle()
    assert joined.woken == 1
    with pytest.raises(ConnectionError, match="any more"):
        here(joined, [offered])


def test_what_nobody_answers_is_asked_for_again() -> None:
    """An answer may be lost where the line is full."""
    joined = Joined()
    offered = joined.monitor.offer(PEER, LARGE)
    here(joined, [offered])
    joined.step()
    joined.down.clear()
    joined.monitor.part(PEER)
    joined.settle()
    woken = joined.woken
    joined.now += ASK_AGAIN_S + 1
    joined.settle()
    assert (woken, joined.woken) == (0, 1)


def test_a_frame_is_not_here_before_the_monitor_knows() -> None:
    """It would be kept there, and count as under way, for good."""
    joined = Joined()
    references = [joined.monitor.offer(PEER, frame) for frame in (LARGE, SMALL)]
    here(joined, references)
    coming = joined.runner._coming
    assert coming is not None
    while sum(len(f) for sent in joined.down for f in sent[1:]) < coming.intake.left:
        joined.step()
    joined.refusal = 1.0
    while joined.down:
        joined.step()
    assert not coming.intake.left
    assert not here(joined, references)
    woken = joined.woken
    joined.refusal = 0.0
    joined.settle()
    assert (woken, joined.woken) == (0, 1)
    assert here(joined, references)
    assert not joined.monitor._offers
    assert not any(joined.monitor._awaited.values())


def test_a_frame_is_for_one_peer() -> None:
    joined = Joined()
    joined.monitor.offer(b"other", LARGE)
    foreign = joined.monitor.offer(PEER, SMALL)
    here(joined, [numbered(1, len(LARGE))])
    joined.settle()
    with pytest.raises(ConnectionError):
        here(joined, [numbered(1, len(LARGE))])
    here(joined, [foreign])
    joined.settle()
    assert joined.runner.take(foreign) == SMALL


def test_a_runner_without_descriptors_takes_frames_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(*_: object) -> int:
        raise OSError(24, "Too many open files")

    joined = Joined()
    offered = joined.monitor.offer(PEER, LARGE)
    monkeypatch.setattr(memory, "memfd_create", none)
    here(joined, [offered])
    joined.settle()
    assert joined.runner.take(offered) == LARGE
