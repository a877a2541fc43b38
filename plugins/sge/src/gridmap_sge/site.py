"""What a cell offers: memory resources, parallel environments, queues that are shut. Pure.

complex(5), queue_conf(5), qstat(1), Son of Grid Engine 8.1.9.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from gridmap.backend import Check

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MEMORY: Final = "mem_free"
"""What is asked for by ``memory``, unless the option memory_resource says otherwise."""
ENVIRONMENT: Final = "smp"
"""Where jobs of several cores run, unless the setting parallel_environment says."""

_COLUMNS: Final = 8
_YES: Final = frozenset({"YES", "FORCED"})
_SHUT: Final = {
    "d": "disabled",
    "D": "disabled by its calendar",
    "u": "out of the master's reach",
    "E": "in error",
    "s": "suspended",
    "o": "orphaned",
}
"""Letters of a queue's state in which it takes no job (qstat(1)); loads pass by."""
_MOST_NAMED: Final = 5


@attrs.frozen
class Complex:
    """A resource that jobs can ask for.

    Attributes:
        kind: Its type, such as ``MEMORY``.
        requestable: Whether jobs may ask for it.
        consumable: Whether what jobs ask for is counted.
    """

    kind: str
    requestable: bool
    consumable: bool


def parse_complexes(text: str) -> dict[str, Complex]:
    """Return the resources in ``qconf -sc``, by name."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == _COLUMNS and not line.startswith("#"):
            name, _, kind, _, requestable, consumable, *_ = words
            found[name] = Complex(kind, requestable in _YES, consumable != "NO")
    return found


def parse_environments(text: str) -> frozenset[str]:
    """Return the parallel environments that some queue has, from ``qconf -sq '*'``.

    A queue names them with exceptions: ``pe_list smp mpi,[@slow=smp]``.
    """
    found: set[str] = set()
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("pe_list "):
            value = re.sub(r"\[[^=\]]*=", " ", line.partition(" ")[2])
            found |= set(re.split(r"[\s,\]]+", value)) - {"", "NONE"}
    return frozenset(found)


def judge_memory(complexes: Mapping[str, Complex]) -> Check:
    """Say whether jobs can ask for memory, and whether that holds anybody."""
    known = complexes.get(MEMORY)
    if known is None or not known.requestable:
        others = sorted(
            name
            for name, one in complexes.items()
            if one.kind == "MEMORY"
            and one.requestable
            and name.startswith(("mem", "v"))
        )
        why = "there is no" if known is None else "jobs may not ask for"
        return Check(
            name="memory",
            passed=False,
            found=f"{why} resource {MEMORY}",
            advice="Jobs that ask for memory are rejected: name another with "
            f"memory_resource in the table sge of the settings ({', '.join(others)}), "
            "or have the administrator add it with qconf -mc.",
        )
    limited = complexes.get("h_vmem")
    parts = [
        "counted" if known.consumable else "a measured value, which nobody reserves"
    ]
    if limited is not None:
        parts.append(f"h_vmem is {'' if limited.consumable else 'not '}counted")
    return Check(name="memory", passed=True, found=f"{MEMORY}: {', '.join(parts)}")


def judge_environments(there: Collection[str], used: Collection[str]) -> Check:
    """Say whether jobs of several cores can be placed.

    Args:
        there: The parallel environments there are, by ``qconf -spl``.
        used: Those that some queue has.
    """
    name = "parallel environments"
    idle = sorted(set(there) - set(used))
    usable = sorted(set(there) & set(used))
    found = ", ".join(usable) or "none that a queue has"
    if idle:
        found += f"; in no queue's pe_list: {', '.join(idle)}"
    advice = ""
    if ENVIRONMENT not in usable:
        advice = (
            f"Jobs of several cores ask for {ENVIRONMENT}, and would wait for ever. "
        )
        advice += (
            f"Name another with the setting parallel_environment: {', '.join(usable)}."
            if usable
            else "The administrator adds one to a queue with qconf -aattr queue pe_list."
        )
    elif idle:
        advice = f"Jobs that ask for {idle[0]} would wait for ever."
    return Check(name=name, passed=True, found=found, advice=advice)


def judge_queues(states: Mapping[str, str]) -> Check:
    """Say which queue instances take no job.

    Args:
        states: The letters of each instance's state, by name; empty: it is well.
    """
    name = "queues"
    if not states:
        return Check(
            name=name,
            passed=False,
            found="there is none",
            advice="No job can run: the administrator adds one with qconf -aq.",
        )
    shut = {
        queue: ", ".join(_SHUT[letter] for letter in letters if letter in _SHUT)
        for queue, letters in sorted(states.items())
    }
    shut = {queue: why for queue, why in shut.items() if why}
    found = f"{len(states) - len(shut)} of {len(states)} on single hosts take jobs"
    if not shut:
        return Check(name=name, passed=True, found=found)
    told = [f"{queue} is {why}" for queue, why in list(shut.items())[:_MOST_NAMED]]
    more = f", and {len(shut) - len(told)} more" if len(shut) > len(told) else ""
    advice = "qstat -f -explain aAcE says more; qmod -e or -cq opens one again."
    if len(shut) == len(states):
        advice = f"Jobs wait for ever. {advice}"
    return Check(
        name=name,
        passed=len(shut) < len(states),
        found=f"{found}; {', '.join(told)}{more}",
        advice=advice,
    )
