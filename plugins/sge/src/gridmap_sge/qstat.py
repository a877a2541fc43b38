"""Reading qstat. Pure.

Four forms of its output are read, all of 8.1.9, and tolerantly: what cannot be
understood is skipped or kept as `SeenState.UNKNOWN`, unless the whole is not qstat's.

``qstat -xml -u USER``
    One ``job_list`` for each running task; tasks that wait in the same state share one,
    with ``tasks`` such as ``1-200:1`` or ``3,5-7:1``. (``-g d`` would give each its own:
    the same knowledge in many times the text.) With ``-f``, which a site can make the
    default, jobs lie within their queue's ``Queue-List``.
``qstat -xml -f -qs u -u USER``
    Queues whose host has not been heard of for ``max_unheard``; their jobs are shown as
    running for ever.
``qstat -xml -g c``
    One ``cluster_queue_summary`` for each queue, with its ``total`` of slots.
``qstat -j IDS``
    Context, error reasons and the scheduler's remarks, as text: its XML has elements
    with blanks in their names in some versions, which no parser takes.

States are letters that add up (qstat(1)): ``d`` deletion, ``E`` error, ``h`` hold, ``q``
queued, ``r`` running, ``R`` restarted, ``s``, ``S``, ``T`` suspended by user, queue,
threshold, ``t`` transferring, ``w`` waiting, ``z`` over. Seen here: ``qw hqw Eqw r t Rr
Rq Rs dr``. Univa and Altair add ``N``, ``P`` (preempted), ``o`` and ``x``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

import attrs

from gridmap.backend import Handle, Seen, SeenState
from gridmap_sge import ids

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gridmap.programs import Answer

_SUMMARY: Final = "cluster_queue_summary"
_LETTERS: Final = frozenset("dEhqrRsSTtwzNPx")
_BAD: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class QstatError(Exception):
    """The output is not qstat's."""


@attrs.frozen(kw_only=True)
class Row:
    """Tasks of one job that are in the same state.

    Attributes:
        job: Id of the job.
        tasks: Their numbers; None for a job that is no array.
        state: The state's letters.
        host: Where they run; None if nowhere.
        owner: Whose job it is.
    """

    job: str
    tasks: tuple[range, ...] | None
    state: str
    host: str | None
    owner: str


@attrs.frozen(kw_only=True)
class Details:
    """What ``qstat -j`` says of one job.

    Attributes:
        context: Variables of its context.
        errors: Task number to the reason of its error state; of a job that is no
            array, and of reasons nobody's in particular, under 1.
        remarks: The scheduler's remarks on why it waits.
    """

    context: Mapping[str, str] = attrs.field(factory=dict)
    errors: Mapping[int, str] = attrs.field(factory=dict)
    remarks: tuple[str, ...] = ()


def is_sound(answer: Answer) -> bool:
    """Return whether this is what qstat prints when the master answers."""
    if answer.status != 0:
        return False
    try:
        parse(answer.output)
    except QstatError:
        return False
    return True


def parse(text: str) -> tuple[Row, ...]:
    """Return the rows of ``qstat -xml``.

    Raises:
        QstatError: If the text is not XML, or not qstat's, or tasks cannot be told.
    """
    rows = []
    for queue, element in _jobs(_root(text)):
        job = _text(element, "JB_job_number")
        if not job.isdecimal():
            continue
        place = _text(element, "queue_name") or queue
        tasks = _text(element, "tasks")
        spans = ids.parse_tasks(tasks) if tasks else None
        if tasks and spans is None:
            # Left out, its tasks would be absent: a false statement.
            msg = f"qstat shows tasks {tasks!r} of job {job}, which are no ranges"
            raise QstatError(msg)
        rows.append(
            Row(
                job=job,
                tasks=spans,
                state=_text(element, "state"),
                host=_host(place),
                owner=_text(element, "JB_owner"),
            )
        )
    return tuple(rows)


def parse_unreachable(text: str) -> frozenset[str]:
    """Return the hosts of the queues in ``qstat -xml -f -qs u``.

    Raises:
        QstatError: If the text is not XML, or not qstat's.
    """
    hosts = set()
    for queue in _root(text).iter("Queue-List"):
        host = _host(_text(queue, "name"))
        if host and "u" in _text(queue, "state"):
            hosts.add(host)
    return frozenset(hosts)


def parse_states(text: str) -> dict[str, str]:
    """Return the letters of each queue instance's state, from ``qstat -f -xml``.

    Raises:
        QstatError: If the text is not XML, or not qstat's.
    """
    return {
        _text(queue, "name"): _text(queue, "state")
        for queue in _root(text).iter("Queue-List")
    }


def parse_largest(text: str) -> dict[str, int]:
    """Return the most slots of each queue on one host, from ``qstat -xml -f``."""
    largest: dict[str, int] = {}
    try:
        queues = list(_root(text).iter("Queue-List"))
    except QstatError:
        return {}
    for queue in queues:
        name, total = (
            _text(queue, "name").partition("@")[0],
            _text(queue, "slots_total"),
        )
        if name and total.isdecimal():
            largest[name] = max(int(total), largest.get(name, 0))
    return largest


