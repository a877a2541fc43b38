"""Who fetches what a node's runners share: any order of events, deaths and silences."""

from collections import Counter
from typing import Final

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.unit.node.neighbourhood import STRANGER, TOTAL, Node, Runner

from gridmap.runner.node.election import (
    BEAT_S,
    GENERATIONS,
    LONGEST_S,
    MOST_ENDS,
    MOST_MISSES,
    PATIENCE_S,
    RETRY_S,
    SPREAD_S,
    Beat,
    Elect,
    Fetch,
    Give,
    Hand,
    HangUp,
    LetGo,
    Role,
    Seat,
)

RUNNERS: Final = st.integers(0, 4)


class Sharing(RuleBasedStateMachine):
    """Whatever happens on a node, nobody waits for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.node = Node()

    def _runner(self, number: int) -> Runner:
        return self.node.runners[number]

    @rule(number=RUNNERS)
    def want(self, number: int) -> None:
        """A runner is sent what jobs share."""
        if not self._runner(number).stopped:
            self.node.want(self._runner(number))

    @rule(number=RUNNERS)
    def deliver(self, number: int) -> None:
        """A word arrives."""
        runner = self._runner(number)
        if runner.events and not runner.stopped:
            self.node.deliver(runner)

    @rule(number=RUNNERS, well=st.booleans())
    def end_fetch(self, number: int, well: bool) -> None:
        """A frame has come from the driver, or has not."""
        if self._runner(number).fetching and not self._runner(number).stopped:
            self.node.end_fetch(self._runner(number), well=well)

    @rule(number=RUNNERS)
    def kill(self, number: int) -> None:
        """A process dies, and another starts."""
        self.node.let_go(self._runner(number))
        self.node.runners[number] = Runner(number)

    @rule(number=RUNNERS)
    def discard(self, number: int) -> None:
        """The monitor has a runner forget."""
        runner = self._runner(number)
        if not runner.stopped:
            self.node.do(runner, runner.seat.give_up())

    @rule(number=RUNNERS, stopped=st.booleans())
    def stop(self, number: int, stopped: bool) -> None:
        """A process is stopped, or goes on."""
        self._runner(number).stopped = stopped

    @rule(number=RUNNERS)
    def hang(self, number: int) -> None:
        """What a runner fetches will never come."""
        self._runner(number).hanging = True

    @rule(generation=st.integers(0, GENERATIONS - 1))
    def squat(self, generation: int) -> None:
        """Somebody who is no runner takes a name that is free."""
        self.node.names.setdefault(generation, STRANGER)

    @rule(seconds=st.sampled_from([RETRY_S, BEAT_S, PATIENCE_S, LONGEST_S]))
    def pass_time(self, seconds: float) -> None:
        """Time passes."""
        self.node.pass_time(seconds)

    @invariant()
    def one_leads_under_a_name(self) -> None:
        """Who leads has the name, and fetches one frame at a time."""
        names = Counter(self.node.names.values())
        for number, runner in self.node.runners.items():
            assert names[number] == (runner.seat.role is Role.LEADING)

    def teardown(self) -> None:
        """Everybody that is not held up itself comes to all of its frames."""
        self.node.settle()
        lacking = [r.number for r in self.node.runners.values() if self.node._lacks(r)]
        assert not lacking


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=200, stateful_step_count=40)


def test_where_nothing_goes_wrong_each_frame_is_fetched_once() -> None:
    """However many runners there are."""
    node = Node()
    node.settle()
    assert node.fetches == TOTAL
    assert [runner.got for runner in node.runners.values()] == [TOTAL] * 5


@pytest.mark.parametrize("gone", [1, 2, 3, 4])
def test_who_has_the_frames_succeeds_who_is_gone(gone: int) -> None:
    """A frame is fetched again only when no runner of the node has it any more."""
    node = Node()
    node.settle()
    for number in range(gone):
        (leader,) = (r for r in node.runners.values() if r.seat.role is Role.LEADING)
        node.let_go(leader)
        del node.runners[leader.number]
        for runner in node.runners.values():
            while runner.events:
                node.deliver(runner)
        node.pass_time(SPREAD_S)
        late = node.runners[10 + number] = Runner(10 + number)
        node.settle()
        assert late.got == TOTAL
    assert node.fetches == TOTAL


def test_a_stopped_leader_costs_a_node_one_more_download() -> None:
    """Not one for each of those who waited for it."""
    node = Node()
    for runner in node.runners.values():
        node.want(runner)
    node.runners[0].stopped = True
    node.settle()
    assert [runner.got for runner in node.runners.values()] == [0] + [TOTAL] * 4
    assert node.fetches == 1 + TOTAL


def test_a_stranger_costs_nothing_but_a_name() -> None:
    """Runners go on with the next one, at once."""
    node = Node()
    node.names[0] = STRANGER
    node.settle()
    assert node.fetches == TOTAL


def test_followers_hear_of_a_download_that_takes_long() -> None:
    """And stop to wait for one that takes for ever."""
    seat = Seat(1, 0.0)
    seat.ask("me", 0, 0.0)
    assert seat.bound(0.0) == [Fetch("me")]
    seat.came(7, 0)
    beats, now = 0, 0.0
    while seat.due is not None:
        assert seat.due - now <= BEAT_S
        now = seat.due
        beats += seat.tick(now) == [Beat(7)]
    assert LONGEST_S < now < LONGEST_S + 1.0
    assert beats == LONGEST_S / BEAT_S
    assert seat.fetched() == [Give("me", 0), Hand(7, 0)][1:]


def test_leaders_who_always_die_are_not_waited_for_again_and_again() -> None:
    """After so many, each fetches for itself."""
    seat = Seat(1, 0.0)
    seat.ask("me", 0, 0.0)
    for _ in range(MOST_ENDS):
        seat.found(0.0)
        assert seat.hung_up(0.0) == [HangUp(), Elect(0)]
    seat.found(0.0)
    assert seat.hung_up(0.0) == [HangUp(), Fetch("me"), LetGo()]


def test_a_name_that_nobody_answers_to_is_left_after_half_a_second() -> None:
    """It is bound a moment before it is listened at, and may never be."""
    seat = Seat(1, 0.0)
    seat.ask("me", 0, 0.0)
    now = 0.0
    for _ in range(MOST_MISSES):
        assert seat.vacant(now) == []
        assert seat.due == now + RETRY_S
        now = seat.due
        assert seat.tick(now) == [Elect(0)]
    assert seat.vacant(now) == [Elect(1)]
    assert now <= 1.0


def test_who_cannot_fetch_lets_another_lead_at_once() -> None:
    """Or another errand of its own try, if one waits."""
    seat = Seat(1, 0.0)
    seat.ask("first", 0, 0.0)
    assert seat.bound(0.0) == [Fetch("first")]
    assert seat.ask("second", 0, 0.0) == [], "one fetches at a time"
    assert seat.failed(1.0) == [Fetch("second")]
    assert seat.failed(2.0) == [LetGo()]


def test_errands_of_one_runner_get_what_one_of_them_fetched() -> None:
    """And fetch the next frame when nobody does."""
    seat = Seat(2, 0.0)
    seat.ask("first", 0, 0.0)
    seat.bound(0.0)
    seat.ask("second", 0, 0.0)
    assert seat.fetched() == [Give("second", 0)]
    assert seat.ask("second", 1, 1.0) == [Fetch("second")]
    assert seat.ask("first", 1, 1.0) == []
    assert seat.fetched() == [Give("first", 1)]


def test_who_gave_up_has_nothing_any_more() -> None:
    """Its memory is gone, and what is asked for afterwards is fetched."""
    seat = Seat(1, 0.0)
    seat.ask("me", 0, 0.0)
    seat.bound(0.0)
    seat.fetched()
    assert seat.ask("me", 0, 1.0) == [Give("me", 0)]
    assert seat.give_up() == [LetGo()]
    assert seat.ask("me", 0, 1.0) == [Fetch("me")]
    assert seat.fetched() == [], "nobody gets it but who fetched it"


def test_who_left_is_handed_nothing() -> None:
    seat = Seat(1, 0.0)
    seat.ask("me", 0, 0.0)
    seat.bound(0.0)
    seat.came(1, 0)
    seat.came(2, 0)
    seat.left(1)
    assert seat.tick(BEAT_S) == [Beat(2)]
    assert seat.fetched() == [Hand(2, 0)]


@given(lot=st.floats(0, 1))
def test_successors_do_not_all_come_at_once(lot: float) -> None:
    """At the end of a run one runner after the other goes."""
    seat = Seat(1, lot)
    seat.ask("me", 0, 0.0)
    seat.found(0.0)
    assert seat.handed(1.0) == [Give("me", 0)]
    assert seat.due is None, "who has everything waits for nothing"
    assert seat.hung_up(5.0) == [HangUp()]
    assert seat.due == 5.0 + lot * SPREAD_S
