"""Two attempts of one job at a time, of which one counts. Pure.

The first attempt is the job's: an open grant answers for it, as always. The second has
a grant of its own, with a number of its own, that answers for nothing: whatever its
runner says of it changes no job. There are three ways in which that can end:

- The second returns a value. It takes the first one's place, whose grant is closed, and
  only then its report is heard, like any other.
- The first ends badly in a way that says nothing of the job, or is handed back. The
  second takes its place, and goes on as the job's attempt.
- Anything else: the second is ended, and was for nothing.

So each job is in one open grant at any time, with speculation or without, and the fence
that keeps results from counting twice is the one that there is anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gridmap.events import JobsGranted, SpeculationEnded
from gridmap.journal import entries as e
from gridmap.lifecycle import RunnerState
from gridmap.monitor import doubles
from gridmap.monitor.jobs import Grant, Span
from gridmap.retry import Again, GiveUp
from gridmap.verdict import INFRASTRUCTURE, Cause

if TYPE_CHECKING:
    from gridmap.monitor.books import Books
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.jobs import Group
    from gridmap.retry import Decision
    from gridmap.verdict import Verdict


def begin(books: Books, grant: Grant, job: int, runner: Runner) -> Grant:
    """Give the one job that a grant answers for to an idle runner too."""
    jobs = books.jobs
    attempt = jobs.doubles.after(job, grant.span.attempt)
    span = Span(job, job + 1, attempt, grant.span.function)
    second = Grant(
        jobs.number(),
        runner.number,
        grant.group,
        span,
        books.now,
        runner.beat,
        0,
        bytearray(1),
    )
    jobs.doubles.begin(grant, second)
    runner.second = second
    runner.given += 1
    books.rest(runner)
    books.note(
        e.Doubled(grant=second.number, runner=runner.number, job=job, attempt=attempt)
    )
    return second


def drop(books: Books, second: Grant, outcome: str, text: str) -> None:
    """End a second attempt that was for nothing; its runner is told later."""
    _part(books, second)
    runner = books.fleet.runners[second.runner]
    if runner.job == second.span.first:
        runner.job = None
    books.rest(runner)
    books.revoked.append(second)
    _publish(books, second, outcome, text, books.now - second.at)


def split(books: Books, grant: Grant) -> Grant | None:
    """Part a grant from its second attempt and return that, if there is one."""
    second = grant.twin
    if second is not None:
        _part(books, second)
    return second


def take_over(
    books: Books, second: Grant, text: str, function: bytes | None = None
) -> None:
    """Let a second attempt that was split off be its job's, which no other is.

    Args:
        books: The tables.
        second: Its grant.
        text: Why, for people.
        function: What the job calls if it has to be given away once more; None: what
            it calls now.
    """
    _publish(books, second, "took over", text)
    _succeed(books, second, function)


def win(books: Books, second: Grant, first: Grant) -> None:
    """Close the first attempt's grant: the second has returned a value."""
    job, runner = second.span.first, books.fleet.runners[first.runner]
    since = runner.job_since
    lost_s = doubles.age_s(first, job, runner.job, since, books.now) or 0.0
    _part(books, second)
    books.settle(first, job, job + 1)
    books.revoked.append(first)
    _publish(books, second, "won", "it returned before the first attempt did", lost_s)
    _succeed(books, second, None)


def reserve(books: Books, group: Group) -> int:
    """Return how many idle runners are kept so that jobs can be begun again there."""
    jobs, still = books.jobs, group.open
    if not books.policy.speculate or group.durations.patience_s(still) is None:
        return 0
    tried = sum(jobs.group_of(job) is group for job in jobs.doubles.attempts)
    room = doubles.at_once(still) - len(books.seconds_of(group))
    return max(0, min(still - tried, room))


def needless(books: Books, group: Group) -> list[Runner]:
    """Return the queued runners of a group for which no job is or will be left."""
    kept = max(0, reserve(books, group) - len(group.idle))
    return books.fleet.of(group, RunnerState.QUEUED)[kept:]


def instead(grant: Grant, verdict: Verdict, decision: Decision) -> Decision:
    """Return what is decided of an attempt that ended badly, where it was not alone.

    What the infrastructure did to it, or its time limit, says nothing of the second,
    which goes on even where the job would not be run again. It waits for nothing: it
    runs. Where the job needs other resources, the second lacks them as the first did.
    """
    group = grant.group
    if grant.twin is None:
        return decision
    if isinstance(decision, GiveUp):
        spared = verdict.cause in INFRASTRUCTURE or verdict.cause is Cause.TIME_LIMIT
        return Again() if spared else decision
    if decision.resources in (None, group.resources):
        return msgspec.structs.replace(decision, delay_s=0.0, resources=None)
    return decision


def _part(books: Books, second: Grant) -> None:
    books.jobs.doubles.part(second)
    books.fleet.runners[second.runner].second = None


def _succeed(books: Books, second: Grant, function: bytes | None) -> None:
    runner, span = books.fleet.runners[second.runner], second.span
    if function is not None:
        second.span = span = Span(span.first, span.stop, span.attempt, function)
    second.held[0] = second.left = 1
    books.jobs.grants[second.number] = second
    runner.grants[second.number] = second
    runner.left += 1
    books.rest(runner)
    books.granted(second)
    books.publish(
        JobsGranted,
        first=span.first,
        stop=span.stop,
        runner=second.runner,
        attempt=span.attempt,
    )


def _publish(
    books: Books, second: Grant, outcome: str, text: str, lost_s: float = 0.0
) -> None:
    books.publish(
        SpeculationEnded,
        job=second.span.first,
        runner=second.runner,
        attempt=second.span.attempt,
        outcome=outcome,
        text=text,
        lost_s=lost_s,
    )
