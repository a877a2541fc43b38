"""Runners that are waited for, until they work or there is no hope of it. Pure.

A runner may wait in the scheduler's queue, be shown as running and not say hello, end
before it does, or come and be unable to work. One that fails so says nothing of any job:
others are tried, on other nodes and after growing pauses, until it has to be thought that
none will ever work; then the jobs that wait get a verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.backend import SeenState
from gridmap.events import RunnerPending
from gridmap.lifecycle import RunnerState
from gridmap.monitor.staffing import MOST_DOUBLINGS
from gridmap.verdict import Cause, Statement, Witness, judge

if TYPE_CHECKING:
    from gridmap.backend import Seen
    from gridmap.monitor.books import Books
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.jobs import Group
    from gridmap.monitor.staffing import Staffing

_AVOID_S: Final = 300.0
"""How long runners may wait in the queue before nodes are no longer avoided."""


class Starting:
    """Sees runners started, or gives up."""

    def __init__(self, books: Books, staffing: Staffing) -> None:
        self._books = books
        self._staffing = staffing

    def pending(self, runner: Runner, seen: Seen) -> None:
        """Take in what the scheduler shows of a runner that has not said hello."""
        books, policy = self._books, self._books.policy
        if seen.state is SeenState.RUNNING:
            if runner.running_since is None:
                runner.running_since = books.now
            if books.now - runner.running_since > policy.connect_s:
                self._unreachable(runner, seen)
                return
        elif seen.reason or seen.state is SeenState.BLOCKED:
            why = runner.waits_because(seen)
            books.publish(
                RunnerPending,
                runner=runner.number,
                handle=str(runner.handle),
                reason=why.reason,
                up=runner.group.crew.up,
                meaning=why.meaning,
                advice=why.advice,
                waited_s=books.now - runner.since,
            )
        waited = books.now - runner.since
        timeout = policy.start_timeout_s
        if runner.avoid and waited > _AVOID_S and not runner.group.crew.up:
            self._relent(runner.group)
            return
        if seen.state is SeenState.BLOCKED or (
            timeout is not None and waited > timeout and not runner.group.crew.up
        ):
            self._never(runner, seen, waited)
            return
        most = policy.query_s if seen.state is not SeenState.RUNNING else 5.0
        runner.look_again(books.now, least=1.0, most=most)

    def _relent(self, group: Group) -> None:
        """Where runners wait for long, it may be for the nodes that are avoided."""
        group.avoid = frozenset()
        waiting = self._books.fleet.of(group, RunnerState.QUEUED)
        self._staffing.kill([runner for runner in waiting if runner.avoid])

    def _never(self, runner: Runner, seen: Seen, waited: float) -> None:
        why = runner.waits_because(seen)
        text = f"did not start it within {waited:.0f} s: {why}"
        blocked = seen.state is SeenState.BLOCKED
        if blocked:
            text = f"cannot start it: {why}"
        statement = Statement(
            witness=Witness.SCHEDULER, text=text, cause=Cause.NEVER_STARTED
        )
        self._staffing.kill([runner])
        self.failed(runner, [statement], final=not blocked)

    def _unreachable(self, runner: Runner, seen: Seen) -> None:
        statement = Statement(
            witness=Witness.HEARTBEAT,
            text=f"never said hello, though the scheduler shows it running on "
            f"{seen.node or 'a node'} for {self._books.policy.connect_s:.0f} s: can that "
            "node reach the address of this machine?",
            cause=Cause.NEVER_STARTED,
        )
        self._staffing.kill([runner])
        if runner.inherited:  # it may have come while nobody was there to hear it
            self._staffing.staff(runner.group)
            return
        self.failed(runner, [statement])

    def broken(self, runner: Runner, statement: Statement) -> None:
        """A runner that is up cannot do its work: give its jobs to others."""
        self._staffing.remove(runner, statement.text)
        self.failed(runner, [statement])
        self._staffing.staff(runner.group)

    def idles(self, runner: Runner, idle_s: float) -> None:
        """A runner that is up holds jobs and begins none: give them to others.

        Whatever its reason, a fault of ours among them, the map must not wait for it.

        Args:
            runner: The runner.
            idle_s: How long it has used no processor time and done no I/O, seconds.
        """
        text = (
            f"it held jobs and began none, without doing anything, for {idle_s:.0f} s"
        )
        said = Statement(witness=Witness.HEARTBEAT, text=text, cause=Cause.STALLED)
        self._staffing.kill([runner])
        self.failed(runner, [said])
        self._staffing.staff(runner.group)

    def failed(
        self, runner: Runner, said: list[Statement], *, final: bool = False
    ) -> None:
        """Count a runner that never worked; give up when none ever will.

        Args:
            runner: The runner, which has ended or is being ended.
            said: What witnesses said of that.
            final: Whether it shows that no other will do better.
        """
        books, group = self._books, runner.group
        cause = judge(said)
        if cause is Cause.KILLED:
            if not books.policy.forgives(cause):
                self._staffing.killed(group, runner.since)
            return
        if cause is Cause.LOST:
            cause = Cause.NEVER_STARTED
        group.start_failures += 1
        doublings = min(group.start_failures, MOST_DOUBLINGS)
        group.hire_at = books.now + 0.25 * 2.0**doublings
        if runner.node:
            group.avoid |= {runner.node}
        enough = group.start_failures > books.policy.resubmits
        final = final or (books.near and cause is Cause.ENVIRONMENT_BROKEN)
        # One node of many may be broken; but a Python that does not fit is everywhere.
        if (enough or final) and not group.crew.up:
            self._staffing.kill(books.fleet.of(group, RunnerState.QUEUED))
            self._fail_group(runner, said, cause)
            group.start_failures = 0

    def _fail_group(self, runner: Runner, said: list[Statement], cause: Cause) -> None:
        tail = runner.log_tail.strip()[-500:]
        if tail and not any(one.text.endswith(tail) for one in said):
            text = f"its log ends: {tail}"
            said = [*said, Statement(witness=Witness.RUNNER, text=text)]
        place = f"runner {runner.handle} on {runner.node or 'no node'}"
        log = self._books.log_path(runner)
        kept = f", its log is {log}" if log and tail else ""
        where = Statement(witness=Witness.RUNNER, text=f"this was {place}{kept}")
        self._books.fail_waiting(runner.group, [*said, where], cause)
