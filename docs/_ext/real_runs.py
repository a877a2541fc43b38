"""What commands and scripts print of runs that are made at every build, on this machine.

Each is a shell's session in a directory of its own, kept as it was printed but for what
is another each time: a port, a token.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

GRID = "rate,depth\n0.1,4\n0.5,x\n0.9,8\n"

MODEL = """\
def fit(rate, depth):
    return {"score": round(rate * depth, 2)}
"""

FOLDS = """\
import gridmap


def fit(seed):
    for fold in (1, 2):
        print(f"fold {fold} of 2")


gridmap.grid_map(fit, [16, 17], backend="local", name="sweep", live_output=True)
"""

PAGE = """\
import gridmap

gridmap.grid_map(pow, [[2, 3], [3, 2]], backend="local", name="sweep", dashboard=True)
"""

LOST = """\
import pathlib, time
import gridmap


def simulate(seed):
    while seed >= 6 and not pathlib.Path("go").exists():
        time.sleep(0.05)
    return seed * seed


gridmap.grid_map(
    simulate, range(9), backend="local", resume="sweep-7", max_workers=1, quiet=True
)
"""
"""Six of its jobs are done at once, the seventh not before it may."""

PRINTING = """\
import pathlib, time
import gridmap


def fit(seed):
    print("fold 1 of 2")
    while not pathlib.Path("go").exists():
        time.sleep(0.05)
    print("fold 2 of 2")


gridmap.grid_map(fit, [16], backend="local", name="sweep", quiet=True)
"""

SETTINGS = """\
backend = "slurm"
max_workers = 100
silence_limit = "3m"
"""

HANDLE = re.compile(r"\b[0-9a-f]{8}\.(\d+)\b")
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\?token=[\w-]+(&run=\w+)?")


class Session:
    """A directory of a user who has run nothing yet, and what was printed there."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.printed = []
        mine = {
            "GRIDMAP_RUN_DIRECTORY": str(self.folder / "runs"),
            "GRIDMAP_RECORD_DIRECTORY": str(self.folder / "records"),
            "COLUMNS": "80",
            "NO_COLOR": "1",
        }
        self.environ = {**os.environ, **mine}

    def write(self, name, text):
        """Put a file there."""
        (self.folder / name).write_text(text)

    def run(self, *words, status=0):
        """Run Python with these words to its end; return what it printed.

        It must end with *status*; None: with any.
        """
        done = subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=self.environ, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=120,
        )  # fmt: skip
        if status is not None and done.returncode != status:
            msg = f"{' '.join(words)} ended with {done.returncode}: {done.stdout}"
            raise RuntimeError(msg)
        return done.stdout

    def start(self, *words):
        """Start Python with these words."""
        return subprocess.Popen(
            [sys.executable, *words], cwd=self.folder, env=self.environ, text=True,
            stdout=subprocess.PIPE,
        )  # fmt: skip

    def gridmap(self, *words, status=0):
        """Run the command, and keep what it printed."""
        self.keep(
            f"gridmap {' '.join(words)}",
            self.run("-m", "gridmap", *words, status=status),
        )

    def script(self, name):
        """Run a script that is there, and keep what it printed."""
        self.keep(f"python {name}", self.run(name))

    def keep(self, command, printed):
        """Keep what a command printed."""
        self.printed.append(f"$ {command}\n{printed}")

    def block(self):
        """Return all of it, as a block of a page."""
        text = ADDRESS.sub(shortened, "".join(self.printed))
        return f"```console\n{text}```\n"


def shortened(match):
    return "http://127.0.0.1:8137/?token=…" + ("&run=…" if match[1] else "")


@contextlib.contextmanager
def session():
    """Give a session, whose directory is removed."""
    with tempfile.TemporaryDirectory() as folder:
        yield Session(folder)


def mapped():
    """Return a function mapped over a table's rows, one of which makes no sense."""
    with session() as at:
        at.write("model.py", MODEL)
        at.write("grid.csv", GRID)
        at.keep("cat model.py", MODEL)
        at.keep("cat grid.csv", GRID)
        at.gridmap(
            "map", "model:fit", "--inputs", "grid.csv", "--backend", "local", status=1
        )
        return at.block()


