"""A run's events in, mails out, whatever the server does."""

import sys
from pathlib import Path
from typing import Any

import pytest
from tests.mailbox import attachments, text
from tests.unit.mail.conftest import MakeMailbox
from tests.unit.mail.story import RUN, end, fail, start

from gridmap.events import (
    JobsDone,
    RunnerVitals,
)
from gridmap.verdict import Cause
from gridmap_mail import correspondent, sender
from gridmap_mail.plugin import gridmap_event


def test_a_failed_job_is_told(mailbox: MakeMailbox, tmp_path: Path) -> None:
    """Job, node, verdict, traceback, evidence, next step; the log is attached."""
    box = mailbox()
    log = tmp_path / "7.1.log"
    log.write_text("what it printed\n")
    start(box.port)
    gridmap_event(JobsDone(run=RUN, at=2.0, first=0, stop=7, runner=1, seconds=3.0))
    fail(
        7,
        Cause.OUT_OF_MEMORY,
        said="the kernel killed it",
        asked_memory=2**30,
        log_tail="last line",
        log_path=str(log),
    )
    end()
    (mail,) = box.mails
    assert mail["Subject"] == "gridmap: job 7 failed: out of memory, asked for 1 GiB"
    assert mail["To"] == "you@example.org"
    shown = text(mail)
    for expected in (
        "job 7 of the map 'sweep' failed",
        "node-1",
        "7.1 (local)",
        "worker: the kernel killed it",
        "ValueError: no",
        "last line",
        "7 of 100 jobs done",
        'retry=Escalate(memory=["2G", "4G"])',
    ):
        assert expected in shown
    (content,) = attachments(mail).values()
    assert str(content).split() == ["what", "it", "printed"]


def test_an_exception_is_in_the_subject(mailbox: MakeMailbox) -> None:
    """What was raised says more than that something was."""
    box = mailbox()
    start(box.port)
    fail(3)
    end()
    assert box.mails[0]["Subject"] == "gridmap: job 3 failed: raised ValueError: no"


def test_a_long_log_is_cut(mailbox: MakeMailbox, tmp_path: Path) -> None:
    """Its end is attached, and where the whole is stands in the mail."""
    box = mailbox()
    log = tmp_path / "log"
    log.write_text("first" + "x" * 1_000_000 + "last")
    start(box.port)
    fail(1, log_path=str(log))
    end()
    (content,) = attachments(box.mails[0]).values()
    assert len(str(content).rstrip()) == 256 * 1024
    assert str(content).rstrip().endswith("last")
    assert str(log) in text(box.mails[0]).replace("\n", "")


