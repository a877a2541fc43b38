"""Hosts that the master cannot reach, and since when. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.backend import SeenState

if TYPE_CHECKING:
    from collections.abc import Collection

    from gridmap.backend import Seen

CERTAIN_S: Final = 40.0
"""How long a host must have been out of reach, at each look, before it counts as lost.

A master that has just started reaches none of its hosts, though all are well, until
each has found it: that takes 20 to 30 s (seen with 8.1.9)."""


class SilentHosts:
    """What one run's looks at the hosts of its runners have shown."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def looked(self, silent: Collection[str], now: float) -> None:
        """Take in which hosts the master cannot reach.

        Args:
            silent: Their names; none if the master did not answer, since when it does
                again it may have been started anew.
            now: When, on any clock.
        """
        self._since = {host: self._since.get(host, now) for host in silent}

    def mark(self, seen: Seen, now: float) -> Seen:
        """Return what is to be shown of a runner on a host that is out of reach.

        What is being deleted stays so: that it waits for its host is no news.
        """
        since = self._since.get(seen.node or "")
        if since is None:
            return seen
        lost = seen.state in {SeenState.RUNNING, SeenState.SUSPENDED}
        certain = lost and now - since >= CERTAIN_S
        return msgspec.structs.replace(
            seen,
            state=SeenState.UNREACHABLE if certain else seen.state,
            reason=f"the master cannot reach host {seen.node}",
        )
