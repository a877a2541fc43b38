"""Exceptions come back as they were, with their remote traceback as cause."""

import os
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import NoReturn

import pytest
from tests import jobs

from gridmap import Job, Retry, grid_map, process_jobs
from gridmap.errors import (
    JobException,
    RemoteError,
    RemoteTraceback,
    UnpicklableError,
)
from gridmap.events import JobFailed
from gridmap.verdict import Cause


def test_an_exception_is_raised_as_it_was() -> None:
    """Type, arguments and attributes are the user's own."""
    with pytest.raises(jobs.Teapot) as caught:
        grid_map(jobs.complain, [2, 5], backend="local")
    assert caught.value.litres == 2.5


def test_an_exception_shows_where_it_was_raised() -> None:
    """Its cause holds the traceback of the node, and any traceback printed shows it."""
    with pytest.raises(jobs.Teapot) as caught:
        grid_map(jobs.complain, [1], backend="local")
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    text = "".join(traceback.format_exception(caught.value))
    assert "in complain" in text
    assert "raise Teapot(number / 2)" in text


def test_observers_are_told_where_an_exception_was_raised() -> None:
    """The traceback is in the event, for the last attempt and for those before."""
    told: list[JobFailed] = []

    def watch(event: object) -> None:
        if isinstance(event, JobFailed):
            told.append(event)

    with pytest.raises(jobs.Teapot):
        grid_map(
            jobs.complain,
            [1],
            backend="local",
            progress=watch,
            retry=Retry(jobs.Teapot, times=1),
        )
    assert [event.again for event in told] == [True, False]
    assert all("raise Teapot(number / 2)" in event.traceback for event in told)


def test_causes_of_an_exception_are_kept() -> None:
    """What the user raised *from* is in the remote traceback."""

    def fail(_: object) -> None:
        try:
            os.environ["NO SUCH VARIABLE"]
        except KeyError as error:
            msg = "outer"
            raise ValueError(msg) from error

    with pytest.raises(ValueError, match="outer") as caught:
        grid_map(fail, [1], backend="local")
    assert "KeyError: 'NO SUCH VARIABLE'" in str(caught.value.__cause__)


def test_finished_results_are_not_lost() -> None:
    """What was finished before the exception is in its `gridmap_results`."""

    def late(number: int) -> int:
        if number == 40:
            raise jobs.Teapot(number)
        return number

    with pytest.raises(jobs.Teapot) as caught:
        grid_map(late, range(200), backend="local", max_workers=1)
    results = caught.value.gridmap_results  # type: ignore[attr-defined]  # see grid_map
    assert set(range(40)) <= set(results)
    assert all(results[number] == number for number in results)


def test_what_ends_a_map_before_its_first_job_says_that_nothing_is_done() -> None:
    """Whoever looks into `gridmap_results` finds it, however early the end was."""

    def inputs() -> Iterator[int]:
        yield 1
        raise LookupError

    with pytest.raises(LookupError) as caught:
        grid_map(jobs.square, inputs(), backend="local")
    assert caught.value.gridmap_results == {}  # type: ignore[attr-defined]  # see grid_map
    with pytest.raises(UnpicklableError) as refused:
        process_jobs([Job(jobs.same, [threading.Lock()])], backend="local")
    assert refused.value.gridmap_results == {}  # type: ignore[attr-defined]  # likewise


def test_finished_jobs_are_not_lost() -> None:
    """`process_jobs` leaves results and exceptions on the jobs themselves."""
    made = [Job(jobs.complain, [number]) for number in (0, 2, 3)]
    with pytest.raises(jobs.Teapot):
        process_jobs(made, backend="local", max_workers=1)
    assert [job.ret for job in made[:2]] == [0, 2]
    assert isinstance(made[2].exception, jobs.Teapot)
    assert "in complain" in str(made[2].traceback)


