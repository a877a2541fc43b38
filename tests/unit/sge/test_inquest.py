"""Joining DRMAA's word with accounting's."""

import re
import signal
from datetime import datetime

import attrs
import pytest
from tests.unit.sge.doubles import INSTALLATION, FakeClock, FakePrograms, recorded

from gridmap.backend import Autopsy, Ending, Handle, Limit
from gridmap.desk import Desk
from gridmap.programs import Answer, NoAnswer
from gridmap.resources import Resources
from gridmap_sge import inquest
from gridmap_sge.inquest import PATIENCE_S, Inquest
from gridmap_sge.programs import Programs
from gridmap_sge.submission import Ended

USAGE = {"ru_maxrss": "4096.0", "ru_wallclock": "4.0", "end_time": "13.0"}
EXITED = Ended(ran=True, exit_status=3, usage=USAGE)
KILLED = Ended(ran=True, signal="SIGKILL", usage=USAGE)
DELETED = Ended(ran=True, aborted=True, usage=USAGE)
LOST = Ended(ran=True, usage={"submission_time": "9.0"})
"""As DRMAA told of a task whose node lost power, 8.1.9."""
FIRST, SECOND = Handle("158", "1"), Handle("158", "2")
NOT_FOUND = Answer(status=1, errors="error: job id 158 not found\n")


class Room:
    """An inquest among stand-ins."""

    def __init__(self) -> None:
        self.programs = FakePrograms()
        self.programs.say("qacct", recorded("qacct_del.txt"))
        self.clock = FakeClock()
        self.inquest = Inquest(
            Programs(INSTALLATION, {}, Desk(run=self.programs)), self.clock
        )

    def examine(self, *handles: Handle, **known: object) -> dict[Handle, Autopsy]:
        """Ask about handles."""
        return self.inquest.examine(handles, **known)  # type: ignore[arg-type]


@pytest.fixture
def room() -> Room:
    """Make one."""
    return Room()


def test_a_plain_end_needs_no_accounting(room: Room) -> None:
    """DRMAA's word is enough, and costs the site nothing."""
    room.inquest.hear({FIRST: EXITED})
    told = room.examine(FIRST, nodes={FIRST: "n1"})[FIRST]
    assert (told.ending, told.exit_status, told.node) == (Ending.ITSELF, 3, "n1")
    assert told.peak_memory == 4 * 2**20
    assert room.programs.asked == []


def test_the_rest_is_one_question_an_array(room: Room) -> None:
    """With just the tasks that are asked about."""
    room.inquest.hear({FIRST: DELETED, SECOND: KILLED})
    told = room.examine(FIRST, SECOND, Handle("7"))
    assert told[FIRST].ending is Ending.PERSON
    assert told[SECOND].ending is Ending.ITSELF
    assert room.programs.asked == ["qacct -j 158 -t 1-2", "qacct -j 7"]


def test_a_deletion_that_was_seen_counts(room: Room) -> None:
    """Where DRMAA does not know the job, the queue's state may have told."""
    assert room.examine(FIRST)[FIRST].ending is None
    assert room.examine(FIRST, deleted={FIRST})[FIRST].ending is Ending.PERSON


def test_who_waited_a_moment_ago_and_never_ran_was_deleted(room: Room) -> None:
    """Accounting has no record of such, and need not be waited for."""
    room.programs.say("qacct", NOT_FOUND)
    room.inquest.hear({FIRST: Ended(ran=False)})
    assert room.examine(FIRST) == {}
    told = room.examine(FIRST, waiting={FIRST})[FIRST]
    assert told.ending is Ending.PERSON


def test_a_lost_node_does_not_look_like_a_success(room: Room) -> None:
    """DRMAA says nothing of it that it does not say of an end like any other."""
    room.programs.say("qacct", recorded("qacct_lost.txt"))
    handle = Handle("89", "1")
    room.inquest.hear({handle: LOST})
    told = room.examine(handle)[handle]
    assert (told.ending, told.exit_status) == (Ending.NODE, None)


@pytest.mark.parametrize(
    ("answer", "limit"),
    [
        (Answer(status=0, output=recorded("qconf_sq.txt")), Limit.MEMORY),
        (Answer(status=1, errors="no such queue"), None),
        (NoAnswer(text="hangs", started=True), None),
    ],
)
def test_a_limit_that_nobody_asked_for_is_the_queues(
    room: Room, answer: Answer | NoAnswer, limit: Limit | None
) -> None:
    """The queue is asked, and only for such a death."""
    text = recorded("qacct_vm.txt").replace("-l h_vmem=150M", "NONE")
    room.programs.say("qacct", text)
    room.programs.say("qconf -sq all.q", answer)
    told = room.examine(Handle("150"))[Handle("150")]
    assert (told.ending, told.limit) == (Ending.SCHEDULER_LIMIT, limit)
    assert len(room.programs.asked) == 2


