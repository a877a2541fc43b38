"""What a runner says of itself when it comes."""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import TYPE_CHECKING

from gridmap.protocol import messages as m
from gridmap.version import __version__

if TYPE_CHECKING:
    from gridmap.backend import Identity


def hello(identity: Identity, nonce: str) -> m.Hello:
    """Return the greeting of this process.

    Args:
        identity: What its environment tells its backend.
        nonce: What this life of it is known by.
    """
    handle = identity.handle
    remaining = None
    if identity.deadline is not None:
        remaining = identity.deadline - time.time()  # noqa: TID251 - the shell's clock
    return m.Hello(
        version=m.VERSION,
        nonce=nonce,
        job=handle.job if handle else None,
        task=handle.task if handle else None,
        node=socket.gethostname(),
        pid=os.getpid(),
        python=sys.version_info[:3],
        gridmap=__version__,
        remaining=remaining,
        slots=identity.slots,
    )
