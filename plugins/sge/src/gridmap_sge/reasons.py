"""What Grid Engine's remarks mean, and what to change. Pure.

The remarks are those of `pending`: of ``qstat -j``, of validation, and of refusals, as
seen with 8.1.9.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from gridmap.explanation import Explanation
from gridmap_sge.pending import NO_SLOTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap.resources import Resources

_NO_MORE: Final = "there is nothing to do but to wait"
_ADMIN: Final = "ask the administrator"


@attrs.frozen
class _Rule:
    """A remark that is known, by a pattern, with what it means."""

    pattern: re.Pattern[str]
    meaning: str
    advice: str


def _rule(pattern: str, meaning: str, advice: str) -> _Rule:
    return _Rule(re.compile(pattern), meaning, advice)


_RULES: Final = (
    # The first that is found counts: what no waiting cures comes before what it does.
    _rule(
        rf"{NO_SLOTS} \"?(?P<name>[^\" ]*)\"?",
        "no queue has so many slots on one host for parallel environment {name}",
        "ask for fewer cores",
    ),
    _rule(
        r"unknown resource \(?\"?(?P<name>[^)\" ]*)",
        "this cell knows no resource {name}, or no queue has it",
        "leave {name} out; `qconf -sc` lists what can be asked for",
    ),
    _rule(
        r"requests unknown (?:queue )?\"?(?P<name>[^\" ]*)",
        "there is no queue {name}",
        "name another, or none; `qconf -sql` lists them",
    ),
    _rule(
        r"parallel environment \"?(?P<name>[^\" ]*)\"? does not exist",
        "there is no parallel environment {name}, which jobs of several cores need",
        "name another with the option par_env; `qconf -spl` lists them",
    ),
    _rule(
        r"project \"?(?P<name>[^\" ]*)\"? does not exist",
        "there is no project {name}",
        "name another with account=, or none; `qconf -sprjl` lists them",
    ),
    _rule(
        r"can't resolve hostname \"?(?P<name>[^\" ]*)",
        "there is no host {name}",
        "name others with nodes=; `qconf -sel` lists them",
    ),
    _rule(
        r"offers only (?!(?:[a-z]{2}:)?hostname=)(?:[a-z]{2}:)?(?P<name>[^=\s]+)=(?P<most>\d[^\s;]*)",
        "no host has so much {name}",
        "{asked}ask for at most {most}",
    ),
    _rule(
        r"offers only (?!(?:[a-z]{2}:)?hostname=)(?:[a-z]{2}:)?(?P<name>[^=\s]+)=(?P<most>[^\s;]+)",
        "no host has the {name} asked for",
        "ask for another: there is {most}",
    ),
    _rule(
        r"-l [^)]*hostname=!.* offers only (?:[a-z]{2}:)?hostname=",
        "no host is left that it may use: where a runner failed it is not sent again",
        "find out why runners fail there",
    ),
    _rule(
        r"offers only (?:[a-z]{2}:)?hostname=",
        "no host that it may use has a queue for it",
        "name others with nodes=, or none; `qstat -f` shows which queue is where",
    ),
    _rule(
        r"does not offer|has no permission|not a member|access",
        "you may not use any queue that would do",
        f"{_ADMIN} which queues and projects are yours",
    ),
    _rule(
        r"can't open (?:output|error) file|can't create directory",
        "the node cannot write the runner's log: it does not see the run directory",
        "name a directory that the nodes share with the setting run_directory",
    ),
    _rule(
        r"can't chdir|can't get cwd|no such directory",
        "the node does not have the working directory",
        "start from a directory that the nodes share",
    ),
    _rule(
        r"exit_status of job start = |can't (?:start|exec)|execvp|execvlp",
        "the node could not start the interpreter",
        "name one that the nodes have with the setting python",
    ),
    _rule(
        r"can't (?:get|find) (?:user|password entry)|getpwnam",
        "the node does not know you",
        f"{_ADMIN} to make your account known there",
    ),
    _rule(
        r"in hold state",
        "it is on hold",
        "let it go with `qrls JOB`, or find out who holds it",
    ),
    _rule(
        r"in error state",
        "a node could not start it",
        "`qstat -j JOB` says why; when that is mended, `qmod -cj JOB`",
    ),
    _rule(
        r"dependenc|predecessor",
        "it waits for another job",
        _NO_MORE,
    ),
    _rule(
        r"start time|execution time",
        "it may not start before a set time",
        _NO_MORE,
    ),
    _rule(
        r"exceeds limit|limit .*(?:reached|exceeded)|quota",
        "a quota is used up",
        f"{_NO_MORE}; `qquota` shows it",
    ),
    _rule(
        r"max_u_jobs|max_aj_instances|allowed",
        "you have as many jobs as you may",
        _NO_MORE,
    ),
    _rule(r" disabled", "queues are disabled", f"wait, or {_ADMIN} when they open"),
    _rule(
        r" cannot be reached",
        "the master does not reach some hosts",
        f"wait, or {_ADMIN}: `qstat -f` shows them with state u",
    ),
    _rule(
        r" overloaded",
        "hosts are too busy to take more",
        f"{_NO_MORE}, or {_ADMIN} whether the queue's load_thresholds are right",
    ),
    _rule(r" suspended", "queues are suspended", f"wait, or {_ADMIN}"),
    _rule(r"all slots are taken|is full", "every slot is taken", _NO_MORE),
)

_BYTES: Final = frozenset({"h_vmem", "mem_free", "virtual_free", "s_vmem", "h_rss"})


def wants_slots(words: str) -> bool:
    """Return whether the slots of queues would say what to ask for."""
    return NO_SLOTS in words


def explain(
    words: str, asked: Resources, slots: Mapping[str, int] | None = None
) -> Explanation:
    """Return what Grid Engine's words mean, and what to change.

    Args:
        words: What `pending` made of its remarks, or how a submission was refused.
        asked: What the runner asks for.
        slots: The most slots of each queue on one host, where `wants_slots`.
    """
    for rule in _RULES:
        if match := rule.pattern.search(words):
            known = {"name": "", "most": "", **match.groupdict(), "asked": ""}
            known["most"] = re.sub(r"\.0+(?=\D|$)", "", known["most"])
            if known["name"] in _BYTES or known["name"] == "gpu":
                known["asked"] = _asked(known["name"], words, asked)
            advice = _slots(asked, slots) if wants_slots(words) else ""
            return Explanation(
                reason=words,
                meaning=rule.meaning.format(**known),
                advice=advice or rule.advice.format(**known),
            )
    return Explanation(reason=words)


def _asked(name: str, words: str, asked: Resources) -> str:
    """Return what was asked of a resource, as Grid Engine was told."""
    match = re.search(rf"\b{re.escape(name)}=([^\s,)]+)", words)
    value = match[1] if match else str(asked.gpus) if name == "gpu" else ""
    slots = " a slot" if asked.cores > 1 and name in _BYTES else ""
    return f"asked for {value}{slots}; " if value else ""


def _slots(asked: Resources, slots: Mapping[str, int] | None) -> str:
    wanted = (asked.queue or "").split(",")
    known = dict(slots or {})
    mine = {name: most for name, most in known.items() if name in wanted} or known
    if not mine:
        return ""
    name, most = max(mine.items(), key=lambda item: item[1])
    if asked.cores <= most:
        return (
            f"asked for {asked.cores} cores, and the largest node of queue {name} has "
            f"{most}: the parallel environment is not in that queue's pe_list (`qconf -sq "
            f"{name}`), or is used up: name another with the option par_env"
        )
    return (
        f"asked for {asked.cores} cores; the largest node of queue {name} has {most}: ask "
        f"for at most {most}"
    )
