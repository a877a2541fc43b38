"""Every name that scripts for GridMap import or set is where it was."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest

import gridmap
import gridmap.conf
import gridmap.data
import gridmap.job

PUBLIC = (
    "Job", "JobException", "process_jobs", "grid_map", "DRMAANotPresentException",
    "CHECK_FREQUENCY", "CREATE_PLOTS", "DEFAULT_QUEUE", "ERROR_MAIL_RECIPIENT",
    "ERROR_MAIL_SENDER", "HEARTBEAT_FREQUENCY", "IDLE_THRESHOLD",
    "MAX_IDLE_HEARTBEATS", "MAX_TIME_BETWEEN_HEARTBEATS", "NUM_RESUBMITS",
    "SEND_ERROR_MAIL", "SMTP_SERVER", "USE_MEM_FREE", "DEFAULT_TEMP_DIR",
)  # fmt: skip

JOB = [
    "f",
    "args",
    "kwlist",
    "cleanup",
    "mem_free",
    "name",
    "num_slots",
    "queue",
    "interpreting_shell",
    "copy_env",
    "add_env",
    "project",
    "validation_level",
    "os_distribution",
    "os_minor",
    "par_env",
    "gpu",
    "h_vmem",
    "h_rt",
    "resources",
]
PROCESS_JOBS = [
    "jobs",
    "temp_dir",
    "white_list",
    "quiet",
    "max_processes",
    "local",
    "require_cluster",
]
GRID_MAP = [
    "f",
    "args_list",
    "cleanup",
    "mem_free",
    "name",
    "num_slots",
    "temp_dir",
    "white_list",
    "queue",
    "quiet",
    "local",
    "max_processes",
    "interpreting_shell",
    "copy_env",
    "add_env",
    "project",
    "validation_level",
    "os_distribution",
    "os_minor",
    "gpu",
    "h_vmem",
    "h_rt",
    "resources",
    "completion_mail",
    "require_cluster",
    "par_env",
]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_in_the_package(name: str) -> None:
    """All of the ancestor's `__all__` is here, and in `__all__`."""
    assert hasattr(gridmap, name)
    assert name in gridmap.__all__
    assert name in dir(gridmap)


def test_a_star_import_works() -> None:
    """`from gridmap import *` brings them."""
    names: dict[str, Any] = {}
    exec("from gridmap import *", names)  # noqa: S102 - what users write
    assert set(PUBLIC) <= set(names)


def test_the_version_is_text_and_tuple() -> None:
    """`gridmap.VERSION` and `__version__` agree."""
    assert gridmap.__version__.startswith(".".join(map(str, gridmap.VERSION[:2])))


@pytest.mark.parametrize(
    "name",
    ["Job", "JobException", "JobMonitor", "grid_map", "process_jobs"],
)
def test_the_job_module_still_gives_what_it_held(name: str) -> None:
    """`from gridmap.job import grid_map` is the same thing as the package's."""
    module = importlib.import_module("gridmap.job")
    assert getattr(module, name) is getattr(gridmap, name)


def test_the_job_module_gives_nothing_else() -> None:
    """A misspelt name is an error that names the module."""
    with pytest.raises(AttributeError, match=r"gridmap\.job"):
        _ = gridmap.job.grid_maps  # type: ignore[attr-defined]


def test_conf_knows_whether_there_is_a_cluster() -> None:
    """`gridmap.conf.DRMAA_PRESENT` is a truth value."""
    assert isinstance(gridmap.conf.DRMAA_PRESENT, bool)
    assert gridmap.conf.DEFAULT_PAR_ENV == "smp"


def test_data_packs_what_cloudpickle_can() -> None:
    """`zdumps` and `zloads` are inverse, for lambdas too."""
    packed = gridmap.data.zdumps({"f": lambda x: x + 1})
    assert packed.startswith(b"BZh9")
    loaded: Any = gridmap.data.zloads(packed)
    assert loaded["f"](1) == 2


def test_exceptions_have_their_families() -> None:
    """Callers that catch the built-in families still do."""
    assert issubclass(gridmap.JobException, Exception)
    assert issubclass(gridmap.DRMAANotPresentException, ImportError)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (gridmap.Job, JOB),
        (gridmap.process_jobs, PROCESS_JOBS),
        (gridmap.grid_map, GRID_MAP),
    ],
    ids=["Job", "process_jobs", "grid_map"],
)
def test_parameters_are_in_gridmaps_order(
    function: Callable[..., Any], expected: list[str]
) -> None:
    """The positions are the ancestor's; what is new is by keyword only, or behind."""
    parameters = inspect.signature(function).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional[: len(expected)] == expected
    assert [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY] == []
    if function is not gridmap.Job:
        assert positional == expected


def test_a_job_takes_its_function_by_gridmaps_name() -> None:
    """`Job(f=…, args=…)` is how some write it."""
    job = gridmap.Job(f=pow, args=[2, 3])
    assert job.function is pow


def test_a_job_has_what_users_look_at() -> None:
    """Names and what they hold before and after `execute`."""
    job = gridmap.Job(divmod, [7, 2], name="a it(0)", num_slots=2)
    assert (job.function, job.args, job.kwlist) == (divmod, [7, 2], None)
    assert (job.name, job.num_slots, job.cleanup) == ("a it(0)", 2, True)
    assert job.ret is None
    job.execute()
    assert job.ret == (3, 1)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("NUM_RESUBMITS", "7", 7),
        ("HEARTBEAT_FREQUENCY", "3", 3),
        ("MAX_TIME_BETWEEN_HEARTBEATS", "50", 50),
        ("CHECK_FREQUENCY", "4", 4),
        ("IDLE_THRESHOLD", "2.5", 2.5),
        ("MAX_IDLE_HEARTBEATS", "9", 9),
        ("USE_MEM_FREE", "TRUE", True),
        ("USE_MEM_FREE", "false", False),
        ("SEND_ERROR_MAIL", "True", True),
        ("CREATE_PLOTS", "FALSE", False),
        ("DEFAULT_QUEUE", "long.q", "long.q"),
        ("DEFAULT_TEMP_DIR", "/data", "/data"),
        ("SMTP_SERVER", "mail.example", "mail.example"),
        ("ERROR_MAIL_SENDER", "a@example", "a@example"),
        ("ERROR_MAIL_RECIPIENT", "b@example", "b@example"),
    ],
)
def test_environment_variables_set_the_constants(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    """Each of the ancestor's variables is read, even after the import."""
    monkeypatch.setenv(name, text)
    assert getattr(gridmap, name) == value
    assert getattr(gridmap.conf, name) == value
