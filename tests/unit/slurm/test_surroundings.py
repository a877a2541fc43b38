"""Who a runner is, from the variables of its job."""

import signal

import pytest

from gridmap.backend import Coming, Handle, Identity, Notice
from gridmap_slurm.surroundings import identify

TERM = {
    int(signal.SIGTERM): Notice(
        coming=Coming.END,
        text="with that Slurm begins to end a job, for its time limit, by preemption or scancel",
    )
}


def test_a_task_of_an_array() -> None:
    """Its array's id and index count, not its own number (variables of 22.05.8)."""
    environ = {
        "SLURM_ARRAY_JOB_ID": "7",
        "SLURM_ARRAY_TASK_ID": "3",
        "SLURM_JOB_ID": "12",
        "SLURM_CPUS_PER_TASK": "2",
        "SLURM_CPUS_ON_NODE": "4",
    }
    assert identify(environ) == Identity(
        handle=Handle("7", "3"), warnings=TERM, slots=2
    )


def test_a_job_of_its_own() -> None:
    """One runner alone is no array."""
    environ = {"SLURM_JOB_ID": "12", "SLURM_CPUS_ON_NODE": "4"}
    assert identify(environ) == Identity(handle=Handle("12"), warnings=TERM, slots=4)


def test_a_left_over_index_alone_makes_no_array() -> None:
    """Variables of an outer job may have been handed on."""
    identity = identify({"SLURM_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3"})
    assert identity is not None
    assert identity.handle == Handle("12")


def test_no_slurm_job_is_nobody() -> None:
    """Outside of Slurm there is nothing to say."""
    assert identify({"HOME": "/home/jane"}) is None


@pytest.mark.parametrize(
    ("variables", "deadline"),
    [
        ({"SLURM_JOB_END_TIME": "1795393630"}, 1795393630.0),
        ({"GRIDMAP_SLURM_DEADLINE": "1795393630"}, 1795393630.0),
        (
            {
                "SLURM_JOB_END_TIME": "1795393630",
                "GRIDMAP_SLURM_DEADLINE": "1795390000",
            },
            1795393630.0,
        ),
        (
            {"SLURM_JOB_END_TIME": "?", "GRIDMAP_SLURM_DEADLINE": "1795390000"},
            1795390000.0,
        ),
        ({"GRIDMAP_SLURM_DEADLINE": "120"}, None),
        ({"GRIDMAP_SLURM_DEADLINE": "inf"}, None),
        ({"GRIDMAP_SLURM_DEADLINE": ""}, None),
        ({}, None),
    ],
)
def test_the_deadline(variables: dict[str, str], deadline: float | None) -> None:
    """Slurm's own word counts, then the script's; nonsense counts as none."""
    identity = identify({"SLURM_JOB_ID": "12", **variables})
    assert identity is not None
    assert identity.deadline == deadline


def test_a_signal_that_was_asked_for_is_a_warning() -> None:
    """The script hands on which signal ``--signal`` names."""
    environ = {"SLURM_JOB_ID": "12", "GRIDMAP_SLURM_WARNING": "12@90"}
    identity = identify(environ)
    assert identity is not None
    assert set(identity.warnings) == {*TERM, 12}
    assert identity.warnings[12].coming is Coming.TIME_LIMIT
    assert identity.warnings[12].within_s == 165


@pytest.mark.parametrize("text", ["", "many", "0"])
def test_nonsense_is_no_number_of_slots(text: str) -> None:
    """Core then counts for itself."""
    identity = identify({"SLURM_JOB_ID": "12", "SLURM_CPUS_PER_TASK": text})
    assert identity is not None
    assert identity.slots is None
