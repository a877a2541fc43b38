"""Who looks at a run, and what the rules are told of that."""

from gridmap.monitor import facts as f
from gridmap.monitor.watchers import Watchers


def test_what_anybody_wants_is_told_until_nobody_does() -> None:
    """What jobs print costs more than how far they are, and is not told unasked."""
    told: list[f.Fact] = []
    watchers = Watchers()
    watchers.open(told.append)
    one = watchers.watch(output=False)
    other = watchers.watch(output=True)
    other()
    one()
    assert told == [
        f.Watched(live=True, output=False),
        f.Watched(live=True, output=True),
        f.Watched(live=True, output=False),
        f.Watched(live=False, output=False),
    ]


def test_a_run_hears_of_watchers_while_it_is_open() -> None:
    """Of those who came before, too; and of nobody if there is nobody."""
    told: list[f.Fact] = []
    watchers = Watchers()
    watchers.open(told.append)
    watchers.close()
    assert told == []
    one = watchers.watch(output=True)
    assert told == []
    watchers.open(told.append)
    assert told == [f.Watched(live=True, output=True)]
    watchers.close()
    one()
    assert len(told) == 1


def test_whoever_has_gone_cannot_go_for_another() -> None:
    """An observer that is closed twice leaves the others alone."""
    told: list[f.Fact] = []
    watchers = Watchers()
    watchers.open(told.append)
    one = watchers.watch(output=False)
    watchers.watch(output=False)
    one()
    one()
    assert told[-1] == f.Watched(live=True, output=False)
