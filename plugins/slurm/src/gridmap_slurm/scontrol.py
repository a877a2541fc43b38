"""What scontrol tells of the site and of jobs, and what it is asked to do. Pure."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

import attrs

from gridmap.backend import Handle
from gridmap_slurm import ids

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM: Final = "scontrol"

_SETTING: Final = re.compile(r"^(\w[\w ]*?)\s*= ?(.*)$", re.MULTILINE)
_START: Final = re.compile(r"^JobId=", re.MULTILINE)
_FIELD: Final = re.compile(r"(?:^|\s)(\w+)=(\S*)")
_EXIT: Final = re.compile(r"(\d+):(\d+)")
_HASTE_S: Final = 5
"""Seconds a requeued runner still waits: the nodes' clocks may differ a little."""
_LAST_INDEX: Final = 2**32 - 3
"""Above it stand Slurm's words for "no index" (NO_VAL, INFINITE)."""
_NOTHING: Final = frozenset({"", "None", "(null)", "n/a", "N/A", "Unknown"})


@attrs.frozen(kw_only=True)
class Site:
    """How the site is configured, as far as it matters here.

    Attributes:
        largest_array: Tasks an array may have; 1 where there are no arrays.
        remembers_s: Seconds for which ended jobs are remembered (``MinJobAge``).
        accounting: Whether there is a database to ask with sacct.
    """

    largest_array: int = 1000
    remembers_s: int = 300
    accounting: bool = False


@attrs.frozen(kw_only=True)
class JobRecord:
    """What the controller remembers of a job or of one task of an array.

    Attributes:
        handle: Which.
        state: Slurm's word for its state.
        reason: Slurm's word for the reason of it, empty if none.
        exit_status: Exit status of the batch script.
        signal: Signal that ended the script, or Slurm's own number; 0 if none.
        node: Where it ran, None if nowhere.
    """

    handle: Handle
    state: str
    reason: str = ""
    exit_status: int = 0
    signal: int = 0
    node: str | None = None


def config_command(clusters: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the query for the site's configuration."""
    return (PROGRAM, *clusters, "show", "config")


def parse_config(output: str) -> Site | None:
    """Return the site's configuration, None if the output makes no sense.

    An array's index must be below ``MaxArraySize`` (slurm.conf(5)), and the first
    index here is 1: so many tasks less one. ``max_array_tasks`` may lower it.
    """
    settings = dict(_SETTING.findall(output))
    size = _number(settings.get("MaxArraySize", ""))
    if size is None:
        return None
    largest = max(1, size - 1)
    parameters = settings.get("SchedulerParameters", "")
    if match := re.search(r"\bmax_array_tasks=(\d+)", parameters):
        largest = max(1, min(largest, int(match[1])))
    age = _number(settings.get("MinJobAge", ""))
    storage = settings.get("AccountingStorageType", "").strip()
    return Site(
        largest_array=largest,
        remembers_s=300 if age is None else age,
        accounting=storage.endswith("slurmdbd"),
    )


def job_command(job: str, clusters: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the query for a job and, if it is an array, all tasks it remembers."""
    return (PROGRAM, *clusters, "--oneliner", "show", "job", job)


def parse_jobs(output: str) -> dict[Handle, JobRecord]:
    """Return the jobs that ``show job`` told of; whatever else it printed is skipped.

    Args:
        output: Its standard output, one job a line or a paragraph.
    """
    starts = [match.start() for match in _START.finditer(output)]
    records: dict[Handle, JobRecord] = {}
    for start, end in itertools.pairwise([*starts, len(output)]):
        for record in _records(output[start:end]):
            records[record.handle] = record
    return records


def _records(text: str) -> Iterator[JobRecord]:
    # Of a field that is named twice the first counts: paths and comments, which may
    # hold anything, come last.
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(text):
        fields.setdefault(name, value)
    exit_code = _EXIT.fullmatch(fields.get("ExitCode", ""))
    if exit_code is None or not fields.get("JobState"):
        return
    reason = fields.get("Reason", "").replace("_", " ").strip()
    host = fields.get("BatchHost", fields.get("NodeList", ""))
    for handle in _handles(fields):
        yield JobRecord(
            handle=handle,
            state=fields["JobState"],
            reason="" if reason in _NOTHING else reason,
            exit_status=int(exit_code[1]),
            signal=int(exit_code[2]),
            node=None if host in _NOTHING else host,
        )


def _handles(fields: dict[str, str]) -> tuple[Handle, ...]:
    array, task = fields.get("ArrayJobId"), fields.get("ArrayTaskId", "")
    if array is None:
        return ids.parse(fields["JobId"])
    if task.isdigit() and int(task) > _LAST_INDEX:
        return ids.parse(array)
    return ids.parse(f"{array}_{task}" if task.isdigit() else f"{array}_[{task}]")


def requeue_command(handle: Handle, clusters: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the command that puts a runner back into the queue under its own id.

    It works for running jobs, which are ended first, and for ended ones the controller
    still remembers (seen in 22.05.8: completed, failed and cancelled ones alike).
    """
    return (PROGRAM, *clusters, "requeue", ids.write(handle))


def hasten_command(handle: Handle, clusters: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the command that lets a requeued runner start in a few seconds.

    Slurm makes it wait for two minutes (seen in 22.05.8: ``Reason=BeginTime``), for as
    long as its credential could be used again. Its owner may shorten that as soon as it
    is pending, but not to nothing: started within the second in which it had ended, a
    job was killed at once with "Job credential revoked", ``FAILED``, exit code 1:0.
    """
    job = f"JobId={ids.write(handle)}"
    return (PROGRAM, *clusters, "update", job, f"StartTime=now+{_HASTE_S}")


def _number(text: str) -> int | None:
    match = re.match(r"\s*(\d+)", text)
    return int(match[1]) if match else None
