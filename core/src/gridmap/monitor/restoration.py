"""Laying a past run into the tables of a new ledger. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.lifecycle import RunnerState
from gridmap.monitor.fleet import Runner
from gridmap.monitor.jobs import Span
from gridmap.monitor.staffing import FIRST_LOOK_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.monitor.books import Books
    from gridmap.monitor.past import PastGrant, PastRunner, Restored
    from gridmap.resources import Resources


_GRANTS_A_SECOND: Final = 2**20
"""More than a driver can give. Counted from the epoch, so that grants of a driver whose
disk was full, which no entry tells of and runners may still speak of, are no others'."""


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs as they are to be run from now on, unless a runner has them already."""

    first: int
    stop: int
    function: bytes
    resources: Resources
    surroundings: int


def segments(past: Restored) -> list[Segment]:
    """Return all jobs as they were handed in, up to the first gap.

    There may be none: a driver can end before it has read its first input.
    """
    found: list[Segment] = []
    at, known = 0, past.known
    while at < known:
        added, _ = past.inputs[at]
        at = added.stop
        found.append(
            Segment(
                first=added.first,
                stop=added.stop,
                function=added.function,
                resources=added.resources,
                surroundings=added.surroundings,
            )
        )
    return found


def lay(past: Restored, jobs: Sequence[Segment], books: Books) -> None:
    """Lay a past run into the tables of a ledger that is new.

    Args:
        past: What the journal told.
        jobs: How its jobs are to be run from now on, gapless from the first.
        books: The tables.
    """
    for number, earlier in past.runners.items():
        _inherit(number, earlier, books)
    books.fleet.number_from(past.last_runner + 1)
    since_epoch = int((books.policy.epoch_s + books.now) * _GRANTS_A_SECOND)
    books.jobs.number_grants_from(max(past.last_grant + 1, since_epoch))
    for segment in jobs:
        group = books.jobs.group(segment.resources, segment.surroundings)
        books.jobs.lay(segment.first, segment.stop, group)
        for first, stop, state, grant in past.parts(segment.first, segment.stop):
            if state.final:
                books.jobs.lay_final(first, stop, state)
            elif grant:
                _hold(past.grant(grant), first, stop, books)
            else:
                _wait(past, segment, first, stop, books)
    for runner in books.fleet:
        runner.grants = dict(sorted(runner.grants.items()))  # as they were given
    books.jobs.histories.update(past.histories)
    books.jobs.doubles.attempts.update(past.doubled)


def _inherit(number: int, past: PastRunner, books: Books) -> None:
    state = RunnerState.SUSPECT if past.nonce else RunnerState.QUEUED
    runner = Runner(
        number,
        books.jobs.group(past.resources, past.surroundings),
        state,
        since=books.now,
        handle=past.handle,
        nonce=past.nonce,
        node=past.node or None,
        avoid=past.avoid,
        came_at=books.now,  # it may have been just before
        heard=books.now,
        news_since=books.now,
        look_at=books.now + FIRST_LOOK_S,
        look_pause=FIRST_LOOK_S,
    )
    books.fleet.inherit(runner)
    books.fleet.moved(runner, None, state)


def _hold(past: PastGrant, first: int, stop: int, books: Books) -> None:
    runner = books.fleet.runners[past.runner]
    grant = books.jobs.grants.get(past.number)
    if grant is None:
        span = Span(past.first, past.stop, past.attempt, past.function)
        grant = books.jobs.lay_grant(
            past.number, runner.number, span, runner.group, books.now
        )
        runner.grants[grant.number] = grant
    books.jobs.lay_granted(grant, first, stop)
    runner.given += stop - first
    runner.left += stop - first


def _wait(
    past: Restored, segment: Segment, first: int, stop: int, books: Books
) -> None:
    again, asked = past.attempts.get(first), past.asked(first)
    resources, function, attempt = segment.resources, segment.function, 1
    if again is not None:
        attempt = again.attempt
        # What an attempt was given besides what its user asked for, it keeps.
        if asked is None or again.resources != asked.resources:
            resources = again.resources
        if asked is None or again.function != asked.function:
            function = again.function
    group = books.jobs.group(resources, segment.surroundings)
    books.jobs.lay_waiting(Span(first, stop, attempt, function), group)
