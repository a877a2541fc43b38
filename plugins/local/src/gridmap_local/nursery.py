"""The user's end of the zygote: runners that are there at once.

Whatever a copy of the zygote would not give as a program of its own would is refused,
and then the runner is started as one; so is every other, once the zygote is gone.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gridmap_local import processes, zygote
from gridmap_local.processes import State
from gridmap_local.runner import OURS
from gridmap_local.start import no_signals_blocked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap.backend import Batch

PATIENCE_S: Final = 60.0
"""Seconds for all that a runner imports; a program of its own needs them as well. One
that has served before may be importing too, on a machine that is busy."""

_LOOK_S: Final = 0.25
"""How often one that does not answer is looked at: who is stopped never will."""

_END_S: Final = 5.0

_INHERITED: Final = (
    *("Umask", "Uid", "Gid", "Groups", "SigIgn", "CapBnd", "NoNewPrivs", "Seccomp"),
    *("Cpus_allowed", "Mems_allowed"),
)
"""Of what ``/proc/PID/status`` says, what a child has from the one that starts it."""

_log = logging.getLogger(__name__)


class Nursery:
    """Has a zygote, if there can be one; used from one thread at a time.

    Attributes:
        pid: The zygote's number, None if there is none.
    """

    def __init__(self) -> None:
        """Start a zygote, and do not wait until it is ready."""
        self.pid: int | None = None
        self._variables = {
            k: v for k, v in os.environ.items() if not k.startswith(OURS)
        }
        self._inherited = inherited()
        self._process: subprocess.Popen[bytes] | None = None
        self._home, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._home.settimeout(_LOOK_S)
        with theirs:
            if not zygote.can_clone():
                return
            descriptor = theirs.fileno()
            space = " " * zygote.SPACE
            try:
                with no_signals_blocked():
                    self._process = subprocess.Popen(
                        [
                            *(sys.executable, "-m", "gridmap_local.zygote"),
                            *(str(descriptor), str(os.getpid()), space),
                        ],
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        env=self._variables | {zygote.FREE: space},
                        pass_fds=(descriptor,),
                        start_new_session=True,
                    )
            except OSError as error:
                _log.info("runners are started one by one: %s", error)
            else:
                self.pid = self._process.pid

    def bear(
        self, batch: Batch, environment: Mapping[str, str], log: int
    ) -> int | None:
        """Make a runner of what the zygote has ready.

        Args:
            batch: What it is to run.
            environment: All of its variables.
            log: Descriptor for what it prints.

        Returns:
            The number of the process, a child of this one and the leader of a session;
            None if it has to be started as a program.
        """
        own = changes(self._variables, environment)
        if self._process is None or own is None or not fits(batch):
            return None
        if inherited() != self._inherited:
            return None
        request = {
            "command": batch.command,
            "directory": batch.directory,
            "environment": own,
        }
        message = json.dumps(request).encode()
        shown = zygote.shown(batch.command, own)
        if len(message) > zygote.MOST or max(map(len, shown)) >= zygote.SPACE:
            return None
        try:
            socket.send_fds(self._home, [message], [log])
            answer = self._answer()
        except OSError as error:
            _log.info("runners are started one by one from now on: %s", error)
            answer = b""
        if not answer:
            self.close()
            return None
        return json.loads(answer) or None

    def _answer(self) -> bytes:
        """Return what the zygote answers; nothing if it is gone.

        Raises:
            OSError: If it does not answer: it is stopped, or takes too long.
        """
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._home.recv(zygote.MOST)
            except TimeoutError:
                row = processes.look(self.pid or 0)
                going = row is not None and row.state is State.ALIVE
                if not going or time.monotonic() > until:
                    raise

    def close(self) -> None:
        """End the zygote, whatever it is at, and see it gone; idempotent."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()  # or it might still serve what was not waited for
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
            self.pid = None
        self._home.close()


def fits(batch: Batch) -> bool:
    """Return whether a runner's command is what a zygote can become."""
    program, *options = batch.command
    return (
        program == sys.executable
        and options[:2] == ["-m", "gridmap.runner"]
        # Set from outside, it must be before the runner's worker is there.
        and batch.resources.memory_limit is None
    )


def changes(
    before: Mapping[str, str], after: Mapping[str, str]
) -> dict[str, str] | None:
    """Return what is new in an environment, if that is all that is.

    Returns:
        The variables that were added; None if one that an interpreter or a library
        may have looked at since is another now.
    """
    own = {name: value for name, value in after.items() if before.get(name) != value}
    known = all(name.startswith("GRIDMAP_") for name in own)
    return own if known and before.keys() <= after.keys() else None


def inherited() -> tuple[str, ...]:
    """Return what a child of this thread would have from it, variables set aside.

    Limits, priority, file mode mask and their like: `os.umask` and others of its kind
    change them at any time.
    """
    place = Path("/proc/thread-self")
    try:
        status = (place / "status").read_text().splitlines()
        files = [(place / name).read_text() for name in ("limits", "cgroup")]
    except OSError:  # no /proc, and then no zygote either
        return ()
    kept = [line for line in status if line.partition(":")[0] in _INHERITED]
    return (*kept, *files, str(os.getpriority(os.PRIO_PROCESS, 0)))
