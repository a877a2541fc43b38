"""First what really happened, then what each witness may truthfully say of it.

A verdict is true if it names what happened, or no more than how the process ended, or
that nobody knows. Statements are made as the monitor makes them.
"""

from collections.abc import Callable, Sequence
from typing import Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.backend import Autopsy, Ending, Limit, Seen, SeenState
from gridmap.monitor import diagnosis
from gridmap.monitor.testimony import REQUEUED
from gridmap.protocol import messages as m
from gridmap.verdict import Cause, Statement, Witness, judge

Testimony = Callable[[], list[Statement]]

KILL, TERM, SEGV = 9, 15, 11


def worker(
    number: int | None, status: int | None = None, *, oom: bool = False
) -> Testimony:
    lost = m.WorkerLost(
        number=1,
        grant=1,
        job=1,
        status=status,
        signal=number,
        out_of_memory=oom,
        peak=2**30,
    )
    return lambda: diagnosis.from_worker(lost)


def raised(kind: m.Kind, *classes: str) -> Testimony:
    failure = m.Failure(offset=0, kind=kind, status=None, classes=classes, text="so")
    return lambda: [diagnosis.from_failure(failure)]


def accounts(**found: object) -> Testimony:
    return lambda: [diagnosis.from_autopsy(Autopsy(**found))]  # type: ignore[arg-type]


def shows(state: SeenState | None) -> Testimony:
    seen = None if state is None else Seen(state=state, node="n1")
    return lambda: [diagnosis.from_sight(seen)]


def said(reason: str, number: int | None = None) -> Testimony:
    goodbye = m.Goodbye(number=1, reason=reason, signal=number)
    return lambda: [diagnosis.from_goodbye(goodbye)]


def own(witness: Witness, cause: Cause) -> Testimony:
    return lambda: [Statement(witness=witness, text="so", cause=cause)]


SILENT: Final[Sequence[Testimony]] = (
    lambda: [diagnosis.from_beat(30.0, 5.0, 2**29, 2**30)],
    lambda: [diagnosis.from_silence(90.0)],
    shows(None),
    shows(SeenState.RUNNING),
    shows(SeenState.ENDED),
    accounts(),
    accounts(exit_status=0, ending=Ending.ITSELF),
    accounts(exit_status=137),
    accounts(signal=KILL),
)
"""What anybody may say of any death: it proves nothing."""

BROKEN_LOG: Final = "/usr/bin/python3: No module named gridmap"

SAYS: Final[dict[Cause, Sequence[Testimony]]] = {
    Cause.RAISED: [raised(m.Kind.RAISED, "ValueError")],
    Cause.UNPICKLABLE: [raised(m.Kind.UNPICKLABLE)],
    Cause.EXITED: [worker(None, 3), raised(m.Kind.EXITED, "SystemExit")],
    Cause.SIGNALLED: [worker(SEGV), worker(KILL)],
    Cause.OUT_OF_MEMORY: [
        worker(KILL, oom=True),
        worker(KILL),
        accounts(limit=Limit.MEMORY, ending=Ending.SCHEDULER_LIMIT),
        said("signal", TERM),
    ],
    Cause.TIME_LIMIT: [
        said("deadline"),
        said("signal", TERM),
        worker(KILL),
        accounts(limit=Limit.TIME, ending=Ending.SCHEDULER_LIMIT, signal=KILL),
        lambda: [diagnosis.from_deadline(1.0, 1.0)],
    ],
    Cause.PREEMPTED: [
        accounts(ending=Ending.PREEMPTION),
        said("signal", TERM),
        worker(TERM),
        lambda: [REQUEUED],
    ],
    Cause.NODE_LOST: [
        accounts(ending=Ending.NODE),
        shows(SeenState.UNREACHABLE),
        lambda: [REQUEUED],
    ],
    Cause.STALLED: [own(Witness.HEARTBEAT, Cause.STALLED), worker(KILL)],
    Cause.CANCELLED: [
        own(Witness.USER, Cause.CANCELLED),
        accounts(ending=Ending.PERSON, signal=KILL),
        worker(KILL),
        said("stopped"),
    ],
    Cause.KILLED: [
        accounts(ending=Ending.PERSON, signal=KILL),
        said("signal", TERM),
        worker(TERM),
    ],
    Cause.NEVER_STARTED: [
        accounts(ending=Ending.START),
        own(Witness.SCHEDULER, Cause.NEVER_STARTED),
    ],
    Cause.REJECTED: [own(Witness.SCHEDULER, Cause.REJECTED)],
    Cause.ENVIRONMENT_BROKEN: [
        said("broken"),
        accounts(ending=Ending.START, exit_status=127),
        lambda: list(filter(None, [diagnosis.from_log(BROKEN_LOG)])),
    ],
    Cause.LOST: [],
}
"""For each thing that can happen to a runner or a job, what is true of it."""


