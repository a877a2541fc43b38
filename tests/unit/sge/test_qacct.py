"""What accounting says of deaths: the table in the module's docstring, on real records."""

import signal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.sge.doubles import recorded

from gridmap.backend import Ending, Handle, Limit
from gridmap_sge import qacct
from gridmap_sge.qacct import Record

KILLED = int(signal.SIGKILL)


def record(name: str) -> Record:
    """Return the last record of a recording."""
    return qacct.parse(recorded(f"qacct_{name}.txt"))[-1]


@pytest.mark.parametrize(
    ("name", "aborted", "ending", "limit", "status", "number"),
    [
        ("e0", None, Ending.ITSELF, None, 0, None),
        ("e3", None, Ending.ITSELF, None, 3, None),
        ("e137", None, Ending.ITSELF, None, 137, None),
        ("e137", False, Ending.ITSELF, None, 137, None),
        ("k9", None, None, None, 137, KILLED),
        ("k9", False, Ending.ITSELF, None, 137, KILLED),
        ("sv", None, Ending.ITSELF, None, 139, int(signal.SIGSEGV)),
        ("hrt", None, Ending.SCHEDULER_LIMIT, Limit.TIME, 137, KILLED),
        ("hrt", False, Ending.SCHEDULER_LIMIT, Limit.TIME, 137, KILLED),
        ("srt", None, Ending.SCHEDULER_LIMIT, Limit.TIME, 138, int(signal.SIGUSR1)),
        ("vm", None, Ending.SCHEDULER_LIMIT, Limit.MEMORY, 137, KILLED),
        ("del", True, Ending.PERSON, None, 137, KILLED),
        ("del", None, None, None, 137, KILLED),
        ("noprog", True, Ending.START, None, None, None),
        ("nowd", None, Ending.START, None, None, None),
        ("e100", True, Ending.ITSELF, None, 100, None),
        ("lost", None, Ending.NODE, None, None, None),
        ("lost", True, Ending.NODE, None, None, None),
        ("rr", None, None, None, None, None),
    ],
)
def test_each_death_is_told(
    name: str,
    aborted: bool | None,
    ending: Ending | None,
    limit: Limit | None,
    status: int | None,
    number: int | None,
) -> None:
    """Written down by a person who saw the job die."""
    told = qacct.autopsy(record(name), aborted=aborted)
    assert (told.ending, told.limit, told.exit_status, told.signal) == (
        *(ending, limit, status, number),
    )


def test_memory_is_in_bytes() -> None:
    """A process of 300 MiB; qacct prints KiB as if they were bytes."""
    told = qacct.autopsy(record("mem"))
    assert told.peak_memory is not None
    assert 300 * 2**20 < told.peak_memory < 320 * 2**20
    assert told.node == "n1"


def test_a_limit_of_memory_is_shown_with_what_it_counts() -> None:
    """All processes together had 274 MiB, the largest alone is not what was limited."""
    told = qacct.autopsy(record("vm"))
    assert told.peak_memory is not None
    assert told.peak_memory > 150 * 2**20
    assert "h_vmem=150M" in told.text
    assert "failed 37" in told.text


def test_limits_of_memory_are_by_slot() -> None:
    """Two slots may have twice as much; what ended it then was the time."""
    one = attrs.evolve(record("vm"), slots=2, requests={"h_vmem": "150M"})
    assert qacct.limit_hit(one) is Limit.TIME


@pytest.mark.parametrize(
    ("requests", "limit"),
    [
        ({}, None),
        ({"h_rt": "0:0:3"}, Limit.TIME),
        ({"h_rt": "1:0:0"}, None),
        ({"h_rt": "1:0:0", "h_cpu": "10"}, Limit.TIME),
        ({"h_vmem": "1k"}, Limit.MEMORY),
        ({"h_vmem": "1K"}, Limit.MEMORY),
        ({"h_vmem": "INFINITY"}, None),
        ({"h_vmem": "9g"}, Limit.TIME),
        ({"h_rt": "INFINITY"}, None),
    ],
)
def test_the_limit_is_the_one_that_was_reached(
    requests: dict[str, str], limit: Limit | None
) -> None:
    """Where none asked for was reached, it was the queue's, which is not known."""
    one = attrs.evolve(record("hrt"), requests=requests)
    assert qacct.limit_hit(one) is limit


