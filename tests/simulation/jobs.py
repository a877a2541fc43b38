"""What the simulated jobs do, and what is known of them for certain."""

from __future__ import annotations

import enum

import attrs


class Deed(enum.Enum):
    """What a job does when it is run."""

    VALUE = "value"
    RAISE = "raise"
    EXIT = "exit"
    """It calls sys.exit, which the worker catches."""
    UNPICKLABLE = "unpicklable"
    CRASH = "crash"
    """It takes its worker's process along, every time."""
    CRASH_ONCE = "crash once"
    MEMORY = "memory"
    """The kernel ends its worker for want of memory."""
    STALL = "stall"
    """It does nothing, for ever, the first time."""


@attrs.define
class SimJob:
    """One job.

    Attributes:
        number: Its number in the run.
        deed: What it does.
        seconds: How long that takes.
        runs: How often it was begun.
        finished: How often it came to its own end.
        crashes: How often it took its worker along.
        shot: Whether its worker was killed from outside in the middle of it.
        cancelled: Whether the user took it back.
        owner: The grant it was last sent out with.
        delivered: How often something was handed to the user.
    """

    number: int
    deed: Deed
    seconds: float
    runs: int = 0
    finished: int = 0
    crashes: int = 0
    shot: bool = False
    cancelled: bool = False
    owner: int = 0
    delivered: int = 0


@attrs.frozen
class Parcel:
    """What a job sends back: enough to know where it came from."""

    job: int
    run: int
    handle: str
