"""What is seen in a terminal: words a shell completes, and a run that is watched.

Each is a session in a terminal of 80 columns that is made at every build, kept as it
was printed but for what is another each time: processes, speeds, memory.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import real_runs
import transcripts

from gridmap.control.register import Register

PROMPT = "$ "
TAB = "\N{RIGHTWARDS ARROW TO BAR}"
"""The key."""

LASTS_S = 60.0
"""How long anything may take to be printed."""

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x07")
OTHER_EACH_TIME = (
    (re.compile(r"process \d+ on [\w.-]+"), "process 81245 on login1"),
    (re.compile(r"[\d.]+ MiB"), "22.4 MiB"),
    (re.compile(r"[\d.,]+/(s|min)\b"), "2.1/s"),
    (re.compile(r" · [\d.:]+( s)? left"), ""),
)

STAYS = real_runs.LOST.replace("quiet=True", "progress=False")


class Terminal:
    """A program in a terminal.

    Args:
        words: The program and its arguments.
        folder: Where it runs.
        environ: Its environment.
    """

    def __init__(self, words, folder, environ):
        self._ours, theirs = pty.openpty()
        size = struct.pack("HHHH", 24, 80, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        self._process = subprocess.Popen(
            words, cwd=folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self._seen = 0
        self._shown = ""

    def __enter__(self):
        """Return itself."""
        return self

    def __exit__(self, *_):
        """End the program."""
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def type(self, text):
        """Press these keys."""
        os.write(self._ours, text.encode())

    def until(self, text):
        """Wait for a text, and return what was printed since the last one up to it."""
        limit = time.monotonic() + LASTS_S
        while text not in self._shown[self._seen :]:
            if time.monotonic() > limit or not self._read():
                msg = f"{text!r} was not printed, but: {self._shown[self._seen :]!r}"
                raise RuntimeError(msg)
        end = self._shown.index(text, self._seen) + len(text)
        new, self._seen = self._shown[self._seen : end], end
        return new

    def rest(self):
        """Return what it prints until its end."""
        while self._read():
            pass
        return self._shown[self._seen :]

    def _read(self):
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # nobody has the terminal open any more
            return False
        self._shown += ESCAPES.sub("", data.decode())
        return bool(data)


def completion():
    """Return what bash makes of the key Tab."""
    with real_runs.session() as at:
        transcripts.fill(Register(at.folder / "records"))
        bin_directory = str(Path(sys.executable).parent)
        environ = {
            **at.environ, "PS1": PROMPT, "TERM": "dumb", "INPUTRC": os.devnull,
            "PATH": f"{bin_directory}:{os.environ['PATH']}",
        }  # fmt: skip
        shell = ["bash", "--norc", "--noprofile", "-i"]
        with Terminal(shell, at.folder, environ) as bash:
            bash.until(PROMPT)
            begin = 'eval "$(gridmap completion bash)"'
            bash.type(f"{begin}\n")
            bash.until(f"\n{PROMPT}")
            bash.type("gridmap st\t")
            bash.until(status := "gridmap status ")
            bash.type("\t\t")
            runs = bash.until(f"\n{PROMPT}").removesuffix(PROMPT).strip()
            bash.type("sw\t")
            bash.until(sweep := "gridmap status sweep ")
            bash.type("\x15" + (doctor := "gridmap doctor --backend ") + "\t\t")
            bash.until(doctor)
            backends = bash.until(f"\n{PROMPT}").removesuffix(PROMPT).strip()
    return block(
        begin, f"gridmap st{TAB}", f"{status}{TAB}{TAB}", [runs], f"{status}sw{TAB}",
        sweep.rstrip(), f"{doctor}{TAB}{TAB}", [backends],
    )  # fmt: skip


def block(*parts):
    """Return commands, and lists of what they print, as a block of a page."""
    lines = [
        line
        for part in parts
        for line in (part if isinstance(part, list) else [f"{PROMPT}{part}"])
    ]
    return "\n".join(["```console", *lines, "```", ""])


def watched():
    """Return what is seen of a run that its script drives, and then of its end."""
    with real_runs.session() as at:
        at.write("sweep.py", STAYS)
        environ = {**at.environ, "TERM": "xterm", "PYTHONUTF8": "1"}
        words = [sys.executable, "-m", "gridmap", "attach", "sweep-7"]
        with at.start("sweep.py") as script:
            while "6 of 9" not in at.run("-m", "gridmap", "attach"):
                time.sleep(0.1)
            with Terminal(words, at.folder, environ) as terminal:
                begun = terminal.until("leaves it alone.")
                terminal.until("sweep-7 ")
                bar = "sweep-7 " + terminal.until("1 of 1 runner busy")
                bar += terminal.until("MiB")
                at.write("go", "")
                end = terminal.rest().splitlines()[-2:]
            script.wait()
    text = "\n".join([begun, *bar.splitlines(), "…", *end])
    for other, instead in OTHER_EACH_TIME:
        text = other.sub(instead, text)
    return block(
        "gridmap attach sweep-7", [line.rstrip() for line in text.splitlines()]
    )


FILES = {"completion.md": completion, "resume-watch.md": watched}
