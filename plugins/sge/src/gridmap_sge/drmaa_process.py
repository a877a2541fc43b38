"""The user's end of the process that holds DRMAA (`drmaa_server` says why it exists).

Started when a run opens, which has other things to do until it submits, and kept: only the session that submitted a job
hears how it ended. When it crashes, hangs or is killed, what was asked of it fails, the
next request starts another, and the ends of what the lost one had submitted are left
to accounting.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
import tempfile
import time
from typing import IO, TYPE_CHECKING, Any, Final

import attrs

from gridmap.backend import Handle
from gridmap_sge import frames
from gridmap_sge.submission import Ended, SubmitError, is_transient

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from gridmap_sge.array import Array
    from gridmap_sge.frames import Message

TIMEOUT_S: Final = 60.0
"""For one answer. The library's own time-outs towards a dead master are shorter."""
GOODBYE_S: Final = 3.0
REAPED_AT_ONCE: Final = 1000
"""Ids in one request: always less than a pipe holds, so that writing cannot block."""

COMMAND: Final = (sys.executable, "-P", "-m", "gridmap_sge.drmaa_server")
"""``-P``: modules in the user's working directory are not the server's."""

_BROKEN: Final = frozenset(
    {"ImportError", "ModuleNotFoundError", "OSError", "RuntimeError"}
)
"""What importing drmaa raises when the library is not there or cannot be loaded."""
_TRANSIENT: Final = frozenset(
    {
        "DrmCommunicationException",
        "TryLaterException",
        "DrmsInitException",
        "DrmsExitException",
        "InternalException",
        "NoActiveSessionException",
        "AlreadyActiveSessionException",
        "OutOfMemoryException",
    }
)
_UNCERTAIN: Final = frozenset({"DrmCommunicationException", "InternalException"})


class ProcessError(Exception):
    """The process died, hung or wrote rubbish; it has been ended."""


@attrs.frozen(kw_only=True)
class Opened:
    """What came of opening a session.

    Attributes:
        system: The scheduler's name and version.
        error: Why it failed, empty if it did not.
    """

    system: str = ""
    error: str = ""


