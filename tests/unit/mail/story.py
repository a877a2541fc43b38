"""The events of a run about which mail is sent."""

import time
from typing import Any

from tests.mailbox import HOST

from gridmap.events import (
    JobFailed,
    JobsQueued,
    RunEnded,
    RunnerUp,
    RunStarted,
)
from gridmap.settings import Settings
from gridmap.verdict import Cause, Statement, Verdict, Witness
from gridmap_mail.plugin import gridmap_event

RUN = "token-1"


def start(port: int, *, completion: bool = False, **settings: Any) -> None:
    given = {
        "send_error_mail": True,
        "create_plots": False,
        "smtp_server": HOST,
        "smtp_port": port,
        "error_mail_sender": "grid@example.org",
        "error_mail_recipient": "you@example.org",
        **settings,
    }
    gridmap_event(
        RunStarted(
            run=RUN,
            at=0.0,
            name="sweep",
            backend="local",
            directory="/nowhere",
            completion_mail=completion,
            settings=Settings(**given).told(),
        )
    )
    gridmap_event(JobsQueued(run=RUN, at=0.0, first=0, stop=100))
    gridmap_event(
        RunnerUp(run=RUN, at=1.0, runner=1, handle="7.1", node="node-1", pid=1)
    )


def fail(
    job: int,
    cause: Cause = Cause.RAISED,
    *,
    again: bool = False,
    said: str = "the function raised ValueError: no",
    **more: Any,
) -> None:
    verdict = Verdict(
        cause=cause,
        statements=(Statement(witness=Witness.WORKER, text=said),),
        job=f"job {job}",
        node="node-1",
        runner="7.1",
        **more,
    )
    trace = "Traceback (most recent call last):\n  somewhere\nValueError: no"
    gridmap_event(
        JobFailed(
            run=RUN, at=5.0, job=job, verdict=verdict, again=again, traceback=trace
        )
    )


def end(error: str | None = None) -> float:
    """End the run; return how long it took the observer."""
    began = time.monotonic()
    gridmap_event(RunEnded(run=RUN, at=200.0, error=error))
    return time.monotonic() - began
