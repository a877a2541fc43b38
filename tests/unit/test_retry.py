"""Who is run again, with what, and when."""

import itertools
import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import InvalidRequestError, qualified_names
from gridmap.resources import Resources
from gridmap.retry import (
    GUILTY_NODE,
    Again,
    Escalate,
    GiveUp,
    Retry,
    Rule,
    choose,
    decide,
    guilty,
    make_rules,
)
from gridmap.verdict import INFRASTRUCTURE, Cause, Verdict

GIB = 2**30
MIB = 2**20
PREEMPTED = Cause.PREEMPTED

VERDICTS = st.builds(
    Verdict,
    cause=st.sampled_from(Cause),
    job=st.text(max_size=5),
    attempt=st.integers(1, 100),
    node=st.none() | st.sampled_from(["a", "b", "c"]),
    raised=st.sampled_from(
        [(), *map(qualified_names, (ValueError, ConnectionResetError, MemoryError))]
    ),
    checkpointed=st.booleans(),
)
HISTORIES = st.lists(VERDICTS, max_size=5).map(tuple)
RULES = st.sampled_from(
    [
        Retry(),
        Retry(times=0),
        Retry(on=ConnectionError, times=2, delay=1),
        Retry(on=[Cause.KILLED, "ValueError"], delay="10s", most_delay=20),
        Escalate(memory=["1G", "4G"]),
        Escalate(memory=["2G"], walltime=[60, 600]),
        Escalate(walltime=["1h"]),
    ]
)
RESOURCES = st.builds(
    Resources,
    memory=st.none() | st.integers(MIB, 8 * GIB),
    memory_limit=st.none() | st.integers(MIB, 8 * GIB),
    walltime=st.none() | st.integers(1, 4000),
)


def died(cause: Cause = Cause.LOST, raised: type | None = None, **fields: Any) -> Any:
    names = qualified_names(raised) if raised else ()
    return Verdict(cause=cause, raised=names, **fields)


def never_saved(verdict: Verdict) -> bool:
    return not verdict.checkpointed


def none_saved(history: tuple[Verdict, ...]) -> bool:
    return all(map(never_saved, history))


# Core's own rule


@given(VERDICTS.filter(never_saved), HISTORIES.filter(none_saved), st.integers(0, 5))
def test_infrastructure_is_tried_again_while_attempts_are_left(
    failure: Verdict, history: tuple[Verdict, ...], resubmits: int
) -> None:
    """The job's own doing and a person's are not, whatever the number."""
    decision = decide(failure, history, resubmits)
    done = [verdict for verdict in history if verdict.cause in INFRASTRUCTURE]
    again = failure.cause in INFRASTRUCTURE and len(done) < resubmits
    assert isinstance(decision, Again if again else GiveUp)


@given(st.integers(0, 9), st.integers(0, 5), st.integers(0, 4))
def test_who_left_a_checkpoint_goes_on(
    preempted: int, over: int, resubmits: int
) -> None:
    """Preemptions cost nothing, time limits are counted; without one both are as ever."""
    limit, gave_way = (
        died(cause, checkpointed=True) for cause in (Cause.TIME_LIMIT, PREEMPTED)
    )
    history = (*[gave_way] * preempted, *[limit] * over)
    assert decide(gave_way, history, resubmits) == Again()
    assert choose([Retry(times=1)], gave_way, history, Resources(), 0) == Again()
    left = over < resubmits
    assert decide(limit, history, resubmits) == (Again() if left else GiveUp())
    assert decide(died(PREEMPTED), history, resubmits) == decide(
        limit, history, resubmits
    )
    assert decide(died(Cause.TIME_LIMIT), history, resubmits) == GiveUp()