class DrmaaProcess:
    """Submits over DRMAA and hears how jobs ended. Used from one thread.

    Attributes:
        environ: The whole environment of the process.
        command: Program and arguments; tests put others here.
        timeout_s: Seconds to wait for one answer.

    `note` is called for each call that goes to the master: opening a session, and
    submitting. Of ends the master tells by itself.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        command: Sequence[str] = COMMAND,
        timeout_s: float = TIMEOUT_S,
        note: Callable[[], None] = lambda: None,
    ) -> None:
        self.environ = dict(environ)
        self.command = tuple(command)
        self.timeout_s = timeout_s
        self._note = note
        self._child: _Child | None = None
        self._own: set[Handle] = set()

    def prepare(self) -> None:
        """Start the process, which loads the library; ask nobody, and do not wait."""
        with contextlib.suppress(ProcessError):  # whoever submits is told
            self._running()

    def open(self) -> Opened:
        """Start the process and its session, to see whether that can be done."""
        try:
            reply = self._ask({"verb": "open"})
        except ProcessError as error:
            return Opened(error=str(error))
        if "error" in reply:
            return Opened(error=str(_refusal(reply)))
        return Opened(system=str(reply["ok"]["system"]))

    def submit(self, array: Array) -> tuple[Handle, ...]:
        """Submit with one `runBulkJobs`; see `submission.Submitter`."""
        request = {
            "verb": "submit",
            "template": array.template(),
            "count": array.tasks,
        }
        self._note()
        try:
            reply = self._ask(request)
        except ProcessError as error:
            raise SubmitError(str(error), transient=True, uncertain=True) from error
        if "error" in reply:
            raise _refusal(reply)
        handles = tuple(_handle(str(text)) for text in reply["ok"]["ids"])
        self._own.update(handles)
        return handles

    def reap(self, handles: Collection[Handle]) -> Mapping[Handle, Ended]:
        """Return how those of *handles* ended that have; each is told once."""
        mine = sorted(self._own.intersection(handles))
        ended: dict[Handle, Ended] = {}
        for start in range(0, len(mine), REAPED_AT_ONCE):
            ids = [str(handle) for handle in mine[start : start + REAPED_AT_ONCE]]
            try:
                reply = self._ask({"verb": "reap", "ids": ids})
            except ProcessError:
                break  # accounting will have to do
            told = reply.get("ok", {}).get("ended", {})
            ended |= {_handle(job): _ended(outcome) for job, outcome in told.items()}
        self._own.difference_update(ended)
        return ended

    def close(self) -> None:
        """End the session and the process; jobs go on. Idempotent."""
        self._own.clear()
        child, self._child = self._child, None
        if child is not None:
            child.dismiss()

    def _ask(self, request: Message) -> Message:
        child = self._running()
        if request["verb"] != "reap" and not child.registered:
            child.registered = True
            self._note()  # its session registers with the master
        try:
            frames.write(child.requests, request)
            reply = frames.read(_Patient(child.replies, self.timeout_s))
        except (OSError, frames.FrameError) as error:
            raise ProcessError(self._bury(str(error))) from error
        except BaseException:
            self._bury("interrupted")
            raise
        if reply is None or not ("ok" in reply or "error" in reply):
            raise ProcessError(self._bury("it ended"))
        return reply

    def _running(self) -> _Child:
        if self._child is not None and self._child.alive:
            return self._child
        if self._child is not None:
            self._bury("it ended")
        try:
            self._child = _Child(self.command, self.environ)
        except OSError as error:
            msg = f"the DRMAA process could not be started: {error}"
            raise ProcessError(msg) from error
        return self._child

    def _bury(self, reason: str) -> str:
        """End the process, forget it, and return the whole story."""
        self._own.clear()
        child, self._child = self._child, None
        story = child.kill() if child is not None else ""
        return f"the DRMAA process failed: {reason}{story}"


class _Child:
    """The process itself, with its pipes and what it prints.

    Attributes:
        requests: Where it reads.
        replies: Where it answers.
        registered: Whether it was asked for what needs a session.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        with contextlib.ExitStack() as stack:
            self._noise: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(
                command,
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._noise,
                bufsize=0,
                start_new_session=True,  # a Ctrl-C is the user's process's to handle
            )
            self._streams = stack.pop_all()
        if self._process.stdin is None or self._process.stdout is None:
            msg = "a process without pipes"
            raise OSError(msg)
        self.registered = False
        self.requests = self._streams.enter_context(self._process.stdin)
        self.replies = self._streams.enter_context(self._process.stdout)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def dismiss(self) -> None:
        """Let it close its session and end; make sure that it does."""
        with contextlib.suppress(OSError):
            self.requests.close()
        try:
            self._process.wait(GOODBYE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._streams.close()

    def kill(self) -> str:
        """End it at once; return how it ended and the last it printed."""
        self._process.kill()
        status = self._process.wait()
        self._noise.seek(0)
        words = " ".join(self._noise.read()[-500:].decode("utf-8", "replace").split())
        with contextlib.suppress(OSError):
            self._streams.close()
        return f" (exit status {status}){': ' if words else ''}{words}"


class _Patient:
    """Reads from a pipe, with a limit to the patience for all that is read."""

    def __init__(self, stream: IO[bytes], timeout_s: float) -> None:
        self._fd = stream.fileno()
        self._deadline = time.monotonic() + timeout_s
        self._timeout_s = timeout_s

    def read(self, size: int) -> bytes:
        parts = []
        with selectors.DefaultSelector() as selector:
            selector.register(self._fd, selectors.EVENT_READ)
            while size > 0:
                left = self._deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    msg = f"it gave no answer within {self._timeout_s:g} s"
                    raise TimeoutError(msg)
                part = os.read(self._fd, min(size, 2**20))
                if not part:
                    break
                parts.append(part)
                size -= len(part)
        return b"".join(parts)


def _refusal(reply: Message) -> SubmitError:
    kind, text = str(reply["error"]), str(reply.get("text", "")).strip()
    _, _, words = text.partition(": ")
    return SubmitError(
        (words if text.startswith("code ") else text) or kind,
        transient=kind in _TRANSIENT or is_transient(text),
        uncertain=kind in _UNCERTAIN,
        broken=kind in _BROKEN,
    )


def _handle(text: str) -> Handle:
    job, _, task = text.partition(".")
    return Handle(job, task or None)


def _ended(outcome: Any) -> Ended:
    if not outcome.get("ran"):
        return Ended(ran=False)
    return Ended(
        ran=True,
        aborted=bool(outcome["aborted"]),
        exit_status=int(outcome["status"]) if outcome["exited"] else None,
        signal=str(outcome["signal"]) if outcome["signalled"] else "",
        usage={str(name): str(value) for name, value in outcome["usage"].items()},
    )
