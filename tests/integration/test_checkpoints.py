"""A job that is interrupted goes on where it was."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import jobs

from gridmap import grid_map
from gridmap.errors import JobException
from gridmap.events import JobFailed
from gridmap.verdict import Cause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

LIMIT = {"walltime": 4}
OFTEN = {"num_resubmits": 20}


def run(function: Any, inputs: list[Any], **options: Any) -> tuple[Any, list[Any]]:
    """Return what a map returns or raises, and the attempts that ended badly."""
    events: list[Any] = []
    options = {"backend": "local", "resources": LIMIT, **options}
    try:
        result: Any = grid_map(function, inputs, progress=events.append, **options)
    except JobException as error:
        result = error
    return result, [event for event in events if isinstance(event, JobFailed)]


def check(result: list[tuple[int, int]], count: int, place: Path) -> int:
    """See that each piece was done once; return in how many processes."""
    assert [piece for piece, _ in result] == list(range(count))
    workers = len({worker for _, worker in result})
    lines = (place / "pieces").read_text().splitlines()
    mine = [line for line in lines if line.startswith(f"{count} ")]
    # A signal may come when a piece is written and not yet counted.
    assert count <= len(mine) <= count + workers - 1
    return workers


def test_a_job_longer_than_three_limits_ends(tmp_path: Path) -> None:
    """It needs 8 s and is given less than 4 at a time: its result is right."""
    function = jobs.Pieces(str(tmp_path), 0.1)
    (result,), failed = run(function, [80], settings=OFTEN)
    attempts = check(result, 80, tmp_path)
    assert attempts == len(failed) + 1 >= 3
    assert {event.verdict.cause for event in failed} == {Cause.TIME_LIMIT}
    assert all(event.again and event.verdict.checkpointed for event in failed)
    text = failed[0].verdict.explain()
    assert "sent a checkpoint" in text


def test_jobs_do_not_share_their_state(tmp_path: Path) -> None:
    """Each begins with the object as it was handed in, also in the same worker."""
    function = jobs.Pieces(str(tmp_path), 0.0)
    results, failed = run(function, [3, 2, 4], max_workers=1, resources=None)
    assert [[piece for piece, _ in result] for result in results] == [
        [0, 1, 2],
        [0, 1],
        [0, 1, 2, 3],
    ]
    assert not failed


def test_jobs_do_not_share_an_array() -> None:
    """Not even memory that unpickling would not have to copy."""
    function = jobs.Ramp(np.zeros(100_000))
    results, _ = run(function, [1, 2, 3], max_workers=1, resources=None)
    assert results == [1.0, 2.0, 3.0]


def test_a_partial_stays_one(tmp_path: Path) -> None:
    """What was fixed in advance is, in the next attempt too."""
    function = functools.partial(jobs.Pieces(str(tmp_path), 0.1), count=40)
    (result,), failed = run(function, [[]], settings=OFTEN)
    assert check(result, 40, tmp_path) == len(failed) + 1 >= 2


def test_time_limits_are_counted(tmp_path: Path) -> None:
    """Where it may not be run again, a checkpoint does not help."""
    function = jobs.Pieces(str(tmp_path), 0.1)
    error, failed = run(function, [100], settings={"num_resubmits": 1})
    assert isinstance(error, JobException)
    assert error.verdict.cause is Cause.TIME_LIMIT
    assert error.verdict.attempt == 2
    assert [event.again for event in failed] == [True, False]


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("raise", "its checkpoint failed: OSError: the disk is full"),
        ("nothing", "its checkpoint failed: TypeError: checkpoint() returned NoneType"),
        ("lock", "its checkpoint failed: UnpicklableError"),
        ("hang", "its job was asked for a checkpoint"),
    ],
)
def test_a_checkpoint_that_does_not_come(tmp_path: Path, way: str, said: str) -> None:
    """The limit ends the job as ever, and the verdict says what became of it."""
    function = jobs.BadPieces(str(tmp_path), 0.1)
    function.way = way
    error, failed = run(function, [100])
    assert isinstance(error, JobException)
    assert error.verdict.cause is Cause.TIME_LIMIT, str(error)
    assert not error.verdict.checkpointed
    assert said in error.verdict.explain(), str(error)
    assert [event.again for event in failed] == [False]
