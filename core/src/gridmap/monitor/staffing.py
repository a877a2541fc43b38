"""How many runners there should be, and what the scheduler said to our asking."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gridmap.backend import Handle, Killed, Rejected, Resubmitted
from gridmap.events import RunnerGone, RunnersRejected, RunnersSubmitted
from gridmap.journal import entries as e
from gridmap.lifecycle import RunnerState, RunnerStep
from gridmap.monitor import twins
from gridmap.monitor.instructions import Forget, KillRunners, Send
from gridmap.protocol.messages import Refuse, Stop
from gridmap.verdict import Cause, Statement, Witness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap.monitor.books import Books
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.jobs import Group

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

STARVING_S: Final = 60.0
"""How long a group may lack runners before another group gives one up for it."""

_KILLED_SOON_S: Final = 5.0
"""How long a runner that was told to end may take before it is killed."""

MOST_DOUBLINGS: Final = 7
"""Pauses between two tries are doubled so often at most."""


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
        if not books.sealed and not books.near and group.hire_at <= books.now:
            group.hire_at = books.now + SETTLE_S

    def staff_all(self) -> None:
        """Ask for what is missing anywhere."""
        for group in self._books.jobs.groups.values():
            self.outlive(group)
            if group.queued:
                self.staff(group)
            else:
                self._fed(group)

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
        free = self.free(group)
        full = free <= 0
        if (full and not crew.living) or (crew.awaited and not crew.up):
            self._make_room(group, full=full)
            free = self.free(group)
        lacking = min(wanted, waiting, free)
        if crew.up:
            self._fed(group)
        return lacking

    def may_grow(self, group: Group) -> bool:
        """Tell whether there may be more runners than there are, and jobs for them."""
        return group.crew.living < group.open and self.free(group) > 0

    def _fed(self, group: Group) -> None:
        if group.starved_since is not None:
            group.starved_since = None
            if group in self._books.starving:
                self._books.starving.remove(group)

    def free(self, group: Group) -> int:
        """Return how many more runners there may be for a group."""
        policy, capabilities = self._books.policy, self._books.capabilities
        fleet, starving = self._books.fleet, self.starving(group)
        taken, cores = fleet.crew.living, fleet.cores.living
        if starving is not None:
            # What becomes free is kept, lest cores that go one by one never suffice.
            taken, cores = taken + 1, cores + starving.resources.cores
        if policy.max_workers is not None:
            return policy.max_workers - taken
        free = policy.most_workers - taken
        largest = capabilities.largest_fleet if capabilities else None
        if largest is None:
            return free
        room = (largest - cores) // group.resources.cores
        # One that asks for more than there is has to be tried all the same.
        return min(free, room if cores else max(room, 1))

    def starving(self, group: Group) -> Group | None:
        """Return another group that runners of this one are to make room for.

        It is the one that has lacked a runner longest, and for long. One whose runner is
        in the scheduler's queue, or that is not to ask again yet, has no use for more.
        """
        books = self._books
        for other in books.starving:  # the longest first
            since = other.starved_since
            long = since is not None and books.now - since > STARVING_S
            asks = not other.crew.living and other.hire_at <= books.now
            if long and asks and other.queued:
                return None if other is group else other
        return None

    def _make_room(self, group: Group, *, full: bool) -> None:
        """Let another group's runner go for a group that has none: one not missed.

        Args:
            group: The group.
            full: Whether the run has all the runners it may have; else it is the
                scheduler that may have no room for more.
        """
        books = self._books
        if group.starved_since is None:
            group.starved_since = books.now
        if full and not group.crew.living and group not in books.starving:
            books.starving.append(group)
        if not full and books.now - group.starved_since < STARVING_S:
            return
        for other in books.jobs.groups.values():
            if other is not group and other.idle and not other.queued:
                self.dismiss(books.fleet.runners[next(iter(other.idle))])
                return
        if not full or group.crew.living:
            return
        others = [r for r in books.fleet if r.group is not group]
        queued = [r for r in others if r.state is RunnerState.QUEUED]
        # The newest of them: the others may be about to come.
        spare = max(queued, key=lambda r: (r.group.crew.living, r.number), default=None)
        if spare is None or spare.group.crew.living <= 1:
            return
        if self._fits(group, instead=spare):
            self.kill([spare])

    def _fits(self, group: Group, *, instead: Runner) -> bool:
        """Tell whether a runner finds room where another one goes.

        If it did not, that one's own group would ask for another in its place, which
        would be killed likewise, and so for ever.
        """
        policy, capabilities = self._books.policy, self._books.capabilities
        largest = capabilities.largest_fleet if capabilities else None
        if policy.max_workers is not None or largest is None:
            return True
        left = largest - self._books.fleet.cores.living
        return group.resources.cores <= left + instead.group.resources.cores

    def dismiss(self, runner: Runner, *, now: bool = False) -> None:
        """Tell a runner that is up to end itself."""
        books = self._books
        books.move(runner, RunnerStep.STOP)
        runner.group.relieved_at = books.now
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
            books.ask(KillRunners(handles=frozenset(handles)))

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
        if group.crew.living:
            return self._books.policy.query_s
        if group.avoid and not answer.transient:
            group.avoid = frozenset()  # it may be we who left it no node
            return 0.0
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
