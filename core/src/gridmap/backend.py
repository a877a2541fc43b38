"""What passes between core and a backend plugin: frozen descriptions, no live objects.

Core decides, plugins witness: nothing here can say "failed". Handles are opaque
texts, and mappings are keyed by what core asked about, never by position.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from pathlib import Path  # noqa: TC003 - a signature tells it, as those below
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from gridmap.checking import Checking
from gridmap.comparing import Comparing
from gridmap.concealing import Concealing
from gridmap.description import (
    INTERFACE,
    Availability,
    BackendInfo,
    Capabilities,
    Reach,
)
from gridmap.resources import Resources  # noqa: TC001 - likewise

if TYPE_CHECKING:
    from gridmap.desk import Desk
else:
    Desk = object  # a node has none

__all__ = [
    "INTERFACE",
    "Attachment",
    "Autopsies",
    "Autopsy",
    "Availability",
    "BackendInfo",
    "Batch",
    "Capabilities",
    "Check",
    "Coming",
    "Ending",
    "Handle",
    "Handles",
    "Identity",
    "Killed",
    "Kills",
    "Limit",
    "NotAsked",
    "Notice",
    "Observation",
    "Observed",
    "Reach",
    "Rejected",
    "Rendered",
    "Resubmitted",
    "RunContext",
    "Seen",
    "SeenState",
    "Submission",
]

# What a plugin tells is checked where it makes it, so that the error points there.


def _own_desk() -> Desk:
    from gridmap.desk import Desk  # noqa: PLC0415 - a node has none

    return Desk()


class RunContext(
    Comparing, Concealing, msgspec.Struct, frozen=True, kw_only=True, weakref=True
):
    """What a backend may know of the run it serves.

    Two that differ in their desks alone are equal. A plugin that serves several runs
    may keep what it knows of each in a `weakref.WeakKeyDictionary`.

    Attributes:
        token: Hexadecimal text, unique to the run and not a secret: submissions
            carry it so that `gridmap_attach` finds them again.
        name: The run's name as the user knows it.
        directory: The run's own 0700 directory.
        logs: Directory in which the scheduler is to write what a runner prints, both
            streams into one file named ``HANDLE.log``, such as ``123.4.log``.
        options: The ``[backends.NAME]`` table of the settings.
        desk: Where the scheduler's programs are run: see `gridmap.desk`.
    """

    concealed = uncompared = frozenset({"desk"})

    token: str
    name: str
    directory: Path
    logs: Path
    options: Mapping[str, object] = {}
    desk: Desk = msgspec.field(default_factory=_own_desk)


class Handle(Checking, msgspec.Struct, frozen=True, order=True):
    """The scheduler's name for one runner.

    Attributes:
        job: The scheduler's job id.
        task: The task's index within an array; None for a job of its own.
    """

    job: str
    task: str | None = None

    def __str__(self) -> str:
        """Return the usual written form, ``"123.4"``."""
        return self.job if self.task is None else f"{self.job}.{self.task}"


Handles: TypeAlias = frozenset[Handle]
"""Whom a verb is asked about."""


class Batch(Comparing, msgspec.Struct, frozen=True, kw_only=True):
    """Runners to start with one submission: alike in everything but their number.

    Attributes:
        runners: Numbers of the runners, unique within the run and ascending.
        command: Program and arguments each of them runs; nothing in it is secret.
        environment: Variables to set for them; nothing in it is secret.
        directory: Working directory to start in.
        name: A name for people, made safe: letters, digits, ``_``, ``-`` and
            ``.``, beginning with a letter, at most 64 characters.
        resources: What each of them needs.
        avoid: Nodes not to be used.
    """

    runners: tuple[int, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    name: str
    resources: Resources
    avoid: frozenset[str] = frozenset()


class Rendered(Checking, msgspec.Struct, frozen=True, kw_only=True):
    """The exact submission, for people and for tests.

    Attributes:
        command: Program and arguments that submit it (or the nearest to that, where
            the scheduler is driven by a library).
        script: What is handed over on standard input or as a file; None if nothing.
    """

    command: tuple[str, ...]
    script: str | None = None


class Rejected(Checking, msgspec.Struct, frozen=True, kw_only=True):
    """The scheduler would not take a runner.

    Attributes:
        transient: Whether asking again later may help (master busy, limit reached).
        text: The scheduler's own words.
    """

    transient: bool
    text: str


Submission: TypeAlias = Mapping[int, "Handle | Rejected"]
"""For each runner number asked for, its handle or its rejection."""


class SeenState(enum.Enum):
    """What a scheduler showed of a runner. Only `ENDED` is an end."""

    QUEUED = "queued"
    HELD = "held"
    BLOCKED = "blocked"
    """In an error state, or waiting for what can never come."""
    RUNNING = "running"
    SUSPENDED = "suspended"
    UNREACHABLE = "unreachable"
    """On a node that the scheduler has lost; the runner itself may live."""
    ENDING = "ending"
    """Being ended or cleaned up; processes may still live."""
    ENDED = "ended"
    """The scheduler says, in so many words, that it is over."""
    UNKNOWN = "unknown"
    """A state this plugin does not know; see the raw text."""


class Seen(Checking, msgspec.Struct, frozen=True, kw_only=True):
    """What the scheduler showed of one runner.

    Attributes:
        state: The state.
        raw: The scheduler's own word for it.
        reason: Why it is in that state, if the scheduler says so.
        node: Where it is, if it is somewhere.
    """

    state: SeenState
    raw: str = ""
    reason: str = ""
    node: str | None = None


class Observed(Checking, Comparing, msgspec.Struct, frozen=True, kw_only=True):
    """The scheduler answered.

    Attributes:
        seen: What it showed of those it knows.
        absent: Those it no longer knows. A fact, never a state.
    """

    seen: Mapping[Handle, Seen]
    absent: frozenset[Handle] = frozenset()

    @classmethod
    def among(cls, shown: Mapping[Handle, Seen], handles: Iterable[Handle]) -> Observed:
        """Return what a whole list says of some runners: who is not in it is absent.

        Args:
            shown: All that the scheduler shows, of whomever.
            handles: Whom core asked about.
        """
        asked = frozenset(handles)
        seen = {handle: shown[handle] for handle in asked if handle in shown}
        return cls(seen=seen, absent=asked - set(seen))


class NotAsked(Checking, msgspec.Struct, frozen=True, kw_only=True):
    """The scheduler could not be asked; this says nothing about any runner.

    Attributes:
        text: What went wrong.
    """

    text: str


Observation: TypeAlias = "Observed | NotAsked"

Attachment: TypeAlias = "Mapping[Handle, Seen] | NotAsked"
"""The runners of a run that still exist, unless the scheduler could not be asked."""


class Limit(enum.Enum):
    """A limit that ended a runner, by the scheduler's own account."""

    MEMORY = "memory"
    TIME = "time"