def parse_slots(text: str) -> int | None:
    """Return the slots of all queues in ``qstat -g c -xml``, None if it does not say."""
    try:
        totals = [_text(one, "total") for one in _root(text).iter(_SUMMARY)]
    except QstatError:
        return None
    numbers = [int(total) for total in totals if total.isdecimal()]
    return sum(numbers) if numbers and len(numbers) == len(totals) else None


def parse_details(text: str) -> Mapping[str, Details]:
    """Return what ``qstat -j`` says of each job it knows."""
    jobs: dict[str, Details] = {}
    for block in re.split(r"^=+$", text, flags=re.MULTILINE):
        fields = list(_fields(block))
        numbers = [value for key, value in fields if key == "job_number"]
        if numbers:
            jobs[numbers[0]] = _details(fields)
    return jobs


def state_of(letters: str) -> SeenState:
    """Return what a state's letters mean for a runner."""
    have = set(letters)
    if not have or have - _LETTERS:
        return SeenState.UNKNOWN
    # The first that applies: what is being ended is ending, however it is queued.
    for marks, state in (
        ("zx", SeenState.ENDED),
        ("d", SeenState.ENDING),
        ("E", SeenState.BLOCKED),
        ("sSTNP", SeenState.SUSPENDED),
    ):
        if have & set(marks):
            return state
    if have & set("qw"):
        return SeenState.HELD if "h" in have else SeenState.QUEUED
    return SeenState.RUNNING if have & set("rt") else SeenState.UNKNOWN


def find(rows: Iterable[Row], handles: Collection[Handle]) -> Mapping[Handle, Seen]:
    """Return what the rows show of those *handles* they hold."""
    jobs: dict[str, list[Row]] = {}
    wanted = {handle.job for handle in handles}
    exact: dict[tuple[str, int], Row] = {}
    for row in rows:
        if row.job not in wanted:
            continue
        if row.tasks is not None and len(row.tasks) == 1 and len(row.tasks[0]) == 1:
            exact[row.job, row.tasks[0][0]] = row
        else:
            jobs.setdefault(row.job, []).append(row)
    seen = {}
    for handle in handles:
        number = ids.task_number(handle)
        found = exact.get((handle.job, number or 0))
        if found is None:
            shared = jobs.get(handle.job, ())
            found = next((row for row in shared if _holds(row, number)), None)
        if found is not None:
            seen[handle] = Seen(
                state=state_of(found.state), raw=found.state, node=found.host
            )
    return seen


def handles_of(rows: Iterable[Row]) -> frozenset[Handle]:
    """Return the handles of all tasks in the rows."""
    return frozenset(
        Handle(row.job, None if number is None else str(number))
        for row in rows
        for number in _numbers(row)
    )


def _numbers(row: Row) -> Iterable[int | None]:
    if row.tasks is None:
        return (None,)
    return (number for one in row.tasks for number in one)


def _holds(row: Row, number: int | None) -> bool:
    if row.tasks is None or number is None:
        return row.tasks is None and number is None
    return any(number in one for one in row.tasks)


def _root(text: str) -> ET.Element:
    # Job names are users' texts: some versions write their control characters as such.
    try:
        root = ET.fromstring(_BAD.sub("?", text))  # noqa: S314 - see below
    except ET.ParseError as error:
        # Expansion bombs need a document type, which qstat never writes; expat refuses
        # the known ones since 2.4.1.
        msg = f"qstat's answer is not XML ({error}): {text[:200]!r}"
        raise QstatError(msg) from error
    if root.tag not in {"job_info", "detailed_job_info"}:
        msg = f"qstat's answer is not its own, but <{root.tag}>"
        raise QstatError(msg)
    return root


def _jobs(root: ET.Element) -> Iterable[tuple[str, ET.Element]]:
    """Yield every job with the queue it was found in."""
    within = set()
    for queue in root.iter("Queue-List"):
        name = _text(queue, "name")
        for job in queue.iter("job_list"):
            within.add(job)
            yield name, job
    for job in root.iter("job_list"):
        if job not in within:
            yield "", job


def _text(element: ET.Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


def _host(queue: str) -> str | None:
    return queue.rpartition("@")[2] if "@" in queue else None


def _fields(block: str) -> Iterable[tuple[str, str]]:
    """Yield key and value of each line; lines that only go on have the last key."""
    key = ""
    for line in block.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith(" "):
            key = name.strip()
            yield key, value.strip()
        elif key and line.strip():
            yield key, line.strip()


def _details(fields: Iterable[tuple[str, str]]) -> Details:
    context: dict[str, str] = {}
    errors: dict[int, str] = {}
    remarks = []
    for key, value in fields:
        if key == "context":
            pairs = (item.partition("=") for item in value.split(","))
            context.update({name: setting for name, _, setting in pairs})
        elif key.startswith("error reason"):
            number = key.removeprefix("error reason").strip()
            errors[int(number) if number.isdecimal() else 1] = _reason(value)
        elif key == "scheduling info" and value:
            remarks.append(value)
    return Details(context=context, errors=errors, remarks=tuple(remarks))


def _reason(text: str) -> str:
    """Return an error's reason without the shepherd's date and process."""
    return re.sub(r"^\d+/\d+/\d+ [\d:]+ \[\d+:\d+\]: (?:error: )?", "", text)
