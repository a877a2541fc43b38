"""The doctor's end of a probe: one runner's place taken by a script that looks round.

Everything up to the submission is made by the code a run goes through: directory, keys,
socket, wrappers, backend. What comes back is judged in `findings`.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import time
from importlib import metadata
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from gridmap.backend import (
    Batch,
    Check,
    Handle,
    NotAsked,
    Rejected,
    Seen,
    SeenState,
)
from gridmap.cli import findings
from gridmap.desk import Purpose
from gridmap.explanation import Explanation
from gridmap.job import working_directory
from gridmap.mapping import apply_settings
from gridmap.monitor import diagnosis
from gridmap.monitor.errands import read_tail
from gridmap.monitor.opening import open_run, runner_command
from gridmap.resources import Resources
from gridmap.runner import probe as script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.monitor.opening import Opened
    from gridmap.plugins import InstalledBackend
    from gridmap.settings import Settings

PATIENCE_S: Final = 60.0
"""How long the scheduler may take to start the probe, where nobody says otherwise."""

_NAME: Final = "doctor"
_ROUND_S: Final = 0.25
_FIRST_LOOK_S: Final = 2.0
_LATE_WORD_S: Final = 1.0
"""A word over the network that has not come so long after the file will not come."""
_ANSWER_S: Final = 20.0
"""How long a probe that runs may take: it waits for addresses for some seconds."""

_LONGEST_PAUSE_S: Final = 30.0
"""Between two looks at a probe that waits."""

_OVER: Final = (SeenState.ENDED, SeenState.ENDING)
_STARTED: Final = (SeenState.RUNNING, SeenState.SUSPENDED)


@attrs.define
class _Watch:
    """What is known of the probe so far.

    Attributes:
        sent: When it was submitted, seconds since the epoch.
        heard: When its answer came, likewise.
        answer: The answer.
        spoken: Whether it came over the run's channel.
        seen: What the scheduler showed last; None before the first look.
        why: What its reason to wait means.
        gone: Whether the scheduler knows it no more.
        running_since: When it was first seen running, on the monotonic clock.
    """

    sent: float
    heard: float = 0.0
    answer: findings.Answer | None = None
    spoken: bool = False
    seen: Seen | None = None
    why: Explanation | None = None
    gone: bool = False
    running_since: float | None = None


def probe(
    backend: InstalledBackend, settings: Settings, patience_s: float
) -> Sequence[Check]:
    """Send a probe to a node, and say what it found there, or why it did not start.

    Blocks for some seconds; for *patience_s* where the scheduler does not start it.

    Raises:
        GridMapError: If no run could be opened.
    """
    directory = working_directory()
    opened = open_run(backend, settings, name=_NAME, job_path=directory)
    handle: Handle | None = None
    watch = _Watch(sent=time.time())  # noqa: TID251 - a node's clock is compared with it
    try:
        resources = apply_settings(Resources(), settings)
        with opened.plugins.context.desk.visit(Purpose.SUBMIT):
            batch = _prepare(opened, settings, resources, backend, directory)
            (taken,) = opened.plugins.submit(batch).values()
            if isinstance(taken, Rejected):
                return [_refused(opened, taken, resources)]
        handle = taken
        _await(opened, handle, watch, resources, patience_s)
        if watch.answer is None:
            return [_silent(opened, handle, watch, settings, patience_s)]
        here = _here(opened, watch, handle, resources)
        ran = f"ran on {watch.answer.host} as {handle}, "
        ran += f"{watch.heard - watch.sent:.1f} s after it was submitted"
        return [
            Check(name="probe", passed=True, found=ran),
            *findings.compare(here, watch.answer),
        ]
    finally:
        _clear(opened, handle if watch.answer is None else None)


def _prepare(
    opened: Opened,
    settings: Settings,
    resources: Resources,
    backend: InstalledBackend,
    directory: str,
) -> Batch:
    """Put the question and the script into the run directory; return the batch."""
    place = opened.directory.path
    question = {
        "connection": str(opened.directory.connection_file),
        "imports": [
            "gridmap.runner.service",
            backend.info.factory.partition(":")[0],
        ],
        "factory": backend.info.factory,
        "addresses": list(opened.socket.addresses),
        "host": platform.node(),
        "directories": [directory],
    }
    (place / script.QUESTION).write_text(json.dumps(question), encoding="utf-8")
    copy = place / "probe.py"
    shutil.copyfile(script.__file__, copy)
    python, *_ = runner_command(settings, "", "")
    resources = opened.plugins.request(resources)
    return Batch(
        runners=(1,),
        command=opened.plugins.launch((python, str(copy)), resources),
        environment=opened.launch.environment,
        directory=directory,
        name=_NAME,
        resources=resources,
    )


def _await(
    opened: Opened,
    handle: Handle,
    watch: _Watch,
    resources: Resources,
    patience_s: float,
) -> None:
    """Wait for the answer; return when it is there, or when none is to be expected."""
    until = time.monotonic() + patience_s
    pause, look_at = _FIRST_LOOK_S, time.monotonic() + _FIRST_LOOK_S
    while not _hear(opened, watch, _ROUND_S):
        if _hopeless(watch, time.monotonic(), until):
            _hear(opened, watch, _LATE_WORD_S)  # it may have spoken meanwhile
            return
        if time.monotonic() >= look_at:
            _look(opened, handle, watch, resources)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            look_at = time.monotonic() + pause


def _hopeless(watch: _Watch, now: float, until: float) -> bool:
    if watch.gone or (watch.seen is not None and watch.seen.state in _OVER):
        return True
    if watch.running_since is not None:
        return now > watch.running_since + _ANSWER_S
    if watch.seen is not None and watch.seen.state is SeenState.BLOCKED:
        return True
    return now > until


def _hear(opened: Opened, watch: _Watch, timeout_s: float) -> bool:
    """Take the answer from the socket, or from the file beside the script."""
    if _listen(opened, watch, timeout_s):
        return True
    path = opened.directory.path
    # Listing a directory lets a file server tell of new files sooner.
    if all(entry.name != script.ANSWER for entry in path.iterdir()):
        return False
    if not _listen(opened, watch, _LATE_WORD_S):
        _take(watch, (path / script.ANSWER).read_bytes(), spoken=False)
    return True


def _listen(opened: Opened, watch: _Watch, timeout_s: float) -> bool:
    """Wait for the answer over the run's channel."""
    deadline = time.monotonic() + timeout_s
    while (left := deadline - time.monotonic()) > 0:
        opened.socket.poll(left)
        opened.socket.disconnected()
        for received in opened.socket.receive():
            _take(watch, bytes(received.frames[0]), spoken=True)
            return True
    return False


