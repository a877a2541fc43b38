"""What squeue is asked, and what it printed on a real cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.slurm import recordings

from gridmap.backend import Handle, Seen, SeenState
from gridmap_slurm import squeue

HEADER = "gridmap|JOBID|STATE|EXEC_HOST|REASON|COMMENT\n"


def test_one_query_asks_for_all() -> None:
    """All of the user's jobs, so that his runs can share it, each task on a line."""
    assert squeue.command(1001) == (
        "squeue",
        "--all",
        "--array",
        "--states=all",
        "--user=1001",
        "--format=gridmap|%i|%T|%B|%r|%k",
    )


def test_another_cluster_is_named() -> None:
    """Settings may name a cluster of several."""
    assert squeue.command(1, ("--clusters=b",))[1] == "--clusters=b"


@pytest.mark.parametrize(
    ("handle", "seen"),
    [
        (Handle("32", "1"), Seen(state=SeenState.RUNNING, raw="RUNNING", node="n1")),
        (
            Handle("33", "3"),
            Seen(
                state=SeenState.ENDED,
                raw="FAILED",
                reason="NonZeroExitCode",
                node="n1",
            ),
        ),
        (Handle("33", "0"), Seen(state=SeenState.ENDED, raw="COMPLETED", node="n1")),
        (
            Handle("34"),
            Seen(
                state=SeenState.ENDED,
                raw="FAILED",
                reason="JobLaunchFailure",
                node="n2",
            ),
        ),
        (
            Handle("28", "1"),
            Seen(state=SeenState.ENDED, raw="NODE_FAIL", reason="NodeDown", node="n1"),
        ),
        (Handle("39", "1"), Seen(state=SeenState.ENDED, raw="CANCELLED", node="n1")),
        (
            Handle("44", "2"),
            Seen(
                state=SeenState.HELD,
                raw="PENDING",
                reason="JobHeldUser",
            ),
        ),
        (
            Handle("45"),
            Seen(
                state=SeenState.BLOCKED,
                raw="PENDING",
                reason="PartitionTimeLimit",
            ),
        ),
        (
            Handle("46", "7"),
            Seen(
                state=SeenState.QUEUED,
                raw="PENDING",
                reason="Resources",
            ),
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("recording", ["squeue-array", "squeue-unspread"])
def test_a_real_queue_is_read(recording: str, handle: Handle, seen: Seen) -> None:
    """Each runner has its state; a list of waiting tasks means the same spread out."""
    rows = squeue.parse(recordings.read(recording))
    assert rows is not None
    assert rows[handle].seen == seen


def test_the_comment_is_kept() -> None:
    """By it a run finds its own runners."""
    rows = squeue.parse(recordings.read("squeue-array"))
    assert rows is not None
    assert rows[Handle("44", "1")].comment == "gridmap:5eed:17"
    assert squeue.jobs_of("gridmap:5eed:17", rows) == {"44"}


def test_an_empty_queue_is_an_answer() -> None:
    """The header alone says that nothing is there."""
    assert squeue.parse(HEADER) == {}


@pytest.mark.parametrize(
    "output",
    [
        "",
        "\n\n",
        "No jobs today.\n",
        "\ufffd\ufffd\ufffd",
        "gridmap|7|RUNNING|n1|None|x\n",
        f"{HEADER}gridmap|7|RUNN",
        f"{HEADER}gridmap|\n",
        f"{HEADER}gridmap|seven|RUNNING|n1|None|x\n",
        "JOBID PARTITION NAME USER ST TIME NODES NODELIST(REASON)\n",
    ],
    ids=repr,
)
def test_what_is_no_answer_says_nothing(output: str) -> None:
    """Without a header, or with a broken line of ours, nobody is absent."""
    assert squeue.parse(output) is None


def test_strange_lines_and_comments_do_no_harm() -> None:
    """Banners, cluster names and the bars and line ends of users' comments."""
    output = (
        "*** Maintenance on Monday ***\n"
        "CLUSTER: gridmap\n"
        f"{HEADER}"
        "\n"
        "gridmap|7_[3-4%2]|PENDING|n/a|Resources|a|b|c\n"
        "second line of a comment\n"
        "gridmap|8_1|TRANSCENDED|n1|\ufffd|\ufffd\n"
    )
    rows = squeue.parse(output)
    assert rows is not None
    assert set(rows) == {Handle("7", "3"), Handle("7", "4"), Handle("8", "1")}
    assert rows[Handle("7", "3")].comment == "a|b|c"
    assert rows[Handle("8", "1")].seen.state is SeenState.UNKNOWN
    assert rows[Handle("8", "1")].seen.raw == "TRANSCENDED"


def test_an_array_without_index_stands_for_its_cancelled_tasks() -> None:
    """After its last waiting task was cancelled, Slurm shows the array itself."""
    rows = squeue.parse(
        f"{HEADER}gridmap|18|CANCELLED|n/a|JobHeldUser|r\ngridmap|18_1|RUNNING|n1|None|r"
    )
    assert rows is not None
    cancelled = squeue.find(Handle("18", "2"), rows)
    assert cancelled is not None
    assert cancelled.seen.state is SeenState.ENDED
    running = squeue.find(Handle("18", "1"), rows)
    assert running is not None
    assert running.seen.state is SeenState.RUNNING
    assert squeue.find(Handle("19", "1"), rows) is None
    assert squeue.living(rows) == {Handle("18", "1")}


def test_a_refused_submission_is_no_job() -> None:
    """The controller remembers jobs that it refused, comment and all."""
    rows = squeue.parse(f"{HEADER}gridmap|27|FAILED|n/a|BadConstraints|c\n")
    assert rows is not None
    assert squeue.jobs_of("c", rows) == set()


@given(st.text())
def test_no_output_breaks_the_parser(text: str) -> None:
    """Any text gives rows or none, and never an exception."""
    for output in (text, HEADER + text, f"{HEADER}gridmap|{text}"):
        rows = squeue.parse(output)
        assert rows is None or all(handle.job.isdigit() for handle in rows)
