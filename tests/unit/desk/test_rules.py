"""When the scheduler may be asked: the rules, without a clock or a file."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gridmap.desk.rules import (
    FIRST_QUIET_S,
    LONGEST_QUIET_S,
    WINDOW_S,
    Purpose,
    Slate,
    admit,
    answered,
    charge,
    failed,
    recent,
    serves,
)

TIMES = st.floats(0, 1e6)
SLATES = st.builds(
    Slate,
    asked=st.lists(st.floats(allow_nan=True)).map(tuple),
    failures=st.integers(0, 10**6),
    quiet_until=st.floats(allow_nan=True),
)


@given(at=TIMES, since=TIMES, now=TIMES)
def test_an_answer_serves_who_asked_before_its_query_began(
    at: float, since: float, now: float
) -> None:
    """Nothing stale is news, and nothing out of the future is believed."""
    assert serves(at, since=since, now=now) == (since < at <= now)


def test_what_starts_or_ends_runners_cannot_wait() -> None:
    """Only looks and autopsies can."""
    assert {p for p in Purpose if p.can_wait} == {Purpose.OBSERVE, Purpose.AUTOPSY}


@given(slate=SLATES, now=TIMES, budget=st.integers(1, 100))
def test_a_refusal_ends(slate: Slate, now: float, budget: int) -> None:
    """Whatever stands on the slate, whoever waits as long as told gets through."""
    after, refusal = admit(slate, now, budget)
    if refusal is None:
        assert after.asked[-1] == now
        return
    assert 0 < refusal.wait_s <= WINDOW_S
    again, second = admit(after, now + refusal.wait_s + 0.001, budget)
    if second is not None:  # back-off over, and then the budget, or the reverse
        again, third = admit(again, now + refusal.wait_s + second.wait_s + 0.01, budget)
        assert third is None


@given(slate=SLATES, now=TIMES)
def test_nonsense_on_a_slate_is_dropped(slate: Slate, now: float) -> None:
    """Times of another boot, or forged ones, stop nobody for long."""
    seen = recent(slate, now)
    assert all(now - WINDOW_S < at <= now for at in seen.asked)
    assert seen.quiet_until <= now + LONGEST_QUIET_S


def test_pauses_double_up_to_a_cap_and_end_at_once() -> None:
    """A dead master is left alone, a recovered one is not punished."""
    slate, now, pauses = Slate(), 100.0, []
    for _ in range(8):
        slate = failed(slate, now, "no\nanswer")
        pauses.append(slate.quiet_until - now)
        now = slate.quiet_until
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert pauses[0] == FIRST_QUIET_S
    assert pauses[-1] == LONGEST_QUIET_S
    assert slate.trouble == "no answer"
    assert admit(answered(slate), now - 1, 1)[1] is None


def test_who_tries_in_a_quiet_time_does_not_make_it_longer() -> None:
    """A run that kills asks all the same; the others are not to pay for that."""
    slate = failed(Slate(), 10.0, "down")
    assert failed(slate, 10.5, "down") == slate


def test_a_refusal_says_why() -> None:
    """In words a person can use."""
    _, refusal = admit(failed(Slate(), 10.0, "cannot reach master"), 10.5, 5)
    assert refusal is not None
    assert "cannot reach master" in refusal.text
    _, refusal = admit(charge(Slate(), 10.0), 11.0, 1)
    assert refusal is not None
    assert "budget of 1 queries" in refusal.text
    assert refusal.wait_s == 59.0


class Window(RuleBasedStateMachine):
    """However questions come, no window of a minute holds more than the budget."""

    def __init__(self) -> None:
        super().__init__()
        self.slate = Slate()
        self.now = 1000.0
        self.budget = 3
        self.let_through: list[float] = []

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        """On the same clock for all."""
        self.now += seconds

    @rule(times=st.integers(1, 5))
    def several_ask(self, times: int) -> None:
        """Several runs put questions."""
        for _ in range(times):
            self.slate, refusal = admit(self.slate, self.now, self.budget)
            if refusal is None:
                self.let_through.append(self.now)

    @rule()
    def it_fails(self) -> None:
        """The scheduler does not answer."""
        self.slate = failed(self.slate, self.now, "no")

    @precondition(lambda self: self.slate.failures)
    @rule()
    def it_recovers(self) -> None:
        """It answers again."""
        self.slate = answered(self.slate)

    @invariant()
    def the_budget_holds(self) -> None:
        """In every window."""
        last = [at for at in self.let_through if at > self.now - WINDOW_S]
        assert len(last) <= self.budget

    @invariant()
    def memory_is_bounded(self) -> None:
        """What is over is forgotten."""
        assert (
            len(msgspec.structs.asdict(recent(self.slate, self.now))["asked"])
            <= self.budget
        )


TestWindow = Window.TestCase
