"""Batches as calls of sbatch, and sbatch's answers."""

from pathlib import Path

import msgspec
import pytest
from tests.unit.slurm.batches import BATCH, CONTEXT, render

from gridmap.backend import Handle, Rejected
from gridmap.errors import InvalidRequestError, InvalidResourceError
from gridmap.resources import Resources
from gridmap_slurm import sbatch


def test_an_array_with_nothing_asked_for() -> None:
    """The whole of the plainest submission, as a person would check it."""
    rendered = sbatch.build(BATCH, CONTEXT)
    assert rendered.command == (
        "sbatch",
        "--parsable",
        "--job-name=sweep",
        "--comment=gridmap:5eed:4",
        "--array=1-3",
        "--output=/runs/5eed/logs/%A.%a.log",
        "--open-mode=append",
        "--chdir=/home/jane",
        "--export=ALL",
        "--requeue",
        "--nodes=1",
        "--ntasks=1",
        "--cpus-per-task=1",
    )
    assert rendered.script == (
        "#!/bin/sh\n"
        "export GRIDMAP_RUN=5eed\n"
        "exec /usr/bin/python3 -m gridmap.runner home.json /home/jane\n"
    )


def test_grid_engines_own_queue_asks_for_no_partition() -> None:
    """Scripts written for GridMap name it as a matter of course."""
    assert render(queue="all.q") == render()


def test_a_single_runner_is_no_array() -> None:
    """It works where a site forbids arrays, and its log has a plain name."""
    batch = msgspec.structs.replace(BATCH, runners=(9,))
    command = sbatch.build(batch, CONTEXT).command
    assert not any(part.startswith("--array") for part in command)
    assert "--output=/runs/5eed/logs/%j.log" in command
    assert sbatch.handles("7", batch) == {9: Handle("7")}


def test_runners_become_tasks_in_order() -> None:
    """The log of each handle is where core looks for it: HANDLE.log."""
    assert sbatch.handles("7", BATCH) == {
        4: Handle("7", "1"),
        5: Handle("7", "2"),
        6: Handle("7", "3"),
    }


def test_everything_asked_for_at_once() -> None:
    """Each neutral resource and each known option has its word."""
    asked = Resources(
        memory="2G",
        memory_limit="4G",
        walltime="26:00:01",
        cores=4,
        gpus=2,
        queue="long,short",
        account="astro",
        nodes=("n1",),
        options={
            "qos": "high",
            "constraint": "fast&ssd",
            "licenses": "matlab:1,idl",
            "gres": "tmp:10G",
            "reservation": "monday",
            "array_limit": 2,
            "exclusive": "true",
            "signal": "USR2@90",
            "mail-type": "FAIL",
            "par_env": "smp",
        },
        native=("--nice=100 --threads-per-core=1", "-C 'a b'"),
    )
    batch = msgspec.structs.replace(BATCH, resources=asked, avoid=frozenset({"n3"}))
    rendered = sbatch.build(batch, CONTEXT)
    assert rendered.command[4:] == (
        "--array=1-3%2",
        "--output=/runs/5eed/logs/%A.%a.log",
        "--open-mode=append",
        "--chdir=/home/jane",
        "--export=ALL",
        "--requeue",
        "--nodes=1",
        "--ntasks=1",
        "--cpus-per-task=4",
        "--time=1-02:01:00",
        "--mem=4194304K",
        "--partition=long,short",
        "--account=astro",
        "--nodelist=n1",
        "--constraint=fast&ssd",
        "--licenses=matlab:1,idl",
        "--mail-type=FAIL",
        "--qos=high",
        "--reservation=monday",
        "--gres=gpu:2,tmp:10G",
        "--exclusive",
        "--signal=B:USR2@90",
        "--nice=100",
        "--threads-per-core=1",
        "-C",
        "a b",
    )
    assert rendered.script == (
        "#!/bin/sh\n"
        "export GRIDMAP_SLURM_DEADLINE=$(($(date +%s) + 93660))\n"
        "export GRIDMAP_SLURM_WARNING=12@90\n"
        "export GRIDMAP_RUN=5eed\n"
        "exec /usr/bin/python3 -m gridmap.runner home.json /home/jane\n"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "00:01:00"),
        (60, "00:01:00"),
        (61, "00:02:00"),
        (3600, "01:00:00"),
        (86399, "1-00:00:00"),
        (90061, "1-01:02:00"),
    ],
)
def test_time_is_rounded_up_to_minutes(seconds: int, text: str) -> None:
    """Slurm counts minutes; nobody gets less than was asked for."""
    assert f"--time={text}" in render(walltime=seconds)


