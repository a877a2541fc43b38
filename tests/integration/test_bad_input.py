"""Bad input gets one clear exception before anything starts, and leaves nothing."""

import functools
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests import jobs, traces

from gridmap import GridExecutor, Job, JobMonitor, grid_map, process_jobs
from gridmap.errors import (
    GridMapError,
    InvalidRequestError,
    InvalidResourceError,
    InvalidSettingError,
    RunError,
    UnknownBackendError,
    UnpicklableError,
)
from gridmap.testing.leftovers import process_starts


@pytest.fixture(autouse=True)
def nothing_starts() -> Iterator[None]:
    """See to it that no test here has started a runner; what may become one is none."""
    with process_starts() as events:
        yield
    assert [event for event in events if "gridmap_local.zygote" not in event] == []


# Backends


@pytest.mark.parametrize(
    ("name", "meant"), [("slrum", "slurm"), ("locale", "local"), ("SGE", "sge")]
)
def test_an_unknown_backend_is_named_with_a_close_match(name: str, meant: str) -> None:
    """The error says what was probably meant and what is installed."""
    with pytest.raises(UnknownBackendError) as caught:
        grid_map(jobs.square, [1], backend=name)
    text = str(caught.value)
    assert repr(name) in text
    for installed in ("local", "sge", "slurm"):
        assert installed in text
    if meant != "sge":
        assert f"Did you mean {meant!r}?" in text


@pytest.mark.parametrize("call", [GridExecutor, JobMonitor], ids=lambda c: c.__name__)
def test_every_way_in_knows_unknown_backends(call: Callable[..., Any]) -> None:
    """Executor and monitor refuse at once, not at the first job."""
    with pytest.raises(UnknownBackendError):
        call(backend="nonsense")
    with pytest.raises(UnknownBackendError):
        process_jobs([Job(jobs.square, [1])], backend="nonsense")


def test_local_and_another_backend_contradict() -> None:
    """`local=True` with `backend="sge"` is refused."""
    with pytest.raises(InvalidRequestError, match="contradict"):
        grid_map(jobs.square, [1], local=True, backend="sge")


# What cannot be pickled


class Engine:
    """Has a part that cannot travel."""

    def __init__(self) -> None:
        self.gears = {"first": threading.Lock()}

    def run(self, number: int) -> int:
        return number


def test_an_input_that_cannot_travel_is_named() -> None:
    """The error says which input, the way to the part at fault, and why."""
    with pytest.raises(UnpicklableError) as caught:
        grid_map(jobs.same, [1, 2, Engine(), 4], backend="local")
    assert caught.value.what == "input 2"
    assert caught.value.path == ".gears['first']"
    assert "lock" in caught.value.reason


def test_one_of_several_arguments_that_cannot_travel_is_named() -> None:
    """By its place in the list that was spread."""
    with pytest.raises(UnpicklableError) as caught:
        grid_map(jobs.add, [[1, 2], [1, Engine()]], backend="local")
    assert caught.value.what == "input 1"
    assert caught.value.path == "args[1].gears['first']"


def test_a_keyword_argument_that_cannot_travel_is_named() -> None:
    """So does one among keyword arguments."""
    made = [Job(jobs.describe, [1]), Job(jobs.describe, [1], {"engine": Engine()})]
    with pytest.raises(UnpicklableError) as caught:
        process_jobs(made, backend="local")
    assert caught.value.what == "input 1"
    assert caught.value.path == "kwargs['engine'].gears['first']"


def _closure(held: object) -> Callable[[int], object]:
    def function(number: int) -> object:
        return held, number

    return function


@pytest.mark.parametrize(
    ("function", "parts"),
    [
        pytest.param(_closure(Engine()), ("held", "gears"), id="closure"),
        pytest.param(Engine().run, ("gears",), id="method"),
        pytest.param(functools.partial(jobs.add, Engine()), ("gears",), id="partial"),
    ],
)
def test_a_function_that_cannot_travel_is_named(
    function: Callable[..., Any], parts: tuple[str, ...]
) -> None:
    """The error names the function and what of it is at fault; nothing was started."""
    with pytest.raises(UnpicklableError) as caught:
        grid_map(function, [1], backend="local")
    assert caught.value.what.startswith("the function")
    for part in parts:
        assert part in caught.value.path


