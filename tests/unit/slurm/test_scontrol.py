"""What the controller told on a real cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.slurm import recordings

from gridmap.backend import Handle
from gridmap_slurm import scontrol
from gridmap_slurm.scontrol import JobRecord, Site


def test_a_real_configuration_is_read() -> None:
    """The test cluster has MaxArraySize=501, MinJobAge=300 and no accounting."""
    site = scontrol.parse_config(recordings.read("scontrol-config"))
    assert site == Site(largest_array=500, remembers_s=300, accounting=False)


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("MaxArraySize            = 1001\n", Site(largest_array=1000)),
        ("MaxArraySize = 0\n", Site(largest_array=1)),
        ("MaxArraySize = 1\n", Site(largest_array=1)),
        (
            "MaxArraySize = 1001\nSchedulerParameters = bf_x,max_array_tasks=50,y=1\n",
            Site(largest_array=50),
        ),
        ("MaxArraySize = 1001\nMinJobAge = 2 sec\n", Site(remembers_s=2)),
        (
            "MaxArraySize = 1001\nAccountingStorageType = accounting_storage/slurmdbd",
            Site(accounting=True),
        ),
    ],
)
def test_settings_of_other_sites(text: str, site: Site) -> None:
    """An index is below MaxArraySize, and arrays may be limited or forbidden."""
    assert scontrol.parse_config(text) == site


@pytest.mark.parametrize("text", ["", "nonsense", "MaxArraySize = many\n"])
def test_what_is_no_configuration_gives_none(text: str) -> None:
    """Core then gets the documented defaults, with a warning."""
    assert scontrol.parse_config(text) is None


@pytest.mark.parametrize(
    "record",
    [
        JobRecord(handle=Handle("32", "1"), state="RUNNING", node="n1"),
        JobRecord(handle=Handle("33", "0"), state="COMPLETED", node="n1"),
        JobRecord(
            handle=Handle("33", "3"),
            state="FAILED",
            reason="NonZeroExitCode",
            exit_status=3,
            node="n1",
        ),
        JobRecord(
            handle=Handle("34"),
            state="FAILED",
            reason="JobLaunchFailure",
            signal=9,
            node="n2",
        ),
        JobRecord(
            handle=Handle("35"),
            state="FAILED",
            reason="JobLaunchFailure",
            signal=53,
            node="n2",
        ),
        JobRecord(
            handle=Handle("36", "1"),
            state="OUT_OF_MEMORY",
            reason="OutOfMemory",
            signal=125,
            node="n2",
        ),
        JobRecord(handle=Handle("39", "1"), state="CANCELLED", signal=15, node="n1"),
        JobRecord(handle=Handle("41", "1"), state="PREEMPTED", signal=15, node="n2"),
        JobRecord(handle=Handle("44", "2"), state="PENDING", reason="JobHeldUser"),
        JobRecord(handle=Handle("46", "7"), state="PENDING", reason="Resources"),
    ],
    ids=lambda record: f"{record.handle}-{record.state}",
)
def test_real_jobs_are_read(record: JobRecord) -> None:
    """Every task has its record under its array's id, whatever its own number is."""
    records = scontrol.parse_jobs(recordings.read("scontrol-jobs"))
    assert records[record.handle] == record


def test_paragraphs_are_read_like_lines() -> None:
    """A site may have no --oneliner, or a wrapper that drops it."""
    records = scontrol.parse_jobs(recordings.read("scontrol-paragraphs"))
    statuses = {str(handle): record.exit_status for handle, record in records.items()}
    assert statuses == {"33.0": 0, "33.3": 3, "33.127": 127}


def test_an_array_whose_waiting_tasks_are_gone_has_no_index() -> None:
    """Slurm then prints 4294967294, its word for "none" (seen in 22.05.8)."""
    text = (
        "JobId=18 ArrayJobId=18 ArrayTaskId=4294967294 JobName=x "
        "JobState=CANCELLED Reason=JobHeldUser ExitCode=0:0 NodeList="
    )
    assert list(scontrol.parse_jobs(text)) == [Handle("18")]


def test_paths_and_comments_cannot_pose_as_fields() -> None:
    """What a user may write comes after the real fields, and the first one counts."""
    text = (
        "JobId=7 JobState=FAILED Reason=None ExitCode=3:0 BatchHost=n1 "
        "Comment=JobState=COMPLETED ExitCode=0:0 StdOut=/x JobState=COMPLETED"
    )
    record = scontrol.parse_jobs(text)[Handle("7")]
    assert (record.state, record.exit_status) == ("FAILED", 3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Job 6_7 not found",
        "slurm_load_jobs error: Invalid job id specified",
        "JobId=",
        "JobId=x JobState=FAILED ExitCode=1:0",
        "JobId=7 JobState=FAILED",
        "JobId=7 ExitCode=1:0",
        "JobId=7 JobState= ExitCode=1:0",
        "JobId=7 JobState=FAILED ExitCode=one",
        "JobId=7 ArrayJobId=x ArrayTaskId=1 JobState=FAILED ExitCode=1:0",
    ],
)
def test_what_is_no_job_gives_no_record(text: str) -> None:
    """An incomplete record is none: it would be taken for the truth."""
    assert scontrol.parse_jobs(text) == {}


@given(st.text())
def test_no_output_breaks_the_parsers(text: str) -> None:
    """Any text gives records or none, and never an exception."""
    scontrol.parse_config(text)
    assert isinstance(scontrol.parse_jobs(f"JobId=7 {text}"), dict)


def test_commands_name_a_task_as_slurm_does() -> None:
    """A runner is requeued under its own id, and then need not wait two minutes."""
    handle = Handle("7", "3")
    assert scontrol.requeue_command(handle) == ("scontrol", "requeue", "7_3")
    assert scontrol.hasten_command(handle, ("--clusters=b",)) == (
        "scontrol",
        "--clusters=b",
        "update",
        "JobId=7_3",
        "StartTime=now+5",
    )
    assert scontrol.job_command("7") == (
        "scontrol",
        "--oneliner",
        "show",
        "job",
        "7",
    )
    assert scontrol.config_command() == ("scontrol", "show", "config")
