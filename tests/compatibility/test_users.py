"""The ways in which the programs we know of call GridMap, each with its quirks.

Written from what they do; none of their text is here. They run on every backend, for
not one of them says which.
"""

import functools
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.sites import Site

import gridmap
from gridmap import Job, JobException, grid_map, process_jobs
from gridmap.data import zdumps, zloads
from gridmap.job import (  # type: ignore[attr-defined]  # found late
    grid_map as grid_map_of_job_module,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


@pytest.fixture
def queue(site: Site) -> str:
    """Return a queue that this place has."""
    return {"slurm": "main"}.get(site.backend, "all.q")


def learn(options: dict[str, Any]) -> str:
    """Take one dictionary."""
    return f"learnt {options['fold']}"


def test_an_experiment_runner(queue: str, tmp_path: Path) -> None:
    """Named jobs with slots and a queue; nodes None; a log path as temp_dir."""
    made = [
        Job(
            learn,
            [{"fold": fold}],
            num_slots=1,
            name=f"Job experiment {fold}",
            queue=queue,
        )
        for fold in range(2)
    ]
    try:
        results = process_jobs(made, white_list=None, temp_dir=str(tmp_path / "log"))
    except JobException as error:
        pytest.fail(str(error))
    assert results == ["learnt 0", "learnt 1"]


def unpack_and_pack(data: bytes) -> bytes:
    """Return bytes for bytes."""
    return pickle.dumps(sum(pickle.loads(data)))


def test_a_genome_tool(site: Site, tmp_path: Path) -> None:
    """Bytes in, bytes out; `local` is computed, the workers' number given always."""
    made = [gridmap.Job(unpack_and_pack, [pickle.dumps([n, n])]) for n in range(3)]
    results = gridmap.process_jobs(
        made, max_processes=2, local=site.backend == "local", temp_dir=str(tmp_path)
    )
    assert [pickle.loads(result) for result in results] == [0, 2, 4]


def align(*args: int, **kwargs: int) -> tuple[int, dict[str, int]]:
    """Take both kinds of arguments."""
    return sum(args), kwargs


def test_a_mapper_with_keywords(queue: str) -> None:
    """Keyword arguments come as `kwlist`."""
    made = [Job(align, [1, n], kwlist={"quality": n}, queue=queue) for n in range(2)]
    results = process_jobs(made, max_processes=2)
    assert results == [(1, {"quality": 0}), (2, {"quality": 1})]


def test_a_pipeline_of_wrappers(queue: str, tmp_path: Path) -> None:
    """Everything by keyword, with the defaults written out."""
    made = [
        Job(
            align,
            [4, 5],
            kwlist=None,
            cleanup=True,
            mem_free="100M",
            name="wrapper",
            num_slots=1,
            queue=queue,
        )
    ]
    results = process_jobs(
        made,
        max_processes=10,
        temp_dir=str(tmp_path),
        white_list=None,
        quiet=False,
        local=False,
    )
    assert results == [(9, {})]


def describe_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame for a frame."""
    return frame * 2


def test_a_telescopes_analysis(queue: str) -> None:
    """Data frames both ways; `jobs` by keyword, out of a dictionary of options."""
    frames = [pd.DataFrame({"a": [n, n + 1]}) for n in range(2)]
    made = [Job(describe_frame, [frame], queue=queue) for frame in frames]
    options: dict[str, Any] = {"jobs": made, "max_processes": 4, "local": False}
    results = process_jobs(**options)
    pd.testing.assert_frame_equal(pd.concat(results), pd.concat(frames) * 2)


def test_a_statisticians_scripts(site: Site, tmp_path: Path) -> None:
    """Names with blanks and parentheses, digits first; `local` is 0 or 1."""
    names = ["a it(0)", "0 first", "x/y", "ümläut"]
    made = [Job(align, [n], name=name) for n, name in enumerate(names)]
    local: Any = int(site.backend == "local")
    results = process_jobs(
        made, local=local, max_processes=2, temp_dir=str(tmp_path / "tmp")
    )
    assert [total for total, _ in results] == [0, 1, 2, 3]


def test_jobs_run_by_hand() -> None:
    """Some call `execute` themselves and read `ret`."""
    job = gridmap.Job(align, [1, 2])
    job.execute()
    assert job.ret == (3, {})


def test_a_bare_call(queue: str) -> None:
    """One job in a list, no options."""
    arguments = [np.arange(3)]
    (result,) = gridmap.process_jobs([gridmap.Job(np.sum, arguments, queue=queue)])
    assert result == 3


def footprint(scale: int, chunk: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Work on a chunk."""
    return chunk * scale


def test_a_sum_of_arrays(site: Site) -> None:
    """Partial objects over chunks; the results are summed."""
    del site
    chunks = np.array_split(np.arange(10), 3)
    made = [gridmap.Job(functools.partial(footprint, 2), [chunk]) for chunk in chunks]
    total = sum(result.sum() for result in gridmap.process_jobs(made))
    assert total == 90


def processors(_: int) -> int:
    """Look at what was granted."""
    return len(os.sched_getaffinity(0))


def test_a_parallel_environment(site: Site, tmp_path: Path) -> None:
    """Slots in a parallel environment."""
    del site
    made = [Job(processors, [1], num_slots=2, par_env="smp")]
    (count,) = process_jobs(made, temp_dir=str(tmp_path))
    assert count >= 1


def play(name: str, depth: int) -> str:
    """Take the spread elements of a list."""
    return f"{name}{depth}"


def test_a_course_server(queue: str, tmp_path: Path) -> None:
    """Lists of arguments, an environment of strings, a cluster required; iterated."""
    results = grid_map(
        play,
        [["a", 1], ["b", 2]],
        mem_free="100M",
        name="tournament",
        num_slots=1,
        temp_dir=str(tmp_path),
        queue=queue,
        add_env={"CREATE_PLOTS": "FALSE", "USE_MEM_FREE": "TRUE"},
    )
    assert list(results) == ["a1", "b2"]
    assert results[0] == "a1"
    assert len(results) == 2


def test_rows_of_an_array(queue: str, tmp_path: Path) -> None:
    """A matrix is mapped row by row."""
    results = grid_map(
        np.mean,
        np.arange(6.0).reshape(2, 3),
        quiet=True,
        num_slots=1,
        temp_dir=str(tmp_path),
        max_processes=1,
        queue=queue,
        require_cluster=False,
        local=False,
        cleanup=True,
    )
    assert results == [1.0, 4.0]


def run_task(flag: bool, parts: list[str]) -> tuple[bool, list[str]]:
    """Take a truth value and a list, spread from a list."""
    return flag, parts


def test_a_wrapper_of_another_tool(site: Site) -> None:
    """`f` and `args_list` by keyword; lists of a truth value and a list."""
    del site
    results = gridmap.grid_map(
        f=run_task, args_list=[[True, ["a"]], [False, ["b", "c"]]], name="wrapped"
    )
    assert results == [(True, ["a"]), (False, ["b", "c"])]


def test_a_cluster_set_up_script(queue: str, tmp_path: Path) -> None:
    """No environment, a completion mail, and None for an input."""
    results = grid_map(
        gm_environment,
        [None],
        name="setup",
        queue=queue,
        quiet=True,
        require_cluster=False,
        temp_dir=str(tmp_path),
        local=False,
        copy_env=False,
        add_env={"GM_STEP": "1"},
        completion_mail=True,
    )
    assert results == [{"GM_STEP": "1"}]


def gm_environment(_: None) -> dict[str, str]:
    """Return what of the environment is ours."""
    return {name: value for name, value in os.environ.items() if name == "GM_STEP"}


def test_a_parallel_map_of_packed_tasks(queue: str, tmp_path: Path) -> None:
    """Tasks packed by `gridmap.data`, everything by keyword."""
    tasks = [zdumps((n, lambda x: x + 1)) for n in range(3)]
    results = grid_map(
        run_packed,
        tasks,
        queue=queue,
        temp_dir=str(tmp_path),
        max_processes=2,
        mem_free="100M",
        name="parmap",
        num_slots=1,
        white_list=None,
        quiet=True,
    )
    assert results == [1, 2, 3]


def run_packed(task: bytes) -> int:
    """Unpack a number and what to do with it."""
    unpacked: Any = zloads(task)
    number, function = unpacked
    result: int = function(number)
    return result


def test_the_job_modules_map(site: Site) -> None:
    """`from gridmap.job import grid_map`, as the ancestor's documentation has it."""
    del site
    assert grid_map_of_job_module(abs, [-1]) == [1]


def test_all_positions_can_be_given(site: Site, tmp_path: Path) -> None:
    """GridMap's parameters of `grid_map`, all of them by position."""
    del site
    results = grid_map(
        abs, [-1], True, None, "by position", 1, str(tmp_path), None, None, True,
        False, 1, None, True, None, None, None, None, None, 0, None, None, None, False,
        False, "smp",
    )  # fmt: skip
    assert results == [1]