def test_exceptions_can_take_the_place_of_results() -> None:
    """With `return_exceptions` the map goes on, and each stands where it belongs."""
    results = grid_map(
        jobs.complain, range(100), backend="local", return_exceptions=True
    )
    for number, result in enumerate(results):
        if number % 2:
            assert isinstance(result, jobs.Teapot)
            assert result.litres == number / 2
            assert isinstance(result.__cause__, RemoteTraceback)
        else:
            assert result == number


def test_an_exception_with_a_signature_of_its_own_comes_back() -> None:
    """One that cannot be made from its arguments keeps type, text and attributes."""
    with pytest.raises(jobs.Picky, match="salt and pepper") as caught:
        grid_map(jobs.be_picky, [1], backend="local")
    assert caught.value.two == "pepper"


def test_an_exception_without_a_text_is_raised_as_it_was() -> None:
    """A class whose `__str__` raises is the user's own too, to the run's end."""
    with pytest.raises(jobs.Mute):
        grid_map(jobs.raise_mute, [1], backend="local")


def test_an_exception_that_cannot_be_rebuilt_has_a_stand_in() -> None:
    """Type, text and traceback of such an exception are not lost."""
    with pytest.raises(RemoteError) as caught:
        grid_map(jobs.be_stubborn, [1], backend="local")
    error = caught.value
    assert error.type_name.endswith("jobs.Stubborn")
    assert error.text == "salt and pepper"
    assert "in be_stubborn" in error.traceback_text
    assert "Stubborn: salt and pepper" in str(error)


def test_an_exception_with_an_unpicklable_part_has_a_stand_in() -> None:
    """So has one that cannot even be sent."""
    import threading

    def fail(_: object) -> None:
        msg = "locked"
        raise ValueError(msg, threading.Lock())

    with pytest.raises((RemoteError, ValueError), match="locked") as caught:
        grid_map(fail, [1], backend="local")
    assert "in fail" in str(caught.value.__cause__) + str(
        getattr(caught.value, "traceback_text", "")
    )


def test_an_exception_that_is_no_exception_is_raised_too() -> None:
    """A job's KeyboardInterrupt is an answer, not the end of its worker."""
    results = grid_map(jobs.interrupt, [1, 2], backend="local", return_exceptions=True)
    assert [type(result) for result in results] == [KeyboardInterrupt] * 2


def test_exception_groups_travel() -> None:
    """A group keeps its members."""

    def fail(_: object) -> None:
        msg = "several"
        raise ExceptionGroup(msg, [ValueError("a"), KeyError("b")])

    with pytest.raises(ExceptionGroup) as caught:
        grid_map(fail, [1], backend="local")
    assert [type(error) for error in caught.value.exceptions] == [ValueError, KeyError]


def test_stop_iteration_is_no_end_of_the_map() -> None:
    """StopIteration of a job is raised like any other."""

    def fail(_: object) -> None:
        raise StopIteration(5)

    results = grid_map(fail, [1, 2], backend="local", return_exceptions=True)
    assert [type(result) for result in results] == [StopIteration] * 2


@pytest.mark.parametrize(
    ("way", "status"), [("sys.exit()", 0), ("sys.exit(4)", 4), ("sys.exit('words')", 1)]
)
def test_sys_exit_is_told_with_its_status(way: str, status: int) -> None:
    """`sys.exit` in a job is a verdict EXITED, even with status 0: absence of a value."""
    with pytest.raises(JobException) as caught:
        grid_map(jobs.die, [way], backend="local")
    verdict = caught.value.verdict
    assert verdict.cause is Cause.EXITED
    assert verdict.exit_status == status
    assert "sys.exit" in str(caught.value)


class Leaving:
    """What cannot be pickled, and ends the process that tries."""

    def __reduce__(self) -> NoReturn:
        sys.exit(4)


def test_sys_exit_while_a_result_is_pickled_does_not_end_the_script() -> None:
    """It is the job's end, as if its function had called it."""
    with pytest.raises(JobException) as caught:
        grid_map(lambda _: Leaving(), [1], backend="local")
    assert caught.value.verdict.exit_status == 4
