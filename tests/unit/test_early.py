"""What a backend begins as soon as it is named goes to its run, or nowhere."""

import os
import subprocess
import sys
from pathlib import Path

PLUGIN = """\
import sys
print("begun", "msgspec" in sys.modules)

class Thing:
    def close(self):
        print("closed")

def fail():
    raise RuntimeError("no")
"""

DRIVER = """\
import os
from gridmap import early
with early.begun("bad"):
    print("bad", early.take("bad"))
with early.begun(None):
    print("unnamed", early._begun)
with early.begun("mine"):
    pass
with early.begun("mine") as kept:
    with early.begun("mine"):
        early.drop("mine")
    kept.pop_all()
if os.fork() == 0:
    early.drop("mine")
    print("in a child", early.take("mine"), flush=True)
    os._exit(0)
os.wait()
print("taken", type(early.take("mine")).__name__, early.take("mine"))
os.environ["GRIDMAP_BACKEND"] = "mine"
with early.begun(None):
    pass
"""


def test_what_was_begun_is_taken_or_closed(tmp_path: Path) -> None:
    """Once, in the process that began it; what fails is as if there were nothing."""
    (tmp_path / "minebegin.py").write_text(PLUGIN)
    folder = tmp_path / "mine-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n"
    )
    (folder / "entry_points.txt").write_text(
        "[gridmap.early]\nmine = minebegin:Thing\nbad = minebegin:fail\n"
    )
    known = {k: v for k, v in os.environ.items() if k != "GRIDMAP_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-uc", DRIVER],
        env=known | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "begun False",
        "bad None",
        "unnamed {}",
        "closed",
        "closed",
        "in a child None",
        "taken Thing None",
        "closed",
    ]
