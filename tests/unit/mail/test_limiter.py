"""So many in any hour, and no more."""

from hypothesis import given
from hypothesis import strategies as st

from gridmap_mail.limiter import HOUR_S, Limiter


@given(
    st.integers(0, 5),
    st.lists(st.floats(0, 2000), max_size=60),
)
def test_no_hour_has_more_than_allowed(per_hour: int, gaps: list[float]) -> None:
    """In no hour, wherever it begins, are there more; and one that fits is let go."""
    limiter, now, sent = Limiter(), 0.0, list[float]()
    for gap in gaps:
        now += gap
        recent = [at for at in sent if at > now - HOUR_S]
        admitted = limiter.admits(per_hour, now)
        assert admitted == (len(recent) < per_hour)
        if admitted:
            sent.append(now)
