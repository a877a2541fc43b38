"""How a runner leaves, one case at a time."""

import pytest

from gridmap.protocol import messages as m
from gridmap.protocol.sessions import Unacknowledged
from gridmap.runner.actions import Action, Say
from gridmap.runner.departure import LAST_WORDS_S, MOVES_S, Departure
from gridmap.runner.reports import Farewell, Reports
from gridmap.runner.workload import Stretch


class Bench:
    """A departure, and what is said."""

    def __init__(self) -> None:
        self.kept = Unacknowledged()
        self.said: list[Action] = []
        self.reports = Reports(self.kept, self.said.append)
        self.departure = Departure(self.reports)


def farewell(reason: str = "stopped") -> Farewell:
    return Farewell(reason, "text", 15 if reason == "signal" else None, 100.0)


def test_who_stays_is_neither_gone_nor_late() -> None:
    """Nor does it say goodbye."""
    bench = Bench()
    bench.departure.say(None, "", 1.0)
    assert bench.said == []
    assert not bench.departure.begun
    assert not bench.departure.complete
    assert not bench.departure.overdue(1e9, 0.0)


@pytest.mark.parametrize(
    ("reason", "status"),
    [("stopped", 0), ("signal", 1), ("preempted", 1), ("broken", 1)],
)
def test_only_who_was_told_to_stop_ends_well(reason: str, status: int) -> None:
    """Schedulers show the exit status to people."""
    bench = Bench()
    bench.departure.begin(farewell(reason))
    assert bench.departure.status == status
    assert bench.departure.stopped is (reason == "stopped")


def test_the_departure_is_complete_once_all_has_arrived() -> None:
    """The goodbye, which is the last, and what was told before it."""
    bench = Bench()
    bench.reports.ended(Stretch(1, 0, 1), (), 1.0, 0, ["x"], 99.0)
    bench.departure.begin(farewell("signal"))
    bench.departure.say(7, "tail", 101.0)
    report, goodbye = (act.message for act in bench.said if isinstance(act, Say))
    assert isinstance(report, m.Report)
    assert goodbye == m.Goodbye(
        number=2, reason="signal", text="text", signal=15, job=7, tail="tail"
    )
    bench.kept.acknowledged([2])
    assert not bench.departure.complete
    bench.kept.acknowledged([1])
    assert bench.departure.complete


def test_a_checkpoint_is_waited_for_as_long_as_one_may_take() -> None:
    """Anything else only until schedulers lose their patience."""
    bench = Bench()
    bench.departure.begin(farewell())
    assert not bench.departure.overdue(100.0 + LAST_WORDS_S, 60.0)
    assert bench.departure.overdue(100.1 + LAST_WORDS_S, 60.0)
    bench.reports.checkpoint(1, 0, b"digest", 1.0, ["state"], 100.0)
    assert not bench.departure.overdue(160.0, 60.0)
    assert bench.departure.overdue(160.1, 60.0)
    assert not bench.departure.overdue(100.0 + LAST_WORDS_S, 0.1)


def test_a_large_result_is_waited_for_while_others_have_their_turn() -> None:
    """Between two pieces of one runner's the driver takes one of each other's."""
    bench = Bench()
    bench.departure.begin(farewell("signal"))
    bench.departure.moved = 103.0
    assert not bench.departure.overdue(103.0 + MOVES_S, 60.0)
    assert bench.departure.overdue(103.1 + MOVES_S, 60.0)
    bench.departure.moved = 160.0
    assert bench.departure.overdue(160.1, 60.0)