@pytest.mark.parametrize(
    ("memory", "limit", "text"),
    [
        ("1G", None, "1048576K"),
        (None, "1G", "1048576K"),
        ("2G", "1G", "2097152K"),
        (2**20, None, "1024K"),
        (2**20 + 1, None, "1025K"),
    ],
)
def test_memory_is_the_larger_of_request_and_limit(
    memory: str | int | None, limit: str | None, text: str
) -> None:
    """Slurm has one number for both."""
    assert f"--mem={text}" in render(memory=memory, memory_limit=limit)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"exclusive": "user"}, {"--exclusive=user"}),
        ({"exclusive": False}, set()),
        ({"exclusive": True}, {"--exclusive"}),
        ({"gres": "gpu:a100:1"}, {"--gres=gpu:a100:1"}),
        ({"signal": "B:TERM@60"}, {"--signal=B:TERM@60"}),
        ({"signal": "10"}, {"--signal=B:10"}),
        ({"unheard_of": "1"}, set()),
    ],
)
def test_single_options(options: dict[str, object], parts: set[str]) -> None:
    """Each adds its own part and nothing else."""
    assert set(render(options=options)) - set(render()) == parts


def test_a_kind_of_gpu_replaces_the_plain_request() -> None:
    """Asking for gpu:2 and gpu:a100:2 would be asking for four."""
    assert "--gres=gpu:a100:2" in render(gpus=2, options={"gres": "gpu:a100:2"})


def test_options_that_mean_nothing_here_are_named() -> None:
    """The backend warns of them once; GridMap's own par_env is no mistake."""
    asked = Resources(options={"par_env": "smp", "qos": "x", "h_fsize": "1"})
    assert sbatch.unknown_options(asked) == ["h_fsize"]


@pytest.mark.parametrize(
    "resources",
    [
        {"queue": "a b; rm -rf /\x7f"},
        {"queue": "it's"},
        {"account": '"x"'},
        {"options": {"qos": "high\nlow"}},
        {"options": {"qos": ""}},
        {"options": {"constraint": "$(touch /x)`"}},
        {"options": {"array_limit": "2%3"}},
        {"options": {"array_limit": "0"}},
        {"options": {"array_limit": "\u0662"}},
        {"options": {"signal": "SIGNOTHING@5"}},
        {"options": {"signal": "@5"}},
        {"native": ("--wrap=hello",)},
        {"native": ("--wra hello",)},
        {"native": ("--array=1-9",)},
        {"native": ("-a1-9",)},
        {"native": ("-W",)},
        {"native": ("--nice=1 --wait",)},
        {"native": ("'",)},
        {"nodes": ("n1;reboot",)},
    ],
    ids=repr,
)
def test_what_cannot_be_said_to_slurm_is_refused(
    resources: dict[str, object],
) -> None:
    """The error comes before anything is submitted."""
    with pytest.raises(InvalidResourceError):
        render(**resources)


@pytest.mark.parametrize(
    "native",
    ["--nice=5", "-p long", "--wait-all-nodes=1", "--acctg-freq=5", "-n1", "--hint=x"],
)
def test_other_raw_options_are_handed_on(native: str) -> None:
    """They come last, so that they win."""
    assert render(native=(native,))[-len(native.split()) :] == tuple(native.split())


def test_percent_signs_in_the_log_path_are_doubled() -> None:
    """``%`` begins a replacement (seen in 22.05.8: ``%%`` is the sign itself)."""
    context = msgspec.structs.replace(CONTEXT, logs=Path("/runs/100 %a/logs"))
    command = sbatch.build(BATCH, context).command
    assert "--output=/runs/100 %%a/logs/%A.%a.log" in command


