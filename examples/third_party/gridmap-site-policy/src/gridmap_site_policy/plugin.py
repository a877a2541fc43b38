"""The hooks: wrappers round two verbs of whatever backend a run has."""

from __future__ import annotations

import getpass
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gridmap.backend import Handle
from gridmap.hookspecs import hookimpl
from gridmap_site_policy import rules

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from gridmap.backend import Batch, RunContext, Submission
    from gridmap.resources import Resources

_log = logging.getLogger(__name__)


# -- asking --
@hookimpl(wrapper=True)
def gridmap_request() -> Generator[None, Resources, Resources]:
    """Let a run ask for what the site's rules make of its request."""
    resources = yield  # what the user asked for, or another wrapper made of it
    return rules.apply(rules.load(), resources)


# -- so much for asking --


# -- watching --
@hookimpl(wrapper=True)
def gridmap_submit(
    batch: Batch, context: RunContext
) -> Generator[None, Submission, Submission]:
    """Write down each submission, with what became of it."""
    answer = yield  # the backend submits
    if (audit := rules.load().audit) is not None:
        _write(audit, _line(batch, context, answer))
    return answer


def _write(audit: Path, line: str) -> None:
    try:
        with audit.open("a", encoding="utf-8") as stream:
            stream.write(line)  # one write at the end of the file: lines stay whole
    except OSError as error:  # raised, it would lose the runners just submitted
        _log.warning("the site's audit cannot be written: %s", error)


# -- so much for watching --


def _line(batch: Batch, context: RunContext, answer: Submission) -> str:
    resources = batch.resources
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "user": getpass.getuser(),
        "run": context.name,
        "token": context.token,
        "runners": [str(one) for one in answer.values() if isinstance(one, Handle)],
        "refused": sum(not isinstance(one, Handle) for one in answer.values()),
        "account": resources.account,
        "queue": resources.queue,
        "cores": resources.cores,
        "memory": resources.memory,
    }
    return json.dumps(entry) + "\n"
