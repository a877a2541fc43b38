"""Asking for deletion, and reading what qdel says of it. Pure.

What qdel prints, 8.1.9, by experiment, with ``qdel 15.2 18.1-9 26``::

    gmtest has registered the job-array task 15.2 for deletion       (it was running)
    gmtest has registered the job 15 for deletion
    gmtest has deleted job-array task 18.11                          (it was waiting)
    gmtest has deleted job-array tasks 6-9:1 of job 18
    gmtest has deleted job-array tasks 4,5 of job 18
    gmtest has deleted job 26                       (no task of it is left that waits)
    job 17 is already in deletion                                    (some task of it)
    denied: job "99999" does not exist
    job "17" task "77" does not exist

Of a range of tasks, those that are over already are not mentioned.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gridmap import ranges
from gridmap.backend import Handle, Killed
from gridmap_sge import ids

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

LARGEST_CALL: Final = 2000
"""Jobs and ranges named in one call, well below what a command line holds."""

_TASK: Final = re.compile(
    r"has (?:registered the|deleted) job-array task (\d+)\.(\d+)(?: for deletion)?"
)
_TASKS: Final = re.compile(r"has deleted job-array tasks ([\d,:-]+) of job (\d+)")
_JOB: Final = re.compile(
    r"has (?:registered the|deleted) job (\d+)(?: for deletion)?\s*$"
)
_NO_JOB: Final = re.compile(r'job "(\d+)" does not exist')
_NO_TASK: Final = re.compile(r'job "(\d+)" task "(\d+)" does not exist')


def arguments(handles: Collection[Handle]) -> Iterable[tuple[str, ...]]:
    """Yield the arguments of as many calls as are needed, which is one."""
    jobs: dict[str, list[int]] = {}
    words: list[str] = []
    for handle in sorted(handles, key=str):
        number = ids.task_number(handle)
        if number is None:
            words.append(handle.job)
        else:
            jobs.setdefault(handle.job, []).append(number)
    for job, tasks in jobs.items():
        words += [f"{job}.{part}" for part in ranges.compact(tasks)]
    for start in range(0, len(words), LARGEST_CALL):
        yield tuple(words[start : start + LARGEST_CALL])


def parse(text: str, handles: Collection[Handle]) -> Mapping[Handle, Killed]:
    """Return what became of those *handles* qdel speaks of; the others are left out."""
    killed: set[tuple[str, int]] = set()
    whole: set[str] = set()
    gone_jobs: set[str] = set()
    gone: set[tuple[str, int]] = set()
    for line in text.splitlines():
        if match := _TASK.search(line):
            killed.add((match[1], int(match[2])))
        elif match := _TASKS.search(line):
            spans = ids.parse_tasks(match[1]) or ()
            killed |= {(match[2], number) for span in spans for number in span}
        elif match := _NO_TASK.search(line):
            gone.add((match[1], int(match[2])))
        elif match := _NO_JOB.search(line):
            gone_jobs.add(match[1])
        elif match := _JOB.search(line):
            whole.add(match[1])
    result = {}
    for handle in handles:
        number = ids.task_number(handle)
        key = None if number is None else (handle.job, number)
        if key in killed or (number is None and handle.job in whole):
            result[handle] = Killed.KILLED
        elif key in gone or handle.job in gone_jobs:
            result[handle] = Killed.GONE
    return result
