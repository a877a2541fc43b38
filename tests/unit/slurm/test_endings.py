"""How Slurm's words for an end are understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.slurm import recordings

from gridmap.backend import Autopsy, Ending, Handle, Limit, SeenState
from gridmap_slurm import endings, sacct, scontrol, states
from gridmap_slurm.scontrol import JobRecord

HANDLE = Handle("7", "1")


@pytest.mark.parametrize(
    ("job", "autopsy"),
    [
        (
            "33.0",
            Autopsy(
                ending=Ending.ITSELF,
                exit_status=0,
                node="n1",
                text="COMPLETED, exit code 0:0",
            ),
        ),
        (
            "33.3",
            Autopsy(
                ending=Ending.ITSELF,
                exit_status=3,
                node="n1",
                text="FAILED, reason NonZeroExitCode, exit code 3:0",
            ),
        ),
        (
            "33.127",
            Autopsy(
                ending=Ending.ITSELF,
                exit_status=127,
                node="n1",
                text="FAILED, reason NonZeroExitCode, exit code 127:0, usually: the "
                "program is not there on the node, see the log",
            ),
        ),
        (
            "34",
            Autopsy(
                ending=Ending.ITSELF,
                signal=9,
                node="n2",
                text="FAILED, reason JobLaunchFailure, exit code 0:9",
            ),
        ),
        (
            "35",
            Autopsy(
                ending=Ending.START,
                node="n2",
                text="FAILED, reason JobLaunchFailure, exit code 0:53, its log could "
                "not be opened on the node",
            ),
        ),
        (
            "36.1",
            Autopsy(
                ending=Ending.SCHEDULER_LIMIT,
                limit=Limit.MEMORY,
                node="n2",
                text="OUT_OF_MEMORY, reason OutOfMemory, exit code 0:125",
            ),
        ),
        (
            "39.1",
            Autopsy(ending=Ending.PERSON, node="n1", text="CANCELLED, exit code 0:15"),
        ),
        (
            "41.1",
            Autopsy(
                ending=Ending.PREEMPTION, node="n2", text="PREEMPTED, exit code 0:15"
            ),
        ),
        ("32.1", None),
        ("44.1", None),
    ],
)
def test_real_deaths_without_accounting(job: str, autopsy: Autopsy | None) -> None:
    """The controller's memory is enough to tell them apart; the living have no autopsy."""
    records = scontrol.parse_jobs(recordings.read("scontrol-jobs"))
    by_name = {str(handle): record for handle, record in records.items()}
    assert endings.autopsy(by_name[job]) == autopsy


@pytest.mark.parametrize(
    ("job", "ending", "limit", "peak", "word"),
    [
        ("69.1", Ending.ITSELF, None, 324558848, "COMPLETED"),
        ("70.1", Ending.SCHEDULER_LIMIT, Limit.TIME, 3391488, "TIMEOUT"),
        ("72", Ending.ITSELF, None, 3178496, "FAILED"),
        ("73", Ending.START, None, None, "FAILED"),
        ("74.1", Ending.SCHEDULER_LIMIT, Limit.MEMORY, None, "OUT_OF_MEMORY"),
        ("77.1", Ending.PERSON, None, 3354624, "CANCELLED by 1001"),
        ("77.2", Ending.PERSON, None, 3407872, "CANCELLED by 0"),
        ("80.1", Ending.PREEMPTION, None, 3506176, "PREEMPTED"),
    ],
)
def test_real_deaths_with_accounting(
    job: str, ending: Ending, limit: Limit | None, peak: int | None, word: str
) -> None:
    """Accounting adds who did it, and a peak where that is not misleading."""
    accounts = sacct.parse(recordings.read("sacct"))
    assert accounts is not None
    account = {str(handle): account for handle, account in accounts.items()}[job]
    autopsy = endings.autopsy(account.record, account.peak_memory, account.by)
    assert autopsy is not None
    assert (autopsy.ending, autopsy.limit) == (ending, limit)
    assert autopsy.peak_memory == peak
    assert autopsy.text.startswith(word)


@pytest.mark.parametrize(
    ("state", "ending", "limit"),
    [
        ("NODE_FAIL", Ending.NODE, None),
        ("BOOT_FAIL", Ending.NODE, None),
        ("DEADLINE", Ending.SCHEDULER_LIMIT, Limit.TIME),
        ("LAUNCH_FAILED", Ending.START, None),
        ("REVOKED", None, None),
    ],
)
def test_rarer_ends(state: str, ending: Ending | None, limit: Limit | None) -> None:
    """No exit status is made up for what the script did not do itself."""
    autopsy = endings.autopsy(JobRecord(handle=HANDLE, state=state, exit_status=1))
    assert autopsy is not None
    assert (autopsy.ending, autopsy.limit) == (ending, limit)
    assert autopsy.exit_status is None


def test_memory_is_the_cause_even_if_the_script_ended_well() -> None:
    """A script that swallows the death of its child ends with 0."""
    record = JobRecord(handle=HANDLE, state="OUT_OF_MEMORY", exit_status=0)
    autopsy = endings.autopsy(record)
    assert autopsy is not None
    assert autopsy.limit is Limit.MEMORY


def test_what_the_controller_refused_never_started() -> None:
    """It is remembered as failed, but no script of it ever ran."""
    record = JobRecord(handle=HANDLE, state="FAILED", reason="BadConstraints")
    autopsy = endings.autopsy(record)
    assert autopsy is not None
    assert autopsy.ending is Ending.START
    assert autopsy.exit_status is None


def test_a_task_taken_out_of_the_queue_was_cancelled() -> None:
    """Slurm forgets it at once; it did not start, or it would be remembered."""
    autopsy = endings.taken_out("PENDING")
    assert autopsy.ending is Ending.PERSON
    assert autopsy.exit_status is None
    assert "PENDING" in autopsy.text


@given(
    state=st.sampled_from([*states.STATES, "TRANSCENDED", ""]),
    reason=st.text(max_size=20),
    exit_status=st.integers(0, 255),
    number=st.integers(0, 255),
)
def test_only_an_end_has_an_autopsy(
    state: str, reason: str, exit_status: int, number: int
) -> None:
    """Every ended state has one; success is only ever claimed for COMPLETED."""
    record = JobRecord(
        handle=HANDLE,
        state=state,
        reason=reason,
        exit_status=exit_status,
        signal=number,
    )
    autopsy = endings.autopsy(record)
    assert (autopsy is not None) == (states.state(state) is SeenState.ENDED)
    if autopsy is not None and autopsy.ending is not Ending.ITSELF:
        assert autopsy.exit_status is None
        assert autopsy.signal is None
