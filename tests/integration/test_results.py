"""A map's results are those of a loop, in the same order, whatever the inputs are."""

import functools
import itertools
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import jobs

from gridmap import Job, JobMonitor, grid_map, process_jobs
from gridmap.events import JobsDone, JobsGranted
from gridmap.monitor.outcomes import Outcomes
from gridmap.testing import eventually


@pytest.mark.parametrize("count", [0, 1, 2, 10_000])
def test_results_are_in_the_order_of_the_inputs(count: int) -> None:
    """However many inputs there are, result n is that of input n."""
    inputs = list(range(count))
    random.Random(count).shuffle(inputs)  # noqa: S311 - an order, no secret
    results = grid_map(jobs.square, inputs, backend="local")
    assert results == [number * number for number in inputs]
    assert type(results) is list


def test_no_inputs_start_nothing(runs: Path) -> None:
    """A map over nothing is an empty list and costs no run."""
    assert grid_map(jobs.square, [], backend="local") == []
    assert process_jobs([], backend="local") == []
    assert not runs.exists()


@pytest.mark.parametrize(
    "make",
    [tuple, iter, dict.fromkeys, lambda n: (x for x in n)],
    ids=["tuple", "iterator", "dict", "generator"],
)
def test_inputs_may_be_any_iterable(make: Any) -> None:
    """Tuples, iterators, mappings and generators are read as a loop reads them."""
    results = grid_map(jobs.square, make(range(5)), backend="local")
    assert results == [0, 1, 4, 9, 16]


def test_lists_are_spread_and_nothing_else() -> None:
    """A list is many arguments; tuples, strings, dictionaries and None are one."""
    inputs: list[Any] = [[1, 2], (1, 2), "ab", {"a": 1}, None, [], [[1, 2]], {3}]
    results = grid_map(jobs.describe, inputs, backend="local")
    assert results == [
        ((1, 2), {}),
        (((1, 2),), {}),
        (("ab",), {}),
        (({"a": 1},), {}),
        ((None,), {}),
        ((), {}),
        (([1, 2],), {}),
        (({3},), {}),
    ]


def test_jobs_take_keyword_arguments() -> None:
    """`Job.kwlist` are the keyword arguments of the call; None are none."""
    made = [
        Job(jobs.describe, [1], {"key": 2}),
        Job(jobs.describe, [1, 2], kwlist=None),
        Job(jobs.describe, (), {}),
    ]
    results = process_jobs(made, backend="local")
    assert results == [((1,), {"key": 2}), ((1, 2), {}), ((), {})]


def test_jobs_of_one_list_may_differ() -> None:
    """Functions and needs are each job's own, results stand in the list's order."""
    made = [
        Job(jobs.square, [3]),
        Job(jobs.add, [1, 2], name="with words (2)", num_slots=2),
        Job(functools.partial(jobs.add, 5), [6], mem_free="100M"),
        Job(str.upper, ["x"]),
    ]
    assert process_jobs(made, backend="local") == [9, 3, 11, "X"]
    assert [job.ret for job in made] == [9, 3, 11, "X"]
    assert [job.id for job in made] == [0, 1, 2, 3]
    assert all(job.exception is None for job in made)


def test_the_same_job_may_stand_twice_in_a_list() -> None:
    """A job that stands twice in the list is run twice and gives two results."""
    job = Job(jobs.square, [4])
    assert process_jobs([job, job], backend="local") == [16, 16]


def test_a_job_can_be_used_again() -> None:
    """A second run of a job gives its new result, not the one it had."""
    job = Job(jobs.square, [4])
    process_jobs([job], backend="local")
    job.args = [5]
    assert process_jobs([job], backend="local") == [25]
    assert job.ret == 25


def test_a_failed_job_can_be_used_again() -> None:
    """What a job failed with is forgotten when it is run again."""
    job = Job(jobs.complain, [1])
    process_jobs([job], backend="local", return_exceptions=True)
    assert isinstance(job.ret, jobs.Teapot)
    job.args = [2]
    assert process_jobs([job], backend="local") == [2]
    assert job.exception is None
    assert job.traceback is None


def test_a_job_can_be_executed_here() -> None:
    """`Job.execute` runs the function in this process, as GridMap's did."""
    job = Job(jobs.complain, [2])
    job.execute()
    assert job.ret == 2
    job = Job(jobs.complain, [3])
    job.execute()
    assert isinstance(job.ret, jobs.Teapot)
    assert "Teapot" in str(job.traceback)


