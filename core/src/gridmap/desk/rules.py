"""When the scheduler may be asked, and whose answer serves whom. Pure.

Three rules, for all runs of one user on one host towards one scheduler:

**Sharing.** An answer serves a question if the query for it began after the moment the
question names (`serves`). The ledger says that moment: the last time something happened
that makes an older answer no news, or the time of the answer it had last. So nothing
stale is ever taken for news, and however many wait, one query serves them all.

**Budget.** Of the questions that can wait (looks and autopsies) at most so many are put
within `WINDOW_S`. Who finds it spent is told when it is worth asking again, and by then
the answer may be there already. What ends or starts runners never waits and costs
nothing of it.

**Back-off.** After a query that failed nobody asks for a while, which doubles with each
failure up to `LONGEST_QUIET_S`. Anything that succeeds ends it.
"""

from __future__ import annotations

import enum
import math
from typing import Final

import msgspec

WINDOW_S: Final = 60.0
"""The time for which a budget is."""

FIRST_QUIET_S: Final = 1.0
LONGEST_QUIET_S: Final = 30.0
_MOST_DOUBLINGS: Final = 10
_MOST_ASKED: Final = 10_000
_LONGEST_TROUBLE: Final = 500


class Purpose(enum.Enum):
    """What a query to the scheduler is for; the value is its name in counts."""

    CAPABILITIES = "capabilities"
    SUBMIT = "submit"
    OBSERVE = "observe"
    AUTOPSY = "autopsy"
    KILL = "kill"
    KILL_CHECK = "kill check"
    """A look at runners that are being killed, to see them gone."""
    RESUBMIT = "resubmit"
    ATTACH = "attach"
    CLOSE = "close"
    OTHER = "other"

    @property
    def can_wait(self) -> bool:
        """Whether budget and back-off hold for it."""
        return self in {Purpose.OBSERVE, Purpose.AUTOPSY}


class Slate(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of the queries to one scheduler.

    Attributes:
        asked: When the queries within the window began that could have waited, oldest
            first. All times are seconds on the host's monotonic clock.
        failures: Queries that failed, one after the other, those in quiet times left
            out.
        trouble: What the last of them said.
        quiet_until: Until when nobody asks who can wait.
    """

    asked: tuple[float, ...] = ()
    failures: int = 0
    trouble: str = ""
    quiet_until: float = 0.0


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A question has to wait.

    Attributes:
        wait_s: Seconds after which it is worth putting again.
        text: Why.
    """

    wait_s: float
    text: str


def serves(at: float, *, since: float, now: float) -> bool:
    """Return whether the answer to a query that began at *at* is news.

    Args:
        at: When that query began.
        since: The moment up to which an answer is no news.
        now: The present; an answer out of the future is of another boot, or forged.
    """
    return since < at <= now


def recent(slate: Slate, now: float) -> Slate:
    """Return a slate without what is over, and without what cannot be true."""
    asked = [at for at in slate.asked if now - WINDOW_S < at <= now]
    quiet = slate.quiet_until
    if not math.isfinite(quiet) or quiet > now + LONGEST_QUIET_S:
        quiet = 0.0
    return msgspec.structs.replace(
        slate, asked=tuple(sorted(asked)[-_MOST_ASKED:]), quiet_until=quiet
    )


def admit(slate: Slate, now: float, budget: int) -> tuple[Slate, Refusal | None]:
    """Let a question through that could wait, or say for how long it has to.

    Args:
        slate: What is known.
        now: The present.
        budget: Queries allowed within the window, at least 1.

    Returns:
        The slate after that, and the refusal; None if it may be put.
    """
    slate = recent(slate, now)
    if now < slate.quiet_until:
        wait_s = slate.quiet_until - now
        text = f"it failed last time, and is left alone for {wait_s:.0f} s more"
        return slate, Refusal(wait_s=wait_s, text=f"{text}: {slate.trouble}")
    if len(slate.asked) >= budget:
        wait_s = slate.asked[-budget] + WINDOW_S - now
        text = f"the budget of {budget} queries a minute is spent"
        return slate, Refusal(wait_s=wait_s, text=f"{text}, for {wait_s:.0f} s more")
    return charge(slate, now), None


def charge(slate: Slate, now: float) -> Slate:
    """Note one query more, of a question that was let through before."""
    slate = recent(slate, now)
    return msgspec.structs.replace(slate, asked=(*slate.asked, now))


def failed(slate: Slate, now: float, text: str) -> Slate:
    """Note that the scheduler could not be asked; leave it alone for a while."""
    if now < slate.quiet_until:
        return slate  # somebody who could not wait tried all the same
    failures = slate.failures + 1
    doublings = min(failures - 1, _MOST_DOUBLINGS)
    quiet_s = min(FIRST_QUIET_S * 2.0**doublings, LONGEST_QUIET_S)
    return msgspec.structs.replace(
        slate,
        failures=failures,
        trouble=" ".join(text.split())[:_LONGEST_TROUBLE],
        quiet_until=now + quiet_s,
    )


def answered(slate: Slate) -> Slate:
    """Note that the scheduler answers."""
    return msgspec.structs.replace(slate, failures=0, trouble="", quiet_until=0.0)
