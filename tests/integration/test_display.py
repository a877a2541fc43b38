"""Progress in a real terminal, and where there is none."""

import os
import pty
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.driver import driving

from gridmap.attach import run_states
from gridmap.testing import eventually

pytestmark = pytest.mark.timeout(60)

MAP = """
import sys, threading, time
import gridmap

def work(number):
    gridmap.progress(1, 2, "step")
    time.sleep(0.45)
    sys.stdout.write(f"from {number}\\n")
    return number

def show(name, **more):
    return gridmap.grid_map(
        work, range(4), name=name, backend="local", max_workers=2, **more
    )
"""


def in_terminal(
    tmp_path: Path, script: str, *, awaited: str = "", **environment: str
) -> str:
    """Run a script in a terminal of 80 columns; return what it shows, exit 0.

    As soon as it shows what is *awaited*, there is a file ``seen`` where it runs.
    """
    path = tmp_path / "script.py"
    path.write_text(MAP + textwrap.dedent(script))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(path)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm", "PYTHONUTF8": "1", "COLUMNS": "80",
             "LINES": "24", **environment},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # the last writer is gone
            break
        if not data:
            break
        shown += data
        if awaited and awaited.encode() in shown:
            (tmp_path / "seen").touch()
    os.close(ours)
    assert process.wait() == 0, shown.decode()
    return shown.decode()


def test_a_terminal_shows_a_bar_and_gets_its_cursor_back(tmp_path: Path) -> None:
    """The caller's own lines stay whole, and a summary is what is left."""
    shown = in_terminal(
        tmp_path,
        """
        import os

        def work(number):
            while not os.path.exists("seen"):
                time.sleep(0.05)
            print("from", number)

        told = {"progress": True}
        thread = threading.Thread(target=show, args=("one",), kwargs=told)
        thread.start()
        show("two", **told)
        print("my own line")
        thread.join()
        """,
        awaited="2 of 2 runners busy",
    )
    assert "\N{BOX DRAWINGS LIGHT HORIZONTAL}" in shown  # what is not yet done
    assert "2 of 2 runners busy" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    for name in ("one", "two"):
        assert f"{name}: 4 jobs in" in shown
    assert "my own line\r\n" in shown
    assert "from 1" not in shown


def test_an_interrupted_map_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    """The cursor is there, and the bar is not."""
    shown = in_terminal(
        tmp_path,
        """
        import os, pathlib, signal

        def run(path):
            pathlib.Path(path).touch()
            time.sleep(300)

        def interrupt(path):
            while not os.path.exists(path):
                time.sleep(0.05)
            time.sleep(1)
            os.kill(os.getpid(), signal.SIGINT)

        path = os.path.abspath("begun")
        threading.Thread(target=interrupt, args=(path,)).start()
        try:
            gridmap.grid_map(run, [path], name="long", backend="local", progress=True)
        except KeyboardInterrupt:
            print("interrupted")
        """,
    )
    assert "long: 0 of 1 jobs" in shown
    assert shown.rstrip().endswith("interrupted")
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")


def test_a_dumb_terminal_is_sent_no_escapes(tmp_path: Path) -> None:
    """What it cannot do it is not asked to."""
    shown = in_terminal(tmp_path, 'show("dumb", live_output=True)', TERM="dumb")
    assert "\x1b" not in shown
    assert sorted(line for line in shown.split("\r\n") if " | " in line) == [
        f"dumb{number} | from {number}" for number in range(4)
    ]


@pytest.mark.parametrize("more", ["quiet=True", "progress=False"])
def test_nothing_is_shown_to_who_wants_nothing(tmp_path: Path, more: str) -> None:
    """Also on a terminal."""
    assert in_terminal(tmp_path, f'show("quiet", {more})') == ""


def test_a_closed_standard_error_disturbs_no_map(tmp_path: Path) -> None:
    """Nor does one that was None from the beginning."""
    script = """
    sys.stderr.close()
    assert show("x", progress=True, live_output=True) == [0, 1, 2, 3]
    sys.stderr = None
    assert show("x", progress=True, live_output=True, quiet=False) == [0, 1, 2, 3]
    print("well")
    """
    path = tmp_path / "script.py"
    path.write_text(MAP + textwrap.dedent(script))
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "well\n"


def test_a_script_whose_output_is_kept_is_told_in_lines(tmp_path: Path) -> None:
    """Its own output stays free of what gridmap shows."""
    path = tmp_path / "script.py"
    path.write_text(MAP + "show('log', progress=True)\nprint('mine')\n")
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "mine\n"
    assert done.stderr.startswith("log: 4 jobs in")
    assert "\x1b" not in done.stderr


DRIVEN = """
    import os, time
    from gridmap import grid_map

    def wait(number):
        while number > 1 and not os.path.exists("seen"):
            time.sleep(0.05)
        return number

    grid_map(wait, range(5), backend="local", max_workers=1, resume="sweep-7")
"""


def test_attach_watches_a_run_that_a_script_drives(tmp_path: Path, runs: Path) -> None:
    """As a bar, like the script's own, until it is over; the script hears nothing."""
    with driving(tmp_path, DRIVEN, name="sweep.py") as script:
        eventually(
            lambda: [run.done for run in run_states(runs)] == [2],
            within_s=20,
            what="two jobs done",
            gap_s=0.1,
        )
        shown = in_terminal(
            tmp_path,
            """
            from gridmap.cli import main
            sys.exit(main(["attach", "sweep-7"]))
            """,
            awaited="1 of 1 runner busy",
        )
        assert script.wait() == 0, script.stderr
    assert f"is driven by process {script.process.pid} on" in shown
    assert "\N{BOX DRAWINGS LIGHT HORIZONTAL}  40% 2/5" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert shown.count("Run 'sweep-7': 5 of 5 jobs are done.") == 1
    shutil.rmtree(runs / "named")