def live_output():
    """Return what jobs print, where the map was called."""
    with session() as at:
        at.write("folds.py", FOLDS)
        at.script("folds.py")
        return f"```python\n{FOLDS}```\n\n{at.block()}"


def executed():
    """Return a shell command run for each of two files."""
    with session() as at:
        at.write("north.csv", "a\nb\n")
        at.write("south.csv", "a\nb\nc\n")
        words = ("exec", "--backend", "local", "echo {.} has $(wc -l < {}) lines")
        files = (":::", "north.csv", "south.csv")
        at.keep(
            f"gridmap {' '.join(words[:-1])} '{words[-1]}' {' '.join(files)}",
            at.run("-m", "gridmap", *words, *files),
        )
        return at.block()


def followed():
    """Return what `gridmap logs --follow` prints while a job runs."""
    with session() as at:
        at.write("sweep.py", PRINTING)
        with at.start("sweep.py") as script:
            while "fold 1" not in at.run("-m", "gridmap", "logs", "sweep", status=None):
                time.sleep(0.1)
            words = ("logs", "--follow", "sweep")
            with at.start("-m", "gridmap", *words) as following:
                printed = ""
                while "fold 1" not in printed:
                    printed += following.stdout.readline()
                at.write("go", "")
                printed += following.stdout.read()
            script.wait()
        lines = [line for line in printed.splitlines() if "gridmap:" not in line]
        text = HANDLE.sub(r"4f1c20d7.\1", "\n".join(lines))
        at.keep(f"gridmap {' '.join(words)}", f"{text}\n")
        return at.block()


def folded(line):
    """Return a line as it is folded on a terminal."""
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(line, 79, subsequent_indent=indent) + "\n"


def backends():
    """Return what there is to run maps on, where no cluster is."""
    with session() as at:
        at.environ["PATH"] = str(at.folder)
        told = at.run("-m", "gridmap", "backends")
        at.keep("gridmap backends", "".join(map(folded, told.splitlines())))
        return at.block()


def demo():
    """Return what the first map of a newcomer prints."""
    with session() as at:
        at.gridmap("demo", "--backend", "local")
        here = re.escape(socket.gethostname())
        text = HANDLE.sub(r"4f1c20d7.\1", at.block())
        return re.sub(rf"(?<=  ){here}\b", lambda m: "pc".ljust(len(m[0])), text)


def settings():
    """Return what a project's file sets, and that it does."""
    with session() as at:
        at.write("gridmap.toml", SETTINGS)
        at.keep("cat gridmap.toml", SETTINGS)
        told = at.run("-m", "gridmap", "settings").replace(str(at.folder), "/home/ada")
        lines = [line for line in told.splitlines(keepends=True) if ".toml" in line]
        at.keep("gridmap settings | grep toml", "".join(lines))
        return at.block()


def attach():
    """Return how a run whose script is gone comes to its end."""
    with session() as at:
        at.write("sweep.py", LOST)
        with at.start("sweep.py") as script:
            while "6 of 9" not in at.run("-m", "gridmap", "attach"):
                time.sleep(0.1)
            script.kill()
        at.gridmap("attach")
        at.write("go", "")
        at.gridmap("attach", "sweep-7")
        at.gridmap("attach")
        at.gridmap("forget", "sweep-7", "--yes")
        return at.block()


def page_of_a_map():
    """Return what a map with a page prints."""
    with session() as at:
        at.write("script.py", PAGE)
        at.script("script.py")
        return at.block()


def dashboard():
    """Return what ``gridmap dashboard`` prints until it is interrupted."""
    with session() as at:
        with at.start("-m", "gridmap", "dashboard") as serving:
            line = serving.stdout.readline()
            serving.send_signal(signal.SIGINT)
        at.keep("gridmap dashboard", line + "^C\n")
        return at.block()


FILES = {
    "backends.md": backends,
    "commands-exec.md": executed,
    "commands-map.md": mapped,
    "demo.md": demo,
    "logs-follow.md": followed,
    "settings-file.md": settings,
    "progress-live.md": live_output,
    "resume-attach.md": attach,
    "dashboard-map.md": page_of_a_map,
    "dashboard-command.md": dashboard,
}