class Ending(enum.Enum):
    """Who ended a runner, by the scheduler's own account."""

    ITSELF = "itself"
    """Its process ended by itself, whatever its exit status."""
    SCHEDULER_LIMIT = "limit"
    PREEMPTION = "preemption"
    PERSON = "person"
    """Somebody asked the scheduler to end it."""
    NODE = "node"
    """The node failed or was lost."""
    START = "start"
    """The scheduler could not start it (no such directory, no shell, …)."""


class Autopsy(Checking, msgspec.Struct, frozen=True, kw_only=True):
    """What accounting says of a runner that is over.

    Attributes:
        ending: Who or what ended it; None if accounting does not say.
        limit: Which limit it hit, if any.
        exit_status: 0 to 255, None if unknown.
        signal: The signal that ended it, None if none or unknown.
        peak_memory: Bytes, None if unknown.
        node: Where it ran, None if unknown.
        text: The scheduler's own words, for the verdict.
    """

    ending: Ending | None = None
    limit: Limit | None = None
    exit_status: int | None = None
    signal: int | None = None
    peak_memory: int | None = None
    node: str | None = None
    text: str = ""


Autopsies: TypeAlias = Mapping[Handle, Autopsy]
"""What accounting says of each runner that it knows."""


class Killed(enum.Enum):
    """What became of a request to kill a runner."""

    KILLED = "killed"
    """It is being ended, or was taken out of the queue."""
    GONE = "gone"
    """It was over already, or never known."""
    FAILED = "failed"
    """The scheduler could not be asked, or would not."""


Kills: TypeAlias = Mapping[Handle, Killed]
"""What became of the request to kill, for each runner named."""


class Resubmitted(Checking, msgspec.Struct, frozen=True, kw_only=True):
    """A runner was started again.

    Attributes:
        handle: Its handle now.
        in_place: Whether it is the same scheduler job as before.
    """

    handle: Handle
    in_place: bool


class Coming(enum.Enum):
    """What a scheduler's warning announces."""

    END = "end"
    """It ends the runner, or moves it, within seconds; why is not said."""
    TIME_LIMIT = "time limit"
    """The runner's time is over soon."""
    PREEMPTION = "preemption"
    """The runner is to give way, be it that its processes are only suspended."""


class Notice(Checking, msgspec.Struct, frozen=True, kw_only=True):
    """What a signal means by which a scheduler warns.

    Attributes:
        coming: What it announces.
        text: That in words, for the verdict.
        within_s: How long before the end of the runner's time it comes at most; one that
            comes earlier announces a preemption. None: that is not known.
        stay: Whether a runner is to wait for the scheduler to end it: where one that
            ends itself first leaves no trace of who wanted it.
    """

    coming: Coming
    text: str
    within_s: float | None = None
    stay: bool = False


class Identity(Checking, Comparing, msgspec.Struct, frozen=True, kw_only=True):
    """Who a runner is, as its node's environment tells.

    Attributes:
        handle: Its handle; None if the environment does not say.
        deadline: When the scheduler will end it, seconds since the epoch; None if
            it will not, or does not say.
        warnings: Signals by which the scheduler warns before it ends or moves a
            runner, with what each announces.
        slots: Cores the scheduler granted; None if it does not say.
    """

    handle: Handle | None = None
    deadline: float | None = None
    warnings: Mapping[int, Notice] = {}
    slots: int | None = None

    def __post_init__(self) -> None:
        """Refuse what a plugin should not say."""
        super().__post_init__()
        warnings: Mapping[object, object] = self.warnings  # type: ignore[assignment]
        for number, notice in warnings.items():
            if not isinstance(number, int) or not isinstance(notice, Notice):
                msg = f"warnings map signals to a Notice each, not {number!r} to {notice!r}"
                raise TypeError(msg)


class Check(Checking, msgspec.Struct, frozen=True, kw_only=True):
    """One thing `gridmap doctor` looked at.

    Attributes:
        name: What was looked at.
        passed: Whether it is as it should be.
        found: What was found.
        advice: What to do if it is not; empty if it is.
    """

    name: str
    passed: bool
    found: str
    advice: str = ""
