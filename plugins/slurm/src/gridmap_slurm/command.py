"""Running Slurm's commands: argument lists, a time limit, and never an exception.

The only module of the plugin that starts a process. What a command prints may be
anything: it is decoded with replacement, and whoever asked makes sense of it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_LAST_WORDS_S: Final = 1.0
"""How long a killed command may take to be gone. Its pipes are not read to their end: a
child in a session of its own may hold them."""


@attrs.frozen(kw_only=True)
class Answer:
    """What a command that ran to its end said.

    Attributes:
        status: Its exit status; negative for a death by signal.
        output: Its standard output.
        errors: Its standard error.
    """

    status: int
    output: str
    errors: str

    @property
    def words(self) -> str:
        """What it complained of, on one line; its output if it did not complain."""
        text = self.errors.strip() or self.output.strip()
        return " ".join(text.split()) or f"exit status {self.status}, and no word"


@attrs.frozen(kw_only=True)
class NoAnswer:
    """The command did not run, or not to its end.

    Attributes:
        text: What happened.
        started: Whether it had been started, so that it may have had its effect.
    """

    text: str
    started: bool


Outcome: TypeAlias = "Answer | NoAnswer"

Run: TypeAlias = "Callable[[Sequence[str], Mapping[str, str], str, float], Outcome]"
"""Signature of `run`: argument list, environment, standard input, seconds."""


def run(
    argv: Sequence[str], environ: Mapping[str, str], script: str, timeout_s: float
) -> Outcome:
    """Run a command to its end; blocks for at most *timeout_s* and a second.

    The command gets a session of its own: a Ctrl-C meant for the user's process does
    not cut off a submission, and a command that hangs dies with all its children.

    Args:
        argv: Program and arguments.
        environ: Its whole environment.
        script: Its standard input.
        timeout_s: Seconds after which it is killed.
    """
    try:
        process = subprocess.Popen(
            argv,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return NoAnswer(text=f"{argv[0]} cannot be started: {error}", started=False)
    pipes = (process.stdin, process.stdout, process.stderr)
    with contextlib.ExitStack() as stack:
        for pipe in pipes:
            stack.callback(_close, pipe)
        data = script.encode(errors="surrogateescape")
        try:
            output, errors = process.communicate(data, timeout_s)
        except subprocess.TimeoutExpired:
            _kill(process)
            text = f"{argv[0]} gave no answer within {timeout_s:g} s"
            return NoAnswer(text=text, started=True)
    return Answer(
        status=process.returncode,
        output=output.decode(errors="replace"),
        errors=errors.decode(errors="replace"),
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_LAST_WORDS_S)


def _close(pipe: object) -> None:
    with contextlib.suppress(OSError, AttributeError):
        pipe.close()  # type: ignore[attr-defined] # an IO, whatever kind