def test_no_more_time_is_no_reason_to_give_up_what_goes_on() -> None:
    """After the last step of its walltime a job with checkpoints goes on with it."""
    rule, resources = Escalate(walltime=[60]), Resources(walltime=60)
    limit = died(Cause.TIME_LIMIT, checkpointed=True)
    assert choose([rule], limit, (), resources, 1) == Again()
    assert choose([rule], died(Cause.TIME_LIMIT), (), resources, 1) == GiveUp()


@given(HISTORIES)
def test_guilty_nodes_are_those_on_which_an_attempt_vanished(
    history: tuple[Verdict, ...],
) -> None:
    """And no others: a crash is no fault of the node's."""
    found = {v.node for v in history if v.cause in GUILTY_NODE}
    assert guilty(history) == found - {None}


# A user's rules


@given(st.lists(RULES, max_size=3), VERDICTS, HISTORIES, RESOURCES, st.integers(0, 4))
def test_the_first_rule_with_an_opinion_decides(
    rules: list[Any],
    failure: Verdict,
    history: tuple[Verdict, ...],
    resources: Resources,
    resubmits: int,
) -> None:
    """Core's rule is the last; what is decided once is decided the same again."""
    opinions = [rule.decide(failure, history, resources, resubmits) for rule in rules]
    first = next((one for one in opinions if one), decide(failure, history, resubmits))
    assert choose(rules, failure, history, resources, resubmits) == first
    again = choose(
        pickle.loads(pickle.dumps(rules)), failure, history, resources, resubmits
    )
    assert again == first


@given(RULES, VERDICTS.filter(lambda v: v.cause is not PREEMPTED), RESOURCES)
def test_no_rule_goes_on_for_ever(
    rule: Any, failure: Verdict, resources: Resources
) -> None:
    """A job that always ends the same way ends for good."""
    history: tuple[Verdict, ...] = ()
    for _ in range(10):
        decision = choose([rule], failure, history, resources, 3)
        if isinstance(decision, GiveUp):
            return
        history, resources = (*history, failure), decision.resources or resources
    pytest.fail("it was run again ten times")


def test_an_exception_is_known_by_its_class_and_by_those_above() -> None:
    """Named by class, or by name where the class cannot be had here."""
    lost = died(Cause.RAISED, ConnectionResetError)
    for rule in (
        Retry(on=ConnectionError),
        Retry(on=[TimeoutError, OSError]),
        Retry(on="ConnectionResetError"),
    ):
        assert rule.decide(lost, (), Resources(), 1) == Again()
    assert Retry(on=ValueError).decide(lost, (), Resources(), 1) is None
    assert Retry(on=Cause.RAISED).covers(lost)
    assert not Retry().covers(lost)


class Own(Exception):  # noqa: N818 - a name of its own
    """A user's exception."""


def test_a_class_of_a_module_is_known_with_its_module() -> None:
    """Two classes of one name are two."""
    named = qualified_names(Own)
    assert named == (f"{__name__}.Own", "Exception", "BaseException")
    assert Retry(on=Own).covers(died(Cause.RAISED, Own))
    assert not Retry(on="Own").covers(died(Cause.RAISED, Own))


def test_names_are_fit_to_be_printed() -> None:
    """A class may be called anything."""
    odd = type("Odd\x1b[2J\n", (ValueError,), {"__module__": "m" * 300})
    assert qualified_names(odd)[0] == "m" * 256
    odd.__module__ = "m"
    assert qualified_names(odd)[0] == "m.Odd?[2J?"


def test_each_rule_counts_for_itself() -> None:
    """A lost node does not use up what was promised for a flaky server."""
    rule = Retry(on=ConnectionError, times=1)
    refused = died(Cause.RAISED, ConnectionRefusedError)
    history = (died(Cause.LOST), died(Cause.STALLED))
    assert rule.decide(refused, history, Resources(), 0) == Again()
    assert rule.decide(refused, (*history, refused), Resources(), 9) == GiveUp()
    assert isinstance(decide(died(), (refused, refused), 1), Again)


