"""What a monitor's socket counts."""

from __future__ import annotations

import msgspec


class Counters(msgspec.Struct, kw_only=True):
    """What was turned away or went wrong, for events and reports.

    Attributes:
        accepted: Connections taken, strangers' too.
        accept_failed: Connections that could not be taken, for want of descriptors
            or, on one host, because another user came.
        denied: Peers that proved a key other than the run's.
        strangers: Connections that ended before a message of theirs was let in:
            plain clients, port scanners, runners with another run's keys, and
            those denied.
        crowded: Connections closed because there were too many, and they had said
            nothing; those that wait longest go first.
        shut: How often the ports were shut for a moment, as strangers came too fast.
        disconnected: Connections closed, strangers' too.
        oversized: Messages dropped for their size.
        malformed: Messages dropped for their number of frames.
        unreachable: Messages not sent, their peer having no connection.
        backlogged: Messages not sent, their peer not reading.
    """

    accepted: int = 0
    accept_failed: int = 0
    denied: int = 0
    strangers: int = 0
    crowded: int = 0
    shut: int = 0
    disconnected: int = 0
    oversized: int = 0
    malformed: int = 0
    unreachable: int = 0
    backlogged: int = 0
