"""The user's end of the zygote: runners that are there at once.

Whatever a copy of the zygote would not give as a program of its own would is refused,
and then the runner is started as one; so is every other, once the zygote is gone.
"""

from __future__ import annotations

import json
import logging
import socket
import sys
import time
from typing import TYPE_CHECKING, Final

from gridmap_local import processes, zygote
from gridmap_local.early import SPACE, Zygote, directory, own_variables
from gridmap_local.processes import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap.backend import Batch

PATIENCE_S: Final = 60.0
"""Seconds for all that a runner imports; a program of its own needs them as well. One
that has served before may be importing too, on a machine that is busy."""

_LOOK_S: Final = 0.25
"""How often one that does not answer is looked at: who is stopped never will."""

_log = logging.getLogger(__name__)


class Nursery:
    """Has a zygote, if there can be one; used from one thread at a time."""

    def __init__(self, begun: Zygote | None = None) -> None:
        """Begin, and do not wait until the zygote is ready.

        Args:
            begun: One that was started before, if it was: it is this one's from now on.
        """
        if begun is not None and not _is_as_of_now(begun):
            begun.close()
            begun = None
        self._zygote = begun or Zygote()
        self._zygote.home.settimeout(_LOOK_S)
        if self._zygote.failure is not None:
            _log.info("runners are started one by one: %s", self._zygote.failure)

    @property
    def pid(self) -> int | None:
        """The zygote's number, None if there is none."""
        return self._zygote.pid

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
        own = changes(self._zygote.variables, environment)
        if self.pid is None or own is None or not fits(batch):
            return None
        if not self._zygote.is_current():
            return None
        request = {
            "command": batch.command,
            "directory": batch.directory,
            "environment": own,
        }
        message = json.dumps(request).encode()
        shown = zygote.shown(batch.command, own)
        if len(message) > zygote.MOST or max(map(len, shown)) >= SPACE:
            return None
        try:
            socket.send_fds(self._zygote.home, [message], [log])
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
                return self._zygote.home.recv(zygote.MOST)
            except TimeoutError:
                row = processes.look(self.pid or 0)
                going = row is not None and row.state is State.ALIVE
                if not going or time.monotonic() > until:
                    raise

    def close(self) -> None:
        """End the zygote, whatever it is at, and see it gone; idempotent."""
        self._zygote.close()


def _is_as_of_now(begun: Zygote) -> bool:
    """Return whether this process is what it was when it began something."""
    before = (begun.variables, begun.directory)
    return begun.is_current() and before == (own_variables(), directory())


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
