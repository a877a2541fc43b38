"""A job log says what is left to be run, and is what GNU parallel would read."""

import io
from pathlib import Path

import pytest
from click import UsageError
from hypothesis import given
from hypothesis import strategies as st

from gridmap.cli import joblog
from gridmap.cli.again import Again, Task
from gridmap.cli.joblog import JobLog
from gridmap.shell import Ended

# Written by hand, as parallel(1) describes it.
PARALLEL = """\
Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand
1\t:\t1700000000.123\t     0.105\t0\t0\t0\t0\tsleep 0.1; exit 0
2\t:\t1700000000.130\t     0.106\t0\t0\t3\t0\tsleep 0.1; exit 3
3\t:\t1700000000.131\t     0.050\t0\t0\t0\t9\tkill -9 $$
"""


def test_a_log_is_read() -> None:
    """A status other than 0 is a failure, and so is a signal."""
    lines = joblog.read(PARALLEL)
    assert [(line.number, line.failed) for line in lines] == [
        (1, False), (2, True), (3, True),
    ]  # fmt: skip
    assert joblog.left(5, lines, failed_too=False) == [4, 5]
    assert joblog.left(5, lines, failed_too=True) == [2, 3, 4, 5]


def test_of_two_lines_the_last_counts() -> None:
    """What was run again and succeeded is over."""
    again = PARALLEL + "2\t:\t1.0\t1.0\t0\t0\t0\t0\tsleep 0.1; exit 3\n"
    assert [line.number for line in joblog.read(again) if line.failed] == [3]


@pytest.mark.parametrize("text", ["1\tx\n", "a\tb\tc\td\te\tf\tg\th\ti\n", "hello\n"])
def test_another_file_is_refused(text: str) -> None:
    """By the line that makes no sense."""
    with pytest.raises(ValueError, match="line 1 is not of a job log"):
        joblog.read(text)


WORD = st.text(st.characters(exclude_characters="\n"), min_size=1)


@given(st.lists(WORD, min_size=1), st.integers(-64, 255))
def test_what_is_written_is_read(words: list[str], status: int) -> None:
    """Whatever is in the command but an end of line."""
    log = io.StringIO()
    JobLog(log).add(7, words, Ended(status, b"", b"", 1.5, 2.5, "n1"))
    (line,) = joblog.read(log.getvalue())
    assert (line.number, line.failed) == (7, status != 0)
    assert line.command == joblog.command_line(words)


@pytest.mark.parametrize(
    ("again", "command", "why"),
    [
        (Again("log", resume=True, retry_failed=True), (), "say one of"),
        (Again(None, resume=True), ("ls",), "--joblog FILE"),
        (Again("log", retry_failed=True), ("ls",), "name none"),
        (Again(None), (), "Missing argument"),
    ],
    ids=["two", "no log", "a command too", "no command"],
)
def test_what_makes_no_sense_is_refused(
    again: Again, command: tuple[str, ...], why: str
) -> None:
    """With the reason."""
    with pytest.raises(UsageError, match=why):
        again.check(command)


def test_a_command_of_several_lines_is_no_line(tmp_path: Path) -> None:
    """It is refused before anything is run."""
    again = Again(str(tmp_path / "log"))
    tasks = [Task(1, "", ["ok"]), Task(2, "", ["a\nb"])]
    with pytest.raises(UsageError, match="command 2"), again.opened(tasks):
        pass
    assert not (tmp_path / "log").exists()
