"""The process that holds DRMAA: ``python -m gridmap_sge.drmaa_server``.

libdrmaa lives here and nowhere else, because

* it may need a library preloaded (8.1.9 on Debian links libjemalloc, whose static TLS
  does not fit into a running interpreter, and which does not bear pyzmq beside it);
* DRMAA allows one session a process, and an application may have its own;
* a crash or a hang of it costs this process and nothing else.

Requests come on standard input, replies go to standard output, as `frames` has it.
Whatever libraries print goes to standard error. The process ends when its input does,
also in the middle of a call that hangs.

drmaa-python (0.7.9) has traps, which are all stepped round here: its time limits are
empty on Python 3, so the native specification carries them; it decodes error texts
strictly and in the locale's encoding, so the client starts this process in UTF-8 mode
and in locale C; one error buffer serves all threads, so one thread makes all calls.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import sys
import threading
from typing import IO, TYPE_CHECKING, Any, Final

from gridmap_sge import frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridmap_sge.frames import Message

NO_USAGE: Final = "code 24:"
"""How drmaa-python, in a plain Exception, says that a job was deleted before it ran."""

GOODBYE_S: Final = 5.0
"""How long a running call may go on when the client has gone."""


class Session:
    """One DRMAA session, opened by the first request that needs it."""

    def __init__(self) -> None:
        self._drmaa: Any = None

    def answer(self, request: Message) -> Message:
        """Carry out one request; what fails is in the reply."""
        verbs: dict[str, Callable[[Message], Message]] = {
            "open": self._open,
            "submit": self._submit,
            "reap": self._reap,
        }
        try:
            return {"ok": verbs[request["verb"]](request)}
        except Exception as error:  # noqa: BLE001 - the client decides what it means
            return {"error": type(error).__name__, "text": str(error)}

    def load(self) -> None:
        """Load the library while nobody waits for it; what fails will fail again."""
        with contextlib.suppress(Exception):
            importlib.import_module("drmaa")

    def close(self) -> None:
        """End the session; jobs go on."""
        if self._drmaa is not None:
            with contextlib.suppress(Exception):  # there is nobody left to tell
                self._drmaa.Session.exit()

    def _open(self, request: Message) -> Message:
        del request
        if self._drmaa is None:
            import drmaa  # noqa: PLC0415 - loads libdrmaa: its failure is a reply

            drmaa.Session.initialize()
            self._drmaa = drmaa
        session = self._drmaa.Session()
        return {"system": session.drmsInfo, "contact": session.contact}

    def _submit(self, request: Message) -> Message:
        self._open(request)
        template = self._drmaa.Session.createJobTemplate()
        try:
            for name, value in request["template"].items():
                setattr(template, name, _encoded(value))
            ids = self._drmaa.Session.runBulkJobs(template, 1, request["count"], 1)
        finally:
            self._drmaa.Session.deleteJobTemplate(template)
        return {"ids": ids}

    def _reap(self, request: Message) -> Message:
        """Tell how those of ``ids`` ended that have; the library forgets them.

        The library hears of every end from the master: this asks nobody. It knows only
        what this session has submitted.
        """
        ended = {}
        for job in request["ids"] if self._drmaa is not None else ():
            outcome = self._wait(job)
            if outcome is not None:
                ended[job] = outcome
        return {"ended": ended}

    def _wait(self, job: str) -> Message | None:
        errors = self._drmaa.errors
        try:
            info = self._drmaa.Session.wait(job, self._drmaa.Session.TIMEOUT_NO_WAIT)
        except (errors.ExitTimeoutException, errors.InvalidJobException):
            return None  # it still runs; or it is not of this session
        except errors.DrmaaException:
            raise
        except Exception as error:
            if NO_USAGE not in str(error):
                raise
            return {"ran": False}
        return {
            "ran": True,
            "exited": bool(info.hasExited),
            "status": int(info.exitStatus),
            "signalled": bool(info.hasSignal),
            "signal": info.terminatedSignal or "",
            "aborted": bool(info.wasAborted),
            "usage": dict(info.resourceUsage or {}),
        }


def _encoded(value: Any) -> Any:
    """Return texts as bytes: drmaa-python would encode them in the locale's way."""
    if isinstance(value, list):
        return [_encoded(item) for item in value]
    return os.fsencode(value) if isinstance(value, str) else value


def serve(
    requests: IO[bytes], replies: IO[bytes], session: Session, end: Callable[[], None]
) -> None:
    """Answer requests until there are no more.

    Args:
        requests: Where they come from, read by a thread of its own: so the end of the
            client is seen while a call hangs.
        replies: Where answers go.
        session: Who answers them.
        end: Called in that thread when a call still runs `GOODBYE_S` after the end.
    """
    todo: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    finished = threading.Event()

    def listen() -> None:
        try:
            while (request := frames.read(requests)) is not None:
                todo.put(request)
        except (frames.FrameError, OSError, ValueError):
            pass  # the client died while it wrote
        todo.put(None)
        if not finished.wait(GOODBYE_S):
            end()

    threading.Thread(target=listen, name="requests", daemon=True).start()
    session.load()
    try:
        while (request := todo.get()) is not None:
            frames.write(replies, {**session.answer(request), "id": request.get("id")})
    except OSError:
        pass  # the client has gone and reads no replies
    session.close()
    finished.set()


def main() -> None:
    """Serve on standard input and output."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no reply
    serve(sys.stdin.buffer, replies, Session(), lambda: os._exit(1))


if __name__ == "__main__":
    main()
