"""A user's script in a process of its own, to be interrupted and killed."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from gridmap.testing import eventually


class Driver:
    """A running script, in a session of its own, with its output in files."""

    def __init__(
        self,
        place: Path,
        text: str,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        name: str = "script.py",
    ) -> None:
        """Write the script to *place* and start it.

        Args:
            place: Directory of script and output.
            text: The script; common indentation is taken off.
            arguments: What it is given.
            environ: Added to this process's environment.
            cwd: Where it runs; None: *place*.
            name: The script's file name.
        """
        self.script = place / name
        self.script.write_text(textwrap.dedent(text))
        self._stdout, self._stderr = place / f"{name}.out", place / f"{name}.err"
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, str(self.script), *arguments],
                cwd=cwd or place,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def stdout(self) -> str:
        """Return what it has printed."""
        return self._stdout.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        """Return what it has complained of."""
        return self._stderr.read_text(errors="replace")

    def interrupt(self) -> None:
        """Do what a terminal does at Ctrl-C: signal the whole process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal the script alone."""
        self.process.send_signal(number)

    def await_output(self, text: str, within_s: float = 20.0) -> None:
        """Wait until it has printed a text; fail at once if it ended without."""

        def seen() -> bool:
            over = self.process.poll() is not None
            if text in self.stdout:
                return True
            assert not over, f"it ended early:\n{self.stdout}\n{self.stderr}"
            return False

        eventually(seen, within_s=within_s, what=f"{text!r} printed", gap_s=0.05)

    def wait(self, within_s: float = 25.0) -> int:
        """Wait for its end and return its status, ``-n`` for signal *n*."""
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            msg = f"not over in {within_s:g} s:\n{self.stdout}\n{self.stderr}"
            raise AssertionError(msg) from None

    def output(self, within_s: float = 25.0) -> str:
        """Wait for an end without error and return what it printed."""
        status = self.wait(within_s)
        assert status == 0, f"status {status}:\n{self.stdout}\n{self.stderr}"
        return self.stdout


@contextmanager
def driving(
    place: Path,
    text: str,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    name: str = "script.py",
) -> Iterator[Driver]:
    """Run a script for as long as the block lasts; see `Driver`."""
    driver = Driver(place, text, *arguments, environ=environ, cwd=cwd, name=name)
    try:
        yield driver
    finally:
        with suppress(ProcessLookupError):
            os.killpg(driver.process.pid, signal.SIGKILL)
        driver.process.wait()
