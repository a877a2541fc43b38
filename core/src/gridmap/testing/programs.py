"""The small programs that runners run in these tests, in POSIX shell.

They are written to files, so that only the tests of quoting depend on quoting. None
outlives two minutes, whatever the backend under test does or fails to do.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Final

TICK_S: Final = 0.1
_TICKS: Final = 1200

_STARTED: Final = """\
#!/bin/sh
umask 077
started=$(mktemp {place}/started.XXXXXX) || exit 99
"""
_TICKING: Final = f"""\
tick() {{
    n=0
    while [ $n -lt {_TICKS} ]; do echo "$1"; n=$((n + 1)); sleep {TICK_S}; done
}}
"""


def ticking(place: Path) -> str:
    """Return a program that says it lives, ten times a second; its child does too."""
    return _program(place, f"{_TICKING}tick child &\ntick parent\n")


def gated(place: Path) -> str:
    """Return a program that ends once the file ``gate`` is there, with what it says.

    ``exit 3``, for instance.
    """
    gate = shlex.quote(str(place / "gate"))
    return _program(
        place,
        f"n=0\nwhile [ ! -e {gate} ] && [ $n -lt {_TICKS} ]; do\n"
        f"    n=$((n + 1)); sleep {TICK_S}\ndone\n. {gate}\n",
    )


def running(place: Path, body: str) -> str:
    """Return a program that leaves a trace of its start and does *body*."""
    return _program(place, body + "\n")


def witness(place: Path, factory: str, *arguments: str) -> tuple[str, ...]:
    """Return the command of a program that writes down who and where it is.

    Python, since only gridmap knows how to ask. ``-P``, since it stands among
    modules that must not be taken for others.
    """
    program = Path(__file__).with_name("node.py")
    return (sys.executable, "-P", str(program), str(place), factory, *arguments)


def _program(place: Path, body: str) -> str:
    return _STARTED.format(place=shlex.quote(str(place))) + body
