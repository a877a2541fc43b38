"""Asking why runners wait, politely."""

import pytest
from tests.unit.sge.doubles import INSTALLATION, FakeClock, FakePrograms, recorded

from gridmap.backend import Handle, Seen, SeenState
from gridmap.desk import Desk
from gridmap.programs import Answer, NoAnswer
from gridmap_sge.programs import Programs
from gridmap_sge.waiting import INTERVAL_S, MOST_JOBS, Waiting

QUEUED = Seen(state=SeenState.QUEUED, raw="qw")
BROKEN = Seen(state=SeenState.BLOCKED, raw="Eqw")
IMPOSSIBLE = Handle("163", "1")


class Room:
    """A waiting room among stand-ins."""

    def __init__(self) -> None:
        self.programs = FakePrograms()
        self.programs.say("qstat -j", recorded("qstat_j.txt"))
        self.programs.say("qalter -w v 163", recorded("qalter_never.txt"))
        self.clock = FakeClock()
        self.waiting = Waiting(
            Programs(INSTALLATION, {}, Desk(run=self.programs)), self.clock
        )

    def look(self, seen: dict[Handle, Seen], later_s: float = 0) -> dict[Handle, Seen]:
        """Explain, some time later."""
        self.clock.seconds += later_s
        return self.waiting.explain(seen)


@pytest.fixture
def room() -> Room:
    """Make one."""
    return Room()


def test_nothing_is_asked_while_nothing_waits(room: Room) -> None:
    """A healthy run costs the master nothing."""
    running = {Handle("7", "1"): Seen(state=SeenState.RUNNING, raw="r", node="n1")}
    assert room.look(running) == running
    assert room.programs.asked == []


def test_what_waits_is_explained_at_once(room: Room) -> None:
    """One question, for all."""
    seen = room.look({IMPOSSIBLE: QUEUED, Handle("161", "1"): QUEUED})
    assert seen[IMPOSSIBLE].reason == "at all.q@n1, all.q@n2 all slots are taken"
    assert seen[IMPOSSIBLE].state is SeenState.QUEUED
    assert room.programs.asked == ["qstat -j 161,163"]


def test_questions_come_once_a_minute(room: Room) -> None:
    """In between, the old answer is given."""
    first = room.look({IMPOSSIBLE: QUEUED})
    for _ in range(5):
        assert room.look({IMPOSSIBLE: QUEUED}, later_s=INTERVAL_S / 10) == first
    assert len(room.programs.asked) == 1


def test_what_can_never_run_is_found_out(room: Room) -> None:
    """After a minute validation tells a full cluster from an impossible request."""
    room.look({IMPOSSIBLE: QUEUED})
    seen = room.look({IMPOSSIBLE: QUEUED}, later_s=INTERVAL_S)
    assert seen[IMPOSSIBLE].state is SeenState.BLOCKED
    assert seen[IMPOSSIBLE].reason.startswith(
        "no queue can ever run it: (-l h_vmem=500G)"
    )
    assert seen[IMPOSSIBLE].raw == "qw"
    room.look({IMPOSSIBLE: QUEUED}, later_s=INTERVAL_S)
    assert room.programs.asked.count("qalter -w v 163") == 1


def test_validation_that_proves_nothing_changes_nothing(room: Room) -> None:
    """Load values are unknown to it."""
    room.programs.say("qalter -w v 163", recorded("qsub_unproven.txt"))
    room.look({IMPOSSIBLE: QUEUED})
    seen = room.look({IMPOSSIBLE: QUEUED}, later_s=INTERVAL_S)
    assert seen[IMPOSSIBLE].state is SeenState.QUEUED


def test_errors_are_explained_once(room: Room) -> None:
    """When they are first seen, whenever that is."""
    room.look({IMPOSSIBLE: QUEUED})
    handle = Handle("155", "2")
    seen = room.look({IMPOSSIBLE: QUEUED, handle: BROKEN})
    assert seen[handle].reason == (
        "can't chdir to /nonexistent: No such file or directory"
    )
    room.look({IMPOSSIBLE: QUEUED, handle: BROKEN})
    assert room.programs.asked == ["qstat -j 163", "qstat -j 155"]


def test_an_error_without_a_reason_is_one(room: Room) -> None:
    """The state speaks for itself."""
    room.programs.say("qstat -j", "job_number: 7\n")
    seen = room.look({Handle("7", "1"): BROKEN})
    assert seen[Handle("7", "1")].reason == "it is in error state"


@pytest.mark.parametrize(
    "answer", [NoAnswer(text="hangs", started=True), Answer(status=1, errors="rubbish")]
)
def test_a_master_that_does_not_answer_leaves_no_reason(
    room: Room, answer: Answer | NoAnswer
) -> None:
    """The states stand, and it is not asked again at once."""
    room.programs.say("qstat -j", answer)
    room.programs.say("qalter -w v 163", answer)
    seen = {IMPOSSIBLE: QUEUED}
    assert room.look(seen) == seen
    assert room.look(seen, later_s=INTERVAL_S) == seen
    assert room.look(seen, later_s=1) == seen
    assert len(room.programs.asked) <= 3


def test_only_some_of_many_are_asked_about(room: Room) -> None:
    """The question has a bounded size."""
    room.look({Handle(str(job), "1"): QUEUED for job in range(1000, 1100)})
    (line,) = room.programs.asked
    assert len(line.split(",")) == MOST_JOBS
