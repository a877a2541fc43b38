"""How many runners there should be, and what the scheduler said to our asking."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gridmap.backend import Handle, Killed, Rejected, Resubmitted
from gridmap.events import RunnerGone, RunnersRejected, RunnersSubmitted
from gridmap.journal import entries as e
from gridmap.lifecycle import RunnerState, RunnerStep
from gridmap.monitor import twins
from gridmap.monitor.instructions import Forget, Send
from gridmap.protocol.messages import Refuse, Stop
from gridmap.verdict import Cause, Statement, Witness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap.monitor.books import Books
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.jobs import Group
    from gridmap.monitor.room import Room

FIRST_LOOK_S: Final = 3.0
"""How long runners may take to say hello before the scheduler is asked."""

FIRST_LOOK_NEAR_S: Final = 0.5
"""Likewise on this machine: a process that has ended need not be waited for."""

SETTLE_S: Final = 0.05
"""How long jobs may come in before runners are asked for, unless all are there."""

MOST_REJECTIONS: Final = 10
"""Submissions that may be turned away "for now" before it counts as for good."""

IDLE_S: Final = 30.0
"""How long a runner may be idle while its group only waits for its last jobs."""

_KILLED_SOON_S: Final = 5.0
"""How long a runner that was told to end may take before it is killed."""

MOST_DOUBLINGS: Final = 7
"""Pauses between two tries are doubled so often at most."""


class Staffing:
    """Asks for runners and takes the superfluous out of the queue."""

    def __init__(self, books: Books, room: Room) -> None:
        self._books = books
        self._room = room

    def expect(self, group: Group) -> None:
        """Jobs were added; where more may follow, let them come before asking.

        On a cluster each submission is a burden, and an executor gets its jobs one
        by one.
        """
        books = self._books
        if not books.sealed and not books.near and group.hire_at <= books.now:
            group.hire_at = books.now + SETTLE_S
            if not group.crew.living:  # somebody waits; else the next tick will do
                books.wake_at = min(books.wake_at, group.hire_at)

    def staff_all(self) -> None:
        """Ask for what is missing anywhere."""
        for group in self._books.jobs.groups.values():
            self.outlive(group)
            if group.queued:
                self.staff(group)
            else:
                self._room.fed(group)

    def let_go(self, group: Group) -> None:
        """Let runners go that have nothing to do and will have nothing.

        None is kept once its group has ended; and not for long, on the chance of a
        retry, while the group waits for its last jobs; second attempts keep some.
        """
        books = self._books
        if not books.sealed or books.closing or group.queued:
            return
        kept = twins.reserve(books, group)
        while len(group.idle) > kept:
            number, since = next(iter(group.idle.items()))
            if group.open and books.now - since < IDLE_S:
                return
            self.dismiss(books.fleet.runners[number])

    def staff(self, group: Group) -> None:
        """Ask for the runners a group lacks, with one submission at a time.

        Where many runners end one by one, what is lacking gathers until the scheduler
        has answered: else a question to it would wait behind all those submissions.
        """
        books = self._books
        if group.crew[RunnerState.REQUESTED]:
            return
        if books.closing or books.capabilities is None or books.now < group.hire_at:
            return
        if group.dismissed and not self._survived(group):
            return
        lacking = self._lacking(group)
        if lacking > 0:
            books.hire(group, lacking)

    def killed(self, group: Group, at: float) -> None:
        """A person killed a runner: see whether it was meant for all of them.

        Args:
            group: Its group.
            at: When it was last known to live.
        """
        if group.relieved_at > at:
            return  # another did its share and left since
        group.dismissed = True
        for runner in self._books.fleet.of(group, RunnerState.QUEUED):
            runner.ask_after(0.0, self._books.now, pause_s=0.25)
            runner.hurry = True

    def outlive(self, group: Group) -> None:
        """Learn from a runner that lives that those killed by a person were not all.

        It must be learnt while it lives: should it end later, and for another reason,
        no person ended every runner there was.
        """
        if group.dismissed:
            self._survived(group)

    def _survived(self, group: Group) -> bool:
        """Tell whether a group is to have runners although a person killed some.

        What a person ended is not started again: not one by one while he is at it,
        and not at all when he ended every runner there was.
        """
        books = self._books
        crew = group.crew
        doubtful = crew[RunnerState.SUSPECT] or any(
            runner.look_at is not None and runner.look_at <= books.now
            for runner in books.fleet.of(group, RunnerState.QUEUED)
        )
        if doubtful:
            return False
        group.dismissed = False
        if crew.living:
            return True
        statement = Statement(
            witness=Witness.SCHEDULER, text="all runners were killed from outside"
        )
        books.fail_waiting(group, [statement], Cause.KILLED)
        return False

    def _lacking(self, group: Group) -> int:
        books = self._books
        share = books.policy.jobs_per_runner or 1
        crew = group.crew
        wanted = math.ceil(group.open / share) - crew.living
        waiting = math.ceil(group.queued / share) - crew.awaited
        free = self._room.free(group)
        full = free <= 0
        if (full and not crew.living) or (crew.awaited and not crew.up):
            self._make_room(group, full=full)
            free = self._room.free(group)
        if crew.up:
            self._room.fed(group)
        return min(wanted, waiting, free)

    def _make_room(self, group: Group, *, full: bool) -> None:
        """Let another group's runner go for a group that has none; see `Room`."""
        spare = self._room.give_up(group, full=full)
        if spare is None:
            return
        if spare.state is RunnerState.QUEUED:
            self.kill([spare])
        else:
            self.dismiss(spare)

    def dismiss(self, runner: Runner, *, now: bool = False) -> None:
        """Tell a runner that is up to end itself."""
        books = self._books
        books.move(runner, RunnerStep.STOP)
        runner.group.relieved_at = books.now
        runner.group.dismissed = False  # it outlived those that a person killed
        runner.ask_after(_KILLED_SOON_S, books.now, pause_s=1.0)
        if runner.peer is not None:
            books.ask(Send(peer=runner.peer, message=Stop(now=now)))

    def kill(self, runners: list[Runner]) -> None:
        """End runners through the scheduler, with one request."""
        books = self._books
        handles = set()
        for runner in runners:
            if runner.handle is None:
                continue
            books.put_back_all(runner)
            books.move(runner, RunnerStep.STOP)
            runner.kill_sent = books.now
            runner.look_at, runner.look_pause = None, 0.0
            handles.add(runner.handle)
        if handles:
            books.kill(handles)

    def drop_surplus(self, group: Group) -> None:
        """Take a group's queued runners out of the queue when no job waits for one."""
        books = self._books
        if books.sealed and not group.queued and group.crew[RunnerState.QUEUED]:
            self.kill(twins.needless(books, group))

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
            self._taken(runner, answer)
            books.move(runner, RunnerStep.ACCEPTED)
            first_s = FIRST_LOOK_NEAR_S if books.near else FIRST_LOOK_S
            runner.ask_after(first_s, books.now, pause_s=first_s)
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
            self._turned_away(*rejected[0], count=len(rejected))
        if books.closing:
            self.kill(accepted)
        for group in {id(r.group): r.group for r in accepted}.values():
            self.drop_surplus(group)
        return accepted

    def _taken(self, runner: Runner, handle: Handle) -> None:
        books = self._books
        books.fleet.accepted(runner, handle)
        books.note(
            e.Taken(
                runner=runner.number,
                job=handle.job,
                task=handle.task,
                resources=runner.group.resources,
                surroundings=runner.group.surroundings,
                avoid=tuple(sorted(runner.avoid)),
            )
        )

    def _turned_away(self, runner: Runner, answer: Rejected, *, count: int) -> None:
        books, group = self._books, runner.group
        group.rejections += 1
        again_s = self._again_s(group, answer)
        books.publish(RunnersRejected, count=count, reason=answer.text, again_s=again_s)
        if again_s is not None:
            group.hire_at = books.now + again_s
            return
        statement = Statement(
            witness=Witness.SCHEDULER, text=answer.text, cause=Cause.REJECTED
        )
        books.fail_waiting(group, [statement], Cause.REJECTED)
        group.rejections = 0

    def _again_s(self, group: Group, answer: Rejected) -> float | None:
        """Return after what time runners are asked for again; None: not at all."""
        if answer.transient and group.rejections < MOST_REJECTIONS:
            return 2.0 ** min(group.rejections, MOST_DOUBLINGS) / 2
        if group.avoid and not answer.transient:
            group.avoid = frozenset()  # it may be we who left it no node
            return 0.0
        if group.crew.living:
            return self._books.policy.query_s
        return None

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
                runner.ask_after(0.2, books.now, pause_s=0.2)
            else:
                runner.ask_after(1.0, books.now, pause_s=1.0)

    def resubmitted(self, runner: Runner, answer: Resubmitted | None) -> None:
        """Take in whether a runner starts again; if not, it has to be replaced."""
        books = self._books
        before, runner.restarting = runner.restarting, None
        if answer is None:
            if runner.state is RunnerState.SUSPECT:  # it has not come back meanwhile
                self.kill([runner])
            return
        replaced = answer.handle != runner.handle
        starts_anew = replaced or before == runner.nonce
        self._taken(runner, answer.handle)
        runner.starts += 1
        if runner.state is RunnerState.STOPPING:
            self.kill([runner])  # it was to end meanwhile, whatever it is called now
        elif starts_anew:
            books.put_back_all(runner)
            self.queued_again(runner)
        if replaced:
            runner.lives = 1

    def queued_again(self, runner: Runner) -> None:
        """A runner's process ended, and the scheduler will start it once more."""
        books = self._books
        runner.begin_again()
        if runner.state is not RunnerState.QUEUED:
            books.move(runner, RunnerStep.REQUEUED)
        peer = books.fleet.parted(runner)
        if peer is not None:
            books.ask(Forget(peer=peer))
        runner.since = books.now
        runner.ask_after(FIRST_LOOK_S, books.now, pause_s=FIRST_LOOK_S)

    def remove(self, runner: Runner, text: str) -> None:
        """Strike a runner off: it is over, or as good as that."""
        books = self._books
        books.put_back_all(runner)
        books.move(runner, RunnerStep.END)
        books.fleet.remove(runner)
        if runner.handle is not None:
            books.note(e.Gone(runner=runner.number))
        if runner.peer is not None:
            if not runner.parted:  # should it live after all, it shall not go on
                refusal = Refuse(text="it was given up")
                books.ask(Send(peer=runner.peer, message=refusal))
            books.ask(Forget(peer=runner.peer))
        if runner.handle is not None or runner.peer is not None:  # else nobody knew it
            books.publish(RunnerGone, runner=runner.number, text=text)