def test_an_executor_names_what_cannot_travel() -> None:
    """`submit` raises in the caller, not in the future."""
    with GridExecutor(backend="local") as executor:
        with pytest.raises(UnpicklableError):
            executor.submit(jobs.same, Engine())
        with pytest.raises(UnpicklableError):
            executor.map(jobs.same, [1, Engine()])


# Resources and counts


@pytest.mark.parametrize(
    ("wrong", "parts"),
    [
        ({"mem_free": "1Q"}, ("memory", "'1Q'", "2G")),
        ({"mem_free": "-1G"}, ("memory",)),
        ({"mem_free": 0}, ("memory", "positive")),
        ({"h_vmem": "lots"}, ("memory_limit", "'lots'")),
        ({"h_rt": "soon"}, ("walltime", "'soon'")),
        ({"h_rt": -5}, ("walltime", "-5")),
        ({"num_slots": 0}, ("cores", "0")),
        ({"num_slots": -2}, ("cores", "-2")),
        ({"num_slots": 1.5}, ("cores", "1.5")),
        ({"gpu": -1}, ("gpus", "-1")),
        ({"queue": "two\nlines"}, ("queue",)),
        ({"validation_level": "x"}, ("validation_level", "'x'")),
        ({"resources": {"memory": "1Q"}}, ("memory", "'1Q'")),
        ({"resources": {"colour": 1}}, ("colour", "cores")),
        ({"resources": 5}, ("resources", "5", "mapping")),
        ({"resources": {"options": 5}}, ("options", "5", "mapping")),
        ({"white_list": 5}, ("nodes", "5", "text")),
    ],
    ids=str,
)
def test_requests_that_make_no_sense_are_refused(
    wrong: Mapping[str, Any], parts: tuple[str, ...]
) -> None:
    """The error names parameter and value, and mostly what was expected."""
    with pytest.raises(InvalidResourceError) as caught:
        grid_map(jobs.square, [1], backend="local", **wrong)
    for part in parts:
        assert part in str(caught.value)
    with pytest.raises(InvalidResourceError):
        Job(jobs.square, [1], **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_workers": 0},
        {"max_workers": -3},
        {"max_workers": 1.5},
        {"max_workers": "2"},
        {"max_workers": True},
        {"max_processes": 0},
        {"jobs_per_runner": 0},
        {"jobs_per_runner": "1"},
    ],
    ids=str,
)
def test_counts_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    """The error names the parameter and its value."""
    ((name, value),) = wrong.items()
    with pytest.raises(InvalidRequestError, match=f"{name}={value!r}"):
        grid_map(jobs.square, [1], backend="local", **wrong)
    with pytest.raises(InvalidRequestError, match=f"{name}={value!r}"):
        process_jobs([Job(jobs.square, [1])], backend="local", **wrong)
    if name != "max_processes":
        with pytest.raises(InvalidRequestError, match=f"{name}={value!r}"):
            GridExecutor(backend="local", **wrong)


def test_what_is_no_function_is_refused() -> None:
    """A function has to be callable."""
    with pytest.raises(InvalidRequestError, match="callable"):
        grid_map(42, [1], backend="local")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="callable"):
        Job("square", [1])  # type: ignore[arg-type]


def test_function_and_arguments_that_are_swapped_are_told_so() -> None:
    """The error says what stands where, and nothing of it where that cannot be."""
    with pytest.raises(InvalidRequestError, match=r"\[1, 2\].* swapped.* square"):
        grid_map([1, 2], jobs.square, backend="local")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match=r"\[1\].* swapped.* square"):
        Job([1], jobs.square)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError) as caught:
        grid_map([1] * 1000, [1], backend="local")  # type: ignore[arg-type]
    assert "swapped" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_what_is_no_job_is_refused() -> None:
    """`process_jobs` takes jobs."""
    with pytest.raises(InvalidRequestError, match="list of Job"):
        process_jobs([jobs.square], backend="local")  # type: ignore[list-item]


