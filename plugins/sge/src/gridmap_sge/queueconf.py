"""Reading a queue's own limits from ``qconf -sq``. Pure.

queue_conf(5), 8.1.9: ``h_rt INFINITY``, with exceptions for hosts and host groups as in
``h_rt 24:00:00,[n1=01:00:00],[@slow=INFINITY]``; lines go on after a backslash.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMITS: Final = ("h_rt", "h_cpu", "h_vmem")
INFINITY: Final = "INFINITY"

_EXCEPTION: Final = re.compile(r"\[([^=\]]+)=([^\]]*)\]")


def limits(text: str, host: str | None) -> Mapping[str, str] | None:
    """Return the limits of a queue on one host, `INFINITY` where there is none.

    Returns:
        A value for each of `LIMITS`; None if the text does not tell all of them, or
        an exception for a host group may hold for the host.
    """
    found = {}
    for line in text.replace("\\\n", " ").splitlines():
        name, _, value = line.partition(" ")
        if name not in LIMITS:
            continue
        default, *_ = value.strip().split(",", 1)
        exceptions = dict(_EXCEPTION.findall(value))
        if any(place.startswith("@") for place in exceptions):
            return None
        found[name] = exceptions.get(host or "", default.strip())
    return found if len(found) == len(LIMITS) else None
