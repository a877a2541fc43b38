"""The observer that keeps a run's overview, has it written down and answers for it.

It is called in a thread of its own, like every observer, so what it does costs the run
nothing but processor time; and of that it takes little: an event is a range of jobs,
and the record is written every few seconds, less often where that takes long.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from gridmap.control import door, record, register
from gridmap.control.server import ControlServer
from gridmap.driver import Driver
from gridmap.errors import RunError
from gridmap.events import JobFailed, RunEnded, RunStarted
from gridmap.overview import Overview
from gridmap.version import __version__

if TYPE_CHECKING:
    from gridmap.control.kept import Keeper
    from gridmap.control.register import Register
    from gridmap.control.server import Orders
    from gridmap.events import Event

_log = logging.getLogger(__name__)

_PAUSE_S: Final = 2.0
_SHARE: Final = 50
"""Between two writings passes so many times the time that one takes."""


class Recorder:
    """Keeps the overview of one run.

    Args:
        records: Where records are written.
        most: How many there may be; 0: none is written.
        kept: Whether the run can be resumed.
        keeper: Where jobs that failed are, to be written beside it; None: nowhere.

    Attributes:
        failed: Whether a job ended badly for good.
    """

    def __init__(
        self,
        records: Register,
        most: int,
        *,
        kept: bool,
        keeper: Keeper | None = None,
    ) -> None:
        self._records, self._most, self._kept = records, most, kept
        self._keeper = keeper
        self._orders: Orders | None = None
        self.failed = False
        self._overview = Overview()
        self._lock = threading.Lock()
        self._driver: Driver | None = None
        self._server: ControlServer | None = None
        self._name = ""
        self._due = 0.0

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        with self._lock:
            self._overview.take(event)
        if self._server is not None:
            self._server.tell(event)
        if isinstance(event, JobFailed) and not event.again:
            self.failed = True
        elif isinstance(event, RunStarted):
            self._open(event)
        elif isinstance(event, RunEnded):
            self._write()
            self.close()
        if self._most and time.monotonic() >= self._due:
            self._write()

    def obey(self, orders: Orders) -> None:
        """Say who carries out what other processes order, before the run starts."""
        self._orders = orders

    def look(self) -> bytes:
        """Return the record as it is now. Any thread, once the run has started."""
        driver = self._driver or Driver.here()
        with self._lock:
            now = record.make(self._overview, driver, __version__, kept=self._kept)
        return record.encode(now)

    def close(self) -> None:
        """Answer no more. Idempotent."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _open(self, event: RunStarted) -> None:
        self._driver = Driver.here()
        self._name = register.name_of(event.name, event.run, event.at)
        if self._most:
            self._records.prune(self._most - 1)
        if self._orders is None:
            return
        try:
            folder = door.directory()
            self._server = ControlServer(folder, event.run, self.look, self._orders)
        except (OSError, RunError) as error:
            _log.warning("the run cannot be watched or ordered about: %s", error)

    def _write(self) -> None:
        if not self._most or not self._name:
            return
        began = time.monotonic()
        try:
            self._records.write(self._name, self.look())
            if self._keeper is not None and (jobs := self._keeper.take()):
                self._records.append(self._name, jobs)
        except (OSError, RunError) as error:
            _log.warning("the run is not written down: %s", error)
            self._most = 0
            return
        now = time.monotonic()
        self._due = now + max(_PAUSE_S, _SHARE * (now - began))
