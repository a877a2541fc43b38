"""One desk, and several that meet, on a clock moved by hand."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from gridmap.desk import Desk, Purpose
from gridmap.desk.place import Alone, Place, Shared
from gridmap.programs import Answer, NoAnswer, Reply

LOOK = ("qstat", "-u", "me")
OTHER_LOOK = ("qstat", "-u", "you")


class Clock:
    """Stands still until it is moved; every reading takes a moment."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        self.seconds += 1e-6
        return self.seconds


class Scheduler:
    """Counts what it is asked, and answers with that number."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked: list[tuple[str, ...]] = []
        self.answer: Callable[[], Reply] = lambda: Answer(
            status=0, output=f"answer {len(self.asked)}"
        )

    def __call__(
        self,
        argv: Sequence[str],
        environ: Mapping[str, str],
        text: str,
        timeout_s: float,
    ) -> Reply:
        """Answer a program."""
        del environ, text, timeout_s
        self.asked.append(tuple(argv))
        return self.answer()


class Office:
    """A scheduler, and desks that share a place."""

    def __init__(self, place: Callable[[], Place]) -> None:
        self.clock = Clock()
        self.scheduler = Scheduler(self.clock)
        self._place = place

    def desk(self, budget: int = 60, backend: str = "sge") -> Desk:
        """Open another run's."""
        return Desk(
            backend=backend,
            budget=budget,
            place=self._place(),
            run=self.scheduler,
            clock=self.clock,
        )

    @property
    def queries(self) -> int:
        """How many queries reached the scheduler."""
        return len(self.scheduler.asked)