def test_a_number_of_none_is_the_settings() -> None:
    """And 0 gives up at once, where core would not."""
    assert Retry().decide(died(), (), Resources(), 1) == Again()
    assert Retry().decide(died(), (died(),), Resources(), 1) == GiveUp()
    assert Retry(times=0).decide(died(), (), Resources(), 9) == GiveUp()


def test_pauses_double_up_to_a_bound() -> None:
    """Shorter by up to a quarter, another part for each job, the same each time."""
    rule = Retry(times=99, delay=timedelta(seconds=2), most_delay="10s")
    pauses = []
    for done in range(70):
        decision = rule.decide(
            died(job="a", attempt=done + 1), (died(),) * done, Resources(), 0
        )
        assert isinstance(decision, Again)
        pauses.append(decision.delay_s)
    for pause, most in zip(pauses, [2, 4, 8, *[10] * 67], strict=True):
        assert 0.75 * most < pause <= most
    jobs = {
        Retry(delay=2).decide(died(job=str(n)), (), Resources(), 1) for n in range(50)
    }
    assert len(jobs) > 40


def test_the_bound_of_a_pause_is_five_minutes_or_the_pause() -> None:
    """Unless a user sets another."""
    long = Retry(delay="20m").decide(died(), (), Resources(), 1)
    assert isinstance(long, Again)
    assert 900 < long.delay_s <= 1200
    later = Retry(delay=60, times=9).decide(died(), (died(),) * 8, Resources(), 1)
    assert isinstance(later, Again)
    assert 225 < later.delay_s <= 300


def test_what_a_person_killed_can_be_forgiven_by_name_only() -> None:
    """Not by a rule for something else, nor by one that gives up."""
    assert Retry(on=[Cause.KILLED, OSError]).forgives(Cause.KILLED)
    for rule in (
        Retry(),
        Retry(on=OSError),
        Retry(on=Cause.KILLED, times=0),
        Escalate(memory="1G"),
    ):
        assert not rule.forgives(Cause.KILLED)


# More


def test_out_of_memory_gets_the_next_step() -> None:
    """Each time the first step above what it had; after the last the verdict stands."""
    rule = Escalate(memory=["1G", "2G", "8G"])
    resources, given = Resources(memory="1536M"), []
    while isinstance(
        decision := rule.decide(died(Cause.OUT_OF_MEMORY), (), resources, 0), Again
    ):
        assert decision.resources is not None
        resources = decision.resources
        given.append((resources.memory, resources.memory_limit))
    assert given == [(2 * GIB, 2 * GIB), (8 * GIB, 8 * GIB)]
    assert decision == GiveUp()


def test_a_memory_error_is_a_lack_of_memory() -> None:
    """Where the limit is an rlimit, nobody sees more of it."""
    rule = Escalate(memory="1G")
    assert isinstance(
        rule.decide(died(Cause.RAISED, MemoryError), (), Resources(), 0), Again
    )
    assert rule.decide(died(Cause.RAISED, ValueError), (), Resources(), 0) is None
    assert rule.decide(died(Cause.TIME_LIMIT), (), Resources(), 0) is None


