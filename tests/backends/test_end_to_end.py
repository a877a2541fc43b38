"""Whole maps mean the same on this machine, on Grid Engine and on Slurm."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import jobs, traces
from tests.driver import driving
from tests.sites import Site

from gridmap import GridExecutor, Job, grid_map, process_jobs
from gridmap.errors import JobException, RemoteTraceback, UnpicklableError
from gridmap.events import RunnerGone, RunnersSubmitted, RunnerUp, RunStarted
from gridmap.verdict import Cause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

ROOT = Path(__file__).resolve().parents[2]
CENSUS = ROOT / "examples" / "stdlib_census.py"


def test_two_hundred_jobs(site: Site) -> None:
    """200 jobs of 0.1 s: all right, one submission, both nodes used, queue empty."""
    events: list[Any] = []
    results = grid_map(jobs.short, range(200), progress=events.append, **site.options)
    assert [value for value, _ in results] == [n * n for n in range(200)]
    submitted = [event for event in events if isinstance(event, RunnersSubmitted)]
    assert len(submitted) == 1
    handles = submitted[0].handles
    assert len({handle.partition(".")[0] for handle in handles}) == 1, handles
    nodes = {node for _, node in results}
    assert nodes == {os.uname().nodename} if site.backend == "local" else {"n1", "n2"}
    assert nodes == {event.node for event in events if isinstance(event, RunnerUp)}
    site.await_end(site.options["name"])


@pytest.mark.parametrize("count", [0, 1])
def test_few_jobs(site: Site, count: int) -> None:
    """No job at all and a single one are maps too."""
    assert grid_map(jobs.square, range(count), **site.options) == [0][:count]


def test_ten_thousand_jobs(site: Site) -> None:
    """Many small jobs come back in order, and do not flood the scheduler."""
    events: list[Any] = []
    results = grid_map(
        jobs.square, iter(range(10_000)), progress=events.append, **site.options
    )
    assert results == [number * number for number in range(10_000)]
    there = most = 0
    for event in events:
        if isinstance(event, RunnersSubmitted):
            there += len(event.handles)
        there -= isinstance(event, RunnerGone)
        most = max(most, there)
    assert most <= 1000


def census(site: Site, place: Path, *arguments: str) -> list[dict[str, Any]]:
    """Run the example as a user does and return its rows."""
    rows = place / "rows.json"
    done = subprocess.run(
        [
            sys.executable,
            str(CENSUS),
            *("--backend", site.backend, "--json", str(rows), *arguments),
        ],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        timeout=80,
    )
    assert done.returncode == 0, done.stderr
    assert "largest modules" in done.stdout
    found: list[dict[str, Any]] = json.loads(rows.read_text())
    return found


@pytest.fixture(scope="module")
def plain_census() -> list[dict[str, Any]]:
    """Return the rows that a loop without gridmap gives, for every module."""
    program = f"""if True:
        import dataclasses, json, sys
        sys.path.insert(0, {str(CENSUS.parent)!r})
        import stdlib_census as census
        names = census.modules(census.stdlib())
        rows = [dataclasses.asdict(census.survey(name)) for name in names]
        print(json.dumps(rows))
    """
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=80,
    )
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(rows) > 500
    return rows


def test_the_whole_census(
    site: Site, tmp_path: Path, plain_census: list[dict[str, Any]]
) -> None:
    """The example over the whole standard library equals a plain loop, everywhere."""
    site.options["name"] = "census"
    assert census(site, tmp_path) == plain_census
    site.await_end("census")


def test_one_job_a_runner(site: Site) -> None:
    """`jobs_per_runner=1` gives each job a scheduler job of its own."""
    events: list[Any] = []
    results = grid_map(
        jobs.whereabouts,
        range(10),
        jobs_per_runner=1,
        progress=events.append,
        **site.options,
    )
    assert len({(node, runner) for node, runner, _ in results}) == 10
    up = [event.handle for event in events if isinstance(event, RunnerUp)]
    assert len(set(up)) == len(up) == 10


def test_max_workers_is_a_bound(site: Site) -> None:
    """No more runners are asked for than `max_workers`."""
    events: list[Any] = []
    results = grid_map(
        jobs.whereabouts,
        range(60),
        max_workers=2,
        progress=events.append,
        **site.options,
    )
    assert len({(node, runner) for node, runner, _ in results}) <= 2
    submitted = [event for event in events if isinstance(event, RunnersSubmitted)]
    assert sum(len(event.handles) for event in submitted) == 2


def test_exceptions_are_the_users_own(site: Site) -> None:
    """Type, arguments and remote traceback arrive, and no queue is left behind."""
    with pytest.raises(jobs.Teapot) as caught:
        grid_map(jobs.complain, [2, 5], **site.options)
    assert caught.value.litres == 2.5
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "in complain" in str(caught.value.__cause__)


def test_exceptions_can_be_results(site: Site) -> None:
    """`return_exceptions` goes on, whatever ended the job."""
    made = [
        Job(jobs.square, [3]),
        Job(jobs.complain, [1]),
        Job(jobs.be_stubborn, [0]),
        Job(jobs.die, ["os._exit(3)"]),
        Job(jobs.die, ["segmentation fault"]),
        Job(jobs.die, ["sys.exit(4)"]),
        Job(jobs.square, [4]),
    ]
    results = process_jobs(made, return_exceptions=True, **_without_name(site))
    assert [results[0], results[-1]] == [9, 16]
    assert [type(result).__name__ for result in results[1:3]] == [
        "Teapot",
        "RemoteError",
    ]
    causes = [result.verdict.cause for result in results[3:6]]
    assert causes == [Cause.EXITED, Cause.SIGNALLED, Cause.EXITED]
    assert {result.verdict.node for result in results[3:5]} <= {
        os.uname().nodename,
        *site.nodes,
    }


def _without_name(site: Site) -> dict[str, Any]:
    return {key: value for key, value in site.options.items() if key != "name"}


def test_values_of_all_kinds(site: Site) -> None:
    """None, arrays, large data, returned exceptions: the same everywhere."""
    noise = os.urandom(16 * 2**20)
    values = [None, np.arange(5), noise, ValueError("x"), (1, 2), {"a": {1}}]
    results = grid_map(jobs.same, values, **site.options)
    np.testing.assert_array_equal(results[1], values[1])
    assert isinstance(results[3], ValueError)
    assert [results[0], results[2], *results[4:]] == [None, noise, (1, 2), {"a": {1}}]


def test_unpicklable_results_are_named(site: Site) -> None:
    """What cannot come back is named."""
    import threading

    with pytest.raises(UnpicklableError, match="lock"):
        grid_map(lambda _: threading.Lock(), [1], **site.options)


def test_surroundings_go_along(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment, additions to it, and the working directory are the user's."""
    monkeypatch.setenv("GM_COLOUR", "blue 'and' \"two\"\nlines \N{SNOWMAN} $HOME")
    place = site.runs.parent / "odd 'place' $x"
    place.mkdir()
    monkeypatch.chdir(place)
    (seen,) = grid_map(
        jobs.environment,
        [["GM_COLOUR", "GM_ADDED"]],
        add_env={"GM_ADDED": 7},
        **site.options,
    )
    assert seen == {"GM_COLOUR": os.environ["GM_COLOUR"], "GM_ADDED": "7"}
    assert grid_map(jobs.directory, [0], **site.options) == [str(place)]
    assert list(place.iterdir()) == []  # no scheduler's files either


