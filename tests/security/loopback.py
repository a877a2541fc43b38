"""A backend whose runners are local processes that come over TCP, as on a cluster.

It is a plugin like any other: `PLUGIN` is what its entry point would load. Runners
that `ROGUES` names are never started as such: a process that does nothing holds their
place, and the test says hello in their name with the run's own key.
"""

import importlib.metadata
import os
import sys
from collections.abc import Sequence

import msgspec

from gridmap.backend import (
    Availability,
    BackendInfo,
    Batch,
    Capabilities,
    Handle,
    Reach,
    Rejected,
    RunContext,
    Submission,
)
from gridmap.hookspecs import hookimpl
from gridmap_local.backend import LocalBackend

NAME = "loopback"
ROGUES = "SECURITY_TEST_ROGUES"
"""Variable with the numbers of the runners whose places are kept for rogues."""

ENTRY = importlib.metadata.EntryPoint(NAME, __name__, "gridmap")
_IDLE = (sys.executable, "-c", "import signal; signal.pause()")


@hookimpl
def gridmap_backends() -> Sequence[BackendInfo]:
    """Offer the backend."""
    return [
        BackendInfo(
            name=NAME,
            summary="Processes on this machine that come over TCP.",
            factory=f"{__name__}:LoopbackBackend",
            availability=f"{__name__}:available",
            interface=1,
        )
    ]


def available() -> Availability:
    """Say yes."""
    return Availability(usable=True, reason="it is for tests")


class LoopbackBackend(LocalBackend):
    """The local backend, but for the way its runners come."""

    @hookimpl
    def gridmap_capabilities(self) -> Capabilities:
        """Say that runners are on other machines."""
        return Capabilities(reach=Reach.NETWORK, largest_fleet=8, accounting=True)

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        """Start runners, and placeholders for rogues."""
        rogues = set(map(int, os.environ.get(ROGUES, "").split()))
        answers: dict[int, Handle | Rejected] = {}
        for number in batch.runners:
            one = msgspec.structs.replace(batch, runners=(number,))
            if number in rogues:
                one = msgspec.structs.replace(one, command=_IDLE)
            answers.update(super().gridmap_submit(one, context))
        return answers