WEAKER: Final[dict[Cause, frozenset[Cause]]] = {
    Cause.OUT_OF_MEMORY: frozenset({Cause.SIGNALLED}),
    Cause.TIME_LIMIT: frozenset({Cause.SIGNALLED}),
    Cause.PREEMPTED: frozenset({Cause.SIGNALLED}),
    Cause.KILLED: frozenset({Cause.SIGNALLED}),
    Cause.STALLED: frozenset({Cause.SIGNALLED}),
    Cause.CANCELLED: frozenset({Cause.SIGNALLED, Cause.KILLED}),
    # Started again because its node is gone: so far only the first is seen.
    Cause.NODE_LOST: frozenset({Cause.PREEMPTED}),
    Cause.ENVIRONMENT_BROKEN: frozenset({Cause.NEVER_STARTED}),
}
"""What else is true of a death, and less than the whole truth."""


@attrs.frozen
class Case:
    """What happened, and who spoke of it."""

    truth: Cause
    testimonies: tuple[Testimony, ...]

    def statements(self, count: int) -> list[Statement]:
        return [s for testimony in self.testimonies[:count] for s in testimony()]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    truth = draw(st.sampled_from(sorted(SAYS, key=lambda cause: cause.value)))
    pool = [*SAYS[truth], *SILENT]
    chosen = draw(st.lists(st.sampled_from(range(len(pool))), max_size=6))
    return Case(truth, tuple(pool[place] for place in chosen))


@given(cases())
def test_no_set_of_true_statements_makes_a_false_verdict(case: Case) -> None:
    """Whoever speaks, and however many."""
    allowed = {case.truth, Cause.LOST} | WEAKER.get(case.truth, frozenset())
    for count in range(len(case.testimonies) + 1):
        assert judge(case.statements(count)) in allowed


@given(cases())
def test_more_witnesses_only_come_nearer_to_the_truth(case: Case) -> None:
    """What was known stays known."""
    rank = {Cause.LOST: 0, case.truth: 2}
    before = 0
    for count in range(len(case.testimonies) + 1):
        known = rank.get(judge(case.statements(count)), 1)
        assert known >= before
        before = known


@given(cases(), st.randoms(use_true_random=False))
def test_it_does_not_matter_who_speaks_first(case: Case, random: object) -> None:
    """Accounting is late, and heartbeats are early."""
    statements = case.statements(9)
    shuffled = list(statements)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert judge(shuffled) is judge(statements)


@pytest.mark.parametrize("cause", list(SAYS), ids=str)
def test_every_cause_can_be_proven(cause: Cause) -> None:
    """By what the monitor makes of what it hears. Success is no verdict of the judge's."""
    assert judge([s for testimony in SAYS[cause] for s in testimony()]) is cause
    assert set(SAYS) == set(Cause) - {Cause.RETURNED}


@given(st.lists(st.sampled_from(SILENT), max_size=9))
def test_who_knows_nothing_proves_nothing(testimonies: list[Testimony]) -> None:
    """An exit status of 0 in accounting is no success of a runner that vanished."""
    assert judge([s for one in testimonies for s in one()]) is Cause.LOST


@pytest.mark.parametrize(
    ("after_s", "cause"),
    [
        (-3.5, None),
        (-3.0, Cause.TIME_LIMIT),
        (0.0, Cause.TIME_LIMIT),
        (120.0, Cause.TIME_LIMIT),
        (121.0, None),
    ],
)
def test_a_deadline_proves_only_what_came_with_it(
    after_s: float, cause: Cause | None
) -> None:
    """Not long before, and not long after."""
    statement = diagnosis.from_deadline(after_s, after_s)
    assert statement.cause is cause
    assert ("before" if after_s < 0 else "after") in statement.text
