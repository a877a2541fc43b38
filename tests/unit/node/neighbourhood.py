"""Runners of one node, as their rules see each other: a kernel, and words on their way."""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from gridmap.runner.node.election import (
    BEAT_S,
    GENERATIONS,
    LONGEST_S,
    PATIENCE_S,
    Beat,
    Elect,
    Fetch,
    Give,
    Hand,
    HangUp,
    Instruction,
    LetGo,
    Role,
    Seat,
)

STRANGER: Final = -1
TOTAL: Final = 2


class Runner:
    """A runner of the model: its rules, and one errand that wants one frame after another.

    Attributes:
        got: Frames that its errand has.
        fetching: Whether the errand was told to fetch.
        events: What is on its way to it, in order, as calls of its rules.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.seat = Seat(TOTAL, number / 5)
        self.got = 0
        self.asking = self.fetching = self.stopped = self.hanging = False
        self.leader: Runner | None = None
        self.followers: dict[int, Runner] = {}
        self.events: deque[tuple[Any, ...]] = deque()


class Node:
    """Runners, and a kernel in which a name is one process's at a time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.names: dict[int, int] = {}
        self.runners = {number: Runner(number) for number in range(5)}
        self.fetches = 0
        self._lines = 0

    def do(self, runner: Runner, instructions: Iterable[Instruction]) -> None:
        """Carry out what a runner's rules want."""
        for instruction in instructions:
            match instruction:
                case Elect():
                    self._elect(runner, instruction.generation)
                case Give(number=number):
                    assert runner.asking
                    assert number == runner.got
                    runner.asking, runner.got = False, runner.got + 1
                case Fetch():
                    assert runner.asking
                    runner.asking, runner.fetching = False, True
                    self.fetches += 1
                case Hand(line=line, number=number):
                    self._tell(runner, line, "handed", number)
                case Beat(line=line):
                    self._tell(runner, line, "heard")
                case HangUp():
                    self._part(runner)
                case LetGo():
                    self.let_go(runner)

    def _tell(self, leader: Runner, line: int, *event: Any) -> None:
        """Say something to a follower; one that has hung up is not there to hear it."""
        if line in leader.followers:
            leader.followers[line].events.append(event)

    def _elect(self, runner: Runner, generation: int) -> None:
        owner = self.names.setdefault(generation, runner.number)
        if owner == runner.number:
            self.do(runner, runner.seat.bound(self.now))
        elif owner == STRANGER:
            self.do(runner, runner.seat.misled())
        else:
            self._lines += 1
            runner.leader = leader = self.runners[owner]
            leader.followers[self._lines] = runner
            leader.events.append(("came", self._lines, runner.seat.have))
            self.do(runner, runner.seat.found(self.now))

    def _part(self, runner: Runner) -> None:
        leader, runner.leader = runner.leader, None
        if leader is not None:
            line = next(n for n, one in leader.followers.items() if one is runner)
            del leader.followers[line]
            leader.events.append(("left", line))
            runner.events = deque(e for e in runner.events if e[0] in {"came", "left"})

    def let_go(self, runner: Runner) -> None:
        """Take away what a runner held: the name, and its lines."""
        self._part(runner)
        self.names = {g: n for g, n in self.names.items() if n != runner.number}
        for follower in runner.followers.values():
            follower.leader = None
            follower.events.append(("hung_up",))
        runner.followers.clear()

    def deliver(self, runner: Runner) -> None:
        """Let what is on its way longest arrive at a runner."""
        what, *arguments = runner.events.popleft()
        seat, now = runner.seat, self.now
        if what == "came":
            if arguments[0] in runner.followers:
                self.do(runner, seat.came(*arguments))
        elif what == "left":
            seat.left(*arguments)
        elif what == "heard":
            seat.heard(now)
        elif what == "handed":
            assert arguments == [seat.have], "frames come in order"
            self.do(runner, seat.handed(now))
        else:
            self.do(runner, getattr(seat, what)(now))

    def want(self, runner: Runner) -> None:
        """Let a runner's errand ask for its next frame."""
        if runner.got < TOTAL and not runner.asking and not runner.fetching:
            runner.asking = True
            self.do(runner, runner.seat.ask(runner.number, runner.got, self.now))

    def end_fetch(self, runner: Runner, *, well: bool) -> None:
        """Let a runner's errand have what it was to fetch, or fail and begin again."""
        runner.fetching = False
        if well:
            runner.got += 1
            self.do(runner, runner.seat.fetched())
            return
        self.do(runner, runner.seat.failed(self.now))
        if runner.seat.role is Role.ALONE:
            runner.seat, runner.got = Seat(TOTAL, 0.5), 0

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        for runner in self.runners.values():
            if not runner.stopped:
                self.do(runner, runner.seat.tick(self.now))

    def settle(self) -> None:
        """Let all that is well go on for as long as anything could take."""
        end = self.now + GENERATIONS * (LONGEST_S + 2 * PATIENCE_S) + 60
        while self.now < end and any(map(self._lacks, self.runners.values())):
            for runner in self.runners.values():
                while runner.events and not runner.stopped:
                    self.deliver(runner)
                if runner.fetching and not runner.hanging and not runner.stopped:
                    self.end_fetch(runner, well=True)
                if not runner.stopped:
                    self.want(runner)
            self.pass_time(BEAT_S)

    def _lacks(self, runner: Runner) -> bool:
        held_up = runner.stopped or (runner.fetching and runner.hanging)
        return runner.got < TOTAL and not held_up
