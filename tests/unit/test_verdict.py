"""From what the witnesses said to why an attempt ended."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import JobException
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
        asked_walltime=3600,
        ran_s=61.4,
        earlier=(
            Verdict(
                cause=Cause.RAISED,
                statements=(said(Cause.RAISED, Witness.WORKER),),
                node="node1",
                raised=("OSError",),
            ),
            Verdict(cause=Cause.OUT_OF_MEMORY, attempt=2, asked_memory=2**30),
        ),
        stack="File 1\n",
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
        "  time: asked for 1:00:00, had run for 61 s",
        "  before: attempt 1 on node1: raised, said so",
        "  before: attempt 2: out of memory, asked for 1 GiB",
        "  the worker's Python stack:",
        "    | File 1",
        "  last output:",
        "    | one",
        "    | two",
        "  log: /runs/x.log",
        (
            "  next step: asked for 2 GiB, peaked at 1 GiB, killed by the kernel: ask "
            'for more, e.g. retry=Escalate(memory=["4G", "8G"])'
        ),
    ]


def test_in_a_list_of_results_a_death_is_one_line() -> None:
    """As an exception of the user's is, whatever its evidence."""
    verdict = Verdict(
        cause=Cause.EXITED, statements=(said(Cause.EXITED),), job="sweep7", node="n1"
    )
    told = repr([1.0, JobException(verdict)])
    assert told == "[1.0, JobException('sweep7: exited [attempt 1, on n1]')]"


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


TEXTS = st.text(max_size=30)
PLAIN_VERDICTS = st.builds(
    Verdict,
    cause=st.sampled_from(Cause),
    statements=st.lists(STATEMENTS, max_size=4).map(tuple),
    job=TEXTS,
    attempt=st.integers(),
    node=st.none() | TEXTS,
    runner=st.none() | TEXTS,
    raised=st.lists(TEXTS | st.just("MemoryError"), max_size=2).map(tuple),
    log_tail=TEXTS,
    stack=TEXTS,
    log_path=st.none() | TEXTS,
    asked_memory=st.none() | st.integers(0, 2**63),
    asked_walltime=st.none() | st.integers(0, 2**40),
    ran_s=st.none() | st.floats(0, 1e15),
)


@given(PLAIN_VERDICTS, st.lists(PLAIN_VERDICTS, max_size=2).map(tuple))
def test_every_verdict_can_be_told(verdict: Verdict, earlier: tuple[Verdict]) -> None:
    """Whatever the witnesses said, there is a headline, no error, and no trick."""
    told = msgspec.structs.replace(verdict, earlier=earlier).explain()
    assert verdict.cause.value in told.partition("\n")[0]
    assert all(line.isprintable() for line in told.split("\n"))


def test_output_is_told_without_its_colours() -> None:
    """A terminal's commands neither act nor hide what was printed."""
    tail = "\x1b[31mred\x1b[0m\tand\x07 bells\r\n\u202eodd"
    told = Verdict(cause=Cause.LOST, log_tail=tail).explain()
    assert "    | red    and\\x07 bells\n    | \\x202eodd" in told


def advice(cause: Cause, *statements: Statement, **fields: Any) -> str:
    """Return the next step of a verdict."""
    return Verdict(cause=cause, statements=statements, **fields).advise()


def measured(peak: int | None = None, number: int | None = None) -> Statement:
    return Statement(witness=Witness.WORKER, text="so", peak_memory=peak, signal=number)


MIB = 2**20


@pytest.mark.parametrize(
    ("told", "parts"),
    [
        (
            advice(Cause.OUT_OF_MEMORY),
            ["nothing was asked for", 'Escalate(memory=["2G", "4G"])'],
        ),
        (
            advice(Cause.OUT_OF_MEMORY, measured(1500 * MIB), asked_memory=1000 * MIB),
            ["asked for 1000 MiB", "peaked at 1.46 GiB", '"3G", "6G"'],
        ),
        (
            advice(Cause.OUT_OF_MEMORY, asked_memory=100 * MIB),
            ['["200M", "400M"]'],
        ),
        (advice(Cause.OUT_OF_MEMORY, asked_memory=1024), ['["1M", "2M"]']),
        (
            advice(Cause.RAISED, asked_memory=2**40, raised=("MemoryError",)),
            ["refused more by its limit", '["2T", "4T"]'],
        ),
        (
            advice(Cause.RAISED, raised=("MemoryError",)),
            ["what the site gives", "than that, with memory_limit="],
        ),
        (advice(Cause.TIME_LIMIT), ['Escalate(walltime=["2:00:00", "4:00:00"])']),
        (
            advice(Cause.TIME_LIMIT, asked_walltime=90, ran_s=89.6),
            ["asked for 0:01:30, had run for 90 s", '["0:03:00", "0:06:00"]'],
        ),
        (advice(Cause.SIGNALLED, measured(number=11)), ["native extension"]),
        (advice(Cause.SIGNALLED, measured(number=15)), ["who sent the signal"]),
        (advice(Cause.SIGNALLED, measured(number=9)), ["nobody saw who sent SIGKILL"]),
        (
            advice(Cause.SIGNALLED, measured(89 * MIB, 9), asked_memory=100 * MIB),
            ["nobody saw who sent SIGKILL"],
        ),
        (
            advice(Cause.SIGNALLED, measured(90 * MIB, 9), asked_memory=100 * MIB),
            ["perhaps it was killed for want of memory", '"200M"'],
        ),
        (advice(Cause.STALLED), ["find what it waits for"]),
        (advice(Cause.STALLED, stack="File"), ["see above where it waits"]),
        (advice(Cause.RETURNED), []),
        (advice(Cause.RAISED, raised=("ValueError",)), []),
    ],
    ids=itertools.count(),
)
def test_the_next_step_has_the_numbers_of_this_death(
    told: str, parts: list[str]
) -> None:
    """And a rule that can be copied."""
    assert bool(told) == bool(parts)
    for part in parts:
        assert part in told, told


def test_every_bad_end_has_a_next_step() -> None:
    """Nobody is left alone with a cause."""
    for cause in set(Cause) - {Cause.RETURNED, Cause.RAISED, Cause.CANCELLED}:
        assert advice(cause), cause


def test_an_attempt_is_told_in_one_line() -> None:
    """For the history of a job that was run again."""
    killed = Verdict(
        cause=Cause.OUT_OF_MEMORY,
        attempt=3,
        node="n1",
        asked_memory=2**30,
        statements=(measured(2**30, 9),),
    )
    assert killed.summary() == (
        "attempt 3 on n1: out of memory (SIGKILL), asked for 1 GiB, peaked at 1 GiB"
    )
    assert Verdict(cause=Cause.LOST).summary() == "attempt 1: lost"
    assert Verdict(cause=Cause.RAISED, raised=("E",)).summary() == "attempt 1: raised"


def test_signals_have_names_where_they_have() -> None:
    """A number without a name is told as a number."""
    assert signal_name(9) == "SIGKILL"
    assert signal_name(200) == "signal 200"