def test_accounting_is_waited_for(room: Room) -> None:
    """Some seconds; then DRMAA's word has to do."""
    room.programs.say("qacct", NOT_FOUND)
    room.inquest.hear({FIRST: KILLED})
    assert room.examine(FIRST) == {}
    room.clock.seconds += PATIENCE_S / 2
    assert room.examine(FIRST) == {}
    room.clock.seconds += PATIENCE_S / 2
    assert room.examine(FIRST)[FIRST].signal == signal.SIGKILL


@pytest.mark.parametrize(
    "answer",
    [
        NoAnswer(text="hangs", started=True),
        Answer(status=1, errors="/common/accounting: No such file or directory"),
    ],
)
def test_without_accounting_drmaas_word_has_to_do(
    room: Room, answer: Answer | NoAnswer
) -> None:
    """At once; and who is not known to either is left out."""
    room.programs.say("qacct", answer)
    room.inquest.hear({FIRST: DELETED})
    assert room.examine(FIRST, SECOND)[FIRST].ending is Ending.PERSON
    assert room.examine(SECOND) == {}


def test_a_record_of_rescheduling_is_no_end(room: Room) -> None:
    """It looks like one: exit status 0."""
    room.programs.say("qacct", recorded("qacct_rr.txt"))
    handle = Handle("159", "1")
    assert room.examine(handle) == {}
    room.inquest.hear({handle: Ended(ran=False)})
    assert room.examine(handle) == {}
    assert room.examine(handle, deleted={handle})[handle].ending is Ending.PERSON


def test_a_start_before_is_not_this_ones_end(room: Room) -> None:
    """A node that was lost leaves a record of its own; the last start's comes later."""
    first = recorded("qacct_lost.txt")
    room.programs.say("qacct", first)
    handle = Handle("89", "1")
    assert room.examine(handle, lives={handle: 2}) == {}
    last = re.sub(r"^failed .*$", "failed       0", first, flags=re.MULTILINE)
    room.programs.say("qacct", first + last)
    told = room.examine(handle, lives={handle: 2})[handle]
    assert told.ending is Ending.ITSELF
    assert room.examine(handle, lives={handle: 3}) == {}
    assert room.examine(handle)[handle].ending is Ending.ITSELF


def test_what_left_no_record_never_ran(room: Room) -> None:
    """DRMAA only knows that it is gone, perhaps because it missed its end."""
    room.programs.say("qacct", NOT_FOUND)
    room.inquest.hear({FIRST: Ended(ran=False), SECOND: Ended(ran=False)})
    assert room.examine(FIRST) == {}
    room.clock.seconds += PATIENCE_S
    assert room.examine(FIRST)[FIRST].ending is Ending.PERSON
    room.programs.say("qacct", recorded("qacct_del.txt"))
    assert room.examine(SECOND)[SECOND].signal == signal.SIGKILL


def test_old_records_are_another_jobs(room: Room) -> None:
    """Numbers come again when a master starts from new."""
    old = {"158": datetime(2026, 11, 26, 0, 0)}  # noqa: DTZ001 - local, as qacct's
    assert room.examine(FIRST, submitted=old) == {}
    new = {"158": datetime(2026, 11, 23, 0, 44)}  # noqa: DTZ001
    assert set(room.examine(FIRST, submitted=new)) == {FIRST}


@pytest.mark.parametrize(
    ("ended", "resources", "ending", "limit"),
    [
        (Ended(ran=False), None, None, None),
        (EXITED, None, Ending.ITSELF, None),
        (attrs.evolve(EXITED, exit_status=127), None, Ending.START, None),
        (DELETED, None, Ending.PERSON, None),
        (attrs.evolve(DELETED, usage={"end_time": "0.0"}), None, None, None),
        (KILLED, None, None, None),
        (KILLED, Resources(), None, None),
        (KILLED, Resources(walltime=4), Ending.SCHEDULER_LIMIT, Limit.TIME),
        (KILLED, Resources(walltime=5), None, None),
        (attrs.evolve(KILLED, signal="SIGSEGV"), Resources(walltime=1), Ending.ITSELF, None),
        (LOST, None, None, None),
        (attrs.evolve(KILLED, signal="what"), None, Ending.ITSELF, None),
    ],
)  # fmt: skip
def test_what_drmaas_word_alone_proves(
    ended: Ended,
    resources: Resources | None,
    ending: Ending | None,
    limit: Limit | None,
) -> None:
    """Less than with accounting, and nothing that may be false."""
    told = inquest.by_drmaa(ended, None, resources)
    assert (told.ending, told.limit) == (ending, limit)
    assert told.text.startswith("DRMAA: ")