@pytest.mark.parametrize("logs", ["/runs/a\\b", "/runs/a\nb"])
def test_a_log_path_slurm_cannot_use_is_refused(logs: str) -> None:
    """A backslash turns the replacement of %A off, and there is no way round."""
    with pytest.raises(InvalidRequestError):
        sbatch.build(BATCH, msgspec.structs.replace(CONTEXT, logs=Path(logs)))


@pytest.mark.parametrize(
    "changes",
    [
        {"directory": "/home/a\nb"},
        {"directory": ""},
        {"environment": {"": "x"}},
        {"environment": {"A=B": "x"}},
        {"environment": {"A": "zero\0byte"}},
        {"command": ("zero\0byte",)},
    ],
    ids=repr,
)
def test_what_no_process_can_be_given_is_refused(changes: dict[str, object]) -> None:
    """Such a runner could not start anywhere."""
    with pytest.raises(InvalidRequestError):
        sbatch.build(msgspec.structs.replace(BATCH, **changes), CONTEXT)


def test_the_cluster_of_the_settings_is_named_first() -> None:
    """One user may reach several clusters."""
    context = msgspec.structs.replace(CONTEXT, options={"clusters": "b"})
    assert sbatch.build(BATCH, context).command[2] == "--clusters=b"
    with pytest.raises(InvalidRequestError):
        sbatch.clusters(msgspec.structs.replace(CONTEXT, options={"clusters": "a\nb"}))


def test_a_white_list_excludes_the_rest() -> None:
    """``--nodelist`` would ask for all of them at once."""
    batch = msgspec.structs.replace(BATCH, resources=Resources(nodes=("n1", "n2")))
    command = sbatch.build(batch, CONTEXT, frozenset({"n1", "n2", "n3"})).command
    assert "--exclude=n3" in command


@pytest.mark.parametrize(
    ("output", "job"),
    [
        ("7\n", "7"),
        ("7;cluster\n", "7"),
        ("sbatch: lua: welcome\n7\n", "7"),
        ("12 nodes are free\n7;a-b.c\n\n", "7"),
        ("Submitted batch job 7\n", None),
        ("", None),
        ("7 8\n", None),
        ("-7\n", None),
        ("\ufffd\n", None),
    ],
)
def test_the_id_is_found_among_other_words(output: str, job: str | None) -> None:
    """A line that is an id counts; nothing is guessed."""
    assert sbatch.parse_submitted(output) == job


POLICY = (
    "Job violates accounting/QOS policy (job submit limit, user's size and/or time "
    "limits)"
)


@pytest.mark.parametrize(
    ("complaints", "transient"),
    [
        (["invalid partition specified: x", "Invalid partition name specified"], False),
        (["Memory specification can not be satisfied"], False),
        (["Requested node configuration is not available"], False),
        (["Invalid account or account/partition combination specified"], False),
        (["Invalid qos specification"], False),
        (["Requested time limit is invalid (missing or exceeds some limit)"], False),
        (["QOSMaxWallDurationPerJobLimit", POLICY], False),
        (["AssocMaxSubmitJobLimit", POLICY], True),
        (["QOSMaxSubmitJobPerUserLimit", POLICY], True),
        (["Unable to contact slurm controller (connect failure)"], True),
        (["Socket timed out on send/recv operation"], True),
        (["Resource temporarily unavailable"], True),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else str(value),
)
def test_refusals_keep_slurms_words(complaints: list[str], transient: bool) -> None:
    """Only what may pass by itself is worth another try."""
    errors = "".join(f"sbatch: error: {complaint}\n" for complaint in complaints)
    expected = Rejected(transient=transient, text="; ".join(complaints))
    assert sbatch.refusal(errors) == expected


def test_a_refusal_without_words_is_one_all_the_same() -> None:
    """There is always something to show."""
    assert sbatch.refusal("\n").text == "sbatch failed"
