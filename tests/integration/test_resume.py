"""What a run that can be resumed takes over, refuses, and survives; on this machine."""

from __future__ import annotations

import functools
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests import traces
from tests.driver import driving
from tests.integration.resuming import journal_of, of, ran, touch, touch_or_fail

from gridmap import Job, process_jobs
from gridmap.attach import forget, run_state
from gridmap.errors import DifferentRunError, JobException
from gridmap.events import JobsRestored, RunnersSubmitted
from gridmap.settings import load_settings

pytestmark = pytest.mark.usefixtures("named")


def test_what_is_over_is_not_done_again(again: Any, place: Path) -> None:
    """The same call once more returns the same, and starts nothing."""
    mapped, events = again
    function = functools.partial(touch, str(place))
    assert mapped(function, range(30)) == [n * n for n in range(30)]
    events.clear()
    assert mapped(function, range(30)) == [n * n for n in range(30)]
    assert ran(place) == list(range(30))
    (told,) = of(events, JobsRestored)
    assert (told.jobs, told.done) == (30, 30)
    assert of(events, RunnersSubmitted) == []


def test_a_failure_that_stopped_the_map_is_tried_again(again: Any, place: Path) -> None:
    """What had returned is kept; what failed, and what was not reached, is run."""
    mapped, _ = again
    function = functools.partial(touch_or_fail, str(place))
    with pytest.raises(LookupError) as failed:
        mapped(function, range(1, 13))
    (place / "mended").touch()
    assert mapped(function, range(1, 13)) == [n * n for n in range(1, 13)]
    once = set(failed.value.gridmap_results)  # type: ignore[attr-defined]
    assert all(ran(place).count(n + 1) == 1 for n in once)


def test_failures_that_are_results_are_taken_over(again: Any, place: Path) -> None:
    """With return_exceptions a job that raised is over, like one that returned."""
    mapped, _ = again
    function = functools.partial(touch_or_fail, str(place))
    first = mapped(function, range(9), return_exceptions=True)
    (place / "mended").touch()
    second = mapped(function, range(9), return_exceptions=True)
    assert ran(place) == list(range(9))
    for one, other in zip(first, second, strict=True):
        assert type(one) is type(other)
        assert repr(one) == repr(other)
    assert isinstance(second[3], LookupError)
    assert "touch_or_fail" in str(second[3].__cause__)


def test_a_verdict_is_taken_over(again: Any) -> None:
    """A job whose worker died has no exception of its own, and is over as well."""
    mapped, _ = again
    first = mapped(os._exit, [3], return_exceptions=True)
    second = mapped(os._exit, [3], return_exceptions=True)
    assert isinstance(first[0], JobException)
    assert isinstance(second[0], JobException)
    assert second[0].verdict.exit_status == 3
    assert second[0].verdict.cause == first[0].verdict.cause


@pytest.mark.parametrize(
    ("function", "inputs", "words"),
    [
        pytest.param(abs, range(5), "touch", id="function"),
        pytest.param(None, range(6), "5 inputs, and is given 6", id="more"),
        pytest.param(None, range(4), "5 inputs, and is given 4", id="fewer"),
        pytest.param(None, [0, 1, 2, 9, 4], "input 3 was (3), and is (9)", id="input"),
        pytest.param(None, [[0], 1, 2, "3", 4], "input 3 was (3)", id="type"),
    ],
)
def test_another_map_under_the_same_name_is_refused(
    again: Any, place: Path, function: Any, inputs: Any, words: str
) -> None:
    """With what differs and the ways out; nothing is started, and nothing is lost."""
    mapped, events = again
    touching = functools.partial(touch, str(place))
    mapped(touching, range(5))
    events.clear()
    with pytest.raises(DifferentRunError) as refused:
        mapped(function or touching, inputs)
    assert words in str(refused.value)
    assert "gridmap forget" in str(refused.value)
    assert of(events, RunnersSubmitted) == []
    assert mapped(touching, range(5)) == [n * n for n in range(5)]
    assert ran(place) == list(range(5))


def test_another_value_in_a_closure_is_another_function(again: Any) -> None:
    """The same lambda with another number in it is refused."""
    mapped, _ = again

    def power(exponent: int) -> Callable[[int], int]:
        return lambda number: number**exponent

    assert mapped(power(2), range(4)) == [0, 1, 4, 9]
    assert mapped(power(2), range(4)) == [0, 1, 4, 9]
    with pytest.raises(DifferentRunError, match="other values in it"):
        mapped(power(3), range(4))


def test_inputs_that_mean_the_same_are_the_same(again: Any) -> None:
    """A set pickles as it likes; what counts is what is in it."""
    mapped, _ = again
    words = [f"word{n}" for n in range(50)]
    assert mapped(len, [set(words)]) == [50]
    assert mapped(len, [set(words)]) == [50]


def test_a_generator_is_compared_as_it_is_read(again: Any, place: Path) -> None:
    """Also beyond the first thousand inputs."""
    mapped, _ = again
    function = functools.partial(touch, str(place))
    count = 2300
    assert mapped(function, iter(range(count)))[-1] == (count - 1) ** 2
    assert mapped(function, iter(range(count)))[-1] == (count - 1) ** 2
    assert len(ran(place)) == count
    with pytest.raises(DifferentRunError, match="input 2200 was"):
        mapped(function, (n if n != 2200 else -1 for n in range(count)))


