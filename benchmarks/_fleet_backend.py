"""A backend whose runners are simulated, many by each of a few processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gridmap.backend import (
    Availability,
    BackendInfo,
    Capabilities,
    Handle,
    Identity,
    Killed,
    Observed,
    Rendered,
    Seen,
    SeenState,
)
from gridmap.connection import VARIABLE
from gridmap.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gridmap.backend import Batch, Handles, RunContext

NAME = "fleet"
EACH = 1250
"""Runners that one process plays."""


def install(directory: Path) -> None:
    """Make this backend known, as an installed distribution would."""
    info = directory / "gridmap_fleet-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: gridmap-fleet\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(f"[gridmap]\nfleet = {__name__}\n")
    sys.path.append(str(directory))


def available() -> Availability:
    """Say that it can be used, and is never taken unasked."""
    return Availability(usable=True, reason="it is a simulation", preference=0)


@hookimpl
def gridmap_backends() -> Sequence[BackendInfo]:
    """Introduce the backend."""
    return [
        BackendInfo(
            name=NAME,
            summary="simulated runners",
            factory=f"{__name__}:FleetBackend",
            availability=f"{__name__}:available",
            interface=1,
        )
    ]


class FleetBackend:
    """Starts simulated runners on this machine, over TCP as on a cluster."""

    helpers: ClassVar[list[subprocess.Popen[str]]] = []
    started: ClassVar[int] = 0

    @hookimpl
    def gridmap_capabilities(self) -> Capabilities:
        """Say what it can do: anything at once."""
        return Capabilities()

    @hookimpl
    def gridmap_render(self, batch: Batch, context: RunContext) -> Rendered:
        """Show nothing that could be typed."""
        del context
        return Rendered(command=batch.command)

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Mapping[int, Handle]:
        """Start as many processes as it takes."""
        del context
        job = str(len(self.helpers) + 1)
        path = batch.environment[VARIABLE]
        script = str(Path(__file__).parent / "_fleet.py")
        for first in range(0, len(batch.runners), EACH):
            count = min(EACH, len(batch.runners) - first)
            command = [sys.executable, script, path, job, str(first), str(count)]
            self.helpers.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        type(self).started += len(batch.runners)
        return {
            runner: Handle(job, str(task)) for task, runner in enumerate(batch.runners)
        }

    @hookimpl
    def gridmap_identify(self, environ: Mapping[str, str]) -> Identity | None:
        """Nobody asks: simulated runners know who they are."""
        del environ

    @hookimpl
    def gridmap_observe(self, handles: Handles, context: RunContext) -> Observed:
        """All run."""
        del context
        running = Seen(state=SeenState.RUNNING, raw="R")
        return Observed(seen=dict.fromkeys(handles, running))

    @hookimpl
    def gridmap_kill(
        self, handles: Handles, context: RunContext
    ) -> Mapping[Handle, Killed]:
        """Say that they are gone; the processes end with this one."""
        del context
        return dict.fromkeys(handles, Killed.GONE)

    @classmethod
    def told(cls) -> list[dict[str, Any]]:
        """Return the next line of each process, once all have said one."""
        lines = [one.stdout.readline() for one in cls.helpers if one.stdout]
        return [json.loads(line) for line in lines]

    @classmethod
    def flow(cls) -> None:
        """Have all of them answer from now on."""
        for one in cls.helpers:
            if one.stdin:
                print(file=one.stdin, flush=True)

    @classmethod
    def end(cls) -> None:
        """End all processes."""
        for one in cls.helpers:
            if one.stdin:
                one.stdin.close()
            one.wait()
        cls.helpers.clear()
