"""How many runners there may be, and whose they are."""

import pytest
from msgspec.structs import replace
from tests.unit.monitor.desk import OTHER, Desk

from gridmap import backend as b
from gridmap.lifecycle import RunnerState
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.protocol import messages as m
from gridmap.resources import Resources


@pytest.mark.parametrize(("cores", "asked"), [(1, 4), (2, 2), (3, 1), (8, 1)])
def test_runners_of_several_cores_count_as_many(cores: int, asked: int) -> None:
    """A machine of four cores takes two of two; one that is too large is tried."""
    desk = Desk(b.Capabilities(largest_fleet=4))
    desk.add(8, Resources(cores=cores))
    (submission,) = desk.take(i.SubmitRunners)
    assert len(submission.runners) == asked


def test_what_a_user_allows_is_not_counted_by_the_core() -> None:
    """He knows his machine."""
    desk = Desk(b.Capabilities(largest_fleet=4), max_workers=6)
    desk.add(8, Resources(cores=4))
    (submission,) = desk.take(i.SubmitRunners)
    assert len(submission.runners) == 6


def test_cores_of_runners_that_ended_are_free_again() -> None:
    """For a group of another size."""
    desk = Desk(b.Capabilities(largest_fleet=4))
    desk.add(1, final=False)
    desk.add(1, Resources(cores=4))
    (peer,) = desk.start()
    (work,) = desk.work()
    assert desk.take(i.SubmitRunners) == []
    desk.report(peer, work)
    desk.tick(1.0)
    assert len(desk.take(i.SubmitRunners)) == 1


def test_an_idle_group_makes_room_for_one_that_has_none() -> None:
    """Under one limit, who has nothing to do goes."""
    desk = Desk(max_workers=1)
    desk.add(1, final=False)
    desk.tick(1.0)
    (peer,) = desk.start()
    (work,) = desk.work()
    desk.report(peer, work)
    desk.add(1, OTHER, final=False)
    desk.tick(1.0)
    assert desk.take(m.Stop)
    assert len(desk.accept()) == 1


def test_a_busy_group_makes_room_after_a_while() -> None:
    """A group that always has jobs does not starve the others for ever."""
    desk = Desk(max_workers=1)
    desk.add(500, final=False)
    desk.add(1, OTHER, final=False)
    desk.tick(1.0)
    (peer,) = desk.start()
    for _ in range(200):
        for work in desk.work():
            desk.report(peer, work)
        desk.tick(1.0)
        if desk.take(m.Stop):
            break
    assert desk.now > 60.0
    (submission,) = desk.take(i.SubmitRunners)
    assert submission.resources == OTHER


def test_places_are_kept_for_a_group_that_needs_several() -> None:
    """Freed one by one, they would each go to the group that gave them up."""
    desk = Desk(b.Capabilities(largest_fleet=2))
    desk.add(5000, final=False)
    desk.add(1, OTHER, final=False)
    desk.tick(1.0)
    serve(desk, until=OTHER)
    desk.start()
    assert desk.crew(RunnerState.UP) == 1
    assert not desk.take(i.SubmitRunners)


def test_one_place_is_given_up_and_no_more_while_its_runner_queues() -> None:
    """A scheduler may take hours to start one, and the others go on meanwhile."""
    desk = Desk(max_workers=2)
    desk.add(5000, final=False)
    desk.add(1, OTHER, final=False)
    desk.tick(1.0)
    serve(desk, until=OTHER)
    desk.accept()
    desk.take(m.Stop)
    for _ in range(100):
        desk.report_next()
        desk.tick(1.0)
    assert not desk.take(m.Stop)
    assert not desk.take(i.SubmitRunners)


def serve(desk: Desk, *, until: Resources) -> None:
    """Let runners work, one ending each second, until one with these is asked for."""
    for _ in range(300):
        if any(asked.resources == until for asked in desk.submissions()):
            return
        desk.start()
        desk.report_next()
        desk.tick(1.0)
    pytest.fail(f"nobody asked for a runner with {until}")


def test_no_place_is_given_up_where_it_would_not_do() -> None:
    """Its group would ask for it again and lose it again, and none would ever come."""
    desk = Desk(b.Capabilities(largest_fleet=2))
    desk.add(2, final=False)
    desk.tick(1.0)
    desk.accept()
    desk.add(1, Resources(cores=2))
    desk.tick(1.0)
    assert not desk.take(i.KillRunners)
    assert not desk.take(i.SubmitRunners)


@pytest.mark.parametrize("limit", ["runners", "cores"])
def test_a_fleet_over_its_limit_shrinks_until_there_is_room(limit: str) -> None:
    """As after a run was resumed with a lower one. No place is asked for again."""
    desk = Desk(b.Capabilities(largest_fleet=5))
    desk.add(9, final=False)
    desk.tick(1.0)
    handles = desk.accept()
    assert len(handles) == 5
    if limit == "cores":
        desk.tell(f.BackendReady(capabilities=b.Capabilities(largest_fleet=2)))
    else:
        desk.books.policy = replace(desk.books.policy, max_workers=2)
    alike = Resources(memory=2**30)
    desk.add(1, alike)
    for _ in range(9):
        desk.tick(1.0)
    killed = [handle for kill in desk.take(i.KillRunners) for handle in kill.handles]
    assert killed == handles[:0:-1]
    (submission,) = desk.take(i.SubmitRunners)
    assert submission.resources == alike


def test_of_those_in_the_queue_the_last_one_goes() -> None:
    """The first may be about to come."""
    desk = Desk(max_workers=2)
    desk.add(9, final=False)
    desk.tick(1.0)
    handles = desk.accept()
    desk.add(1, OTHER)
    (kill,) = desk.take(i.KillRunners)
    assert kill.handles == {handles[-1]}


def test_a_group_in_the_queue_gives_up_a_place() -> None:
    """One whose runners all wait, and would take every place."""
    desk = Desk(max_workers=3)
    desk.add(9)
    desk.accept()
    desk.add(1, OTHER)
    assert len(desk.take(i.KillRunners)[0].handles) == 1
    (submission,) = desk.take(i.SubmitRunners)
    assert submission.resources == OTHER
