"""Asking for deletion, and reading the answer."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.sge.doubles import recorded

from gridmap.backend import Handle, Killed
from gridmap_sge import qdel

TASKS = [Handle("162", str(n)) for n in (1, 3, 150, 151, 152, 160, 170, 171, 180)]


def test_ranges_keep_the_command_short() -> None:
    """One argument for each range, one call for all."""
    handles = [Handle("7", str(n)) for n in (3, 1, 2, 9)] + [
        Handle("8"),
        Handle("5", "1"),
    ]
    assert list(qdel.arguments(handles)) == [("8", "5.1", "7.1-3", "7.9")]
    assert list(qdel.arguments([])) == []


def test_very_many_ranges_take_more_calls() -> None:
    """A command line is not endless."""
    handles = [Handle("7", str(2 * n + 1)) for n in range(qdel.LARGEST_CALL + 1)]
    calls = list(qdel.arguments(handles))
    assert [len(call) for call in calls] == [qdel.LARGEST_CALL, 1]


def test_running_tasks_are_registered() -> None:
    """They are being ended."""
    handles = [Handle("158", "1"), Handle("158", "2"), Handle("158", "3")]
    told = qdel.parse(recorded("qdel_running.txt"), handles)
    assert told == {handles[0]: Killed.KILLED, handles[1]: Killed.KILLED}


def test_waiting_tasks_are_deleted() -> None:
    """Ranges with steps name just these."""
    told = qdel.parse(recorded("qdel_waiting.txt"), TASKS)
    assert {h.task for h in told} == {"150", "151", "152", "160", "170", "180"}
    assert set(told.values()) == {Killed.KILLED}


def test_what_never_was_is_gone() -> None:
    """A job that is not there, and a task that is not."""
    handles = [Handle("99999", "1"), Handle("162", "777"), Handle("162", "1")]
    assert qdel.parse(recorded("qdel_gone.txt"), handles) == {
        handles[0]: Killed.GONE,
        handles[1]: Killed.GONE,
    }


def test_of_a_whole_job_only_what_was_named_is_certain() -> None:
    """``deleted job`` speaks of tasks that waited, and may have been few."""
    told = qdel.parse(recorded("qdel_mixed.txt"), [*TASKS, Handle("162")])
    assert set(told) == {Handle("162", "1"), Handle("162", "3"), Handle("162")}
    assert qdel.parse(recorded("qdel_again.txt"), TASKS) == {}


def test_a_job_that_is_no_array_is_told_by_its_job() -> None:
    """Both of qdel's sentences."""
    text = "me has registered the job 5 for deletion\nme has deleted job 6\n"
    handles = [Handle("5"), Handle("6"), Handle("5", "1")]
    assert set(qdel.parse(text, handles)) == {Handle("5"), Handle("6")}


@given(text=st.text(max_size=80))
def test_any_text_is_an_answer(text: str) -> None:
    """No text raises, or ends what it does not name."""
    assert qdel.parse(f"qdel: {text}", TASKS) == {}
