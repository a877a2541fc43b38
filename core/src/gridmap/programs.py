"""Running a scheduler's programs: argument lists, a time limit, and never an exception.

For authors of backends. What a program prints may be anything: it is decoded with
replacement, and whoever asked makes sense of it. A backend calls `run` through its
run's desk (`gridmap.desk`), which counts, shares and puts off; by itself only where
there is no run, as in ``gridmap_doctor``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

DIRECTORY: Final = "/"
"""Where programs run: the user's own directory may be gone, or closed to them."""

_LAST_WORDS_S: Final = 1.0
"""How long a killed program may take to be gone. Its pipes are not read to their end: a
child in a session of its own may hold them."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a program that ran to its end said.

    Attributes:
        status: Its exit status.
        output: Its standard output.
        errors: Its standard error.
    """

    status: int
    output: str = ""
    errors: str = ""

    @property
    def ok(self) -> bool:
        """Whether it says, by its exit status, that all went well."""
        return self.status == 0

    @property
    def words(self) -> str:
        """What it complained of, on one line; its output if it did not complain."""
        text = self.errors.strip() or self.output.strip()
        return " ".join(text.split()) or f"exit status {self.status}, and no word"


class NoAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The program did not run, or not to its end.

    Attributes:
        text: What happened.
        started: Whether it had been started, so that it may have had its effect.
    """

    text: str
    started: bool

    @property
    def ok(self) -> bool:
        """Never, as `Answer` has it."""
        return False

    @property
    def output(self) -> str:
        """Nothing, as `Answer` has it: no parser finds an answer in it."""
        return ""

    @property
    def words(self) -> str:
        """What happened, as `Answer` has it."""
        return self.text


Reply: TypeAlias = Answer | NoAnswer

Run: TypeAlias = Callable[[Sequence[str], Mapping[str, str], str, float], Reply]
"""Signature of `run`: argument list, environment, standard input, seconds."""


def run(
    argv: Sequence[str], environ: Mapping[str, str], text: str, timeout_s: float
) -> Reply:
    """Run a program to its end; blocks for at most *timeout_s* and a second.

    It gets a session of its own: a Ctrl-C meant for the user's process does not cut off
    a submission, and one that hangs dies with all its children. It runs in `DIRECTORY`.

    Args:
        argv: Program and arguments.
        environ: Its whole environment.
        text: Its standard input.
        timeout_s: Seconds after which it is killed.
    """
    try:
        process = subprocess.Popen(
            argv,
            env=dict(environ),
            cwd=DIRECTORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return NoAnswer(text=f"{argv[0]} could not be started: {error}", started=False)
    with contextlib.ExitStack() as stack:
        for pipe in (process.stdin, process.stdout, process.stderr):
            stack.callback(_close, pipe)
        data = text.encode(errors="surrogateescape")
        try:
            output, errors = process.communicate(data, timeout_s)
        except subprocess.TimeoutExpired:
            _kill(process)
            why = f"{argv[0]} gave no answer within {timeout_s:g} s"
            return NoAnswer(text=why, started=True)
        except BaseException:  # Ctrl-C leaves no submission behind that nobody knows of
            _kill(process)
            raise
    if process.returncode < 0:  # whatever it had printed by then
        why = f"{argv[0]} was ended by signal {-process.returncode}"
        return NoAnswer(text=why, started=True)
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