def test_out_of_time_gets_the_next_step() -> None:
    """And nothing else of it changes."""
    rule = Escalate(walltime=["1:00", "2:00:00"])
    resources = Resources(walltime=60, cores=2, queue="long")
    decision = rule.decide(died(Cause.TIME_LIMIT), (), resources, 0)
    assert decision == Again(
        resources=msgspec.structs.replace(resources, walltime=7200)
    )
    longest = Resources(walltime=7200)
    assert rule.decide(died(Cause.TIME_LIMIT), (), longest, 0) == GiveUp()
    assert rule.decide(died(Cause.OUT_OF_MEMORY), (), resources, 0) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"memory": GIB, "memory_limit": GIB}),
        ({"memory": MIB}, {"memory": GIB, "memory_limit": GIB}),
        ({"memory_limit": MIB}, {"memory": None, "memory_limit": GIB}),
        (
            {"memory": MIB, "memory_limit": 2 * MIB},
            {"memory": GIB, "memory_limit": GIB},
        ),
        ({"options": {"h_vmem": "1M"}}, {"options": (("h_vmem", str(GIB)),)}),
    ],
    ids=str,
)
def test_more_memory_reaches_whatever_bounds_it(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Request, limit, and GridMap's word for one."""
    (more,) = Escalate(memory="1G").requests(Resources(**before))
    assert {name: getattr(more, name) for name in after} == after


def test_what_may_be_asked_for_is_known_beforehand() -> None:
    """So that a scheduler can refuse it before anything runs."""
    rule = Escalate(memory=["1G", "2G", "4G"], walltime=[10, 20])
    given = list(rule.requests(Resources(memory="1G", walltime=15)))
    assert [more.memory for more in given] == [2 * GIB, 4 * GIB, GIB]
    assert [more.walltime for more in given] == [15, 15, 20]
    assert list(Retry().requests(Resources())) == []


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Retry(on=[]), "names nothing"),
        (lambda: Retry(on=int), "nothing a job can end with"),  # type: ignore[arg-type]
        (lambda: Retry(on=[3]), "nothing a job can end with"),  # type: ignore[list-item]
        (lambda: Retry(on=" "), "nothing a job can end with"),
        (lambda: Retry(on=Cause.RETURNED), "no failure"),
        (lambda: Retry(on=[Cause.CANCELLED]), "no failure"),
        (lambda: Retry(on=[Cause.REJECTED]), "no attempt"),
        (lambda: Retry(times=-1), "times=-1"),
        (lambda: Retry(times=True), "times=True"),
        (lambda: Retry(times=1.5), "times=1.5"),  # type: ignore[arg-type]
        (lambda: Retry(delay=-1), "delay=-1"),
        (lambda: Retry(delay="soon"), "delay='soon'"),
        (lambda: Retry(delay=float("nan")), "delay=nan"),
        (lambda: Retry(delay=None), "delay=None"),  # type: ignore[arg-type]
        (lambda: Retry(delay=10, most_delay=5), "less than"),
        (Escalate, "needs steps"),
        (lambda: Escalate(memory=[]), "needs steps"),
        (lambda: Escalate(memory=["2G", "1G"]), "steps of memory must grow"),
        (lambda: Escalate(memory=["1G", "1024M"]), "steps of memory must grow"),
        (lambda: Escalate(walltime=[20, 10]), "steps of walltime must grow"),
        (lambda: Escalate(memory=["a lot"]), "not an amount of memory"),
        (lambda: Escalate(memory=[None]), "no list of steps"),  # type: ignore[list-item]
        (lambda: Escalate(memory=object()), "no list of steps"),  # type: ignore[arg-type]
        (lambda: Escalate(walltime=["-5"]), "not a length of time"),
        (lambda: Escalate(walltime=[[5]]), "not a length of time"),  # type: ignore[list-item]
        (lambda: make_rules(3), "is no rule"),  # type: ignore[arg-type]
        (lambda: make_rules([Retry(), "again"]), "'again' is no rule"),  # type: ignore[list-item]
        (lambda: make_rules(Retry), "is no rule"),  # type: ignore[arg-type]
    ],
    ids=itertools.count(),
)
def test_what_makes_no_sense_is_refused_at_once(
    make: Callable[[], object], text: str
) -> None:
    """In the line in which the user wrote it."""
    with pytest.raises(InvalidRequestError, match=text):
        make()


def test_rules_come_one_or_several() -> None:
    """In the user's order, from any iterable."""
    one: Rule = Retry()
    two: Rule = Escalate(memory="1G")
    assert make_rules(None) == ()
    assert make_rules(one) == (one,)
    assert make_rules(iter([two, one])) == (two, one)
