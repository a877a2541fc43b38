"""The shell round the rules: it runs programs, and keeps what runs share.

A query goes through three steps. Is there an answer that serves? Is it our turn, and
may we? Then ask, and leave the answer to whoever waits. Whoever finds another asking
waits for that answer for a moment; if it does not serve (the query began before his
question) it is his turn. A desk whose place cannot be used says so once and goes on for
itself alone: politeness never costs a run anything.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from gridmap import programs
from gridmap.desk import rules
from gridmap.desk.place import Alone, Snapshot
from gridmap.desk.rules import Purpose, Refusal, Slate
from gridmap.programs import Answer, NoAnswer, Reply, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gridmap.desk.place import Place

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

BUDGET: Final = 60
"""Looks and autopsies a minute, where no setting says otherwise."""

TIMEOUT_S: Final = 30.0
"""Seconds that a program may take, where a backend does not know better."""

TURN_PATIENCE_S: Final = 1.0
"""How long to wait while another asks the same: most answers come sooner."""

HURRY_PATIENCE_S: Final = 0.3
"""The same for what cannot be put off; after it, one asks beside the other."""

TURN_AGAIN_S: Final = 1.0
LONGEST_TURN_S: Final = 15.0
"""After that, whoever has the turn hangs or was stopped, and is not waited for."""


class Visit(msgspec.Struct):
    """One errand at the desk: the calls of one verb.

    Attributes:
        purpose: What it is for.
        began: When it began, seconds on the monotonic clock.
        since: The moment up to which an answer is no news; None: the look itself.
        at: When the oldest query began whose answer was used; None if there was none.
        wait_s: Seconds after which it is worth coming again; 0.0 if nothing was put
            off and nothing failed.
        put_off: Whether a question was not put, because it has to wait.
        admitted: Whether one was: the rest of the errand is then let through.
    """

    purpose: Purpose
    began: float
    since: float | None = None
    at: float | None = None
    wait_s: float = 0.0
    put_off: bool = False
    admitted: bool = False


class Desk:
    """Asks one run's scheduler. Used from one thread at a time; `counts` from any.

    Attributes:
        backend: Name of the backend: different ones share nothing.
        budget: Looks and autopsies a minute, of all the user's runs on this host.

    Example:
        >>> desk = Desk()
        >>> desk.look(["echo", "-n", "well"], {"PATH": "/usr/bin:/bin"}, 5.0).output
        'well'
        >>> desk.counts
        {'other': 1}
    """

    def __init__(
        self,
        *,
        backend: str = "",
        budget: int = BUDGET,
        place: Place | None = None,
        run: Run = programs.run,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a desk.

        Args:
            backend: Name of the backend.
            budget: Looks and autopsies a minute, at least 1.
            place: Where it meets others, from `gridmap.desk.place`; None: nowhere.
            run: Starts a program; another one in tests.
            clock: The host's monotonic clock; another one in tests.
        """
        self.backend = backend
        self.budget = budget
        self._place: Place = place or Alone()
        self._run = run
        self._clock = clock
        self._counts: Counter[Purpose] = Counter()
        self._busy_since: dict[str, float] = {}
        self._visit: Visit | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many queries this run put so far, by purpose; answers shared are none."""
        return {kind.value: n for kind, n in self._counts.copy().items()}

    @contextlib.contextmanager
    def visit(self, purpose: Purpose, since: float | None = None) -> Iterator[Visit]:
        """Say what the calls within are for. Core does that round each verb.

        Args:
            purpose: Only what can wait is held to budget and back-off.
            since: For looks: the moment up to which an answer is no news, on the
                monotonic clock; None: when the look is made.
        """
        before = self._visit
        self._visit = visit = Visit(purpose=purpose, began=self._clock(), since=since)
        try:
            yield visit
        finally:
            self._visit = before

    def look(
        self,
        argv: Sequence[str],
        environ: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        *,
        where: str = "",
        sound: Callable[[Answer], bool] = lambda answer: answer.status == 0,
        fresh: bool = False,
    ) -> Reply:
        """Put a question that all the user's runs may have, or take a recent answer.

        So ask for all of the user's jobs, in a command that does not differ from run to
        run. Blocks while the program runs.

        Args:
            argv: Program and arguments.
            environ: Its whole environment; None: that of this process.
            timeout_s: Seconds after which it is killed.
            where: Which scheduler this is (cell, cluster, configuration): only what is
                asked of the same one is shared.
            sound: Whether an answer is one; others are not shared, and are taken for a
                scheduler in trouble.
            fresh: Whether only an answer will do whose query begins now, as after a
                kill.

        Returns:
            What the program answered, or that there is no answer; put off, too.
        """
        visit, scheduler = self._now_at(where)
        now = self._clock()
        since = now if fresh or visit.since is None else visit.since
        question = _digest(scheduler, *argv)
        found = self._shared(question, since)
        if found is None:
            with self._asking(question, visit.purpose) as turn:
                found = self._shared(question, since) if turn else None
                if found is None:
                    return self._ask_all(
                        visit, scheduler, question, turn, sound,
                        lambda: self._run(argv, _environment(environ), "", timeout_s),
                    )  # fmt: skip
        visit.at = _oldest(visit.at, found.at)
        return Answer(status=0, output=found.output)

    def run(
        self,
        argv: Sequence[str],
        environ: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        *,
        where: str = "",
        text: str = "",
    ) -> Reply:
        """Run a program for this run alone. Blocks while it runs.

        Args:
            argv: Program and arguments.
            environ: Its whole environment; None: that of this process.
            timeout_s: Seconds after which it is killed.
            where: As for `look`.
            text: Its standard input.

        Returns:
            What it answered, or that there is no answer; put off, too, where it is
            for something that can wait.
        """
        visit, scheduler = self._now_at(where)
        refusal = self._admit(visit, scheduler)
        if refusal is not None:
            return self._put_off(visit, refusal)
        self._counts[visit.purpose] += 1
        outcome = self._run(argv, _environment(environ), text, timeout_s)
        # Accounting may be a file, which says nothing of the scheduler.
        if visit.purpose is not Purpose.AUTOPSY and _succeeded(outcome):
            self._went_well(scheduler)
        return outcome

    def note(self) -> None:
        """Count a query that no program makes, such as a call of a library."""
        visit, _ = self._now_at("")
        self._counts[visit.purpose] += 1

    # Steps --------------------------------------------------------------------------

    def _now_at(self, where: str) -> tuple[Visit, str]:
        visit = self._visit or Visit(purpose=Purpose.OTHER, began=self._clock())
        return visit, _digest(self.backend, where)

    def _shared(self, question: str, since: float) -> Snapshot | None:
        found = self._at_place(lambda place: place.answer(question))
        if found and rules.serves(found.at, since=since, now=self._clock()):
            return found
        return None

    def _ask_all(
        self,
        visit: Visit,
        scheduler: str,
        question: str,
        turn: bool,
        sound: Callable[[Answer], bool],
        ask: Callable[[], Reply],
    ) -> Reply:
        """Ask, if we may, and leave the answer to others, if it is our turn."""
        if not turn and visit.purpose.can_wait and not self._is_stuck(question):
            text = "another run is asking just now"
            return self._put_off(visit, Refusal(wait_s=TURN_AGAIN_S, text=text))
        refusal = self._admit(visit, scheduler)
        if refusal is not None:
            return self._put_off(visit, refusal)
        self._counts[visit.purpose] += 1
        at = self._clock()
        outcome = ask()
        if isinstance(outcome, Answer) and sound(outcome):
            visit.at = _oldest(visit.at, at)
            self._went_well(scheduler)
            if turn and outcome.status == 0:
                kept = Snapshot(at=at, output=outcome.output)
                self._at_place(lambda place: place.keep(question, kept))
        else:
            self._failed(visit, scheduler, outcome.words)
        return outcome

    def _is_stuck(self, question: str) -> bool:
        """Tell whether somebody has kept us from asking for too long."""
        now = self._clock()
        return now - self._busy_since.setdefault(question, now) > LONGEST_TURN_S

    def _admit(self, visit: Visit, scheduler: str) -> Refusal | None:
        if not visit.purpose.can_wait:
            return None
        if visit.put_off:  # an errand is done whole, or later
            return Refusal(wait_s=visit.wait_s, text="it was put off")
        now, refusal = self._clock(), None

        def how(slate: Slate) -> Slate:
            nonlocal refusal
            if visit.admitted:
                return rules.charge(slate, now)
            after, refusal = rules.admit(slate, now, self.budget)
            return after

        self._at_place(lambda place: place.change(scheduler, how))
        visit.admitted = refusal is None
        return refusal

    @staticmethod
    def _put_off(visit: Visit, refusal: Refusal) -> NoAnswer:
        visit.put_off, visit.wait_s = True, max(refusal.wait_s, 0.01)
        _log.debug("a question to the scheduler is put off: %s", refusal.text)
        return NoAnswer(
            text=f"the scheduler was not asked: {refusal.text}", started=False
        )

    def _failed(self, visit: Visit, scheduler: str, text: str) -> None:
        now = self._clock()
        slate = self._at_place(
            lambda place: place.change(scheduler, lambda s: rules.failed(s, now, text))
        )
        if visit.purpose.can_wait:
            visit.wait_s = max(slate.quiet_until - now, 0.01)

    def _went_well(self, scheduler: str) -> None:
        if self._at_place(lambda place: place.slate(scheduler)).failures:
            self._at_place(lambda place: place.change(scheduler, rules.answered))

    # Place --------------------------------------------------------------------------

    @contextlib.contextmanager
    def _asking(self, question: str, purpose: Purpose) -> Iterator[bool]:
        """Be the only one who asks; give whether it is our turn."""
        patience_s = TURN_PATIENCE_S if purpose.can_wait else HURRY_PATIENCE_S
        with contextlib.ExitStack() as stack:
            held = self._at_place(
                lambda place: stack.enter_context(place.asking(question, patience_s))
            )
            if held:
                self._busy_since.pop(question, None)
            yield held

    def _at_place(self, do: Callable[[Place], _T]) -> _T:
        """Do something where the runs meet; if that fails, be alone from now on."""
        try:
            return do(self._place)
        except OSError as error:
            _log.warning(
                "queries to the scheduler are not shared with your other runs: %s",
                error,
            )
            self._place = Alone()
            return do(self._place)


def _environment(given: Mapping[str, str] | None) -> Mapping[str, str]:
    return os.environ if given is None else given


def _succeeded(outcome: Reply) -> bool:
    return isinstance(outcome, Answer) and outcome.status == 0


def _oldest(before: float | None, at: float) -> float:
    return at if before is None else min(before, at)


def _digest(*texts: str) -> str:
    from hashlib import sha256  # noqa: PLC0415 - the local backend asks nobody

    return sha256("\0".join(texts).encode(errors="replace")).hexdigest()[:32]
