"""From what the witnesses said to why an attempt ended."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.verdict import (
    INFRASTRUCTURE,
    Cause,
    Statement,
    Verdict,
    Witness,
    judge,
    signal_name,
)

STATEMENTS = st.builds(
    Statement,
    witness=st.sampled_from(Witness),
    text=st.text(max_size=20),
    cause=st.none() | st.sampled_from(Cause),
    exit_status=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    peak_memory=st.none() | st.integers(0, 2**50),
)


def said(cause: Cause | None, witness: Witness = Witness.SCHEDULER) -> Statement:
    return Statement(witness=witness, text="said so", cause=cause)


def test_nobody_who_knows_means_lost() -> None:
    """Absence is never success."""
    assert judge([]) is Cause.LOST
    assert judge([said(None)] * 3) is Cause.LOST


@given(st.lists(STATEMENTS, max_size=6))
def test_a_verdict_is_what_some_witness_proved(statements: list[Statement]) -> None:
    """Nothing is made up, and success least of all."""
    cause = judge(statements)
    assert cause in {s.cause for s in statements} | {Cause.LOST}


@given(st.permutations([said(cause) for cause in Cause]), st.data())
def test_the_order_of_statements_does_not_matter(
    statements: list[Statement], data: st.DataObject
) -> None:
    """Witnesses come late and in any order."""
    some = statements[: data.draw(st.integers(0, len(statements)))]
    assert judge(some) is judge(data.draw(st.permutations(some)))


@given(st.lists(STATEMENTS, max_size=5), STATEMENTS)
def test_more_witnesses_never_make_a_true_verdict_false(
    statements: list[Statement], more: Statement
) -> None:
    """A further statement replaces the cause by its own or leaves it."""
    before = judge(statements)
    assert judge([*statements, more]) in {before, more.cause}
    assert judge([*statements, said(None)]) is before


@given(st.permutations(list(Cause)))
def test_causes_are_weighed_one_against_another(causes: list[Cause]) -> None:
    """Any two causes have an order, the same whoever names them."""
    for one, two in itertools.pairwise(causes):
        winner = judge([said(one), said(two)])
        assert winner is judge([said(two, Witness.KERNEL), said(one, Witness.WORKER)])
        assert winner in {one, two}


@pytest.mark.parametrize(
    ("causes", "verdict"),
    [
        ({Cause.SIGNALLED, Cause.OUT_OF_MEMORY}, Cause.OUT_OF_MEMORY),
        ({Cause.SIGNALLED, Cause.KILLED}, Cause.KILLED),
        ({Cause.KILLED, Cause.TIME_LIMIT}, Cause.TIME_LIMIT),
        ({Cause.STALLED, Cause.SIGNALLED}, Cause.STALLED),
        ({Cause.NEVER_STARTED, Cause.ENVIRONMENT_BROKEN}, Cause.ENVIRONMENT_BROKEN),
        ({Cause.PREEMPTED, Cause.SIGNALLED}, Cause.PREEMPTED),
        ({Cause.CANCELLED, Cause.EXITED}, Cause.CANCELLED),
        ({Cause.LOST, Cause.NODE_LOST}, Cause.NODE_LOST),
    ],
    ids=str,
)
def test_who_acted_outweighs_who_only_saw_the_end(
    causes: set[Cause], verdict: Cause
) -> None:
    """A signal is how it ended; who sent it, and what for, is why."""
    assert judge([said(cause) for cause in causes]) is verdict


def test_infrastructure_excludes_what_a_job_or_a_person_did() -> None:
    """Only what is nobody's doing is run again unasked."""
    assert not INFRASTRUCTURE & {
        Cause.RETURNED,
        Cause.RAISED,
        Cause.UNPICKLABLE,
        Cause.EXITED,
        Cause.SIGNALLED,
        Cause.CANCELLED,
        Cause.KILLED,
        Cause.REJECTED,
    }


def test_the_story_has_all_that_is_known() -> None:
    """Headline, evidence, memory, output, log and the next step, in this order."""
    verdict = Verdict(
        cause=Cause.OUT_OF_MEMORY,
        statements=(
            Statement(witness=Witness.KERNEL, text="counted an out-of-memory kill"),
            Statement(witness=Witness.WORKER, text="was ended", signal=9),
            Statement(witness=Witness.HEARTBEAT, text="1 s ago", peak_memory=2**30),
            Statement(witness=Witness.ACCOUNTING, text="over", peak_memory=2**29),
        ),
        job="fit (job 7)",
        attempt=2,
        node="node3",
        runner="123.4",
        asked_memory=2**31,
        log_tail="one\ntwo",
        log_path="/runs/x.log",
    )
    assert verdict.explain().splitlines() == [
        "fit (job 7): out of memory (SIGKILL) [attempt 2, on node3, runner 123.4]",
        "  kernel: counted an out-of-memory kill",
        "  worker: was ended",
        "  heartbeat: 1 s ago",
        "  accounting: over",
        "  memory: asked for 2 GiB, peaked at 1 GiB",
        "  last output:",
        "    | one",
        "    | two",
        "  log: /runs/x.log",
        "  next step: ask for more memory",
    ]


def test_an_exit_is_told_with_its_status() -> None:
    """The first witness who knows the status is quoted."""
    verdict = Verdict(
        cause=Cause.EXITED,
        statements=(
            Statement(witness=Witness.HEARTBEAT, text="quiet"),
            Statement(witness=Witness.WORKER, text="ended", exit_status=3),
        ),
    )
    assert verdict.explain().startswith("the job: exited with status 3 [attempt 1]")
    assert verdict.exit_status == 3
    assert verdict.signal is None
    assert verdict.peak_memory is None


@given(
    st.builds(
        Verdict,
        cause=st.sampled_from(Cause),
        statements=st.lists(STATEMENTS, max_size=4).map(tuple),
        job=st.text(max_size=5),
        log_tail=st.text(max_size=50),
        asked_memory=st.none() | st.integers(1, 2**50),
    )
)
def test_every_verdict_can_be_told(verdict: Verdict) -> None:
    """Whatever the witnesses said, there is a headline and no error."""
    assert verdict.cause.value in verdict.explain().partition("\n")[0]


def test_signals_have_names_where_they_have() -> None:
    """A number without a name is told as a number."""
    assert signal_name(9) == "SIGKILL"
    assert signal_name(200) == "signal 200"