def test_jobs_of_several_kinds_are_resumed(place: Path) -> None:
    """process_jobs knows each job by its own function, and fills it in."""
    jobs = [Job(touch, [str(place), 1]), Job(divmod, [7, 2]), Job(len, ["abc"])]
    for _ in range(2):
        made = process_jobs(jobs, backend="local", resume="kinds")
        assert made == [1, (3, 1), 3]
        assert [job.ret for job in jobs] == [1, (3, 1), 3]
    assert ran(place) == [1]
    jobs[2] = Job(max, ["abc"])
    with pytest.raises(DifferentRunError, match="the function len"):
        process_jobs(jobs, backend="local", resume="kinds")


def test_other_resources_are_no_other_run(again: Any, place: Path) -> None:
    """A map that ran out of time can be resumed with more."""
    mapped, _ = again
    function = functools.partial(touch_or_fail, str(place))
    with pytest.raises(LookupError):
        mapped(function, range(3), h_rt=100)
    (place / "mended").touch()
    assert mapped(function, range(3), h_rt=200) == [0, 1, 4]


def test_a_damaged_journal_keeps_what_is_intact(
    again: Any, place: Path, runs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A row that does not prove itself is done again; all others count."""
    mapped, _ = again
    function = functools.partial(touch, str(place))
    mapped(function, range(40))
    with sqlite3.connect(journal_of(runs)) as connection:
        # The last thing written is a result: damage it.
        (last,) = connection.execute("SELECT max(id) FROM item").fetchone()
        (record,) = connection.execute(
            "SELECT record FROM item WHERE id = ?", (last - 2,)
        ).fetchone()
        broken = record[:-3] + bytes(3)
        connection.execute(
            "UPDATE item SET record = ? WHERE id = ?", (broken, last - 2)
        )
    connection.close()
    assert mapped(function, range(40)) == [n * n for n in range(40)]
    assert "sweep" in caplog.text
    assert set(ran(place)) == set(range(40))


def test_a_journal_of_nonsense_begins_anew(
    again: Any, place: Path, runs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is set aside, not thrown away, and the map is run as if it were new."""
    mapped, _ = again
    function = functools.partial(touch, str(place))
    mapped(function, range(4))
    journal_of(runs).write_bytes(b"nonsense" * 1000)
    assert mapped(function, range(4)) == [0, 1, 4, 9]
    assert len(list(journal_of(runs).parent.glob("*damaged*"))) >= 1
    assert "damaged" in caplog.text


KILLED_ON_HEARING = """
    import os, signal, sqlite3, sys, threading
    from pathlib import Path
    from gridmap import grid_map
    from gridmap.events import JobsDone, JobsGranted

    locked = Path(sys.argv[1])

    def wait(number):
        while not locked.exists():
            pass
        return number

    def watch(event):
        if isinstance(event, JobsGranted):
            (path,) = Path(os.environ["GRIDMAP_RUNS"]).rglob("journal.sqlite")
            other = sqlite3.connect(path, check_same_thread=False)
            other.execute("BEGIN IMMEDIATE")  # as a slow disk would: nothing is written
            threading.Timer(2.0, other.rollback).start()
            locked.touch()
        elif isinstance(event, JobsDone):
            os.kill(os.getpid(), signal.SIGKILL)

    grid_map(wait, [7], backend="local", resume="sweep", progress=watch)
"""


def test_what_an_observer_heard_is_kept(runs: Path, tmp_path: Path) -> None:
    """It hears of a result once that is written, so no kill -9 takes it back."""
    with driving(tmp_path, KILLED_ON_HEARING, str(tmp_path / "locked")) as driver:
        assert driver.process.wait(60) == -signal.SIGKILL, driver.stderr
        assert run_state(runs, "sweep").done == 1
    forget(runs, "sweep", load_settings()[0])


DOUBLED = """
    import functools, sys
    from gridmap import grid_map
    from tests import jobs

    function = functools.partial(jobs.meet_one, sys.argv[1], 0)
    print(grid_map(function, range(8), backend="local", max_workers=2, speculate=True,
                   resume="sweep", settings={"heartbeat_interval": 0.5}))
"""


def test_a_run_is_resumed_in_which_a_job_ran_twice(tmp_path: Path, place: Path) -> None:
    """The second attempt is forgotten and ended; the job still ends once."""
    environ = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    with driving(tmp_path, DOUBLED, str(place), environ=environ) as driver:
        traces.await_marks(place, "job0", 2)
        driver.kill()
        driver.process.wait()
    (place / "go").touch()
    with driving(tmp_path, DOUBLED, str(place), environ=environ) as driver:
        assert driver.output(60.0).strip() == str([n * n for n in range(8)])


EARLY = """
import os, signal, sys
from pathlib import Path
from gridmap import grid_map

class Square:
    def __call__(self, number):
        return number * number

    def __reduce__(self):
        if not Path(sys.argv[1], "go").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return Square, ()

if __name__ == "__main__":
    print(grid_map(Square(), range(8), backend="local", max_workers=2, resume="sweep"))
"""


def test_a_driver_that_was_killed_before_it_had_a_job(
    tmp_path: Path, place: Path
) -> None:
    """The next one begins with nothing, and goes on from there."""
    for _ in range(2):
        with driving(tmp_path, EARLY, str(place)) as driver:
            driver.process.wait()
    (place / "go").touch()
    with driving(tmp_path, EARLY, str(place)) as driver:
        assert driver.output(60.0).strip() == str([n * n for n in range(8)])
