"""Backends that work but for one bug: in what they leave, ask or say of themselves."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

import msgspec

from gridmap.backend import (
    Availability,
    Batch,
    Handle,
    Identity,
    RunContext,
    Seen,
    Submission,
)
from gridmap.hookspecs import hookimpl
from gridmap_local.backend import LocalBackend


class LeavesAThread(LocalBackend):
    """A poller that nobody stops."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        wait = threading.Event().wait
        threading.Thread(target=wait, args=(60,), daemon=True, name="poller").start()
        return super().gridmap_submit(batch, context)


class LeavesAFile(LocalBackend):
    """The submit script stays in the directory for temporary files."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        import tempfile

        descriptor, _ = tempfile.mkstemp(prefix="submit-")
        os.close(descriptor)
        return super().gridmap_submit(batch, context)


class HasDefaults(LocalBackend):
    """pluggy leaves such an argument at its default."""

    @hookimpl
    def gridmap_attach(self, context: RunContext = None) -> Mapping[Handle, Seen]:  # type: ignore[assignment]
        return super().gridmap_attach(context)


class ChangesItsMind(LocalBackend):
    """Capabilities are counted from what is free just now."""

    answers = 0

    @hookimpl
    def gridmap_capabilities(self) -> Any:
        self.answers += 1
        answer = super().gridmap_capabilities()
        return msgspec.structs.replace(answer, largest_fleet=self.answers)


class AsksWhileIdentifying(LocalBackend):
    """Every runner on every node calls the scheduler's commands."""

    @hookimpl
    def gridmap_identify(self, environ: Mapping[str, str]) -> Identity | None:
        subprocess.run([sys.executable, "-c", ""], check=True)
        return super().gridmap_identify(environ)


class LeavesAProcess(LocalBackend):
    """A helper that nobody ends."""

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        helper = subprocess.Popen(["/bin/sleep", "20"])
        helper.returncode = 0  # or its being thrown away would be the warning
        return super().gridmap_submit(batch, context)


class HasALongStory(LocalBackend):
    """Its summary would not fit the line it has in a list."""


class TakesAnothersName(LocalBackend):
    """It calls itself what another plugin is called."""


class LooksForLong(LocalBackend):
    """Whether it can be used is found out by asking the scheduler."""


def asks_the_scheduler() -> Availability:
    """Take longer than anybody should wait for a list of backends."""
    subprocess.run(["/bin/sleep", "0.06"], check=True)
    return Availability(usable=True, reason="it answered")