@pytest.mark.parametrize("kind", ["none", "directory", "link"])
def test_a_log_that_is_no_file_is_left_out(
    kind: str, mailbox: MakeMailbox, tmp_path: Path
) -> None:
    """What is not there, or is something else, is no reason to send no mail."""
    log = tmp_path / "log"
    if kind == "directory":
        log.mkdir()
    elif kind == "link":
        log.symlink_to("/etc/passwd")
    box = mailbox()
    start(box.port)
    fail(1, log_path=str(log))
    end()
    assert attachments(box.mails[0]) == {}


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_plots_are_in_the_mail(
    mailbox: MakeMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the attempt that failed; the picture is shown in the text."""
    monkeypatch.setattr(correspondent, "PATIENCE_S", 40.0)
    box = mailbox()
    start(box.port, create_plots=True)
    for second in range(5):
        gridmap_event(
            RunnerVitals(
                run=RUN,
                at=float(second),
                runner=1,
                cpu_s=float(second),
                rss=second << 20,
                peak_rss=second << 20,
                io_bytes=0,
                job=7,
                running_s=float(second),
            )
        )
    fail(7)
    end()
    picture = attachments(box.mails[0])["plots.png"]
    assert isinstance(picture, bytes)
    assert picture.startswith(b"\x89PNG")
    page = box.mails[0].get_body(("related", "html"))
    assert page is not None
    assert "cid:plots@gridmap" in str(box.mails[0])


def test_without_plots_the_mail_says_so(mailbox: MakeMailbox) -> None:
    """A job that had no heartbeat has none."""
    box = mailbox()
    start(box.port, create_plots=True)
    fail(7)
    end()
    assert "There are no plots: the job ended before" in text(box.mails[0])


def test_a_drawing_that_does_not_end_delays_no_mail(
    mailbox: MakeMailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a run's end what is still being drawn is given up, and the mail sent."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(correspondent, "PATIENCE_S", sender._SENDING_S + 0.2)
    box = mailbox()
    start(box.port, create_plots=True)
    for second in (1, 2, 3):
        gridmap_event(
            RunnerVitals(
                run=RUN, at=1.0, runner=1, cpu_s=1.0, rss=1, peak_rss=1, io_bytes=0,
                job=7, running_s=float(second),
            )
        )  # fmt: skip
    fail(7)
    end()
    assert "There are no plots: drawing them took too long." in text(box.mails[0])


def test_only_what_is_final_is_told(mailbox: MakeMailbox) -> None:
    """Neither attempts that are made again nor jobs that the user took back."""
    box = mailbox()
    start(box.port)
    fail(1, again=True)
    fail(2, Cause.CANCELLED)
    end()
    assert box.mails == []


def test_who_asked_for_no_mail_gets_none(mailbox: MakeMailbox) -> None:
    """Mail is off unless it is asked for."""
    box = mailbox()
    start(box.port, send_error_mail=False)
    fail(1)
    end("ValueError: no")
    assert box.mails == []


def test_so_many_an_hour_and_the_others_are_counted(mailbox: MakeMailbox) -> None:
    """Those that are held back stand in the mail at the end, by cause."""
    box = mailbox()
    start(box.port, mails_per_hour=3)
    for job in range(20):
        fail(job, Cause.RAISED if job % 2 else Cause.STALLED)
    end()
    assert len(box.mails) == 4
    last = box.mails[-1]
    assert last["Subject"] == "gridmap: 17 more jobs of sweep failed"
    assert "9 raised, 8 stalled" in " ".join(text(last).split())


def test_the_next_mail_counts_those_held_back(
    mailbox: MakeMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour later one more may go, and says what was not told."""
    hours = iter([0.0, 10.0, 20.0, 3700.0])
    box = mailbox()
    start(box.port, mails_per_hour=1)
    monkeypatch.setattr(
        correspondent._limits, "failure", _admits(correspondent._Limits(), hours)
    )
    for job in range(4):
        fail(job)
    end()
    assert len(box.mails) == 2
    assert "2 more jobs of this map failed" in text(box.mails[1])


def _admits(limits: Any, times: Any) -> Any:
    return lambda per_hour: limits._failures.admits(per_hour, next(times))


def test_a_map_that_is_complete_is_told(mailbox: MakeMailbox) -> None:
    """With how long it took, what it used and what failed; once."""
    box = mailbox()
    start(box.port, completion=True, send_error_mail=False)
    gridmap_event(JobsDone(run=RUN, at=2.0, first=0, stop=99, runner=1, seconds=900.0))
    fail(99)
    end()
    (mail,) = box.mails
    assert mail["Subject"] == (
        "gridmap: sweep is complete, but 1 job failed: 99 of 100 jobs done, 1 failed "
        "in 3 min 20 s"
    )
    assert "15 min together, 4.5 times as long as the map" in text(mail)
    assert "job 99: attempt 1 on node-1" in text(mail)


def test_a_map_that_ended_early_is_told(mailbox: MakeMailbox) -> None:
    """Absence is never success."""
    box = mailbox()
    start(box.port, completion=True)
    end("KeyboardInterrupt: ")
    (mail,) = box.mails
    assert "sweep ended early" in mail["Subject"]
    assert "KeyboardInterrupt" in text(mail)


def test_a_run_that_broke_is_told(mailbox: MakeMailbox) -> None:
    """An error that is no job's is told too, an interruption is not."""
    box = mailbox()
    start(box.port)
    end("RunError: the disk is full")
    start(box.port)
    end("KeyboardInterrupt: ")
    (mail,) = box.mails
    assert "ended early: RunError: the disk is full" in mail["Subject"]


def test_mails_of_a_run_stand_together(mailbox: MakeMailbox) -> None:
    """A mail reader shows them as one thread, each with an id of its own."""
    box = mailbox()
    start(box.port, completion=True)
    fail(1)
    end()
    first, second = box.mails
    assert first["References"] == second["References"]
    assert first["Message-ID"] != second["Message-ID"]
