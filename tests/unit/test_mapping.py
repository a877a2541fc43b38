"""What a map has gathered when it ends before its time."""

import pytest

from gridmap import payload
from gridmap.errors import JobException
from gridmap.mapping import _Gathered
from gridmap.monitor.outcomes import Outcomes
from gridmap.verdict import Cause, Verdict


@pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError, SystemExit])
def test_whatever_ends_a_map_has_what_was_finished(kind: type[BaseException]) -> None:
    """Ctrl-C, and what the inputs' generator raises, as much as a job's exception."""
    gathered = _Gathered(return_exceptions=False)
    gathered.values[3] = "three"
    with pytest.raises(kind) as caught, gathered.handed_on():
        raise kind
    assert caught.value.gridmap_results == {3: "three"}  # type: ignore[attr-defined]


def test_what_came_behind_a_failure_is_not_lost() -> None:
    """It was finished, and nobody had looked at it yet; other failures change nothing."""
    outcomes = Outcomes()
    outcomes.verdict(0, Verdict(cause=Cause.LOST, job="0", attempt=1))
    outcomes.results(1, payload.Batch.read(_packed("one", "two")).pieces(), (), None)
    outcomes.verdict(3, Verdict(cause=Cause.LOST, job="3", attempt=1))
    outcomes.results(4, payload.Batch.read(_packed("four")).pieces(), (), None)
    gathered = _Gathered(return_exceptions=False, outcomes=outcomes)
    with pytest.raises(JobException, match="0: lost") as caught, gathered.handed_on():
        gathered.gather()
    results = caught.value.gridmap_results  # type: ignore[attr-defined]
    assert results == {1: "one", 2: "two", 4: "four"}


def _packed(*values: str) -> list[payload.Frame]:
    return payload.pack([payload.dump(value, what="it") for value in values])
