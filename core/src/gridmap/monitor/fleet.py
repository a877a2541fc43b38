"""The ledger's runners: what is known of each, and how to find it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.errors import RemoteProtocolError
from gridmap.explanation import Explanation
from gridmap.lifecycle import RunnerState, RunnerStep, move_runner
from gridmap.monitor.crew import Crew

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridmap.backend import Handle, Seen
    from gridmap.monitor.jobs import Grant, Group
    from gridmap.protocol.messages import Beat, Progress
    from gridmap.verdict import Statement

MOST_IN_VAIN: Final = 100
"""Warnings, and grants handed back unasked, in one life and since its last report.

An honest runner has a few, when it is about to end.
"""


class Runner(msgspec.Struct, eq=False):
    """One runner, from the wish for it to its end.

    Attributes:
        number: Unique in the run.
        group: The jobs it is for.
        state: Where it is.
        since: When it came into that state.
        handle: The scheduler's name for it, once it has one.
        peer: Its routing id, once it said hello.
        nonce: Tells one life of its process from the next.
        connection: Which of its connections it speaks by; 0 before the first.
        node: Where it runs, once known.
        came_at: When this life of it said hello.
        heard: When it was last heard.
        given_up: Whether it was given up for its silence, and not heard since.
        excused: When the scheduler last showed it suspended, which silences it.
        deadline: When the scheduler will end it; None if unlimited.
        grants: What it holds, oldest first.
        second: A second attempt that it runs, while it holds nothing; None: it does not.
        given: Jobs ever given to it, those it handed back excepted.
        left: Jobs it holds that are not accounted for.
        job: The job it said it is running; None if it ended meanwhile.
        beat: Number of its last heartbeat.
        vitals: Processor seconds and bytes of I/O at the last change, for stalls.
        vitals_since: When that was.
        asked_at: When it was asked where its idle job is; None if it was not.
        stack: That job and the stack it answered with; None if it did not.
        peak: Most memory its workers held, bytes.
        progress: A job and how far it said it is; None before the first.
        beat_at: When its last heartbeat came; None before the first.
        cpu: Processor seconds by that.
        rss: Bytes of memory held by that.
        job_since: When the job it said it is running began; None if it said nothing.
        broke_at: When its connection broke, at the latest; None if it did not, or is
            there again.
        broke_after: When it was last known to be there before that.
        seen: What the scheduler last showed of it.
        why: What its reason to wait means; None if it gave none.
        running_since: When the scheduler first showed it running.
        statements: What witnesses said so far.
        look_at: When to ask the scheduler about it; None if there is no reason.
        news_since: Older answers about it are no news: when there last was reason to
            ask, or the last answer was asked for.
        hurry: Whether the question cannot wait although others of its group work.
        look_pause: Seconds between the last two questions.
        autopsies: How often accounting was asked.
        autopsy_at: When to ask it; None if there is no reason, or it is being asked.
        over: Whether the scheduler said that it has ended or is not known.
        absent: Whether the scheduler did not know it when it was last asked.
        avoid: Nodes it was asked to be kept from.
        parted: Whether it said goodbye.
        ending: Whether it said that it is about to be ended.
        past: Nonces of its earlier lives, which count no more.
        restarting: Its nonce when it was asked to be started again; None if it was
            not, or the answer came.
        log_tail: The last lines of its log.
        starts: How often it was started.
        lives: How often it was started under its present handle, by whomever.
        kill_sent: When it was last asked to be killed; None if it was not.
        inherited: Whether it is known from a journal only, and has not been heard.
        in_vain: What it said since a job of it ended that is kept or written down, and
            brings no job nearer to its end.
    """

    number: int
    group: Group
    state: RunnerState = RunnerState.REQUESTED
    since: float = 0.0
    handle: Handle | None = None
    peer: bytes | None = None
    nonce: str = ""
    connection: int = 0
    node: str | None = None
    came_at: float = 0.0
    heard: float = 0.0
    given_up: bool = False
    excused: float = float("-inf")
    deadline: float | None = None
    grants: dict[int, Grant] = {}
    second: Grant | None = None
    given: int = 0
    left: int = 0
    job: int | None = None
    beat: int = 0
    vitals: tuple[float, int] = (0.0, 0)
    vitals_since: float = 0.0
    asked_at: float | None = None
    stack: tuple[int, str] | None = None
    peak: int = 0
    progress: tuple[int, Progress] | None = None
    beat_at: float | None = None
    cpu: float = 0.0
    rss: int = 0
    job_since: float | None = None
    broke_at: float | None = None
    broke_after: float = 0.0
    seen: Seen | None = None
    why: Explanation | None = None
    running_since: float | None = None
    statements: list[Statement] = []
    look_at: float | None = None
    news_since: float = 0.0
    hurry: bool = False
    look_pause: float = 0.0
    autopsies: int = 0
    autopsy_at: float | None = None
    over: bool = False
    absent: bool = False
    avoid: frozenset[str] = frozenset()
    parted: bool = False
    ending: bool = False
    past: set[str] = set()
    restarting: str | None = None
    log_tail: str = ""
    starts: int = 1
    lives: int = 1
    kill_sent: float | None = None
    inherited: bool = False
    in_vain: int = 0

    def holding(self, job: int) -> Grant | None:
        """Return the grant in which it holds a job; None if it does not."""
        return next((g for g in self.grants.values() if g.holds(job)), None)

    def grant(self, number: int) -> Grant | None:
        """Return a grant that it was given and may still speak of."""
        if self.second is not None and self.second.number == number:
            return self.second
        return self.grants.get(number)

    def has_none(self, beat: Beat) -> bool:
        """Tell whether it runs no job and, as far as it knows, has none to run."""
        return beat.job is None and self.grants.keys().isdisjoint(beat.holds)

    def strains(self) -> None:
        """Count one word more that is kept and leads nowhere.

        Raises:
            RemoteProtocolError: If there are more than an honest runner has: they
                would fill memory and journal. It is not let in again in this life.
        """
        self.in_vain += 1
        if self.in_vain > MOST_IN_VAIN:
            msg = f"runner {self.handle} said too much that led nowhere"
            raise RemoteProtocolError(msg)

    def spoke(self, now: float, patience_s: float) -> None:
        """Learn that it was heard.

        Args:
            now: When.
            patience_s: Silence beyond this counts: where it could not speak, being
                suspended or cut off, its job is not to blame for doing nothing.
        """
        if now - self.heard > patience_s:
            self.vitals_since += now - self.heard
        self.heard, self.given_up = now, False

    def look_again(self, now: float, *, least: float, most: float) -> None:
        """Have the scheduler asked about it after a pause, each twice the last one."""
        self.look_pause = min(max(least, 2 * self.look_pause), most)
        self.look_at = now + self.look_pause

    @property
    def speaks_on(self) -> bool:
        """Whether it is about to end, and may have a checkpoint to send until then."""
        return self.ending and not self.parted and self.broke_at is None

    def ask_after(self, delay_s: float, now: float, *, pause_s: float) -> None:
        """There is reason to ask the scheduler about it, from now on.

        Args:
            delay_s: Seconds until then.
            now: The present.
            pause_s: What pauses between questions begin with; they are doubled.
        """
        self.news_since, self.hurry = now, False
        self.look_at, self.look_pause = now + delay_s, pause_s

    def waits_because(self, seen: Seen) -> Explanation:
        """Return why it does not start; the scheduler's words if that is all."""
        return self.why or Explanation(reason=seen.reason or seen.raw)

    def is_due(self, now: float, others_due: float) -> bool:
        """Tell whether the scheduler is to be asked for its sake.

        Args:
            now: The present.
            others_due: When a runner may be asked about that waits in the queue while
                others of its group work: that is nobody's worry.
        """
        if self.look_at is None or self.look_at > now:
            return False
        queued = self.state is RunnerState.QUEUED and not self.hurry
        return not (queued and self.group.crew.up) or now >= others_due

    def begin_again(self) -> None:
        """Forget what was known of the life that ended."""
        if self.nonce:
            self.past.add(self.nonce)
        self.nonce, self.connection = "", 0
        self.lives += 1
        self.given = self.beat = self.autopsies = 0
        self.job = self.deadline = self.seen = self.running_since = None
        self.autopsy_at = self.node = None
        self.beat_at = self.job_since = self.broke_at = None
        self.statements.clear()
        self.in_vain = 0
        self.over = self.absent = self.parted = self.given_up = self.ending = False

    def move(self, step: RunnerStep, now: float) -> None:
        """Go on to the next state, which the table must allow."""
        after = move_runner(self.state, step)
        if after is not self.state:
            self.state = after
            self.since = now


