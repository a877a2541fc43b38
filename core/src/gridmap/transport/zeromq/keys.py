"""The keys of a run: made when it starts, forgotten when it ends."""

from __future__ import annotations

import msgspec
import zmq

from gridmap.concealing import Concealing


class RunKeys(Concealing, msgspec.Struct, frozen=True, kw_only=True):
    """Two CURVE key pairs, as Z85 text: the monitor's and that of its runners.

    One pair serves all runners of a run: they are one user's processes reading one
    file, so a key of its own would make none of them more trustworthy.

    Attributes:
        server_public_key: What runners know the monitor by.
        server_secret_key: Never leaves the monitor's memory.
        client_public_key: The only key the monitor admits.
        client_secret_key: Goes into the connection file, nowhere else.
    """

    concealed = frozenset({"server_secret_key", "client_secret_key"})

    server_public_key: str
    server_secret_key: str
    client_public_key: str
    client_secret_key: str

    @classmethod
    def fresh(cls) -> RunKeys:
        """Make the keys of a new run from the system's random source."""
        server_public, server_secret = zmq.curve_keypair()
        client_public, client_secret = zmq.curve_keypair()
        return cls(
            server_public_key=server_public.decode(),
            server_secret_key=server_secret.decode(),
            client_public_key=client_public.decode(),
            client_secret_key=client_secret.decode(),
        )