@pytest.mark.parametrize(
    ("requests", "queue", "limit"),
    [
        ({}, {"h_rt": "3"}, Limit.TIME),
        ({"h_rt": "9"}, {"h_rt": "3"}, Limit.TIME),
        ({}, {"h_rt": "9"}, None),
        ({}, {"h_vmem": "1K"}, Limit.MEMORY),
        ({}, {"h_cpu": "1"}, Limit.TIME),
        ({}, {}, Limit.MEMORY),
        ({"h_vmem": "9G"}, {}, Limit.MEMORY),
        ({"h_vmem": "1.2.3"}, None, None),
    ],
)
def test_a_queues_limit_may_be_what_struck(
    requests: dict[str, str], queue: dict[str, str] | None, limit: Limit | None
) -> None:
    """Where neither request nor queue limits time, a consumable's default was it."""
    one = attrs.evolve(record("hrt"), requests=requests)
    infinite = dict.fromkeys(("h_rt", "h_cpu", "h_vmem"), "INFINITY")
    known = None if queue is None else {**infinite, **queue}
    assert qacct.limit_hit(one, known) is limit


def test_a_warning_signal_without_a_soft_limit_is_no_limit() -> None:
    """Somebody else may have sent SIGUSR1."""
    one = attrs.evolve(record("srt"), requests={})
    assert qacct.autopsy(one).ending is Ending.ITSELF


@pytest.mark.parametrize("status", [126, 127])
def test_a_program_that_is_not_there_never_started(status: int) -> None:
    """The shell and env say so with their exit status."""
    one = attrs.evolve(record("e3"), exit_status=status)
    assert qacct.autopsy(one).ending is Ending.START


def test_the_last_record_of_a_task_counts() -> None:
    """Numbers come again, and a rescheduled task has several."""
    text = recorded("qacct_e3.txt").replace("jobnumber    146", "jobnumber    145")
    records = qacct.parse(recorded("qacct_e0.txt") + text)
    assert [one.exit_status for one in records] == [0, 3]
    assert qacct.last(records)[Handle("145")].exit_status == 3


def test_tasks_have_their_handles() -> None:
    """An array's records come in any order."""
    handles = {one.handle for one in qacct.parse(recorded("qacct_nowd.txt"))}
    assert handles == {Handle("155", "1"), Handle("155", "2")}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("Mon Nov 23 00:42:57 2026", 57), ("11/23/2026 00:42:57.123", 57)],
)
def test_dates_of_several_versions_are_read(text: str, seconds: int) -> None:
    """8.1.9's and Univa's."""
    old = "qsub_time    Mon Nov 23 00:42:57 2026"
    one = qacct.parse(recorded("qacct_vm.txt").replace(old, f"qsub_time    {text}"))[0]
    assert one.submitted is not None
    assert (one.submitted.minute, one.submitted.second) == (42, seconds)


def test_a_record_of_rescheduling_has_no_date() -> None:
    """It says 1970, which is nobody's."""
    assert record("rr").submitted is None


def test_nothing_is_read_from_no_record() -> None:
    """Not found, and rubbish."""
    assert qacct.parse(recorded("qacct_unknown.txt")) == ()
    assert qacct.parse("jobnumber x\nfailed 0\n=====\njobnumber 7\n") == ()


@given(text=st.text(max_size=80), values=st.lists(st.text(max_size=12), max_size=12))
def test_any_text_is_records(text: str, values: list[str]) -> None:
    """Rubbish in any field never raises, in parsing or in judging."""
    names = (
        *("taskid", "exit_status", "ru_maxrss", "maxvmem", "qsub_time", "slots"),
        *("ru_wallclock", "category", "hostname", "owner", "qname", "group"),
    )
    qacct.parse(text)
    lines = [f"{name} {value}" for name, value in zip(names, values, strict=False)]
    for one in qacct.parse("\n".join(["jobnumber 7", "failed 37 : x", *lines])):
        qacct.autopsy(one)
    qacct.parse("\n".join(["jobnumber 7", f"failed {text}", *lines]))


@given(
    failed=st.integers(0, 110),
    status=st.none() | st.integers(0, 255),
    aborted=st.none() | st.booleans(),
)
def test_a_failure_never_looks_like_success(
    failed: int, status: int | None, aborted: bool | None
) -> None:
    """What did not start, or lost its node, has no exit status of 0."""
    one = attrs.evolve(record("e0"), failed=failed, exit_status=status)
    told = qacct.autopsy(one, aborted=aborted)
    if told.ending in {Ending.START, Ending.NODE} and failed:
        assert told.exit_status is None
    if told.limit is not None:
        assert told.ending is Ending.SCHEDULER_LIMIT