class Fleet(msgspec.Struct):
    """All runners of a run, those that are gone excepted."""

    runners: dict[int, Runner] = {}
    by_peer: dict[bytes, Runner] = {}
    by_handle: dict[Handle, Runner] = {}
    crew: Crew = msgspec.field(default_factory=Crew)
    cores: Crew = msgspec.field(default_factory=Crew)
    _next: int = 1

    def __iter__(self) -> Iterator[Runner]:
        """Go through the runners; the fleet may change meanwhile."""
        return iter(list(self.runners.values()))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.runners)

    def request(self, group: Group, now: float) -> Runner:
        """Add a runner that is about to be asked for."""
        runner = Runner(self._next, group, since=now)
        self._next += 1
        self.runners[runner.number] = runner
        return runner

    def inherit(self, runner: Runner) -> None:
        """Add a runner that an earlier driver of the run asked for."""
        runner.inherited = True
        self.number_from(runner.number + 1)
        self.runners[runner.number] = runner
        if runner.handle is not None:
            self.by_handle[runner.handle] = runner

    def number_from(self, number: int) -> None:
        """Give new runners numbers from this one on."""
        self._next = max(self._next, number)

    def accepted(self, runner: Runner, handle: Handle) -> None:
        """Learn a runner's handle."""
        if runner.handle is not None:
            self.by_handle.pop(runner.handle, None)
        runner.handle = handle
        self.by_handle[handle] = runner

    def joined(self, runner: Runner, peer: bytes) -> bytes | None:
        """Learn a runner's peer; return the one it had before, if any."""
        before = runner.peer
        if before is not None and before != peer:
            self.by_peer.pop(before, None)
        runner.peer = peer
        self.by_peer[peer] = runner
        return before if before != peer else None

    def parted(self, runner: Runner) -> bytes | None:
        """Forget a runner's peer, if it has one, and return it."""
        peer, runner.peer = runner.peer, None
        if peer is not None:
            self.by_peer.pop(peer, None)
        return peer

    def moved(
        self, runner: Runner, before: RunnerState | None, after: RunnerState
    ) -> None:
        """Count a runner and its cores elsewhere; None: it is new."""
        runner.group.crew.moved(before, after)
        self.crew.moved(before, after)
        self.cores.moved(before, after, runner.group.resources.cores)

    def remove(self, runner: Runner) -> None:
        """Forget a runner that is gone."""
        self.runners.pop(runner.number, None)
        if runner.peer is not None:
            self.by_peer.pop(runner.peer, None)
        if runner.handle is not None:
            self.by_handle.pop(runner.handle, None)

    def of(self, group: Group, *states: RunnerState) -> list[Runner]:
        """Return the runners of a group in any of these states."""
        return [r for r in self if r.group is group and r.state in states]
