"""The life of a job and of a runner, as data.

What is not in a table is forbidden. Jobs come in hundreds of thousands, so their
states are bytes in one array and move by ranges; the table is the same for one job
and for a million.
"""

from __future__ import annotations

import enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from gridmap.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping


class JobState(enum.IntEnum):
    """Where a job is. Fits one byte."""

    QUEUED = 0
    """Waiting for a runner, for the first or a further time."""
    GRANTED = 1
    """Given to a runner."""
    DELAYED = 2
    """To be run again, after a while."""
    DONE = 3
    """It returned a value."""
    FAILED = 4
    """It ended with an exception or a verdict."""
    CANCELLED = 5
    """The user took it back."""

    @property
    def final(self) -> bool:
        """Whether nothing can happen to the job any more."""
        return not JOB_TRANSITIONS[self]


class JobStep(enum.Enum):
    """What can happen to a job."""

    __hash__ = object.__hash__  # that of enum is a Python function

    GRANT = "grant"
    RETURN = "return"
    """Handed back unstarted, or its attempt ended and it may run again at once."""
    DELAY = "delay"
    WAKE = "wake"
    SUCCEED = "succeed"
    FAIL = "fail"
    CANCEL = "cancel"


JOB_TRANSITIONS: Final[Mapping[JobState, Mapping[JobStep, JobState]]] = (
    MappingProxyType(
        {
            JobState.QUEUED: {
                JobStep.GRANT: JobState.GRANTED,
                JobStep.FAIL: JobState.FAILED,
                JobStep.CANCEL: JobState.CANCELLED,
            },
            JobState.GRANTED: {
                JobStep.RETURN: JobState.QUEUED,
                JobStep.DELAY: JobState.DELAYED,
                JobStep.SUCCEED: JobState.DONE,
                JobStep.FAIL: JobState.FAILED,
                JobStep.CANCEL: JobState.CANCELLED,
            },
            JobState.DELAYED: {
                JobStep.WAKE: JobState.QUEUED,
                JobStep.FAIL: JobState.FAILED,
                JobStep.CANCEL: JobState.CANCELLED,
            },
            JobState.DONE: {},
            JobState.FAILED: {},
            JobState.CANCELLED: {},
        }
    )
)


_BY_NUMBER: Final = [JOB_TRANSITIONS[state] for state in JobState]


class RunnerState(enum.Enum):
    """Where a runner is, as far as the monitor knows."""

    __hash__ = object.__hash__  # that of enum is a Python function

    REQUESTED = "requested"
    """Its submission is under way."""
    QUEUED = "queued"
    """The scheduler has it; it has not said hello."""
    UP = "up"
    SUSPECT = "suspect"
    """Its connection broke or it said goodbye unasked; being looked into."""
    STOPPING = "stopping"
    """Told to end, or being killed."""
    GONE = "gone"


class RunnerStep(enum.Enum):
    """What can happen to a runner."""

    __hash__ = object.__hash__  # that of enum is a Python function

    ACCEPTED = "accepted"
    HELLO = "hello"
    DOUBT = "doubt"
    STOP = "stop"
    REQUEUED = "requeued"
    """The scheduler starts it again in place."""
    END = "end"


RUNNER_TRANSITIONS: Final[Mapping[RunnerState, Mapping[RunnerStep, RunnerState]]] = (
    MappingProxyType(
        {
            RunnerState.REQUESTED: {
                RunnerStep.ACCEPTED: RunnerState.QUEUED,
                RunnerStep.END: RunnerState.GONE,
            },
            RunnerState.QUEUED: {
                RunnerStep.HELLO: RunnerState.UP,
                RunnerStep.STOP: RunnerState.STOPPING,
                RunnerStep.END: RunnerState.GONE,
            },
            RunnerState.UP: {
                RunnerStep.HELLO: RunnerState.UP,
                RunnerStep.DOUBT: RunnerState.SUSPECT,
                RunnerStep.STOP: RunnerState.STOPPING,
                RunnerStep.REQUEUED: RunnerState.QUEUED,
                RunnerStep.END: RunnerState.GONE,
            },
            RunnerState.SUSPECT: {
                RunnerStep.HELLO: RunnerState.UP,
                RunnerStep.DOUBT: RunnerState.SUSPECT,
                RunnerStep.STOP: RunnerState.STOPPING,
                RunnerStep.REQUEUED: RunnerState.QUEUED,
                RunnerStep.END: RunnerState.GONE,
            },
            RunnerState.STOPPING: {
                RunnerStep.STOP: RunnerState.STOPPING,
                RunnerStep.END: RunnerState.GONE,
            },
            RunnerState.GONE: {},
        }
    )
)


def move_jobs(states: bytearray, first: int, stop: int, step: JobStep) -> None:
    """Move jobs ``first`` to ``stop - 1``, all of which must be in the same state.

    Args:
        states: One byte a job, changed in place.
        first: The first job.
        stop: One past the last.
        step: What happened to them.

    Raises:
        LocalProtocolError: If they are not in one state, or the table has no row.
    """
    before: int = states[first]
    after = _BY_NUMBER[before].get(step)
    if after is None or states.count(before, first, stop) != stop - first:
        msg = f"step {step.name} is not allowed for jobs {first}-{stop - 1}"
        raise LocalProtocolError(msg)
    states[first:stop] = bytes((after,)) * (stop - first)


def move_runner(state: RunnerState, step: RunnerStep) -> RunnerState:
    """Return where a runner is after *step*.

    Raises:
        LocalProtocolError: If the table has no row for this pair.
    """
    try:
        return RUNNER_TRANSITIONS[state][step]
    except KeyError:
        msg = f"step {step.name} is not allowed for a runner that is {state.name}"
        raise LocalProtocolError(msg) from None
