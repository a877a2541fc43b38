"""Who of a node's runners fetches what they share, and who hands it on. Pure.

A runner seeks: it binds the name of a content, and leads, or finds it bound, and
follows. A leader fetches the frames in order and hands each to its followers; while it
does, it says every `BEAT_S` that it is still there. A follower whose leader is gone
seeks again; one that hears nothing for `PATIENCE_S`, or finds somebody who is no runner
of its run, seeks by another name, that of the next generation. Whoever failed too often
goes on alone, and fetches for itself.

A follower that has all frames stays connected, only to learn when its leader is gone:
it seeks then like the others, though not at once, since at the end of a run one runner
after the other goes.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

BEAT_S: Final = 0.5
"""Between two words of a leader that fetches."""

PATIENCE_S: Final = 4.0
"""How long a follower hears nothing: its leader may be stopped, or swapped out."""

LONGEST_S: Final = 600.0
"""How long a leader is at one frame before its followers are to wait no more."""

SPREAD_S: Final = 1.0
"""Within which those who have all frames seek to succeed their leader: the first of many
comes soon, and at the end of a run most are gone before."""

RETRY_S: Final = 0.02
"""After a name was bound and nobody answered to it, as between bind(2) and listen(2)."""

MOST_MISSES: Final = 25
MOST_ENDS: Final = 3
"""Leaders that were gone before they had handed on everything."""

GENERATIONS: Final = 3


class Role(enum.Enum):
    """What a runner is to the others."""

    SEEKING = "seeking"
    """It has neither the name nor somebody who has it."""
    LEADING = "leading"
    """It has the name, and fetches, or has fetched."""
    FOLLOWING = "following"
    """It is connected to who has the name."""
    ALONE = "alone"
    """It fetches for itself, and nobody gets anything from it."""


class Elect(msgspec.Struct, frozen=True):
    """Bind the name or find who has it: `bound`, `found`, `vacant` or `barred`."""

    generation: int


class Give(msgspec.Struct, frozen=True):
    """Give a frame to one who asked for it in this process."""

    asker: Any
    number: int


class Fetch(msgspec.Struct, frozen=True):
    """Have one who asked fetch the frame: `fetched` or `failed`."""

    asker: Any


class Hand(msgspec.Struct, frozen=True):
    """Hand a frame to a follower."""

    line: int
    number: int


class Beat(msgspec.Struct, frozen=True):
    """Tell a follower that its frame is still to come."""

    line: int


class HangUp(msgspec.Struct, frozen=True):
    """Hang up on the leader."""


class LetGo(msgspec.Struct, frozen=True):
    """Let go of the name, of all lines and of the memory: it is over."""


Instruction: TypeAlias = Elect | Give | Fetch | Hand | Beat | HangUp | LetGo


class Seat:
    """One runner's part in the sharing of one content.

    Frames come in order, so that a number says which of them a runner has. What comes
    too late to matter changes nothing.

    Attributes:
        role: What the runner is.
        have: How many frames it has.
    """

    def __init__(self, total: int, lot: float) -> None:
        """Begin with nothing.

        Args:
            total: How many frames there are, at least one.
            lot: From 0 to 1, drawn by each runner for itself: spreads those who are
                to do the same.
        """
        self.role = Role.SEEKING
        self.have = 0
        self._total, self._lot = total, lot
        self._generation = self._misses = self._ends = 0
        self._askers: list[tuple[Any, int]] = []
        self._lines: dict[int, int] = {}
        self._fetching = False
        self._since = 0.0
        self._due: float | None = None

    @property
    def due(self) -> float | None:
        """When `tick` has something to do; None: not before something happens."""
        return self._due

    @property
    def hands_on(self) -> bool:
        """Whether what this runner fetches is for others too."""
        return self.role is Role.LEADING

    @property
    def _complete(self) -> bool:
        return self.have == self._total

    # In this process ----------------------------------------------------------------

    def ask(self, asker: Any, number: int, now: float) -> list[Instruction]:
        """Somebody wants a frame; he has asked for those before.

        Args:
            asker: Who; given back as it is.
            number: Which frame, from 0.
            now: Seconds of a clock that never goes back.
        """
        if number < self.have:
            return [Give(asker, number)]
        if self.role is Role.ALONE:
            return [Fetch(asker)]
        self._askers.append((asker, number))
        if self.role is Role.LEADING:
            return list(self._work(now))
        if self.role is Role.SEEKING and self._due is None:
            return [Elect(self._generation)]
        return []

    def fetched(self) -> list[Instruction]:
        """Who was to fetch a frame has it."""
        if self.role is not Role.LEADING:
            return []
        self._fetching, self._due = False, None
        self.have += 1
        return [*self._give(), *self._hand_out()]

    def failed(self, now: float) -> list[Instruction]:
        """Who was to fetch a frame could not; another may."""
        if self.role is not Role.LEADING:
            return []
        self._fetching, self._due = False, None
        return list(self._work(now)) or self.give_up()

    def give_up(self) -> list[Instruction]:
        """Take no part any more. Who still asks is to fetch for himself."""
        self.role, self.have, self._due = Role.ALONE, 0, None
        askers, self._askers = self._askers, []
        self._lines.clear()
        return [*(Fetch(asker) for asker, _ in askers), LetGo()]

    def tick(self, now: float) -> list[Instruction]:
        """Time has passed."""
        if self._due is None or now < self._due:
            return []
        self._due = None
        if self.role is Role.SEEKING:
            return [Elect(self._generation)]
        if self.role is Role.FOLLOWING:
            return self.misled()
        if now - self._since > LONGEST_S:
            return []
        self._due = now + BEAT_S
        return [Beat(line) for line, at in self._lines.items() if at < self._total]

    # The election -------------------------------------------------------------------

    def bound(self, now: float) -> list[Instruction]:
        """The name is this runner's."""
        self.role, self._misses = Role.LEADING, 0
        return list(self._work(now))

    def found(self, now: float) -> list[Instruction]:
        """Somebody else has the name, and is connected to."""
        self.role, self._misses = Role.FOLLOWING, 0
        self.heard(now)
        return []

    def vacant(self, now: float) -> list[Instruction]:
        """The name is taken, and nobody answers to it."""
        self._misses += 1
        if self._misses > MOST_MISSES:
            return self._move_on()
        self._due = now + RETRY_S
        return []

    def barred(self) -> list[Instruction]:
        """There is no way to take part: no descriptors, no such sockets."""
        return self.give_up()

    # Following ----------------------------------------------------------------------

    def heard(self, now: float) -> None:
        """The leader is there."""
        if self.role is Role.FOLLOWING:
            self._due = None if self._complete else now + PATIENCE_S

    def handed(self, now: float) -> list[Instruction]:
        """The leader has handed over the next frame, and it is what it should be."""
        if self.role is not Role.FOLLOWING or self._complete:
            return []
        self.have += 1
        self.heard(now)
        return self._give()

    def hung_up(self, now: float) -> list[Instruction]:
        """The leader is gone."""
        if self.role is not Role.FOLLOWING:
            return []
        self.role, self._due = Role.SEEKING, None
        if self._complete:
            self._due = now + self._lot * SPREAD_S
            return [HangUp()]
        self._ends += 1
        if self._ends > MOST_ENDS:
            return [HangUp(), *self.give_up()]
        return [HangUp(), Elect(self._generation)]

    def misled(self) -> list[Instruction]:
        """Who has the name is no runner of this run, or one that does not answer."""
        if self.role not in (Role.SEEKING, Role.FOLLOWING):
            return []
        return [HangUp(), *self._move_on()]

    def _move_on(self) -> list[Instruction]:
        self._generation += 1
        self._misses, self._due = 0, None
        if self._generation == GENERATIONS:
            return self.give_up()
        self.role = Role.SEEKING
        return [Elect(self._generation)]

    # Leading ------------------------------------------------------------------------

    def came(self, line: int, have: int) -> list[Instruction]:
        """A runner of this run follows.

        Args:
            line: What tells it from others.
            have: How many frames it has.
        """
        if self.role is not Role.LEADING:
            return []
        self._lines[line] = have
        return list(self._hand_out())

    def left(self, line: int) -> None:
        """A follower is gone."""
        self._lines.pop(line, None)

    def _work(self, now: float) -> Iterator[Instruction]:
        """Have the next frame fetched, if somebody wants it and nobody does it yet."""
        if self._askers and not self._fetching:
            self._fetching, self._since = True, now
            self._due = now + BEAT_S
            yield Fetch(self._askers.pop(0)[0])

    def _give(self) -> list[Instruction]:
        """Give those who wait what has come: each of them waits for the next frame."""
        askers, self._askers = self._askers, []
        return [Give(asker, number) for asker, number in askers]

    def _hand_out(self) -> Iterator[Instruction]:
        for line, at in self._lines.items():
            for number in range(at, self.have):
                yield Hand(line, number)
            self._lines[line] = max(at, self.have)
