"""Whether a runner takes part in sharing on its node: from the first such frame on.

That brings the sockets and the thread for it, which most runners never need.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gridmap.runner.node.sharing import Download, Obtain, Sharing


class Membership:
    """A runner's end. Used in the runner's thread."""

    def __init__(self) -> None:
        """Begin without anything."""
        self._sharing: Sharing | None = None
        self._alone = sys.platform != "linux"  # no abstract names, no sealed memory

    def among(
        self,
        secret: bytes,
        digest: bytes,
        sizes: Sequence[int],
        compressed: Collection[int],
    ) -> Obtain:
        """Return what obtains the frames of a content, one after the other.

        Args:
            secret: What runners of the run on this node know; empty: there is none.
            digest: The content address.
            sizes: Bytes of each large frame as it travels.
            compressed: Numbers of those that are larger once they are here.
        """
        sharing = self._begun() if secret else None
        if sharing is None:
            return for_itself
        from gridmap.runner.node.naming import Content  # noqa: PLC0415 - see above

        content = Content(digest, tuple(sizes), secret, frozenset(compressed))
        return sharing.enter(content)

    def forget(self, digest: bytes) -> None:
        """Hand a content on no more, and let go of its memory."""
        if self._sharing is not None:
            self._sharing.forget(digest)

    def close(self) -> None:
        """Let others take over what this runner hands on."""
        if self._sharing is not None:
            self._sharing.close()

    def _begun(self) -> Sharing | None:
        if self._sharing is None and not self._alone:
            from gridmap.runner.node.sharing import Sharing  # noqa: PLC0415 - see above

            try:
                self._sharing = Sharing()
            except (OSError, RuntimeError):  # no descriptor or no thread is to be had
                self._alone = True
        return self._sharing


def for_itself(_: int, download: Download) -> int:
    """Obtain a frame without others; an `Obtain`."""
    return download()
