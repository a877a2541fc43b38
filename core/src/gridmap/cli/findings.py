"""What a probe runner's answer means, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs

from gridmap.backend import Check
from gridmap.resources import Resources, format_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


_SKEW_S: Final = 5.0
_LEAST_ROOM: Final = 100 * 2**20
_LEAST_FILES: Final = 256
_MOST_NAMED: Final = 6

_NEEDED: Final = ("gridmap-core", "cloudpickle", "msgspec", "pyzmq")
"""Distributions of which both ends must have about the same."""


@attrs.frozen(kw_only=True)
class Memory:
    """Bytes a node has, and the least limit on the runner; None: none."""

    total: int
    limit: int | None = None


@attrs.frozen(kw_only=True)
class Answer:
    """What the probe found on its node; see `gridmap.runner.probe`.

    Attributes:
        host: The node's name for itself.
        began: When it began, by its own clock, seconds since the epoch.
        python: Version of the interpreter.
        executable: Its path.
        packages: Installed distributions with versions; None if it could not tell.
        imports: Modules a runner needs, each with why it cannot be imported.
        identity: The runner that its backend took it for, and why it could not say.
        reached: Addresses of the doctor, each with why it is not to be reached.
        resolved: What the name of the doctor's machine means there.
        directories: Directories that have to be there, each with what is wrong.
        cores: Cores the runner may use.
        memory: What it may have.
        files: How many files it may open.
        room: Free bytes for temporary files, or what is wrong.
        modules: Environment modules that are loaded, joined by colons.
        spoke: Why it could not speak to the doctor's socket; empty if it did.
    """

    host: str
    began: float
    python: tuple[int, int, int]
    executable: str
    packages: dict[str, str] | None
    imports: dict[str, str]
    identity: tuple[str, str]
    reached: dict[str, str]
    resolved: list[str] | str
    directories: dict[str, str]
    cores: float
    memory: Memory
    files: int
    room: int | str
    modules: str
    spoke: str = ""


@attrs.frozen(kw_only=True)
class Here:
    """This end, to compare with.

    Attributes:
        host: This machine's name for itself.
        python: Version of the interpreter.
        packages: Installed distributions with versions.
        modules: Environment modules that are loaded.
        handle: What the scheduler calls the probe.
        requested: What the probe was asked to have.
        sent: When it was submitted, seconds since the epoch.
        heard: When its answer came.
        spoken: Whether that came over the run's own channel.
        runs: The run directory.
    """

    host: str
    python: tuple[int, int, int]
    packages: Mapping[str, str]
    modules: str
    handle: str
    requested: Resources
    sent: float
    heard: float
    spoken: bool
    runs: str


def compare(here: Here, there: Answer) -> list[Check]:
    """Return what the answer means, most important first."""
    checks: list[Check] = []
    for look in _LOOKS:
        checks += look(here, there)
    return checks


def _check(name: str, found: str, wrong: str = "", remark: str = "") -> list[Check]:
    """Return one check; it failed if something is wrong, for which this is advice."""
    return [Check(name=name, passed=not wrong, found=found, advice=wrong or remark)]


def _python(here: Here, there: Answer) -> list[Check]:
    version = ".".join(map(str, there.python))
    own = ".".join(map(str, here.python))
    found = f"{version}, {there.executable}"
    if there.python[:2] == here.python[:2]:
        return _check("Python there", found)
    return _check(
        "Python there",
        f"{found}; here it is {own}",
        "Functions pickled here cannot be read there: every map stops. Name an "
        f"interpreter of Python {here.python[0]}.{here.python[1]} that the nodes have "
        "with the setting python.",
    )


def _gridmap(_: Here, there: Answer) -> list[Check]:
    failed = [f"{name}: {text}" for name, text in there.imports.items() if text]
    if not failed:
        return _check("gridmap there", "can be imported, with all a runner needs")
    return _check(
        "gridmap there",
        "; ".join(failed),
        "No runner can start there. Install gridmap into that Python "
        f"({there.executable} -m pip install ...), or name one that has it with the "
        "setting python.",
    )


def _identity(here: Here, there: Answer) -> list[Check]:
    name, why = there.identity
    if any(there.imports.values()):
        return []
    if name == here.handle:
        return _check("identity there", f"it knows itself as {name}")
    return _check(
        "identity there",
        why or f"it takes itself for {name or 'no runner'}, and is {here.handle}",
        "No runner would be let in. If it is started in a container or through "
        "another program, have that pass the scheduler's variables on; else this is a "
        "bug in the backend's gridmap_identify: report it to its authors.",
    )


def _packages(here: Here, there: Answer) -> list[Check]:
    if there.packages is None:
        return []
    differ = {
        name: f"{name} {there.packages.get(name, 'missing')}, here {version}"
        for name, version in sorted(here.packages.items())
        if there.packages.get(name) != version
    }
    if not differ:
        count = len(here.packages)
        return _check("packages there", f"the same {count} in the same versions")
    needed = [text for name, text in differ.items() if name in _NEEDED]
    named = list(differ.values())[:_MOST_NAMED]
    more = len(differ) - len(named)
    if needed and not any(there.imports.values()):
        return _check(
            "packages there",
            "; ".join(needed),
            "Both ends speak through these: install the same versions on both.",
        )
    return _check(
        "packages there",
        "; ".join(named) + (f"; and {more} more differ" if more else ""),
        remark="A job that uses one of them may behave otherwise than here, or fail.",
    )


def _reached(here: Here, there: Answer) -> list[Check]:
    del here
    good = [address for address, text in there.reached.items() if not text]
    bad = [f"{address}: {text}" for address, text in there.reached.items() if text]
    if not good:
        return _check(
            "way back to this machine",
            "; ".join(bad),
            "Runners would start and never be heard. Look for a firewall between the "
            "node and this machine: have some ports opened and name them with the "
            "setting port_range, or name an address the nodes can reach with interface "
            "or host.",
        )
    remark = ""
    if bad:
        remark = (
            f"Not to be reached: {'; '.join(bad)}. Runners try each in turn, so this "
            "costs them seconds; name the right one with interface or host."
        )
    return _check("way back to this machine", ", ".join(good), remark=remark)


def _spoken(here: Here, there: Answer) -> list[Check]:
    if here.spoken:
        return _check("greeting", "the node proved the run's key, and was heard")
    if any(there.imports.values()) or all(there.reached.values()):
        return []  # that has been said
    return _check(
        "greeting",
        there.spoke or "nothing was heard",
        "The address answers, but what is said there does not arrive: a proxy or a "
        "firewall in between lets connections through and no data.",
    )


def _name(here: Here, there: Answer) -> list[Check]:
    title = f"name {here.host} there"
    if isinstance(there.resolved, str):
        return _check(
            title,
            there.resolved,
            remark="gridmap offers addresses and needs no name; what else the jobs use "
            "may.",
        )
    hosts = {
        address.partition("://")[2].rpartition(":")[0] for address in there.reached
    }
    own = {host.strip("[]") for host in hosts} - {""}
    found = ", ".join(there.resolved)
    if not own or own & set(there.resolved) or there.host == here.host:
        return _check(title, found)
    return _check(
        title,
        f"{found}, but this machine is {', '.join(sorted(own))}",
        "The node takes another machine for this one: its /etc/hosts or name server is "
        "wrong, which leads schedulers, ssh and MPI astray. gridmap itself offers "
        "addresses, unless the setting host names this machine.",
    )


def _directories(here: Here, there: Answer) -> list[Check]:
    checks: list[Check] = []
    for path, text in there.directories.items():
        is_run = path.startswith(here.runs)
        name = "run directory there" if is_run else "working directory there"
        advice = (
            "Runners read address and keys there: name a directory that the nodes share "
            "with the setting run_directory."
            if is_run
            else "Jobs start there, and modules beside a script are imported from there: "
            "work in a directory that the nodes share."
        )
        checks += _check(
            name, f"{path}: {text}" if text else path, advice if text else ""
        )
    return checks


def _clock(here: Here, there: Answer) -> list[Check]:
    ahead = max(0.0, there.began - here.heard)
    behind = max(0.0, here.sent - there.began)
    skew = ahead or behind
    if skew < _SKEW_S:
        return _check("clock there", "agrees with this machine's")
    return _check(
        "clock there",
        f"at least {skew:.0f} s {'ahead' if ahead else 'behind'}",
        "gridmap measures time on each host by itself, but time limits and the dates of "
        "files would be misjudged: have both set by NTP.",
    )


def _resources(here: Here, there: Answer) -> list[Check]:
    asked = here.requested
    few = there.cores < asked.cores
    checks = _check(
        "cores there",
        f"{there.cores:g} for {asked.cores} asked for",
        "Jobs would share fewer cores than they asked for: name a queue or parallel "
        "environment that grants what is asked for on one node."
        if few
        else "",
    )
    limit = there.memory.limit
    have = limit or there.memory.total
    wanted = asked.memory_limit or asked.memory or 0
    text = format_memory(there.memory.total)
    text += f", of which a runner may use {format_memory(limit)}" if limit else ""
    return checks + _check(
        "memory there",
        text,
        f"Less than the {format_memory(wanted)} asked for: jobs would run out of memory. "
        "Ask for it as the site wants it asked for."
        if have < wanted
        else "",
    )


def _files(_: Here, there: Answer) -> list[Check]:
    checks: list[Check] = []
    if there.files < _LEAST_FILES:
        checks += _check(
            "open files there",
            f"{there.files} at most",
            "Runners and jobs need more: raise `ulimit -n` for jobs.",
        )
    if isinstance(there.room, str):
        text, wrong = there.room, True
    else:
        text, wrong = format_memory(there.room), there.room < _LEAST_ROOM
    advice = "Many libraries need some: have the node cleaned, or set TMPDIR."
    return checks + _check("temporary files there", text, advice if wrong else "")


def _modules(here: Here, there: Answer) -> list[Check]:
    missing = sorted(
        set(here.modules.split(":")) - set(there.modules.split(":")) - {""}
    )
    if not missing:
        return []
    return _check(
        "modules there",
        f"not loaded: {', '.join(missing)}",
        remark="Jobs that need them fail: load them in your shell's start-up file, or in "
        "the settings' launch command.",
    )


_LOOKS: Final[Sequence[Callable[[Here, Answer], list[Check]]]] = (
    _python,
    _gridmap,
    _identity,
    _packages,
    _reached,
    _spoken,
    _name,
    _directories,
    _clock,
    _resources,
    _files,
    _modules,
)