class Counted:
    """A generator that knows how far it was read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.read = 0

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.read = number + 1
            yield number


@pytest.mark.slow
def test_a_generator_is_not_read_far_ahead(tmp_path: Path) -> None:
    """While no job ends, only a window of a long generator is read; then all of it."""
    inputs = Counted(25_000)
    results: list[int] = []
    function = functools.partial(first_waits, str(tmp_path))
    granted = threading.Event()

    def watch(event: object) -> None:
        if isinstance(event, JobsGranted):
            granted.set()

    def run() -> None:
        found = grid_map(
            function, iter(inputs), backend="local", max_workers=1, progress=watch
        )
        results.extend(found)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert granted.wait(10)
        jobs_started(tmp_path)
        read = inputs.read
        assert 0 < read <= 10_000
    finally:
        (tmp_path / "go").touch()
        thread.join(25)
    assert results == list(range(25_000))


def first_waits(place: str, number: int) -> int:
    """Return the number; the first job holds all others up."""
    if number == 0:
        jobs.meet(place, number)
    return number


def jobs_started(place: Path) -> None:
    """Wait until the first job runs."""
    from tests import traces

    traces.await_marks(place, "job0")


def test_jobs_begin_while_a_slow_generator_goes_on(tmp_path: Path) -> None:
    """What it has given runs, as it shows by waiting for it; a list is of one piece."""

    def inputs() -> Iterator[str]:
        yield str(tmp_path / "first")
        threading.Event().wait(0.2)  # a source that takes its time
        yield str(tmp_path / "second")
        for name in ("first", "second"):
            eventually((tmp_path / name).exists, within_s=30.0, what=f"job {name}")
        yield str(tmp_path / "third")

    results = grid_map(jobs.touch, inputs(), backend="local")
    assert [Path(path).name for path in results] == ["first", "second", "third"]


def test_a_failure_does_not_wait_for_a_slow_generator() -> None:
    """The map ends with the exception; what was not read is not wanted."""

    def inputs() -> Iterator[int]:
        for number in itertools.count(3):
            yield number
            threading.Event().wait(0.1)
            assert number < 300, "nobody ended the map"

    with pytest.raises(jobs.Teapot):
        grid_map(jobs.complain, inputs(), backend="local")


def test_an_endless_generator_that_fails_ends_the_map() -> None:
    """What the generator raises is raised by the map, and everything is taken down."""

    def inputs() -> Iterator[int]:
        yield from range(3)
        msg = "no more water"
        raise LookupError(msg)

    with pytest.raises(LookupError, match="no more water"):
        grid_map(jobs.square, inputs(), backend="local")


def test_workers_are_no_more_than_was_asked() -> None:
    """`max_workers` bounds the processes that work at a time."""
    runners = grid_map(jobs.runner_pid, range(200), backend="local", max_workers=1)
    assert len(set(runners)) == 1


@pytest.mark.slow
def test_workers_are_as_many_as_was_asked(tmp_path: Path) -> None:
    """More workers than cores are started if the user says so: they meet."""
    results = grid_map(
        functools.partial(meet_others, str(tmp_path), 4),
        range(4),
        backend="local",
        max_workers=4,
    )
    assert len(set(results)) == 4


def meet_others(place: str, count: int, number: int) -> int:
    """Return the runner's process once *count* jobs run at the same time."""
    jobs.mark(place, f"job{number}")
    deadline = threading.Event()
    for _ in range(2_000):
        if len(list(Path(place).glob("job*"))) >= count:
            return jobs.runner_pid()
        deadline.wait(0.01)
    msg = "the others did not come"
    raise TimeoutError(msg)


def test_max_processes_is_a_local_word_for_workers() -> None:
    """GridMap's `max_processes` bounds the workers of a local map."""
    results = grid_map(jobs.runner_pid, range(50), local=True, max_processes=1)
    assert len(set(results)) == 1


@pytest.mark.slow
def test_one_job_a_runner_gives_each_its_own() -> None:
    """With `jobs_per_runner=1` no runner is met twice."""
    results = grid_map(jobs.runner_pid, range(6), backend="local", jobs_per_runner=1)
    assert len(set(results)) == 6


@pytest.mark.slow
def test_two_jobs_a_runner_are_two_at_most() -> None:
    """With `jobs_per_runner=2` no runner is met more than twice."""
    results = grid_map(jobs.runner_pid, range(6), backend="local", jobs_per_runner=2)
    assert max(results.count(runner) for runner in results) <= 2


def test_events_tell_of_every_job() -> None:
    """A function given as `progress` hears of each job once."""
    done: list[int] = []

    def watch(event: object) -> None:
        if isinstance(event, JobsDone):
            done.extend(range(event.first, event.stop))

    grid_map(jobs.square, range(300), backend="local", progress=watch)
    assert sorted(done) == list(range(300))


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit])
def test_a_failing_observer_harms_nobody(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """An exception in a `progress` function is logged, not raised."""

    def watch(_: object) -> None:
        raise kind

    assert grid_map(jobs.square, [2], backend="local", progress=watch) == [4]
    assert "observer progress failed and is left out" in caplog.text


def test_a_failing_sink_breaks_its_run() -> None:
    """What takes results in may raise anything: the run says so, and does not hang."""

    class Sink(Outcomes):
        def results(self, *_: object) -> None:
            raise SystemExit

    sink = Sink()
    with JobMonitor(backend="local", sink=sink) as monitor:
        monitor.add(jobs.square, [((2,), None)])
        with pytest.raises(SystemExit):
            next(sink.take())
