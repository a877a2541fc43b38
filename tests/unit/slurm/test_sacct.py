"""What accounting told on a real cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.slurm import recordings

from gridmap.backend import Handle
from gridmap_slurm import sacct
from gridmap_slurm.sacct import Account
from gridmap_slurm.scontrol import JobRecord

HEADER = "JobID|State|ExitCode|MaxRSS|NodeList|Reason\n"


def test_one_query_asks_for_all() -> None:
    """Array ids cover their tasks."""
    assert sacct.command(["9", "7", "9"]) == (
        "sacct",
        "--parsable2",
        "--noconvert",
        "--format=JobID,State,ExitCode,MaxRSS,NodeList,Reason",
        "--jobs=7,9",
    )


@pytest.mark.parametrize(
    ("handle", "state", "exit_code", "peak", "by"),
    [
        (Handle("69", "1"), "COMPLETED", (0, 0), 324558848, None),
        (Handle("70", "1"), "TIMEOUT", (0, 0), 3391488, None),
        (Handle("71", "3"), "FAILED", (3, 0), 3506176, None),
        (Handle("72"), "FAILED", (0, 9), 3178496, None),
        (Handle("73"), "FAILED", (0, 53), None, None),
        (Handle("74", "1"), "OUT_OF_MEMORY", (0, 125), 3313664, None),
        (Handle("77", "1"), "CANCELLED", (0, 0), 3354624, "1001"),
        (Handle("77", "2"), "CANCELLED", (0, 0), 3407872, "0"),
        (Handle("80", "1"), "PREEMPTED", (0, 0), 3506176, None),
        (Handle("83", "4"), "PENDING", (0, 0), None, None),
    ],
    ids=str,
)
def test_real_accounts_are_read(
    handle: Handle, state: str, exit_code: tuple[int, int], peak: int, by: str
) -> None:
    """The job's own row says how it ended, its steps how much memory they held."""
    accounts = sacct.parse(recordings.read("sacct"))
    assert accounts is not None
    account = accounts[handle]
    assert account.record.state == state
    assert (account.record.exit_status, account.record.signal) == exit_code
    assert account.peak_memory == peak
    assert account.by == by


def test_hostile_rows_are_read_or_skipped() -> None:
    """Cut-off states, names for ids, odd units, strangers' steps, half a line."""
    output = (
        f"welcome to sacct\n{HEADER}"
        "7_1|OUT_OF_ME+|0:125||n1|None\n"
        "7_1.batch|OUT_OF_ME+|0:125|1.50M|n1|\n"
        "7_1.extern|COMPLETED|0:0|2K|n1|\n"
        "7_2|CANCELLED by jane|0:15||None assigned|None\n"
        "7_3|RUNNING|0:0||n1\n"
        "7_4||0:0||n1|None\n"
        "7_5|FAILED|\ufffd||n1|None\n"
        "seven|FAILED|1:0||n1|None\n"
        "\n"
        "7_6|FAILED|1:0|lots|n1|a|b\n"
    )
    accounts = sacct.parse(output)
    assert accounts is not None
    assert set(accounts) == {Handle("7", task) for task in "126"}
    assert accounts[Handle("7", "1")] == Account(
        record=JobRecord(
            handle=Handle("7", "1"), state="OUT_OF_MEMORY", signal=125, node="n1"
        ),
        peak_memory=1572864,
    )
    assert accounts[Handle("7", "2")].by == "jane"
    assert accounts[Handle("7", "2")].record.node is None
    assert accounts[Handle("7", "6")].record.reason == "a|b"


@pytest.mark.parametrize(
    "output", ["", "Slurm accounting storage is disabled\n", "7_1|FAILED|1:0||n1|None"]
)
def test_what_is_no_answer_gives_none(output: str) -> None:
    """Without the header nothing was answered."""
    assert sacct.parse(output) is None


def test_unknown_ids_are_no_rows() -> None:
    """Accounting that knows nothing yet has answered all the same."""
    assert sacct.parse(HEADER) == {}


@given(st.text())
def test_no_output_breaks_the_parser(text: str) -> None:
    """Any text gives accounts or none, and never an exception."""
    assert isinstance(sacct.parse(HEADER + text), dict)
    assert isinstance(sacct.parse(f"{HEADER}7|{text}"), dict)
