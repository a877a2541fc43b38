"""A job between being made and being handed in."""

import copy
import pickle
from typing import Any

import pytest
from tests import jobs

from gridmap import Job
from gridmap.errors import InvalidRequestError

GIB = 2**30

NONSENSE: list[tuple[str, Any, str]] = [
    ("function", 5, "callable"),
    ("args", 5, "args=5"),
    ("kwlist", [1], "kwlist="),
    ("name", None, "name=None"),
    ("mem_free", "much", "much"),
    ("h_vmem", 0, "memory_limit"),
    ("h_rt", "soon", "soon"),
    ("num_slots", 0, "cores=0"),
    ("gpu", -1, "gpus=-1"),
    ("queue", 5, "queue=5"),
    ("project", 5, "account=5"),
    ("white_list", 5, "nodes=5"),
    ("resources", {"memroy": 1}, "memroy"),
    ("validation_level", "x", "validation_level"),
    ("add_env", {"A=B": 1}, "A=B"),
    ("working_dir", 5, "working_dir=5"),
    ("environment", {"A": 5}, "A"),
    ("environment", None, "names to texts"),
]


@pytest.mark.parametrize(
    ("name", "value", "told"), NONSENSE, ids=[f"{n}={v!r}" for n, v, _ in NONSENSE]
)
def test_what_makes_no_sense_is_refused_when_it_is_set(
    name: str, value: Any, told: str
) -> None:
    """In the script's own line, and not by a worker much later; nothing changes."""
    job = Job(jobs.square, [1], mem_free="1G")
    before, request, around = getattr(job, name), job.request, dict(job.environment)
    with pytest.raises(InvalidRequestError, match=told):
        setattr(job, name, value)
    assert getattr(job, name) is before
    assert job.request == request
    assert job.environment == around


def test_what_is_asked_for_later_counts() -> None:
    """As it did in GridMap, where a job was read when it was handed in."""
    job = Job(jobs.square, [1], mem_free="1G")
    job.mem_free, job.num_slots, job.h_rt = "4G", 2, "1:00:00"
    assert (
        job.request
        == Job(jobs.square, [1], mem_free="4G", num_slots=2, h_rt="1:00:00").request
    )
    assert job.request.memory == 4 * GIB
    job.add_env = {"MODE": "fast"}
    assert job.environment["MODE"] == "fast"
    job.copy_env = False
    assert job.environment == {"MODE": "fast"}


def test_a_job_can_be_copied_and_changed() -> None:
    """Neither sees what becomes of the other."""
    job = Job(jobs.square, [2], mem_free="1G")
    for other in (copy.copy(job), pickle.loads(pickle.dumps(job))):
        other.args, other.mem_free = [3], "2G"
        other.execute()
        assert other.ret == 9
        assert other.request.memory == 2 * GIB
    assert job.ret is None
    assert job.request.memory == GIB
