"""From resources to Grid Engine's options. Pure.

Facts, all from 8.1.9, by experiment:

* Options reach the scheduler as one text over DRMAA, split at blanks, and as arguments
  of qsub. So that both read the same, no value may hold blanks, quotes or backslashes;
  in ``-l`` neither a comma, which begins the next request.
* ``-l h=a|b``, ``h=!a&!b`` and ``h=(a|b)&!b`` are all understood; an unknown host alone
  is rejected (``can't resolve hostname``), within an expression it is not.
* ``h_vmem`` and other consumables are counted, and held to, per slot.
* DRMAA validates by default as ``-w e`` does, qsub as ``-w n``. ``-w e`` rejects what
  the cell's configuration can never satisfy (``error: no suitable queues``), whether
  or not queues are busy, disabled or unreachable, but takes a resource that only comes
  from load values, such as ``mem_free`` is on most sites, for one nobody offers.
* ``-shell yes``, which GridMap gave, starts the user's shell round the program and
  sources its files, which can undo the environment; ``-shell n`` starts the program.
* ``JOB_TYPE`` "no error state" is set by DRMAA: a task that cannot be started ends,
  where one of qsub's stays in the queue as ``Eqw``.
* Exit status 99 of a job starts it again and 100 ends it "in error", whatever ``-r``
  says.

The options users can give, in `Resources.options` or for all jobs in the settings'
``[backends.sge]``, are in `OPTIONS`.
"""

from __future__ import annotations

import re
import shlex
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from gridmap.errors import InvalidResourceError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gridmap.resources import Resources

OPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "par_env": "parallel environment for jobs of several cores; default smp",
        "use_mem_free": "whether the memory asked for becomes a request; default yes",
        "memory_resource": "the resource it is requested as; default mem_free",
        "h_vmem": "limit of virtual memory per slot, as Grid Engine writes it",
        "gpu_resource": "the resource graphics processors are requested as; default gpu",
        "os_distribution": "requests os_distribution=VALUE",
        "os_minor": "requests os_minor=VALUE",
        "resources": "further -l requests, joined by commas",
        "interpreting_shell": "runs the program through this shell (-S)",
        "validation_level": "e, w, n, p or v (-w)",
        "rerunnable": "whether the scheduler may start a runner again; default yes (-r)",
        "notify": "whether to warn before suspending (USR1) and killing (USR2)",
        "max_running": "tasks of one array that run at a time at most (-tc)",
        "priority": "priority, -1023 to 0 for users (-p)",
    }
)

VALIDATION_LEVELS: Final = ("e", "w", "n", "p", "v")
DEFAULT_PAR_ENV: Final = "smp"

_WORD: Final = re.compile(r"[^\s\"'\\,\x00-\x1f\x7f-\x9f]+")
"""One word for DRMAA and qsub alike, and one item of a list."""
_HOST: Final = re.compile(r"(?:[\w.*?-]+@)?(@?[\w.*?\[\]-]+)")
"""A host, a pattern or a host group; a queue before it is dropped, as GridMap did."""
_REQUEST: Final = re.compile(r"[A-Za-z_][\w.-]*(?:=.+)?")
_TRUE: Final = frozenset({"1", "true", "yes", "y", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "n", "off", ""})
_UNITS: Final = (("T", 2**40), ("G", 2**30), ("M", 2**20), ("K", 2**10))


def options(
    resources: Resources,
    avoid: Collection[str] = (),
    defaults: Mapping[str, object] = MappingProxyType({}),
    *,
    validation: str = "e",
) -> tuple[str, ...]:
    """Return the options that ask Grid Engine for *resources*, as qsub's arguments.

    Args:
        resources: What is asked for; its options count more than *defaults*.
        avoid: Hosts not to be used. Where every host of a white list is to be avoided,
            the list stands: better there than never.
        defaults: The settings' options for all jobs.
        validation: The level of validation where the user names none.

    Raises:
        InvalidResourceError: If a value could be taken for something else, or makes no
            sense.
    """
    given = {name: str(value) for name, value in defaults.items()}
    given.update(resources.options)
    result = _shell(given)
    result += ["-w", _validation(given, validation)]
    result += ["-r", "y" if _flag(given, "rerunnable", default=True) else "n"]
    if _flag(given, "notify", default=False):
        result.append("-notify")
    if resources.cores > 1:
        environment = _word("par_env", given.get("par_env") or DEFAULT_PAR_ENV)
        result += ["-pe", environment, str(resources.cores)]
    if resources.queue is not None:
        result += ["-q", _word("queue", resources.queue, commas=True)]
    if resources.account is not None:
        result += ["-P", _word("account", resources.account)]
    if "max_running" in given:
        result += ["-tc", _number("max_running", given["max_running"], 1, 10**9)]
    if "priority" in given:
        result += ["-p", _number("priority", given["priority"], -1023, 1024)]
    for request in _requests(resources, given, avoid):
        result += ["-l", request]
    return (*result, *_native(resources.native))


