"""Kill -9 of the user's process, then the same script again: nothing is done twice."""

import contextlib
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import traces
from tests.backends.conftest import CLUSTERS
from tests.cluster.client import AgentError
from tests.driver import Driver, driving
from tests.faults.programs import Programs
from tests.sites import Site

from gridmap.cli.program import main
from gridmap.testing import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

ROOT = Path(__file__).resolve().parents[2]
COUNT = 14
QUICK = 4

SCRIPT = """
    import functools, sys
    from gridmap import grid_map
    from tests import jobs

    place, count = sys.argv[1], int(sys.argv[2])
    events = []
    options = {options!r}
    function = functools.partial(jobs.meet_after, place, {quick})
    results = grid_map(function, range(count), progress=events.append, **options)
    restored = [e for e in events if type(e).__name__ == "JobsRestored"]
    print("results", results)
    print("taken over", [(e.jobs, e.done, e.failed) for e in restored])
    print("runners", sum(type(e).__name__ == "RunnerUp" for e in events))
    print("submitted", sum(
        len(e.runners) for e in events if type(e).__name__ == "RunnersSubmitted"))
"""


@pytest.fixture
def resumed(site: Site, map_name: str) -> Iterator[Site]:
    """Return a site whose maps can be resumed; what they keep is taken away after."""
    site.options["resume"] = map_name
    yield site
    shutil.rmtree(site.runs / "named", ignore_errors=True)


def script(site: Site, place: Path, **settings: Any) -> Any:
    """Return a script that maps jobs of which all but the first wait, as a context."""
    settings = {"heartbeat_interval": 1, "silence_limit": 20, **settings}
    options = {**site.options, "max_workers": 4, "settings": settings}
    text = SCRIPT.format(options=options, quick=QUICK)
    return driving(
        place, text, str(place), str(COUNT), environ={"PYTHONPATH": str(ROOT)}
    )


def starts(place: Path) -> Counter[int]:
    """Return how often each job was begun."""
    return Counter({n: len(traces.marks(place, f"job{n}")) for n in range(COUNT)})


def ends(place: Path) -> Counter[int]:
    """Return how often each job came to its end."""
    return Counter({n: len(traces.marks(place, f"end{n}")) for n in range(COUNT)})


def kill_in_the_middle(driver: Driver, place: Path) -> set[int]:
    """Kill a script when its quick jobs are over and others run; return those."""
    for number in range(QUICK):
        traces.await_marks(place, f"end{number}", within_s=40)
    eventually(
        lambda: len(running(place)) >= 4, within_s=20, what="four jobs", gap_s=0.05
    )
    driver.kill(signal.SIGKILL)
    driver.wait(5)
    return running(place)


def running(place: Path) -> set[int]:
    """Return the jobs that were begun and are not over."""
    over = ends(place)
    return {n for n, count in starts(place).items() if count > over[n]}


def test_the_same_script_again_takes_everything_over(
    resumed: Site, tmp_path: Path
) -> None:
    """Finished results, and living runners with the jobs they finished meanwhile."""
    with script(resumed, tmp_path) as driver:
        held = kill_in_the_middle(driver, tmp_path)
    assert len(resumed.pids()) >= 8
    (tmp_path / "go").touch()
    for number in held:  # they go on without anybody
        traces.await_marks(tmp_path, f"end{number}")
    with script(resumed, tmp_path) as driver:
        output = driver.output(60)
    assert f"results {[n * n for n in range(COUNT)]}" in output
    assert starts(tmp_path) == Counter(range(COUNT))
    (told,) = [line for line in output.splitlines() if line.startswith("taken over")]
    jobs, done, failed = eval(told.removeprefix("taken over "))[0]  # noqa: S307 - ours
    assert (jobs, failed) == (COUNT, 0)
    assert done >= QUICK
    assert "submitted 0" in output  # the runners are those there were


def test_a_map_that_is_over_is_told_again_at_once(
    resumed: Site, tmp_path: Path
) -> None:
    """No runner is asked for: all results are in the journal."""
    (tmp_path / "go").touch()
    outputs = []
    for _ in range(2):
        with script(resumed, tmp_path) as driver:
            outputs.append(driver.output(60))
    assert f"results {[n * n for n in range(COUNT)]}" in outputs[1]
    assert f"taken over [({COUNT}, {COUNT}, 0)]" in outputs[1]
    assert "submitted 0" in outputs[1]
    assert starts(tmp_path) == Counter(range(COUNT))


