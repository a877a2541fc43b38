"""Who is run again: what the infrastructure did, up to a number."""

from hypothesis import given
from hypothesis import strategies as st

from gridmap.retry import GUILTY_NODE, Again, GiveUp, decide
from gridmap.verdict import INFRASTRUCTURE, Cause, Verdict

VERDICTS = st.builds(
    Verdict,
    cause=st.sampled_from(Cause),
    node=st.none() | st.sampled_from(["a", "b", "c"]),
)


@given(VERDICTS, st.lists(VERDICTS, max_size=5), st.integers(0, 5))
def test_infrastructure_is_tried_again_while_attempts_are_left(
    failure: Verdict, history: list[Verdict], resubmits: int
) -> None:
    """The job's own doing and a person's are not, whatever the number."""
    decision = decide(failure, tuple(history), resubmits)
    again = failure.cause in INFRASTRUCTURE and len(history) < resubmits
    assert isinstance(decision, Again if again else GiveUp)


@given(VERDICTS, st.lists(VERDICTS, max_size=5))
def test_guilty_nodes_are_left_out(failure: Verdict, history: list[Verdict]) -> None:
    """Nodes on which an attempt vanished, and no others."""
    decision = decide(failure, tuple(history), 99)
    if isinstance(decision, Again):
        guilty = {v.node for v in [*history, failure] if v.cause in GUILTY_NODE}
        assert decision.avoid == guilty - {None}
        assert decision.resources is None
        assert decision.delay_s == 0
