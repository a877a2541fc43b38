"""A job finds the user's environment, directory and arguments on its node."""

import os
from pathlib import Path

import pytest
from tests import jobs, traces
from tests.driver import driving

from gridmap import Job, grid_map, process_jobs


@pytest.fixture
def colourful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set variables that only this process has."""
    monkeypatch.setenv("GM_COLOUR", "blue \N{SNOWMAN}\nof two lines")
    monkeypatch.setenv("GM_EMPTY", "")


@pytest.mark.usefixtures("colourful")
def test_the_environment_goes_along() -> None:
    """By default a job sees the variables of the user's process."""
    (seen,) = grid_map(jobs.environment, [["GM_COLOUR", "GM_EMPTY"]], backend="local")
    assert seen == {"GM_COLOUR": "blue \N{SNOWMAN}\nof two lines", "GM_EMPTY": ""}


def test_the_environment_is_that_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables set since the program began go along; each map takes them anew."""
    for value in ("one", "two"):
        monkeypatch.setenv("GM_LATE", value)
        (seen,) = grid_map(jobs.environment, ["GM_LATE"], backend="local")
        assert seen == {"GM_LATE": value}


@pytest.mark.usefixtures("colourful")
def test_variables_can_be_added() -> None:
    """`add_env` is laid over the environment; values may be of any type."""
    added = {"GM_COLOUR": "red", "GM_NUMBER": 7, "GM_BYTES": b"raw"}
    names = ["GM_COLOUR", "GM_NUMBER", "GM_BYTES"]
    (seen,) = grid_map(jobs.environment, [names], backend="local", add_env=added)
    assert seen == {"GM_COLOUR": "red", "GM_NUMBER": "7", "GM_BYTES": "raw"}


def test_what_is_added_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of this host stays here, unless a job is given it in so many words."""
    added = {"CUDA_VISIBLE_DEVICES": "3", "SLURM_JOB_NAME": "mine", "TMPDIR": "/tmp"}  # noqa: S108
    for name in added:
        monkeypatch.setenv(name, "here")
    plain = Job(jobs.environment, list(added))
    told = Job(jobs.environment, list(added), add_env=added)
    assert not plain.environment.keys() & added.keys()
    assert process_jobs([told], backend="local") == [added]


@pytest.mark.usefixtures("colourful")
def test_jobs_have_environments_of_their_own() -> None:
    """Each job of a list sees its own variables, whoever runs it."""
    made = [
        Job(jobs.environment, ["GM_JOB"], add_env={"GM_JOB": str(number)})
        for number in range(3)
    ]
    made += [Job(jobs.environment, ["GM_JOB"])]
    results = process_jobs(made, backend="local", max_workers=1)
    assert [seen["GM_JOB"] for seen in results] == ["0", "1", "2", None]


def test_the_working_directory_is_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job runs where the user's process was when the job was made."""
    place = tmp_path / "odd 'place' $x"
    place.mkdir()
    monkeypatch.chdir(place)
    job = Job(jobs.directory, [0])
    monkeypatch.chdir("/")
    assert process_jobs([job], backend="local") == [str(place)]
    assert grid_map(jobs.directory, [0], backend="local") == ["/"]


def test_output_is_in_the_logs(runs: Path) -> None:
    """What jobs print, also past Python, is in the run's logs, where these are kept."""
    grid_map(
        jobs.chatter,
        ["hello"],
        backend="local",
        settings={"keep_logs": "always"},
    )
    text = traces.logs(runs)
    for part in ("hello on stdout", "hello on stderr", "hello past Python"):
        assert part in text
    for directory in traces.directories(runs):
        assert [path.name for path in directory.iterdir()] == ["logs"]
    _remove(runs)


def test_output_does_not_reach_the_users_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """What jobs print is not mixed into what the user's process prints."""
    grid_map(jobs.chatter, ["hello"], backend="local")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("keep", "fails", "kept"),
    [
        ("never", True, False),
        ("failed", False, False),
        ("failed", True, True),
        ("always", False, True),
    ],
)
def test_logs_are_kept_as_the_setting_says(
    runs: Path, keep: str, fails: bool, kept: bool
) -> None:
    """`keep_logs`: never, of runs that failed, or always; keys are removed anyhow."""
    grid_map(
        jobs.complain,
        [1 if fails else 2],
        backend="local",
        return_exceptions=True,
        settings={"keep_logs": keep},
    )
    assert bool(traces.directories(runs)) == kept
    assert not list(runs.glob("*/connection.json"))
    _remove(runs)


def _remove(runs: Path) -> None:
    import shutil

    shutil.rmtree(runs, ignore_errors=True)


def test_the_run_directory_is_private(runs: Path) -> None:
    """While it lasts, a run's directory is closed to others."""
    modes: dict[str, int] = {}

    def watch(_: object) -> None:
        for path in [runs, *runs.glob("*"), *runs.glob("*/*")]:
            try:
                modes[path.name] = path.lstat().st_mode & 0o077
            except FileNotFoundError:
                continue

    grid_map(jobs.square, [1], backend="local", progress=watch)
    assert "connection.json" in modes
    assert {name for name, mode in modes.items() if mode} <= {"monitor.sock"}


def test_the_command_line_of_a_script_is_not_the_jobs(tmp_path: Path) -> None:
    """Jobs do not see the script's arguments, and the script keeps them."""
    text = """
        import sys
        from gridmap import grid_map
        print(grid_map(lambda _: sys.argv, [1], backend="local"), sys.argv[1:])
    """
    with driving(tmp_path, text, "--secret") as driver:
        assert driver.output() == "[['']] ['--secret']\n"


@pytest.mark.usefixtures("colourful")
def test_the_environment_can_stay_behind() -> None:
    """With `copy_env=False` a job has what a login gives, and `add_env`; as on a cluster."""
    names = ("GM_ADDED", "GM_COLOUR", "HOME", "PATH")
    job = Job(jobs.environment, names, copy_env=False, add_env={"GM_ADDED": "x"})
    assert job.environment == {"GM_ADDED": "x"}
    assert os.environ["GM_COLOUR"]
    (found,) = process_jobs([job], backend="local")
    assert found.pop("GM_ADDED") == "x"
    assert found.pop("GM_COLOUR") is None
    assert found == {name: os.environ.get(name) for name in ("HOME", "PATH")}


THREADS = ["GRIDMAP_CORES", "OMP_NUM_THREADS", "MKL_NUM_THREADS"]


@pytest.fixture
def unbounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process say nothing of threads."""
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("unbounded")
def test_libraries_start_as_many_threads_as_there_are_cores() -> None:
    """Each job of one map as it asked, in a new worker too, unless the user said."""
    said = {"OMP_NUM_THREADS": "3"}
    made = [
        Job(jobs.environment, THREADS),
        Job(jobs.environment, THREADS, num_slots=2),
        Job(jobs.environment, THREADS, num_slots=2, add_env=said),
    ]
    seen = process_jobs(made, backend="local", max_workers=2)
    assert [tuple(one.values()) for one in seen] == [
        ("1", "1", "1"),
        ("2", "2", "2"),
        ("2", "3", None),
    ]
