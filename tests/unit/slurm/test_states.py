"""Slurm's words for states and reasons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.backend import SeenState
from gridmap_slurm import states


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("PENDING", SeenState.QUEUED),
        ("CONFIGURING", SeenState.QUEUED),
        ("REQUEUED", SeenState.QUEUED),
        ("REQUEUE_HOLD", SeenState.HELD),
        ("SPECIAL_EXIT", SeenState.HELD),
        ("RUNNING", SeenState.RUNNING),
        ("RESIZING", SeenState.RUNNING),
        ("SUSPENDED", SeenState.SUSPENDED),
        ("STOPPED", SeenState.SUSPENDED),
        ("COMPLETING", SeenState.ENDING),
        ("COMPLETED", SeenState.ENDED),
        ("OUT_OF_MEMORY", SeenState.ENDED),
        ("OUT_OF_ME+", SeenState.ENDED),
        ("CANCELLED by 1000", SeenState.ENDED),
        ("CANCELLED+", SeenState.ENDED),
        ("NODE_FAIL", SeenState.ENDED),
        ("RE+", SeenState.UNKNOWN),
        ("+", SeenState.UNKNOWN),
        ("TRANSCENDED", SeenState.UNKNOWN),
        ("", SeenState.UNKNOWN),
    ],
)
def test_every_state_has_one_meaning(word: str, state: SeenState) -> None:
    """Cut-off and annotated words count; an unknown one is no end."""
    assert states.state(word) is state


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("Resources", SeenState.QUEUED),
        ("Priority", SeenState.QUEUED),
        ("None", SeenState.QUEUED),
        ("PartitionDown", SeenState.QUEUED),
        ("ReqNodeNotAvail, UnavailableNodes:n1", SeenState.QUEUED),
        ("AssocGrpCpuLimit", SeenState.QUEUED),
        ("QOSMaxJobsPerUserLimit", SeenState.QUEUED),
        ("QOSMaxCpuPerUserLimit", SeenState.QUEUED),
        ("QOSMaxMemoryPerJob", SeenState.BLOCKED),
        ("AssocMaxCpuPerJobLimit", SeenState.BLOCKED),
        ("QOSMaxWallDurationPerJobLimit", SeenState.BLOCKED),
        ("MaxMemPerLimit", SeenState.BLOCKED),
        ("DependencyNeverSatisfied", SeenState.BLOCKED),
        ("BadConstraints", SeenState.BLOCKED),
        ("PartitionTimeLimit", SeenState.BLOCKED),
        ("PartitionConfig", SeenState.BLOCKED),
        ("InvalidQOS", SeenState.BLOCKED),
        ("JobHeldUser", SeenState.HELD),
        ("JobHeldAdmin", SeenState.HELD),
        ("launch failed requeued held", SeenState.HELD),
        ("something new", SeenState.QUEUED),
    ],
)
def test_the_reason_tells_waiting_from_never(reason: str, state: SeenState) -> None:
    """Only a reason that no waiting cures blocks a runner."""
    assert states.state("PENDING", reason) is state


def test_a_reason_does_not_change_a_job_that_runs() -> None:
    """A running job that was put on hold for later still runs (seen in 22.05.8)."""
    assert states.state("RUNNING", "JobHeldUser") is SeenState.RUNNING


@given(word=st.text(max_size=40), reason=st.text(max_size=40))
def test_no_word_breaks_the_tables(word: str, reason: str) -> None:
    """Only a word of the table, or the beginning of just one, is an end."""
    found = states.state(word, reason)
    if found is SeenState.ENDED:
        assert states.STATES[states.canonical(word)] is SeenState.ENDED
