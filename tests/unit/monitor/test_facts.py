"""Facts told together: what was handed in one by one is one fact where it can be."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from gridmap.monitor import facts as f
from gridmap.resources import Resources

KINDS = [(b"f", 1, ()), (b"g", 1, ()), (b"f", 2, ()), (b"f", 1, ("a", "b"))]


def told(kinds: list[int | None]) -> deque[f.Fact]:
    """Return jobs of some kind, two at a time, and facts of another sort between."""
    inbox: deque[f.Fact] = deque()
    first = 0
    for kind in kinds:
        if kind is None:
            inbox.append(f.Tick())
            continue
        function, cores, names = KINDS[kind]
        added = f.JobsAdded(
            first=first,
            stop=first + 2,
            function=function,
            resources=Resources(cores=cores),
            names=names,
        )
        inbox.append(added)
        first += 2
    return inbox


def jobs(facts: list[f.Fact]) -> list[tuple[object, ...]]:
    """Return each job with what is said of it, and the other facts, in order."""
    said: list[tuple[object, ...]] = []
    for fact in facts:
        if not isinstance(fact, f.JobsAdded):
            said.append((fact,))
            continue
        names = fact.names or [None] * (fact.stop - fact.first)
        for job, name in zip(range(fact.first, fact.stop), names, strict=True):
            said.append((job, fact.function, fact.resources, name))
    return said


@given(st.lists(st.none() | st.integers(0, len(KINDS) - 1)))
def test_jobs_taken_together_are_the_same_jobs_in_the_same_order(
    kinds: list[int | None],
) -> None:
    inbox = told(kinds)
    before = jobs(list(inbox))
    taken = []
    while inbox:
        taken.append(f.take(inbox))
    assert jobs(taken) == before
    assert len(taken) == sum(
        kind is None or at == 0 or kinds[at - 1] != kind
        for at, kind in enumerate(kinds)
    )


def test_nothing_is_joined_to_the_last_jobs() -> None:
    resources = Resources()
    last = f.JobsAdded(first=0, stop=1, function=b"f", resources=resources, final=True)
    inbox: deque[f.Fact] = deque(
        [last, f.JobsAdded(first=1, stop=2, function=b"f", resources=resources)]
    )
    assert f.take(inbox) == last
    assert len(inbox) == 1


def test_whether_more_follow_is_what_the_last_of_them_said() -> None:
    resources = Resources()
    inbox: deque[f.Fact] = deque(
        f.JobsAdded(
            first=n, stop=n + 1, function=b"f", resources=resources, more=n == 0
        )
        for n in range(2)
    )
    taken = f.take(inbox)
    assert isinstance(taken, f.JobsAdded)
    assert (taken.first, taken.stop, taken.more) == (0, 2, False)