def unknown(resources: Resources) -> tuple[str, ...]:
    """Return the names of options that are not Grid Engine's, for a warning."""
    return tuple(name for name, _ in resources.options if name not in OPTIONS)


def specification(arguments: tuple[str, ...]) -> str:
    """Return options as DRMAA wants them: one text, in which blanks separate."""
    for argument in arguments:
        if not argument or re.search(r"[\s\"'\\]", argument):
            msg = (
                f"the option {argument!r} cannot be handed to Grid Engine: it is empty, "
                "or has blanks, quotes or backslashes in it"
            )
            raise InvalidResourceError(msg)
    return " ".join(arguments)


def format_bytes(amount: int) -> str:
    """Return an amount of memory as Grid Engine writes it, exactly: ``2G``, ``1536M``."""
    for unit, size in _UNITS:
        if amount % size == 0:
            return f"{amount // size}{unit}"
    return str(amount)


def enabled(
    name: str, resources: Resources, defaults: Mapping[str, object], *, default: bool
) -> bool:
    """Return whether a yes-or-no option is on."""
    given = {key: str(value) for key, value in defaults.items()}
    given.update(resources.options)
    return _flag(given, name, default=default)


def _requests(
    resources: Resources, given: Mapping[str, str], avoid: Collection[str]
) -> list[str]:
    requests = []
    wants_memory = _flag(given, "use_mem_free", default=True)
    if resources.memory is not None and wants_memory:
        name = _word("memory_resource", given.get("memory_resource") or "mem_free")
        requests.append(f"{name}={format_bytes(resources.memory)}")
    if hosts := _hosts(resources.nodes, avoid):
        requests.append(f"h={hosts}")
    requests += [
        f"{name}={_word(name, given[name])}"
        for name in ("os_distribution", "os_minor")
        if given.get(name)
    ]
    if resources.gpus:
        name = _word("gpu_resource", given.get("gpu_resource") or "gpu")
        requests.append(f"{name}={resources.gpus}")
    if given.get("h_vmem"):
        requests.append(f"h_vmem={_word('h_vmem', given['h_vmem'])}")
    elif resources.memory_limit is not None:
        per_slot = -(-resources.memory_limit // resources.cores)
        requests.append(f"h_vmem={format_bytes(per_slot)}")
    if resources.walltime is not None:
        requests.append(f"h_rt={resources.walltime}")
    for text in given.get("resources", "").split(","):
        if text.strip():
            requests.append(_request(text.strip()))
    return requests


def _hosts(nodes: Collection[str], avoid: Collection[str]) -> str:
    wanted = [_host(node) for node in nodes]
    shunned = sorted({_host(node) for node in avoid})
    if wanted:
        return "|".join([host for host in wanted if host not in shunned] or wanted)
    return "&".join(f"!{host}" for host in shunned)


def _host(text: str) -> str:
    match = _HOST.fullmatch(text)
    if match is None:
        msg = f"nodes: {text!r} is not the name of a host"
        raise InvalidResourceError(msg)
    return match[1]


def _shell(given: Mapping[str, str]) -> list[str]:
    shell = given.get("interpreting_shell")
    if not shell:
        return ["-b", "y", "-shell", "n"]
    return ["-b", "y", "-shell", "y", "-S", _word("interpreting_shell", shell)]


def _validation(given: Mapping[str, str], default: str) -> str:
    level = given.get("validation_level") or default
    if level not in VALIDATION_LEVELS:
        known = ", ".join(VALIDATION_LEVELS)
        msg = f"validation_level={level!r} is not one of {known}"
        raise InvalidResourceError(msg)
    return level


def _word(name: str, value: str, *, commas: bool = False) -> str:
    parts = value.split(",") if commas else [value]
    if value.startswith("-") or not all(_WORD.fullmatch(part) for part in parts):
        msg = (
            f"{name}={value!r} cannot be handed to Grid Engine: expected one word without "
            "blanks, quotes, backslashes or commas, not beginning with '-'"
        )
        raise InvalidResourceError(msg)
    return value


def _request(text: str) -> str:
    if not _REQUEST.fullmatch(text) or not _WORD.fullmatch(text):
        msg = (
            f"resources: {text!r} is not a request such as 'arch=lx-amd64': expected a "
            "name, or a name, '=' and a value without blanks or quotes"
        )
        raise InvalidResourceError(msg)
    return text


def _number(name: str, value: str, least: int, most: int) -> str:
    try:
        number = int(value)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        msg = f"{name}={value!r} must be a whole number from {least} to {most}"
        raise InvalidResourceError(msg)
    return str(number)


def _flag(given: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = given.get(name)
    if value is None:
        return default
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    msg = f"{name}={value!r} is neither yes nor no"
    raise InvalidResourceError(msg)


def _native(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Split raw options into words, as a shell would: either way of writing is fine."""
    words: list[str] = []
    for text in texts:
        try:
            words += shlex.split(text)
        except ValueError as error:
            msg = f"native={text!r} cannot be split into options: {error}"
            raise InvalidResourceError(msg) from error
    return tuple(words)
