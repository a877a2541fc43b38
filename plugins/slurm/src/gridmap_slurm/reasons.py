"""Why a job waits, or was refused: Slurm's words, what they mean, what to change. Pure.

Sources: "JOB REASON CODES" in squeue(1) 22.05.8; the list of all codes on
slurm.schedmd.com/job_reason_codes.html (24.05); the codes in the library of 22.05.8 itself
(tests/unit/slurm/recorded/reasons.txt), most of which belong to the families of limits
in `_LIMIT`; texts of refusals are slurm_strerror's, as seen with 22.05.8.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import attrs

from gridmap.backend import SeenState
from gridmap.explanation import Explanation

if TYPE_CHECKING:
    from collections.abc import Mapping

WAIT: Final = SeenState.QUEUED
HELD: Final = SeenState.HELD
NEVER: Final = SeenState.BLOCKED
"""No waiting cures it: only a person who changes the job or the site can."""

_LESS: Final = "ask for less, or for another partition or QOS"
_NO_MORE: Final = "there is nothing to do but to wait"
_ADMIN: Final = "ask the administrators"
_ACCOUNTS: Final = (
    "name another with account=; `sacctmgr show assoc user=$USER` lists yours"
)
_QOS: Final = "name another with the option qos, or none"
_REMOVE_LIMIT: Final = "leave out the dependency that was asked for with native="


@attrs.frozen
class Reason:
    """What one code means.

    Attributes:
        meaning: In plain words.
        advice: What to do.
        state: Whether the job waits, is held, or can never run as it is.
        fit: Whether the request is larger than something: then sizes are compared.
    """

    meaning: str
    advice: str
    state: SeenState = WAIT
    fit: bool = False


CODES: Final[Mapping[str, Reason]] = MappingProxyType(
    {
        "AccountNotAllowed": Reason(
            "the account may not use this partition", _ACCOUNTS, NEVER
        ),
        "AccountingPolicy": Reason("a limit of accounting is reached", _NO_MORE),
        "AssociationJobLimit": Reason(
            "the account runs as many jobs as it may", _NO_MORE
        ),
        "AssociationResourceLimit": Reason(
            "the account uses as much as it may", _NO_MORE
        ),
        "AssociationTimeLimit": Reason(
            "more time was asked for than the account grants", _LESS, NEVER, fit=True
        ),
        "BadConstraints": Reason("no node has what was asked for", _LESS, NEVER, True),
        "BeginTime": Reason("it may not start before a set time", _NO_MORE),
        "BlockFreeAction": Reason("a block of nodes is being freed", _NO_MORE),
        "BlockMaxError": Reason("a block of nodes is in error", _ADMIN),
        "BurstBufferOperation": Reason("staging its data failed", _ADMIN, NEVER),
        "BurstBufferResources": Reason("the burst buffer is full", _NO_MORE),
        "BurstBufferStageIn": Reason("its data are being staged", _NO_MORE),
        "Cleaning": Reason("its last run is being cleaned up", _NO_MORE),
        "Constraints": Reason("no node has the features asked for now", _LESS),
        "DeadLine": Reason("it cannot end before its deadline", _LESS, NEVER),
        "Dependency": Reason("it waits for another job", _NO_MORE),
        "DependencyNeverSatisfied": Reason(
            "what it depends on can never happen", _REMOVE_LIMIT, NEVER
        ),
        "FedJobLock": Reason("the clusters of the federation agree on it", _NO_MORE),
        "FrontEndDown": Reason("no front end can start it", _ADMIN),
        "InactiveLimit": Reason(
            "the system reached its limit of inactive jobs", _NO_MORE
        ),
        "InvalidAccount": Reason("there is no such account", _ACCOUNTS, NEVER),
        "InvalidQOS": Reason("there is no such QOS", _QOS, NEVER),
        "JobArrayTaskLimit": Reason(
            "as many runners run at once as were allowed to", "raise array_limit"
        ),
        "JobHeldAdmin": Reason("an administrator put it on hold", _ADMIN, HELD),
        "JobHeldUser": Reason(
            "it is on hold", "let it go with `scontrol release JOB`", HELD
        ),
        "JobHoldMaxRequeue": Reason(
            "it was requeued so often that it is on hold", _ADMIN, HELD
        ),
        "JobLaunchFailure": Reason("it could not be started", _ADMIN),
        "Licenses": Reason("it waits for a licence", _NO_MORE),
        "MaxRequeue": Reason("it was requeued as often as may be", _ADMIN, HELD),
        "MaxMemPerLimit": Reason(
            "more memory was asked for than one job may have", _LESS, NEVER, fit=True
        ),
        "NodeDown": Reason("a node it needs is down", "name other nodes, or wait"),
        "NonZeroExitCode": Reason("it ended with an error", "read its log"),
        "None": Reason("the scheduler has not looked at it yet", _NO_MORE),
        "OutOfMemory": Reason("it ran out of memory", "ask for more memory"),
        "PartitionConfig": Reason(
            "the partition cannot grant what was asked for", _LESS, NEVER, fit=True
        ),
        "PartitionDown": Reason("the partition is down", f"wait, or {_ADMIN}"),
        "PartitionInactive": Reason("the partition is inactive", f"wait, or {_ADMIN}"),
        "PartitionNodeLimit": Reason(
            "more nodes were asked for than the partition grants", _LESS, NEVER, True
        ),
        "PartitionTimeLimit": Reason(
            "more time was asked for than the partition grants", _LESS, NEVER, True
        ),
        "PowerNotAvail": Reason("there is no power for it", _NO_MORE),
        "PowerReserved": Reason("the power is reserved for others", _NO_MORE),
        "Priority": Reason("others come first", _NO_MORE),
        "Prolog": Reason("the node is being prepared", _NO_MORE),
        "QOSJobLimit": Reason("as many jobs run in this QOS as may", _NO_MORE),
        "QOSNotAllowed": Reason("the QOS may not be used here", _QOS, NEVER),
        "QOSResourceLimit": Reason("this QOS is used as much as it may be", _NO_MORE),
        "QOSTimeLimit": Reason(
            "more time was asked for than the QOS grants", _LESS, NEVER, fit=True
        ),
        "QOSUsageThreshold": Reason("the usage of this QOS is over its limit", _QOS),
        "ReqNodeNotAvail": Reason(
            "a node it may use is not available",
            "wait, or name other nodes: the nodes asked for are down, drained, or "
            "reserved (`sinfo -R` says why)",
        ),
        "Reservation": Reason("it waits for its reservation", _NO_MORE),
        "ReservationDeleted": Reason(
            "its reservation was deleted", "leave out the option reservation", NEVER
        ),
        "ResvDeleted": Reason(
            "its reservation was deleted", "leave out the option reservation", HELD
        ),
        "Resources": Reason("it waits for nodes to become free", _NO_MORE),
        "SchedDefer": Reason(
            "the scheduler was told to wait before it looks at it", _NO_MORE
        ),
        "SystemFailure": Reason("Slurm or a node failed", _ADMIN),
        "TimeLimit": Reason("it ran out of time", "ask for more time"),
        "job requeued in held state": Reason(
            "it was requeued on hold", "let it go with `scontrol release JOB`", HELD
        ),
        "JobRequeuedInHeldState": Reason(
            "it was requeued on hold", "let it go with `scontrol release JOB`", HELD
        ),
        "launch failed requeued held": Reason(
            "a node could not start it, and it is on hold",
            f"{_ADMIN}: `scontrol show node` says what is wrong with the node",
            HELD,
        ),
        "user env retrieval failed requeued held": Reason(
            "the user's environment could not be had on the node, and it is on hold",
            _ADMIN,
            HELD,
        ),
    }
)
"""Every code that stands alone."""

_THINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "BB": "burst buffer",
        "Billing": "billing",
        "CPU": "cores",
        "Cpu": "cores",
        "Energy": "energy",
        "GRES": "graphics processors or other GRES",
        "Jobs": "running jobs",
        "License": "licences",
        "Mem": "memory",
        "Memory": "memory",
        "Node": "nodes",
        "SubmitJobs": "submitted jobs",
        "SubmitJob": "submitted jobs",
        "Unknown": "something",
        "WallDuration": "wall-clock time",
        "Wall": "wall-clock time",
    }
)
_LIMIT: Final = re.compile(
    rf"(?P<of>Assoc|QOS|Association)?(?P<kind>Grp|Max|Min)(?P<thing>{'|'.join(_THINGS)})"
    r"(?P<time>RunMinutes|Minutes|Mins)?(?:Per(?P<per>Job|Node|User|Account))?"
    r"(?:Limit|NotSatisfied)?"
)
"""The families: by whom, of what, and over whom a limit is counted."""

_REFUSALS: Final = (
    (
        "Requested node configuration is not available",
        Reason("no node has what was asked for", _LESS, NEVER, fit=True),
    ),
    (
        "Memory specification can not be satisfied",
        Reason("no node has so much memory", _LESS, NEVER, fit=True),
    ),
    (
        "Requested time limit is invalid",
        Reason("the partition does not grant so much time", _LESS, NEVER, fit=True),
    ),
    (
        "Invalid partition",
        Reason("there is no such partition", "`sinfo -s` lists them", NEVER),
    ),
    (
        "invalid partition",
        Reason("there is no such partition", "`sinfo -s` lists them", NEVER),
    ),
    (
        "Invalid account",
        Reason("the account or partition is not for this user", _ACCOUNTS, NEVER),
    ),
    ("Invalid qos", Reason("there is no such QOS, or not for you", _QOS, NEVER)),
    (
        "Invalid feature specification",
        Reason(
            "no node has that feature",
            "`sinfo -o '%N %f'` lists the features; see the option constraint",
            NEVER,
        ),
    ),
    (
        "Invalid generic resource",
        Reason("no node has that GRES", "`sinfo -o '%N %G'` lists them", NEVER),
    ),
    (
        "Invalid node name specified",
        Reason("there is no such node", "`sinfo -N` lists them", NEVER),
    ),
    (
        "Invalid job array specification",
        Reason("the array is larger than MaxArraySize allows", _ADMIN, NEVER),
    ),
    (
        "Job violates accounting/QOS policy",
        Reason("it is over a limit of your account or QOS", _LESS, NEVER),
    ),
)


def find(words: str) -> Reason | None:
    """Return what a code, or the text of a refusal, means; None if nobody knows."""
    name = code(words)
    found = CODES.get(words.strip()) or CODES.get(name)
    if found is None:
        found = next((r for text, r in CODES.items() if words.startswith(text)), None)
    return found or _limit(name) or _refusal(words)


def code(words: str) -> str:
    """Return the code alone: ``ReqNodeNotAvail, UnavailableNodes:n1`` has one."""
    return re.split(r"[,:( ]", words, maxsplit=1)[0]


def explain(words: str, sizes: str = "") -> Explanation:
    """Return what Slurm's words mean, and what to change.

    Args:
        words: A reason of squeue's, or what sbatch said.
        sizes: What does not fit, from `gridmap_slurm.sizes`; empty if nobody looked.
    """
    found = find(words)
    if found is None:
        return Explanation(reason=words)
    advice = sizes if found.fit and sizes else found.advice
    return Explanation(reason=words, meaning=found.meaning, advice=advice)


def _refusal(words: str) -> Reason | None:
    return next((reason for text, reason in _REFUSALS if text in words), None)


def _limit(name: str) -> Reason | None:
    match = _LIMIT.fullmatch(name)
    if match is None:
        return None
    who = "the QOS" if match["of"] in {"QOS", None} else "your account"
    thing = _THINGS[match["thing"]]
    if match["time"]:
        thing = f"{thing} times minutes"
    if match["kind"] == "Min":
        return Reason(f"{who} is for jobs that ask for more {thing}", _QOS, NEVER)
    if match["per"] in {"Job", "Node"} or match["thing"] == "WallDuration":
        where = "on one node" if match["per"] == "Node" else "for one job"
        return Reason(f"more {thing} {where} than {who} grants", _LESS, NEVER)
    meaning = {
        "User": f"you are at the limit of {thing} that {who} sets for one user",
        "Account": f"your account is at the limit of {thing} that {who} sets",
    }.get(match["per"] or "", f"{who} is at its limit of {thing}")
    return Reason(meaning, f"{_NO_MORE}, or to ask for another QOS or account")