def test_inputs_that_are_no_iterable_are_refused() -> None:
    """The number of jobs alone is no list of inputs, nor of jobs."""
    with pytest.raises(InvalidRequestError, match=r"args_list=5 .* inputs"):
        grid_map(jobs.square, 5, backend="local")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match=r"jobs=5 .* list of Job"):
        process_jobs(5, backend="local")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": None}, "name=None .* a text"),
        ({"backend": 5}, "backend=5 .* a text"),
        ({"resume": True}, "resume=True .* a text"),
        ({"settings": ["quiet"]}, "settings=.* a mapping of names to values"),
        ({"settings": {5: 1}}, "settings is a mapping of names .* 5 is no text"),
        ({"add_env": ["A=1"]}, "add_env=.* a mapping of names"),
        ({"add_env": {"A=": 1}}, "no environment can hold 'A='='1'"),
        ({"add_env": {"A": "\0"}}, "no environment can hold 'A'='.x00'"),
        ({"retry": 3}, "retry=3 is no rule"),
    ],
    ids=str,
)
def test_arguments_of_the_wrong_kind_are_refused(
    wrong: dict[str, Any], words: str
) -> None:
    """By the name of the parameter, and with what was expected."""
    with pytest.raises(InvalidRequestError, match=words):
        grid_map(jobs.square, [1], **{"backend": "local", **wrong})


def test_arguments_of_a_job_that_are_none_are_refused() -> None:
    """What is to be called with them is not called."""
    with pytest.raises(InvalidRequestError, match=r"args=5 .* in a list"):
        Job(jobs.square, 5)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match=r"kwlist=5 .* a mapping"):
        Job(jobs.square, [1], 5)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match=r"kwlist .* 5 is no text"):
        Job(jobs.square, [1], {5: 1})  # type: ignore[dict-item]


# Settings


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"num_resubmit": 3}, ("num_resubmit", "num_resubmits")),
        ({"num_resubmits": -1}, ("num_resubmits", "-1")),
        ({"heartbeat_interval": "often"}, ("heartbeat_interval", "often")),
        ({"silence_limit": 1}, ("silence_limit", "heartbeat_interval")),
        ({"compression": "zip"}, ("compression", "zip", "zstd")),
        ({"port_range": "9-1"}, ("port_range",)),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(
    settings: dict[str, object], parts: tuple[str, ...]
) -> None:
    """The error names the setting and what it may be."""
    with pytest.raises(InvalidRequestError) as caught:
        grid_map(jobs.square, [1], backend="local", settings=settings)
    for part in parts:
        assert part in str(caught.value)


def test_a_setting_in_the_environment_is_named_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error says which variable holds the bad value."""
    monkeypatch.setenv("NUM_RESUBMITS", "three")
    with pytest.raises(InvalidSettingError, match="NUM_RESUBMITS"):
        grid_map(jobs.square, [1], backend="local")


# Where runs are kept


def test_a_run_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The error names the directory, why it cannot be had, and the way out."""
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "runs"
    with pytest.raises(RunError) as caught:
        grid_map(
            jobs.square,
            [1],
            backend="local",
            settings={"run_directory": str(place)},
        )
    assert str(place) in str(caught.value)
    assert "cannot be made or opened" in str(caught.value)


def test_a_run_directory_without_permission_is_named() -> None:
    """A directory that is another user's, or closed, is refused."""
    with pytest.raises(RunError, match="/proc/1"):
        grid_map(
            jobs.square,
            [1],
            backend="local",
            settings={"run_directory": "/proc/1/gridmap"},
        )


def test_a_temp_dir_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GridMap's `temp_dir` is checked the same way."""
    monkeypatch.delenv("GRIDMAP_RUNS")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file"):
        grid_map(
            jobs.square, [1], backend="local", temp_dir=str(tmp_path / "file" / "x")
        )


def test_a_run_directory_open_to_all_is_refused(tmp_path: Path) -> None:
    """Where others could exchange our files, no key is put."""
    place = tmp_path / "open"
    place.mkdir()
    place.chmod(0o777)
    with pytest.raises(RunError, match="anybody can write"):
        grid_map(
            jobs.square, [1], backend="local", settings={"run_directory": str(place)}
        )
    assert list(place.iterdir()) == []


def test_a_monitor_that_is_not_open_takes_no_jobs() -> None:
    """Jobs are added within the `with` block."""
    monitor = JobMonitor(backend="local")
    with pytest.raises(GridMapError, match="not open"):
        monitor.add(jobs.square, [])


def test_bad_input_is_not_logged_as_well(caplog: pytest.LogCaptureFixture) -> None:
    """What is raised is not logged too."""
    with caplog.at_level(logging.DEBUG), pytest.raises(UnpicklableError):
        grid_map(jobs.same, [Engine()], backend="local")
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_nothing_is_made_before_the_inputs_are_seen_to_travel(runs: Path) -> None:
    """A bad input costs no directory."""
    with pytest.raises(UnpicklableError):
        grid_map(jobs.same, [Engine()], backend="local")
    assert not runs.exists()
    assert traces.processes(runs) == []
