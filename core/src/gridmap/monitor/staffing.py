"""How many runners there should be, and what the scheduler said to our asking."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gridmap.backend import Handle, Killed, Reach, Rejected, Resubmitted
from gridmap.events import RunnerGone, RunnersSubmitted
from gridmap.lifecycle import RunnerState, RunnerStep
from gridmap.monitor.instructions import Forget, KillRunners, Send, SubmitRunners
from gridmap.protocol.messages import Stop
from gridmap.verdict import Cause, Statement, Witness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap.monitor.books import Books
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.jobs import Group

FIRST_LOOK_S: Final = 3.0
"""How long runners may take to say hello before the scheduler is asked."""

SETTLE_S: Final = 0.05
"""How long jobs may come in before runners are asked for, unless all are there."""

MOST_REJECTIONS: Final = 10
"""Submissions that may be turned away "for now" before it counts as for good."""

_WAITING: Final = (RunnerState.REQUESTED, RunnerState.QUEUED)
_LIVING: Final = (*_WAITING, RunnerState.UP, RunnerState.SUSPECT)


class Staffing:
    """Asks for runners and takes the superfluous out of the queue."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def expect(self, group: Group) -> None:
        """Jobs were added; where more may follow, let them come before asking.

        On a cluster each submission is a burden, and an executor gets its jobs one
        by one.
        """
        books = self._books
        near = books.capabilities and books.capabilities.reach is Reach.HOST
        if not books.sealed and not near and group.hire_at <= books.now:
            group.hire_at = books.now + SETTLE_S

    def staff_all(self) -> None:
        """Ask for what is missing anywhere."""
        for group in self._books.jobs.groups.values():
            if group.queued:
                self.staff(group)

    def staff(self, group: Group) -> None:
        """Ask for the runners a group lacks, with one submission."""
        books = self._books
        if books.closing or books.capabilities is None or books.now < group.hire_at:
            return
        living = books.fleet.of(group, *_LIVING)
        if group.dismissed and not living:
            statement = Statement(
                witness=Witness.SCHEDULER, text="all runners were killed from outside"
            )
            books.fail_waiting(group, [statement], Cause.KILLED)
            return
        lacking = self._lacking(group, living)
        if lacking <= 0:
            return
        runners = [books.fleet.request(group, books.now) for _ in range(lacking)]
        books.ask(
            SubmitRunners(
                runners=tuple(runner.number for runner in runners),
                resources=group.resources,
                avoid=group.avoid,
            )
        )

    def _lacking(self, group: Group, living: list[Runner]) -> int:
        books = self._books
        waiting = sum(runner.state in _WAITING for runner in living)
        wanted = group.open
        if books.policy.jobs_per_runner:
            per_runner = books.policy.jobs_per_runner
            wanted = math.ceil(group.open / per_runner)
            waiting *= per_runner
        free = self._limit() - sum(r.state in _LIVING for r in books.fleet)
        if free <= 0 and not living:
            self._make_room(group)
        return min(wanted - len(living), free, group.queued - waiting)

    def _limit(self) -> int:
        policy, capabilities = self._books.policy, self._books.capabilities
        if policy.max_workers is not None:
            return policy.max_workers
        largest = capabilities.largest_fleet if capabilities else None
        return min(policy.most_workers, largest or policy.most_workers)

    def _make_room(self, group: Group) -> None:
        for runner in self._books.fleet:
            idle = runner.state is RunnerState.UP and not runner.left
            if runner.group is not group and idle and not runner.group.queued:
                self.dismiss(runner)
                return

    def dismiss(self, runner: Runner, *, now: bool = False) -> None:
        """Tell a runner that is up to end itself."""
        books = self._books
        books.move(runner, RunnerStep.STOP)
        runner.look_at, runner.look_pause = books.now + 5.0, 1.0
        if runner.peer is not None:
            books.ask(Send(peer=runner.peer, message=Stop(now=now)))

    def kill(self, runners: list[Runner]) -> None:
        """End runners through the scheduler, with one request."""
        books = self._books
        handles = set()
        for runner in runners:
            if runner.handle is None:
                continue
            books.move(runner, RunnerStep.STOP)
            runner.kill_sent = books.now
            runner.look_at, runner.look_pause = None, 0.0
            handles.add(runner.handle)
        if handles:
            books.ask(KillRunners(handles=frozenset(handles)))

    def drop_surplus(self, group: Group) -> None:
        """Take a group's queued runners out of the queue when no job waits for one."""
        if self._books.sealed and group.queued == 0:
            self.kill(self._books.fleet.of(group, RunnerState.QUEUED))

    def submitted(self, answers: Mapping[int, Handle | Rejected]) -> list[Runner]:
        """Take in the scheduler's answers; return the runners it accepted."""
        books = self._books
        accepted, rejected = [], []
        for number, answer in answers.items():
            runner = books.fleet.runners.get(number)
            if runner is None or runner.state is not RunnerState.REQUESTED:
                continue
            if isinstance(answer, Rejected):
                rejected.append((runner, answer))
                continue
            books.fleet.accepted(runner, answer)
            books.move(runner, RunnerStep.ACCEPTED)
            runner.look_at = books.now + FIRST_LOOK_S
            runner.look_pause = FIRST_LOOK_S
            runner.group.rejections = 0
            accepted.append(runner)
        if accepted:
            books.publish(
                RunnersSubmitted,
                runners=tuple(runner.number for runner in accepted),
                handles=tuple(str(runner.handle) for runner in accepted),
            )
        for runner, answer in rejected:
            self.remove(runner, f"rejected: {answer.text}")
        if rejected:
            self._turned_away(*rejected[0])
        if books.closing:
            self.kill(accepted)
        for group in {id(r.group): r.group for r in accepted}.values():
            self.drop_surplus(group)
        return accepted

    def _turned_away(self, runner: Runner, answer: Rejected) -> None:
        books, group = self._books, runner.group
        group.rejections += 1
        if answer.transient and group.rejections < MOST_REJECTIONS:
            group.hire_at = books.now + min(60.0, 2.0**group.rejections / 2)
            return
        if books.fleet.of(group, *_LIVING):
            group.hire_at = books.now + books.policy.query_s
            return
        statement = Statement(
            witness=Witness.SCHEDULER, text=answer.text, cause=Cause.REJECTED
        )
        books.fail_waiting(group, [statement], Cause.REJECTED)

    def kill_answered(self, results: Mapping[Handle, Killed]) -> None:
        """Take in what became of requests to kill."""
        books = self._books
        for handle, result in results.items():
            runner = books.fleet.by_handle.get(handle)
            if runner is None or runner.state is not RunnerState.STOPPING:
                continue
            trusted = result is Killed.KILLED and not books.killing and not runner.nonce
            if result is Killed.GONE or trusted:
                self.remove(runner, "taken out of the queue")
            elif result is Killed.KILLED:
                runner.look_at, runner.look_pause = books.now + 0.2, 0.2
            else:
                runner.look_at, runner.look_pause = books.now + 1.0, 1.0

    def resubmitted(self, runner: Runner, answer: Resubmitted | None) -> bool:
        """Take in whether a runner starts again; False: it has to be replaced."""
        books = self._books
        if answer is None or runner.state is not RunnerState.SUSPECT:
            return False
        books.fleet.accepted(runner, answer.handle)
        books.move(runner, RunnerStep.REQUEUED)
        runner.nonce, runner.starts = "", runner.starts + 1
        runner.seen, runner.running_since = None, None
        runner.look_at = books.now + FIRST_LOOK_S
        runner.look_pause = FIRST_LOOK_S
        return True

    def remove(self, runner: Runner, text: str) -> None:
        """Strike a runner off: it is over, and holds nothing any more."""
        books = self._books
        books.move(runner, RunnerStep.END)
        books.fleet.remove(runner)
        if runner.peer is not None:
            books.ask(Forget(peer=runner.peer))
        books.publish(RunnerGone, runner=runner.number, text=text)