def _take(watch: _Watch, text: bytes, *, spoken: bool) -> None:
    watch.answer = msgspec.json.decode(text, type=findings.Answer)
    watch.spoken = spoken
    watch.heard = time.time()  # noqa: TID251 - a node's clock is compared with it


def _look(opened: Opened, handle: Handle, watch: _Watch, resources: Resources) -> None:
    """Ask the scheduler once; what it cannot say now it may say later."""
    with opened.plugins.context.desk.visit(Purpose.OBSERVE):
        observation = opened.plugins.observe(frozenset({handle}))
        if isinstance(observation, NotAsked):
            return
        watch.seen = seen = observation.seen.get(handle)
        watch.gone = seen is None
        if seen is not None and seen.state in _STARTED and not watch.running_since:
            watch.running_since = time.monotonic()
        if seen is not None and seen.reason:
            watch.why = opened.plugins.explain(seen.reason, resources)


def _here(
    opened: Opened, watch: _Watch, handle: Handle, resources: Resources
) -> findings.Here:
    return findings.Here(
        host=platform.node(),
        python=(sys.version_info[0], sys.version_info[1], sys.version_info[2]),
        packages={
            each.metadata["Name"].lower(): each.version
            for each in metadata.distributions()
        },
        modules=os.environ.get("LOADEDMODULES", ""),
        handle=str(handle),
        requested=resources,
        sent=watch.sent,
        heard=watch.heard,
        spoken=watch.spoken,
        runs=str(opened.directory.path),
    )


def _refused(opened: Opened, rejected: Rejected, resources: Resources) -> Check:
    why = opened.plugins.explain(rejected.text, resources)
    told = f"{why.meaning} ({why.reason})" if why.meaning else why.reason
    advice = why.advice or "Every map on this backend is refused like this."
    return Check(
        name="probe", passed=False, found=f"it was refused: {told}", advice=advice
    )


def _silent(
    opened: Opened,
    handle: Handle,
    watch: _Watch,
    settings: Settings,
    patience_s: float,
) -> Check:
    """Say what became of a probe that never answered."""
    seen = watch.seen
    if watch.gone or (seen is not None and seen.state in _OVER):
        return _ended(opened, handle, settings)
    if watch.running_since is not None and seen is not None:
        return Check(
            name="probe",
            passed=False,
            found=f"{handle} runs on {seen.node or 'a node'}, and nothing was heard",
            advice="It neither reaches this machine nor does what it writes to the run "
            "directory arrive: the node does not share it, or hangs. Name a directory "
            "the nodes share with the setting run_directory.",
        )
    why = watch.why
    told = "the scheduler gives no reason"
    if why is not None:
        told = f"{why.meaning} ({why.reason})" if why.meaning else why.reason
    elif seen is not None:
        told = f"{seen.state.value} ({seen.raw})"
    blocked = seen is not None and seen.state is SeenState.BLOCKED
    found = "can never start" if blocked else f"has not started in {patience_s:.0f} s"
    advice = why.advice if why is not None and why.advice else ""
    return Check(
        name="probe",
        passed=False,
        found=f"{handle} {found}: {told}",
        advice=advice or "Maps would wait like this one: wait longer with --wait.",
    )


def _ended(opened: Opened, handle: Handle, settings: Settings) -> Check:
    """Say how a probe ended that never answered."""
    with opened.plugins.context.desk.visit(Purpose.AUTOPSY):
        autopsy = opened.plugins.postmortem(frozenset({handle})).get(handle)
    tail = read_tail(opened.directory.logs / f"{handle}.log").strip()
    python = runner_command(settings, "", "")[0]
    how = f": {autopsy.text}" if autopsy is not None and autopsy.text else ""
    where = f" on {autopsy.node}" if autopsy is not None and autopsy.node else ""
    found = f"{handle} ended{where} before it said anything{how}"
    if tail:
        known = diagnosis.from_log(tail)
        found += f"; its log ends: {known.text if known else tail[-300:]}"
        advice = (
            f"The interpreter {python} does not work there: name one that the nodes have "
            "with the setting python."
        )
    else:
        advice = (
            f"It left no log: the nodes have no interpreter {python}, for which there is "
            "the setting python; or they do not see the run directory, for which there "
            "is run_directory."
        )
    return Check(name="probe", passed=False, found=found, advice=advice)


def _clear(opened: Opened, handle: Handle | None) -> None:
    """Leave nothing behind: no probe, no socket, no directory."""
    try:
        if handle is not None:
            with opened.plugins.context.desk.visit(Purpose.KILL):
                opened.plugins.kill(frozenset({handle}))
    finally:
        opened.socket.close(0.0)
        with opened.plugins.context.desk.visit(Purpose.CLOSE):
            opened.plugins.close()
        opened.directory.remove()
