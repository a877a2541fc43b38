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


class Fault(enum.Enum):
    """What really happened to a runner, for the judgement of verdicts."""

    PERSON = "killed by a person"
    OURS = "killed by the monitor"
    CRASHED = "its process was killed"
    NODE = "its node died"
    GIVEN_UP = "the scheduler took its node for dead"
    CUT_OFF = "its connection broke or its node was cut off"
    HUNG = "its process waits for ever"
    FROZEN = "its process was stopped"
    REQUEUED = "the scheduler started it again"
    RESUBMITTED = "the monitor had it started again"
    PREEMPTED = "the scheduler ended it for another"
    LIMIT = "its time was up"
    WARNED = "it was warned of its end"
    OWN_CLOCK = "its own clock told it that its end was near"
    BROKEN = "gridmap was missing"
    IDLE_DEATH = "its worker was killed while it had nothing to do"
    SIGNALLED = "somebody told it to end"
    ORPHANED = "it was an orphan"


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
        drags_s: How much longer it takes the first time.
    saves: Whether it can be asked for a checkpoint.
        owner: The grant it was last sent out with.
    """

    number: int
    deed: Deed
    seconds: float
    runs: int = 0
    finished: int = 0
    crashes: int = 0
    drags_s: float = 0.0
    saves: bool = False
    owner: int = 0


@attrs.frozen
class Parcel:
    """What a job sends back: enough to know where it came from."""

    job: int
    run: int
    runner: str
