"""What came of jobs is handed over in their order, and each failure is one job's."""

from typing import Any

import pytest

from gridmap import payload
from gridmap.errors import JobException
from gridmap.monitor.outcomes import Outcomes


class Gone:
    """A value whose class cannot be found here."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise LookupError('it is gone')",)


def stream(value: object) -> payload.Frame:
    return payload.dump(value, what="it").head


def test_values_go_where_they_are_wanted() -> None:
    """All of a message at once, and none of them twice."""
    outcomes = Outcomes()
    outcomes.results(3, [stream("a"), stream("b")], (), None)
    values: dict[int, object] = {}
    assert list(outcomes.take(into=values)) == []
    assert values == {3: "a", 4: "b"}
    assert list(outcomes.take(wait=False, into=values)) == []


def test_a_value_that_cannot_be_loaded_fails_alone() -> None:
    """Those beside it are as good as ever."""
    outcomes = Outcomes("job {}".format)
    outcomes.results(0, [stream(1), stream(Gone()), stream(3)], (), None)
    values: dict[int, object] = {}
    first, second, third = outcomes.take(into=values)
    assert (first.value, third.value, values) == (1, 3, {})
    assert isinstance(second.error, JobException)
    assert "it is gone" in str(second.error)


class Interrupting:
    """A value in whose loading the user loses his patience."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise KeyboardInterrupt",)


def test_what_was_being_taken_when_the_user_interrupted_is_still_there() -> None:
    """It was finished, so whoever asks again has it."""
    outcomes = Outcomes()
    outcomes.results(0, [stream(1), stream(Interrupting())], (), None)
    with pytest.raises(KeyboardInterrupt):
        list(outcomes.take(into={}))
    assert outcomes.waiting == 1