@pytest.fixture(params=["files", "memory"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Office:
    """Make one whose desks meet in files, or are the same."""
    if request.param == "files":
        return Office(lambda: Shared(tmp_path / "desk", boot="now"))
    alone = Alone()
    return Office(lambda: alone)


def look(desk: Desk, argv: Sequence[str] = LOOK, *, fresh: bool = False) -> Reply:
    """Put the question that all have."""
    return desk.look(argv, {}, 5.0, where="cell", fresh=fresh)


def test_without_an_errand_every_look_is_fresh(office: Office) -> None:
    """Nobody said that an old answer will do."""
    desk = office.desk()
    assert [look(desk).words for _ in range(2)] == ["answer 1", "answer 2"]
    assert desk.counts == {"other": 2}


def test_an_answer_serves_all_whose_question_came_before_its_query(
    office: Office,
) -> None:
    """Five runs wait, one query serves them; each learns when it began."""
    since = office.clock()
    office.clock.seconds += 10
    times = []
    for desk in [office.desk() for _ in range(5)]:
        with desk.visit(Purpose.OBSERVE, since) as visit:
            assert look(desk) == Answer(status=0, output="answer 1")
        times.append(visit.at)
        assert not visit.wait_s
    assert office.queries == 1
    assert len(set(times)) == 1
    assert times[0] is not None
    assert times[0] > since


def test_an_answer_asked_for_before_the_question_is_no_news(office: Office) -> None:
    """However young it is."""
    first, second = office.desk(), office.desk()
    look(first)
    with second.visit(Purpose.OBSERVE, office.clock()) as visit:
        assert look(second).words == "answer 2"
    assert visit.at is not None
    assert visit.at > visit.began
    with second.visit(Purpose.OBSERVE, 0.0):
        assert look(second, fresh=True).words == "answer 3"


def test_an_answer_is_news_once(office: Office) -> None:
    """Whoever has had it asks for another; whoever comes late shares that one."""
    first, second = office.desk(), office.desk()
    had: list[float | None] = [0.0, 0.0]
    for turn in range(1, 5):
        for number, desk in enumerate((first, second)):
            with desk.visit(Purpose.OBSERVE, had[number]) as visit:
                assert look(desk).words == f"answer {turn}"
            had[number] = visit.at
            office.clock.seconds += 2
    assert office.queries == 4


def test_only_the_same_question_to_the_same_scheduler_is_shared(
    office: Office,
) -> None:
    """Another user's name, another cell, another backend: another question."""
    desk, foreign = office.desk(), office.desk(backend="slurm")
    for one in (desk, foreign):
        with one.visit(Purpose.OBSERVE, 0.0):
            look(one)
            look(one, OTHER_LOOK)
            one.look(LOOK, {}, 5.0, where="another cell")
    assert office.queries == 6


def test_a_spent_budget_puts_off_what_can_wait_and_nothing_else(
    office: Office,
) -> None:
    """Of all runs together; a kill is as free as before."""
    desks = [office.desk(budget=2) for _ in range(3)]
    visits = []
    for desk in desks:
        with desk.visit(Purpose.OBSERVE, office.clock()) as visit:
            look(desk)
        visits.append(visit)
    assert office.queries == 2
    assert [visit.put_off for visit in visits] == [False, False, True]
    assert visits[2].wait_s == pytest.approx(60, abs=0.1)
    for purpose in set(Purpose) - {Purpose.OBSERVE, Purpose.AUTOPSY}:
        with desks[2].visit(purpose) as visit:
            assert isinstance(look(desks[2]), Answer)
            assert isinstance(desks[2].run(["x"], {}, 5.0), Answer)
        assert not visit.wait_s
    office.clock.seconds += 61
    with desks[2].visit(Purpose.OBSERVE, office.clock()):
        assert isinstance(look(desks[2]), Answer)


def test_who_waits_shares_the_next_query(office: Office) -> None:
    """Put off together, three runs cost one query when their time has come."""
    desks = [office.desk(budget=1) for _ in range(3)]
    look_at = office.clock()
    with desks[0].visit(Purpose.OBSERVE, look_at):
        look(desks[0])
    office.clock.seconds += 1
    since, waits = office.clock(), []
    for desk in desks:
        with desk.visit(Purpose.OBSERVE, since) as visit:
            assert isinstance(look(desk), NoAnswer)
        waits.append(visit.wait_s)
    office.clock.seconds += max(waits)
    for desk in desks:
        with desk.visit(Purpose.OBSERVE, since):
            assert look(desk).words == "answer 2"
    assert office.queries == 2


def test_an_errand_is_done_whole_or_not_at_all(office: Office) -> None:
    """Half an autopsy would make half a verdict; what was more than allowed counts."""
    desk = office.desk(budget=3)
    with desk.visit(Purpose.AUTOPSY) as visit:
        for _ in range(5):
            assert isinstance(desk.run(["qacct"], {}, 5.0, where="cell"), Answer)
    assert not visit.put_off
    with desk.visit(Purpose.AUTOPSY) as visit:
        outcomes = [desk.run(["qacct"], {}, 5.0, where="cell") for _ in range(2)]
        office.clock.seconds += 61
        outcomes.append(desk.run(["qacct"], {}, 5.0, where="cell"))
    assert visit.put_off
    assert not any(isinstance(outcome, Answer) for outcome in outcomes)
    assert desk.counts == {"autopsy": 5}


def test_if_one_run_finds_the_master_down_the_others_leave_it_alone(
    office: Office,
) -> None:
    """Until its quiet time is over, or anybody's word reaches it."""
    first, second = office.desk(), office.desk()
    well = office.scheduler.answer
    office.scheduler.answer = lambda: Answer(status=1, errors="cannot reach master")
    with first.visit(Purpose.OBSERVE) as visit:
        assert look(first).words == "cannot reach master"
    assert 0 < visit.wait_s <= 1
    assert not visit.put_off  # it was asked: the user is to hear of that
    with second.visit(Purpose.OBSERVE) as visit:
        assert "cannot reach master" in look(second).words
    assert visit.put_off
    assert office.queries == 1
    office.scheduler.answer = well
    with second.visit(Purpose.SUBMIT):
        second.run(["qsub"], {}, 5.0, where="cell")
    with first.visit(Purpose.OBSERVE):
        assert isinstance(look(first), Answer)


def test_an_answer_that_makes_no_sense_is_a_failure(office: Office) -> None:
    """And is kept for nobody."""
    desk = office.desk()
    with desk.visit(Purpose.OBSERVE, 0.0) as visit:
        desk.look(LOOK, {}, 5.0, sound=lambda answer: "jobs" in answer.output)
    assert visit.wait_s
    office.clock.seconds += 5
    with desk.visit(Purpose.OBSERVE, 0.0):
        assert look(desk).words == "answer 2"


def test_pauses_of_a_kill_check_are_the_ledger_s(office: Office) -> None:
    """A user who waits for his prompt is not made to wait for a back-off."""
    desk = office.desk()
    office.scheduler.answer = lambda: NoAnswer(text="it hangs", started=True)
    for _ in range(3):
        with desk.visit(Purpose.KILL_CHECK, 0.0) as visit:
            assert look(desk).words == "it hangs"
        assert not visit.wait_s
    assert desk.counts == {"kill check": 3}


def test_library_calls_are_queries_too(office: Office) -> None:
    """Such as DRMAA's."""
    desk = office.desk()
    with desk.visit(Purpose.SUBMIT):
        desk.note()
    assert desk.counts == {"submit": 1}
