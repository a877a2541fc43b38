"""What a job says of itself: the last counts, and nonsense harms nobody."""

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gridmap
from gridmap.runner import bulletin
from gridmap.runner.bulletin import Said
from gridmap.runner.outbox import Outbox


@pytest.fixture
def outbox() -> Iterator[Outbox]:
    """Return a worker's memory, in which this process's jobs speak."""
    box = Outbox()
    bulletin.install(box.bulletin)
    yield box
    bulletin._bulletin = None
    box.close()


def test_the_last_word_counts(outbox: Outbox) -> None:
    """However often something was said before it."""
    outbox.begin(7, 1.0)
    for step in range(1000):
        gridmap.progress(step, 1000, f"step {step}")
    assert outbox.bulletin.read(7) == Said(999, 1000, "step 999")


def test_the_next_job_has_said_nothing_yet(outbox: Outbox) -> None:
    """What is shown of a job is its own."""
    outbox.begin(7, 1.0)
    gridmap.progress(1, 2, "first")
    outbox.begin(8, 2.0)
    assert outbox.bulletin.read(8) is None
    gridmap.progress(5)
    assert outbox.bulletin.read(8) == Said(5, None, "")
    assert outbox.bulletin.read(7) is None


def test_outside_of_a_job_it_does_nothing() -> None:
    """So a function with it can be called, and tested, anywhere."""
    gridmap.progress(1, 2, "x")


def test_what_is_no_number_is_refused_where_it_is_said(outbox: Outbox) -> None:
    """With what was given."""
    outbox.begin(0, 1.0)
    for wrong in ("half", 10**400):
        with pytest.raises(TypeError, match="takes numbers"):
            gridmap.progress(wrong, 2)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes numbers"):
        gridmap.progress(1, 2, 3)  # type: ignore[arg-type]


@given(st.floats(), st.none() | st.floats(), st.none() | st.text(max_size=2000))
def test_whatever_is_said_can_be_shown(
    done: float, total: float | None, text: str | None
) -> None:
    """On one line, with finite numbers, or it is left out."""
    outbox = Outbox()
    outbox.begin(3, 1.0)
    outbox.bulletin.say(done, total, text)
    said = outbox.bulletin.read(3)
    outbox.close()
    if not math.isfinite(done) or abs(done) >= 1e300:
        assert said is None
        return
    assert said is not None
    assert said.done == done
    assert said.total is None or math.isfinite(said.total)
    assert not said.text or said.text.isprintable()
    assert len(said.text) <= 256
