"""Who may say what when, and what is kept until it has arrived."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gridmap.errors import LocalProtocolError, RemoteProtocolError
from gridmap.protocol import messages as m
from gridmap.protocol.sessions import TRANSITIONS, SessionState, Unacknowledged, advance

HELLO = m.Hello(
    version=1, nonce="n", job="1", task=None, node="a", pid=1, python=(3, 11, 0),
    gridmap="1",
)  # fmt: skip
MESSAGES: list[m.FromRunner] = [
    HELLO,
    m.Beat(number=1, holds=()),
    m.Live(job=0),
    m.Stack(job=0, text="File"),
    m.Report(number=1, grant=1, first=0, count=1),
    m.WorkerLost(number=1, grant=1, job=0, status=1, signal=None),
    m.Returned(number=1, grant=1, first=0, count=1),
    m.Warned(number=1, text="it was warned"),
    m.Checkpoint(number=1, grant=1, job=0, digest=b"d"),
    m.Goodbye(number=1, reason="stopped"),
]


@given(st.sampled_from(SessionState), st.sampled_from(MESSAGES))
def test_every_pair_is_a_row_or_a_remote_error(
    state: SessionState, message: m.FromRunner
) -> None:
    """No pair of state and message raises anything but RemoteProtocolError."""
    row = TRANSITIONS[state]
    if type(message) in row:
        assert advance(state, message) is row[type(message)]
    else:
        with pytest.raises(RemoteProtocolError, match=state.name):
            advance(state, message)


@given(st.lists(st.sampled_from(MESSAGES)))
def test_nothing_counts_before_a_hello(said: list[m.FromRunner]) -> None:
    """A stranger's first word is Hello, or it is not listened to."""
    state = SessionState.GREETING
    for message in said:
        try:
            state = advance(state, message)
        except RemoteProtocolError:
            state = SessionState.ERROR
        assert (state is SessionState.ERROR) or isinstance(said[0], m.Hello)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda x: type(x).__name__)
def test_a_broken_session_stays_broken(message: m.FromRunner) -> None:
    """Nothing leads out of ERROR."""
    with pytest.raises(RemoteProtocolError):
        advance(SessionState.ERROR, message)


class Keeping(RuleBasedStateMachine):
    """What was not acknowledged, beside a plain list of the same."""

    def __init__(self) -> None:
        super().__init__()
        self.messages = Unacknowledged()
        self.kept: list[tuple[int, float]] = []
        self.now = 0.0

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def keep(self) -> None:
        number = self.messages.number()
        message = m.Goodbye(number=number, reason="stopped")
        self.messages.keep(message, (number,), self.now)
        self.kept.append((number, self.now))

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        numbers = data.draw(st.lists(st.integers(0, 30), max_size=4))
        self.messages.acknowledged(numbers)
        self.kept = [entry for entry in self.kept if entry[0] not in numbers]

    @rule(older=st.floats(0, 20))
    def send_again(self, older: float) -> None:
        due = [n for n, sent in self.kept if self.now - sent >= older]
        said = list(self.messages.due(self.now, older))
        assert [message.number for message, _ in said] == due
        assert [frames for _, frames in said] == [(number,) for number in due]
        self.kept = [(n, self.now if n in due else sent) for n, sent in self.kept]

    @invariant()
    def nothing_is_forgotten_unasked(self) -> None:
        assert [x.number for x in self.messages.messages()] == [n for n, _ in self.kept]
        assert len(self.messages) == len(self.kept)


TestKeeping = Keeping.TestCase


@pytest.mark.parametrize("number", [0, 2, 99])
def test_a_number_of_ones_own_making_is_refused(number: int) -> None:
    """Two messages under one number would be acknowledged together."""
    messages = Unacknowledged()
    messages.keep(m.Goodbye(number=messages.number(), reason=""), (), 0.0)
    with pytest.raises(LocalProtocolError, match=f"{number}"):
        messages.keep(m.Goodbye(number=number, reason=""), (), 0.0)
    with pytest.raises(LocalProtocolError, match="1"):
        messages.keep(m.Goodbye(number=1, reason=""), (), 0.0)