def test_what_runners_left_behind_counts(resumed: Site, tmp_path: Path) -> None:
    """They waited in vain, and ended; what they had finished is not done again."""
    with script(resumed, tmp_path, orphan_time=6) as driver:
        held = kill_in_the_middle(driver, tmp_path)
    (tmp_path / "go").touch()
    for number in held:
        traces.await_marks(tmp_path, f"end{number}")
    eventually(
        lambda: not resumed.pids(), within_s=40, what="the runners' end", gap_s=0.2
    )
    left = list((resumed.runs / "named").glob("*/*.parked"))
    assert left
    with script(resumed, tmp_path) as driver:
        output = driver.output(60)
    assert f"results {[n * n for n in range(COUNT)]}" in output
    assert starts(tmp_path) == Counter(range(COUNT))
    assert list((resumed.runs / "named").glob("*/*.parked")) == []


def test_jobs_of_runners_that_died_too_are_run_again(
    resumed: Site, tmp_path: Path
) -> None:
    """And only those: what was over before stays over."""
    with script(resumed, tmp_path) as driver:
        held = kill_in_the_middle(driver, tmp_path)
    for node, pid in resumed.pids():
        with contextlib.suppress(AgentError, ProcessLookupError):
            resumed.kill(node or "", pid)  # a worker may have followed its runner
    eventually(
        lambda: not resumed.pids(), within_s=20, what="the runners' end", gap_s=0.1
    )
    (tmp_path / "go").touch()
    with script(resumed, tmp_path) as driver:
        output = driver.output(90)
    assert f"results {[n * n for n in range(COUNT)]}" in output
    begun = starts(tmp_path)
    assert {n for n, count in begun.items() if count > 1} == held
    assert max(begun.values()) == 2


def test_ctrl_c_leaves_no_runner_and_all_results(resumed: Site, tmp_path: Path) -> None:
    """The script interrupted, then started again: as after any other end."""
    with script(resumed, tmp_path) as driver:
        for number in range(QUICK):
            traces.await_marks(tmp_path, f"end{number}", within_s=40)
        eventually(
            lambda: len(running(tmp_path)) >= 4, within_s=20, what="jobs", gap_s=0.05
        )
        driver.interrupt()
        assert driver.wait(30) == -signal.SIGINT
    assert resumed.pids() == []
    resumed.await_end(resumed.options["name"], within_s=5)
    (tmp_path / "go").touch()
    with script(resumed, tmp_path) as driver:
        output = driver.output(60)
    assert f"results {[n * n for n in range(COUNT)]}" in output
    assert all(starts(tmp_path)[n] == 1 for n in range(QUICK))


def test_a_second_driver_is_refused(resumed: Site, tmp_path: Path) -> None:
    """It is told who drives the run, and the run goes on."""
    other = tmp_path / "other"
    other.mkdir()
    with script(resumed, tmp_path) as driver:
        traces.await_marks(tmp_path, "job0", within_s=40)
        text = SCRIPT.format(options={**resumed.options, "max_workers": 4}, quick=QUICK)
        with driving(
            other, text, str(tmp_path), str(COUNT), environ={"PYTHONPATH": str(ROOT)}
        ) as second:
            assert second.wait(30) == 1
        assert f"process {driver.process.pid}" in second.stderr
        (tmp_path / "go").touch()
        assert f"results {[n * n for n in range(COUNT)]}" in driver.output(60)


@pytest.mark.parametrize("site", CLUSTERS[1:], indirect=True)
def test_a_run_is_not_forgotten_whose_runners_live(
    resumed: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where the scheduler does not end them, all is as it was, to be tried again."""
    programs = Programs(resumed.backend, tmp_path / "bin")
    programs.install(monkeypatch)
    with script(resumed, tmp_path) as driver:
        kill_in_the_middle(driver, tmp_path)
    programs.be("failing", "scancel")
    name = resumed.options["name"]
    assert main(["forget", name, "--yes"]) == 1
    assert "did not end" in capsys.readouterr().err
    programs.be("well")
    assert main(["forget", name, "--yes"]) == 0
    assert "4 runners ended" in capsys.readouterr().out
    resumed.await_end(name)
