"""Whether a job that ended badly is run again, and with what.

Retry is by cause. What the infrastructure did is tried again, up to a number; what the
job did itself is not, and what a person ended stays ended. `Retry` and `Escalate` are
a user's own rules: values, compared and pickled as such, that decide from what is
known of a death and of those before it, and from nothing else.

Who is asked first: a site's hook ``gridmap_retry``, then the user's rules in their
order, then core's rule, `decide`. The first that has an opinion decides.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from msgspec.structs import force_setattr

from gridmap.decision import (
    GUILTY_NODE,
    Again,
    Decision,
    GiveUp,
    decide,
    gave_way,
    guilty,
)
from gridmap.errors import InvalidRequestError, qualified_name
from gridmap.resources import (
    Resources,
    parse_memory,
    parse_pause,
    parse_walltime,
    with_memory,
)
from gridmap.verdict import INFRASTRUCTURE, Cause, Verdict

__all__ = [
    "GUILTY_NODE",
    "MOST_PAUSE_S",
    "Again",
    "Decision",
    "Ends",
    "Escalate",
    "GiveUp",
    "Retry",
    "RetryRules",
    "Rule",
    "choose",
    "decide",
    "gave_way",
    "guilty",
    "make_rules",
]

MOST_PAUSE_S: Final = 300.0
"""Longest pause before an attempt, unless a user sets another."""

_SPREAD: Final = 0.25
"""Part of a pause that is taken off, a different one for each job: a thousand jobs that
failed together shall not come back together."""

_REFUSED: Final = {
    Cause.RETURNED: "that is no failure, so nothing is to be run again",
    Cause.CANCELLED: "that is no failure, so nothing is to be run again",
    Cause.REJECTED: "there was no attempt; change the request instead",
}


Ends: TypeAlias = "type[BaseException] | Cause | str"


def _named(value: object) -> Cause | str:
    if isinstance(value, Cause):
        if value in _REFUSED:
            msg = f"on={value}: {_REFUSED[value]}"
            raise InvalidRequestError(msg)
        return value
    if isinstance(value, type) and issubclass(value, BaseException):
        return qualified_name(value)
    if isinstance(value, str) and value.strip():
        return value
    msg = (
        f"on={value!r} is nothing a job can end with: expected an exception's class, "
        "its name as a traceback prints it, or a gridmap.verdict.Cause"
    )
    raise InvalidRequestError(msg)


def _named_all(value: Ends | Iterable[Ends] | None) -> frozenset[Cause | str] | None:
    if value is None:
        return None
    several = isinstance(value, Iterable) and not isinstance(value, (str, type))
    kinds: Iterable[object] = value if several else (value,)  # type: ignore[assignment]
    found = frozenset(map(_named, kinds))
    if not found:
        msg = "on=[] names nothing: leave it out for the infrastructure's causes"
        raise InvalidRequestError(msg)
    return found


def _check_times(times: Any) -> None:
    if times is None:
        return
    if not isinstance(times, int) or isinstance(times, bool) or times < 0:
        msg = f"times={times!r} must be a whole number of at least 0, or None"
        raise InvalidRequestError(msg)


class _For(msgspec.Struct, frozen=True):
    """The one field of `Retry` that may be given without its name."""

    on: frozenset[Cause | str] | None = None


class Retry(_For, frozen=True, kw_only=True):
    """Run jobs again that ended in certain ways, a number of times.

    Where a job ended otherwise, the rule has no opinion. Attempts that ended otherwise
    are not counted either: each rule has its own number.

    Args:
        on: What it is for: classes of exceptions (subclasses count), their names, or
            causes; one or several. None: the causes of `INFRASTRUCTURE`.
        times: How often a job is run again at most; 0 lets the first such verdict
            stand. None: the setting ``num_resubmits``.
        delay: How long to wait before the first time, seconds, a `timedelta` or a text
            such as ``"30s"``; doubled each time after.
        most_delay: What the wait never exceeds; None: five minutes, or *delay* if that
            is longer.

    Raises:
        InvalidRequestError: If a value makes no sense.

    Example:
        >>> from gridmap import Retry, grid_map
        >>> flaky = Retry(on=[ConnectionError, TimeoutError], times=5, delay="2s")
        >>> grid_map(abs, [-1, 2], backend="local", retry=flaky)
        [1, 2]
    """

    times: int | None = None
    delay: float = 0.0
    most_delay: float | None = None

    if TYPE_CHECKING:  # what is taken is more than what is kept

        def __init__(
            self,
            on: Ends | Iterable[Ends] | None = None,
            *,
            times: int | None = None,
            delay: float | str | timedelta = 0.0,
            most_delay: float | str | timedelta | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        """Read what people write, and see that the two pauses fit."""
        most = self.most_delay
        _check_times(self.times)
        if most is not None:
            most = parse_pause(most, name="most_delay")
        force_setattr(self, "on", _named_all(self.on))
        force_setattr(self, "delay", parse_pause(self.delay, name="delay"))
        force_setattr(self, "most_delay", most)
        if most is not None and most < self.delay:
            msg = f"most_delay={most:g} s is less than delay={self.delay:g} s"
            raise InvalidRequestError(msg)

    def covers(self, failure: Verdict) -> bool:
        """Whether the rule is for such an end."""
        if self.on is None:
            return failure.cause in INFRASTRUCTURE
        return failure.cause in self.on or not self.on.isdisjoint(failure.raised)

    def forgives(self, cause: Cause) -> bool:
        """Whether the rule names a cause outright."""
        return self.on is not None and cause in self.on and self.times != 0

    def decide(
        self,
        failure: Verdict,
        history: tuple[Verdict, ...],
        resources: Resources,
        resubmits: int,
    ) -> Decision | None:
        """Return what is to be done; None where the rule is not for such an end.

        Args:
            failure: Why this attempt ended.
            history: The verdicts of the attempts before it, oldest first.
            resources: What this attempt had.
            resubmits: The setting ``num_resubmits``.
        """
        del resources
        if not self.covers(failure):
            return None
        if gave_way(failure) and self.times != 0:
            return Again()  # it lost nothing
        done = sum(self.covers(v) and not gave_way(v) for v in history)
        if done >= (resubmits if self.times is None else self.times):
            return GiveUp()
        return Again(delay_s=self._pause(failure, done))

    def requests(self, resources: Resources) -> Iterator[Resources]:
        """Yield what a job may be given instead of *resources*: nothing else."""
        del resources
        yield from ()

    def _pause(self, failure: Verdict, done: int) -> float:
        most = self.most_delay
        if most is None:
            most = max(MOST_PAUSE_S, self.delay)
        pause = min(self.delay * 2.0 ** min(done, 64), most)
        name = f"{failure.job} {failure.attempt}".encode(errors="replace")
        return pause * (1 - _SPREAD * zlib.crc32(name) / 2**32)


def _several(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    alone = isinstance(value, (str, int, float, timedelta))
    steps = (value,) if alone else tuple(value) if isinstance(value, Iterable) else None
    if steps is None or None in steps:
        msg = f"{value!r} is no list of steps"
        raise InvalidRequestError(msg)
    return steps


def _memory_steps(value: Any) -> tuple[int, ...]:
    return tuple(parse_memory(step) or 0 for step in _several(value))


def _walltime_steps(value: Any) -> tuple[int, ...]:
    return tuple(parse_walltime(step) or 0 for step in _several(value))


def _check_growing(name: str, steps: tuple[int, ...]) -> None:
    if any(after <= before for before, after in itertools.pairwise(steps)):
        msg = (
            f"the steps of {name} must grow, and these do not: {list(steps)} "
            f"({'bytes' if name == 'memory' else 'seconds'})"
        )
        raise InvalidRequestError(msg)


class Escalate(msgspec.Struct, frozen=True, kw_only=True):
    """Run jobs again with more, where what they had was not enough.

    A job that ran out of memory gets the first step that is more than it had, and so
    on; likewise one whose time was over. After the last step the verdict stands. Of
    other ends the rule has no opinion.

    A `MemoryError` counts as out of memory: where a limit is an rlimit, as on the local
    backend and on Grid Engine, that is all there is to be seen of it.

    Args:
        memory: Steps, ascending: bytes or texts such as ``"4G"``. Each becomes both
            the request and the limit, and takes the place of GridMap's ``h_vmem``, per
            slot as that.
        walltime: Steps, ascending: seconds, `timedelta` or texts such as ``"2:00:00"``.

    Raises:
        InvalidRequestError: If there is no step, one makes no sense, or they do not
            grow.

    Example:
        >>> from gridmap import Escalate, grid_map
        >>> more = Escalate(memory=["4G", "16G"], walltime=["8:00:00"])
        >>> grid_map(abs, [-1], backend="local", mem_free="1G", retry=more)
        [1]
    """

    memory: tuple[int, ...] = ()
    walltime: tuple[int, ...] = ()

    if TYPE_CHECKING:  # what is taken is more than what is kept

        def __init__(
            self,
            *,
            memory: str | int | Iterable[str | int] | None = (),
            walltime: str
            | float
            | timedelta
            | Iterable[str | float | timedelta]
            | None = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        """Read the steps, and see that there is one and that they grow."""
        force_setattr(self, "memory", _memory_steps(self.memory))
        force_setattr(self, "walltime", _walltime_steps(self.walltime))
        _check_growing("memory", self.memory)
        _check_growing("walltime", self.walltime)
        if not self.memory and not self.walltime:
            msg = "Escalate needs steps, such as memory=['4G', '16G']"
            raise InvalidRequestError(msg)

    def forgives(self, cause: Cause) -> bool:
        """Whether the rule names a cause outright: none."""
        del cause
        return False

    def decide(
        self,
        failure: Verdict,
        history: tuple[Verdict, ...],
        resources: Resources,
        resubmits: int,
    ) -> Decision | None:
        """Return what is to be done; see `Retry.decide`."""
        del history, resubmits
        if self.memory and failure.lacked_memory:
            more = self._more(self.memory, _memory_of(resources))
            return Again(resources=with_memory(resources, more)) if more else GiveUp()
        if self.walltime and failure.cause is Cause.TIME_LIMIT:
            more = self._more(self.walltime, resources.walltime or 0)
            if more is None:
                return None if failure.checkpointed or failure.late else GiveUp()
            return Again(resources=msgspec.structs.replace(resources, walltime=more))
        return None

    def requests(self, resources: Resources) -> Iterator[Resources]:
        """Yield what a job may be given instead of *resources*."""
        for amount in self.memory:
            if amount > _memory_of(resources):
                yield with_memory(resources, amount)
        for seconds in self.walltime:
            if seconds > (resources.walltime or 0):
                yield msgspec.structs.replace(resources, walltime=seconds)

    @staticmethod
    def _more(steps: tuple[int, ...], had: int) -> int | None:
        return next((step for step in steps if step > had), None)


def _memory_of(resources: Resources) -> int:
    return max(resources.memory or 0, resources.memory_limit or 0)


Rule: TypeAlias = "Retry | Escalate"
RetryRules: TypeAlias = "Rule | Iterable[Rule] | None"
"""What users may give as ``retry``: a rule, several in the order in which they are
asked, or None for core's alone."""


def make_rules(value: RetryRules) -> tuple[Rule, ...]:
    """Return a user's rules in the order in which they are asked.

    Raises:
        InvalidRequestError: If something among them is no rule.
    """
    if value is None:
        return ()
    alone = isinstance(value, (Retry, Escalate)) or not isinstance(value, Iterable)
    given: tuple[Any, ...] = (value,) if alone else tuple(value)  # type: ignore[arg-type]
    for rule in given:
        if not isinstance(rule, (Retry, Escalate)):
            msg = (
                f"retry={rule!r} is no rule: expected gridmap.Retry, gridmap.Escalate, "
                "or a list of these"
            )
            raise InvalidRequestError(msg)
    return given


def choose(
    rules: Iterable[Rule],
    failure: Verdict,
    history: tuple[Verdict, ...],
    resources: Resources,
    resubmits: int,
) -> Decision:
    """Return what the first of the user's rules with an opinion decides, else core's."""
    for rule in rules:
        decision = rule.decide(failure, history, resources, resubmits)
        if decision is not None:
            return decision
    return decide(failure, history, resubmits)
