"""What runner and monitor say to each other, as small typed values.

Control messages only: payloads are opaque frames that follow a message and are
never looked into here. Jobs travel as ranges within a *grant*: the monitor numbers
each grant once, and a result counts only while its grant is open. That is the
fence: a runner that was given up on can say what it likes.

Messages that change something carry a ``number``, are kept by the runner until the
monitor acknowledges it, and are sent again after a lost connection; hearing one
twice changes nothing.
"""

from __future__ import annotations

from gridmap.protocol.messages.fields import VERSION
from gridmap.protocol.messages.from_either import Credit, Piece
from gridmap.protocol.messages.from_monitor import (
    Ack,
    Cancel,
    Content,
    Discard,
    Echo,
    Examine,
    FromMonitor,
    Plain,
    Recall,
    Refuse,
    Stop,
    Watch,
    Welcome,
    Work,
)
from gridmap.protocol.messages.from_runner import (
    Beat,
    Bring,
    Checkpoint,
    Failure,
    FromRunner,
    Goodbye,
    Hello,
    Kind,
    Live,
    Printed,
    Progress,
    Report,
    Returned,
    Stack,
    Warned,
    WorkerLost,
)

__all__ = [
    "VERSION",
    "Ack",
    "Beat",
    "Bring",
    "Cancel",
    "Checkpoint",
    "Content",
    "Credit",
    "Discard",
    "Echo",
    "Examine",
    "Failure",
    "FromMonitor",
    "FromRunner",
    "Goodbye",
    "Hello",
    "Kind",
    "Live",
    "Piece",
    "Plain",
    "Printed",
    "Progress",
    "Recall",
    "Refuse",
    "Report",
    "Returned",
    "Stack",
    "Stop",
    "Warned",
    "Watch",
    "Welcome",
    "Work",
    "WorkerLost",
]
