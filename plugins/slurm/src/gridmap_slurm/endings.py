"""How a runner ended, from the words Slurm has for it. Pure.

What each death looks like on a real cluster without accounting, in the controller's
memory (``scontrol show job``), Slurm 22.05.8 with memory limits by cgroups v1:

========================================  ===============  ==================  ========
death                                     JobState         Reason              ExitCode
========================================  ===============  ==================  ========
exit 0                                    COMPLETED        None                0:0
exit 3                                    FAILED           NonZeroExitCode     3:0
program or interpreter not there          FAILED           NonZeroExitCode     127:0 [1]
kill -9 of the script (or a crash)        FAILED           JobLaunchFailure    0:9
log directory not there                   FAILED           JobLaunchFailure    0:53
more memory than asked for                OUT_OF_MEMORY    OutOfMemory         0:125
the same, and the script ended with 0     OUT_OF_MEMORY    OutOfMemory         0:125
longer than ``--time``                    TIMEOUT          TimeLimit           0:15
refused at submission                     FAILED           BadConstraints      1:0 [5]
scancel while it ran                      CANCELLED        None                0:15 [2]
scancel while it waited                   CANCELLED        the last one        0:0 [3]
preempted, ``--no-requeue``               PREEMPTED        None                0:15
preempted, ``--requeue``                  PENDING          BeginTime           0:0 [4]
slurmd killed, or started again           the job goes on
node gone, ``--requeue``                  PENDING          BeginTime           0:0 [4]
node gone, ``--no-requeue``               NODE_FAIL        NodeDown            0:0
========================================  ===============  ==================  ========

1. 126 for a program that must not be run.
2. 0:9 if it ignored the SIGTERM that comes first, and ``KillWait`` before SIGKILL.
3. Of single tasks nothing remains; see `gridmap_slurm.squeue`.
4. The same id comes back, ``Restarts`` goes up, and it waits for two minutes. Before
   a silent node counts as gone (``SlurmdTimeout``, 300 s by default), it is RUNNING.
5. sbatch fails, and the job is remembered all the same.

A time limit is looked at about every half minute: TIMEOUT was seen 10 to 30 s after it.
Accounting has the same states, with 0:0 in place of 0:15, and says who cancelled a job
(``CANCELLED by 1001``); a waiting task that was cancelled is not in it, either.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from gridmap.backend import Autopsy, Ending, Limit, SeenState
from gridmap_slurm import states

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap_slurm.scontrol import JobRecord

_ENDINGS: Final[Mapping[str, tuple[Ending | None, Limit | None]]] = MappingProxyType(
    {
        "BOOT_FAIL": (Ending.NODE, None),
        "CANCELLED": (Ending.PERSON, None),
        "COMPLETED": (Ending.ITSELF, None),
        "DEADLINE": (Ending.SCHEDULER_LIMIT, Limit.TIME),
        "FAILED": (Ending.ITSELF, None),
        "LAUNCH_FAILED": (Ending.START, None),
        "NODE_FAIL": (Ending.NODE, None),
        "OUT_OF_MEMORY": (Ending.SCHEDULER_LIMIT, Limit.MEMORY),
        "PREEMPTED": (Ending.PREEMPTION, None),
        "REVOKED": (None, None),
        "TIMEOUT": (Ending.SCHEDULER_LIMIT, Limit.TIME),
    }
)

_BY_ITSELF: Final = frozenset({"COMPLETED", "FAILED"})
_IO_SETUP: Final = 53
"""In place of a signal: standard output could not be opened on the node."""
_LAST_SIGNAL: Final = 64
_NOT_THERE: Final = frozenset({126, 127})


def autopsy(
    record: JobRecord, peak_memory: int | None = None, by: str | None = None
) -> Autopsy | None:
    """Return what a record says of the end of a runner, None if it has not ended.

    Args:
        record: What the controller or accounting remembers.
        peak_memory: Bytes, if accounting measured it.
        by: Who cancelled it, if accounting knows.
    """
    if states.state(record.state) is not SeenState.ENDED:
        return None
    word = states.canonical(record.state)
    ending, limit = _ENDINGS[word]
    if word == "FAILED" and not _started(record):
        ending = Ending.START
    own = word in _BY_ITSELF and ending is Ending.ITSELF
    return Autopsy(
        ending=ending,
        limit=limit,
        exit_status=record.exit_status if own and not record.signal else None,
        signal=record.signal or None if own else None,
        # Sampled: of a job killed for its memory it tells what was before (seen: 3 MB of
        # 800), and would be taken for what killed it.
        peak_memory=None if limit is Limit.MEMORY else peak_memory,
        node=record.node,
        text=_text(record, word, by),
    )


def taken_out(remembered: str) -> Autopsy:
    """Return the autopsy of a waiting runner that left its array without a trace.

    Args:
        remembered: Slurm's word for the state it was last seen in.
    """
    return Autopsy(
        ending=Ending.PERSON,
        text=f"last seen {remembered}, and gone while its array is still known: "
        "it was cancelled before it started",
    )


def _started(record: JobRecord) -> bool:
    """Whether it was the script that failed, and not Slurm that could not start it."""
    real = record.signal <= _LAST_SIGNAL and record.signal != _IO_SETUP
    return real and not states.never(record.reason)


def _text(record: JobRecord, word: str, by: str | None) -> str:
    parts = [word + (f" by {by}" if by else "")]
    if record.reason:
        parts.append(f"reason {record.reason}")
    parts.append(f"exit code {record.exit_status}:{record.signal}")
    if word == "FAILED" and record.signal == _IO_SETUP:
        parts.append("its log could not be opened on the node")
    if word == "FAILED" and record.exit_status in _NOT_THERE and not record.signal:
        parts.append("usually: the program is not there on the node, see the log")
    return ", ".join(parts)
