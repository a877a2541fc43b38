"""What is left when the user's process is killed with -9: runners that can be found.

Ending them is the runner's own business, which watches its driver. These tests show
this backend's part with plain commands, which watch nobody: the next process finds
each of them, tells it from strangers, and can end it.
"""

import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gridmap.backend import Killed, RunContext, SeenState
from gridmap.plugins import RunPlugins, installed
from gridmap.testing import eventually

RUN, OTHER_RUN = secrets.token_hex(4), secrets.token_hex(4)

DRIVER = """\
import sys, time
from pathlib import Path
from gridmap.backend import Batch, RunContext
from gridmap.plugins import RunPlugins, installed
from gridmap.resources import Resources

place, token = Path(sys.argv[1]), sys.argv[2]
context = RunContext(token=token, name="x", directory=place, logs=place)
run = RunPlugins(installed().find("local").create(), context, name="local")
batch = Batch(
    runners=(1, 2), command=("/bin/sh", "-c", "sleep 60 & wait"), environment={},
    directory=str(place), name="x", resources=Resources(walltime=1000),
)
print(*run.submit(batch).values(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def orphans(tmp_path: Path) -> set[str]:
    """Start two runners from a process that is then killed; return their handles."""
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path), RUN], stdout=subprocess.PIPE
    )
    with driver:
        assert driver.stdout is not None
        handles = set(driver.stdout.readline().decode().split())
        driver.kill()
    assert driver.returncode == -signal.SIGKILL
    return handles


def test_orphans_are_found_and_ended(tmp_path: Path, orphans: set[str]) -> None:
    """A later process takes over the runners of one that was killed."""
    context = RunContext(token=RUN, name="x", directory=tmp_path, logs=tmp_path)
    run = RunPlugins(installed().find("local").create(), context, name="local")
    found = run.attach()
    assert {str(handle) for handle in found} == orphans
    assert {seen.state for seen in found.values()} == {SeenState.RUNNING}
    handles = frozenset(found)
    assert set(run.kill(handles).values()) == {Killed.KILLED}
    eventually(lambda: not run.attach(), within_s=10, what="the end of the orphans")
    assert set(run.kill(handles).values()) == {Killed.GONE}
    run.close()
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".log"] == []


def test_another_run_finds_nobody(tmp_path: Path, orphans: set[str]) -> None:
    """The directory alone is not enough: the token has to be the run's."""
    other = RunContext(token=OTHER_RUN, name="x", directory=tmp_path, logs=tmp_path)
    run = RunPlugins(installed().find("local").create(), other, name="local")
    assert run.attach() == {}
    run.close()
    same = RunContext(token=RUN, name="x", directory=tmp_path, logs=tmp_path)
    heir = RunPlugins(installed().find("local").create(), same, name="local")
    assert set(heir.kill(frozenset(heir.attach())).values()) == {Killed.KILLED}
    assert len(orphans) == 2
    heir.close()
