"""What commands and scripts print of runs that are made at every build, on this machine.

Each is a shell's session in a directory of its own, kept as it was printed but for what
is another each time: a port, a token.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
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
        """Run Python with these words to its end; return what it printed."""
        done = subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=self.environ, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=120,
        )  # fmt: skip
        if done.returncode != status:
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
    "commands-map.md": mapped,
    "progress-live.md": live_output,
    "resume-attach.md": attach,
    "dashboard-map.md": page_of_a_map,
    "dashboard-command.md": dashboard,
}
