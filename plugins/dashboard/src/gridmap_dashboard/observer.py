"""The observer of one run: keeps its state, serves it, writes its metrics."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gridmap import events as ev
from gridmap.control.register import Register
from gridmap.settings import load_settings
from gridmap_dashboard import metrics
from gridmap_dashboard.library import Library
from gridmap_dashboard.state import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap_dashboard.server import Server

_log = logging.getLogger(__name__)

_WRITE_S: Final = 5.0
"""Between two writes of the metrics."""


class Observer:
    """Watches one run, in the observers' thread.

    Args:
        settings: The run's settings, by name.
    """

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._settings = settings
        self.state = RunState()
        self._server: Server | None = None
        self._file: MetricsFile | None = None

    def __call__(self, event: ev.AnyEvent) -> None:
        """Take in one event."""
        self.state.take(event)
        if isinstance(event, ev.RunStarted):
            self._start(event)
        elif isinstance(event, ev.RunEnded):
            self._stop()

    def _start(self, event: ev.RunStarted) -> None:
        path = self._settings.get("metrics_file")
        if isinstance(path, str):
            place = Path(path.replace("{run}", event.run))
            self._file = MetricsFile(place, self.state)
            self._file.start()
        if self._settings.get("dashboard"):
            self._serve(event)

    def _serve(self, event: ev.RunStarted) -> None:
        from gridmap_dashboard.server import (  # noqa: PLC0415 - 200 ms, not for metrics alone
            Server,
        )

        port = self._settings.get("dashboard_port")
        try:
            library = Library([self.state], _register(self._settings))
            server = Server(library, port if isinstance(port, int) else 0)
            server.start()
        except OSError as error:
            _log.warning("there is no dashboard of run %s: %s", event.name, error)
            return
        self._server = server
        with contextlib.suppress(OSError, ValueError, AttributeError):
            # Where standard error is closed there is nobody to read it.
            url = f"{server.url}&run={event.run}"
            sys.stderr.write(f"gridmap: dashboard of {event.name}: {url}\n")
            sys.stderr.flush()

    def _stop(self) -> None:
        if self._file is not None:
            self._file.stop()
        if self._server is not None:
            self._server.stop()


def _register(settings: Mapping[str, object]) -> Register:
    """Return where records of other runs are, by the run's own settings."""
    place = settings.get("record_directory")
    given = {"record_directory": place if isinstance(place, str) else None}
    return Register(load_settings(given)[0].records())


class MetricsFile:
    """Writes a run's metrics to a file now and then, in a thread of its own.

    Args:
        path: The file; it is replaced in one step, so no reader sees half of it.
        state: The run.
    """

    def __init__(self, path: Path, state: RunState) -> None:
        self._path = path
        self._state = state
        self._over = threading.Event()
        self._complained = False
        self._thread = threading.Thread(
            target=self._run, name="gridmap-metrics", daemon=True
        )

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write for the last time; a file system that hangs is not waited for."""
        self._over.set()
        self._thread.join(_WRITE_S)

    def _run(self) -> None:
        while not self._over.is_set():
            self._write()
            self._over.wait(_WRITE_S)
        self._write()

    def _write(self) -> None:
        text = metrics.render([self._state], time.time())  # noqa: TID251 - the shell's clock
        part = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            if not self._complained:
                self._complained = True
                _log.warning("cannot write metrics to %s: %s", self._path, error)
