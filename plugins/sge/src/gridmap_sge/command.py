"""Running Grid Engine's programs: argument lists, a time limit, and never an exception.

Besides `drmaa_process` the only module of the plugin that starts a process. What a
program prints may be anything: it is decoded with replacement, and whoever asked makes
sense of it.
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
"""How long the pipes of a killed program may stay open."""


@attrs.frozen(kw_only=True)
class Answer:
    """What a program that ran to its end said.

    Attributes:
        status: Its exit status; negative for a death by signal.
        output: Its standard output.
        errors: Its standard error.
    """

    status: int
    output: str = ""
    errors: str = ""

    @property
    def words(self) -> str:
        """What it complained of, on one line; its output if it did not complain."""
        text = self.errors.strip() or self.output.strip()
        return " ".join(text.split()) or f"exit status {self.status}, and no word"


@attrs.frozen(kw_only=True)
class NoAnswer:
    """The program did not run, or not to its end.

    Attributes:
        text: What happened.
        started: Whether it had been started, so that it may have had its effect.
    """

    text: str
    started: bool

    @property
    def words(self) -> str:
        """What happened, as `Answer` has it."""
        return self.text


Outcome: TypeAlias = "Answer | NoAnswer"

Run: TypeAlias = "Callable[[Sequence[str], Mapping[str, str], str, float], Outcome]"
"""Signature of `run`: argument list, environment, working directory, seconds."""


def run(
    argv: Sequence[str], environ: Mapping[str, str], directory: str, timeout_s: float
) -> Outcome:
    """Run a program to its end; blocks for at most *timeout_s* and a second.

    It gets a session of its own: a Ctrl-C meant for the user's process does not cut off
    a submission, and one that hangs dies with all its children.

    Args:
        argv: Program and arguments.
        environ: Its whole environment.
        directory: Its working directory.
        timeout_s: Seconds after which it is killed.
    """
    try:
        process = subprocess.Popen(
            argv,
            env=dict(environ),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return NoAnswer(text=f"{argv[0]} could not be started: {error}", started=False)
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _end(process)
        text = f"{argv[0]} gave no answer within {timeout_s:g} s"
        return NoAnswer(text=text, started=True)
    except BaseException:
        _end(process)
        raise
    if process.returncode < 0:
        text = f"{argv[0]} was ended by signal {-process.returncode}"
        return NoAnswer(text=text, started=True)
    return Answer(
        status=process.returncode,
        output=output.decode("utf-8", "replace"),
        errors=errors.decode("utf-8", "replace"),
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program with its children and let go of its pipes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.communicate(timeout=_LAST_WORDS_S)
    except subprocess.TimeoutExpired:  # a child of another session holds the pipes
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        process.wait()