def test_output_is_in_the_logs(site: Site) -> None:
    """What jobs print is kept where the setting says so."""
    import shutil

    grid_map(jobs.chatter, ["hello"], settings={"keep_logs": "always"}, **site.options)
    text = traces.logs(site.runs)
    shutil.rmtree(site.runs)
    for part in ("hello on stdout", "hello on stderr", "hello past Python"):
        assert part in text


def test_a_script_with_a_module_beside_it(site: Site) -> None:
    """Functions and classes of `__main__` and of the user's own directory work."""
    home = site.runs.parent / "home"
    home.mkdir()
    (home / "beside.py").write_text("def triple(x):\n    return 3 * x\n")
    text = f"""
        import beside
        from gridmap import grid_map

        class Point:
            def __init__(self, x):
                self.x = x

        def move(point):
            return Point(beside.triple(point.x))

        options = {site.options!r}
        print(grid_map(beside.triple, [1, 2], **options))
        print(grid_map(lambda x: x + 1, [1, 2], **options))
        print([p.x for p in grid_map(move, [Point(1), Point(2)], **options)])
    """
    with driving(home, text, cwd=Path("/")) as driver:
        assert driver.output(60) == "[3, 6]\n[2, 3]\n[3, 6]\n"


def test_an_executor(site: Site, tmp_path: Path) -> None:
    """Futures work, and a second call finds the runners up."""
    with GridExecutor(2, backend=site.backend, name=site.options["name"]) as executor:
        first = executor.submit(jobs.runner_pid)
        assert first.result(30) > 0
        futures = [executor.submit(jobs.square, number) for number in range(50)]
        assert [future.result(30) for future in futures] == [n * n for n in range(50)]
        assert list(executor.map(jobs.add, [1, 2], [3, 4])) == [4, 6]
        held = executor.submit(jobs.meet, str(tmp_path), 1)
        traces.await_marks(tmp_path, "job1")
        assert held.cancel()
        assert isinstance(executor.submit(jobs.complain, 1).exception(30), jobs.Teapot)


def test_backend_none_takes_a_cluster(cluster_site: Site) -> None:
    """Without a word about backends a cluster is found, and one that is required."""
    del cluster_site.options["backend"]
    events: list[Any] = []
    results = grid_map(
        jobs.square,
        [2],
        require_cluster=True,
        progress=events.append,
        **cluster_site.options,
    )
    assert results == [4]
    (started,) = [event for event in events if isinstance(event, RunStarted)]
    assert started.backend in ("sge", "slurm")


def test_settings_choose_the_backend(
    cluster_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment variable names the backend, and gridmap.conf knows of it."""
    import gridmap.conf

    backend = cluster_site.options.pop("backend")
    monkeypatch.setenv("GRIDMAP_BACKEND", backend)
    (found,) = grid_map(jobs.whereabouts, [0], **cluster_site.options)
    assert found[0] in ("n1", "n2")
    assert gridmap.conf.DRMAA_PRESENT is True


def test_a_healthy_run_asks_the_scheduler_next_to_nothing(site: Site) -> None:
    """While all goes well, the scheduler is asked for nothing but runners."""
    from gridmap import JobMonitor

    with JobMonitor(
        backend=site.backend, name=site.options["name"], max_workers=4
    ) as monitor:
        calls = [((number,), None) for number in range(80)]
        monitor.add(jobs.short, calls)
        monitor.seal()
        done = 0
        while done < 80:
            done += len(list(monitor.outcomes.take()))
        assert sum(monitor.queries.values()) <= 6
    assert monitor.queries.get("observe", 0) <= 1


def test_a_verdict_can_be_stored(site: Site) -> None:
    """A verdict's exception survives pickling, with its text."""
    import pickle

    with pytest.raises(JobException) as caught:
        grid_map(jobs.die, ["kill -9"], **site.options)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.verdict.node in {os.uname().nodename, *site.nodes}
