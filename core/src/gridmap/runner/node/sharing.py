"""The shell round the election: one thread with the sockets of all contents."""

from __future__ import annotations

import functools
import logging
import os
import queue
import resource
import selectors
import threading
import time
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from gridmap.errors import RemoteProtocolError
from gridmap.runner.node.election import (
    Beat,
    Elect,
    Fetch,
    Give,
    Hand,
    HangUp,
    Instruction,
    LetGo,
)
from gridmap.runner.node.part import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gridmap.runner.node.naming import Content

_log = logging.getLogger(__name__)

_SHARE: Final = 4
"""What part of the descriptors that the process may have is for this, one in so many."""

_CLOSING_S: Final = 5.0

Download: TypeAlias = "Callable[[], int]"
"""Fetches a frame and returns a descriptor of sealed memory, the caller's to close."""

Obtain: TypeAlias = "Callable[[int, Download], int]"
"""Returns what `Download` does, given the number of the frame, from 0, and what fetches
it should no other runner hand it over."""

_Answer: TypeAlias = "tuple[Part | None, int | None]"


class _Entry:
    """What an errand takes part in: not in what is shared when it was forgotten.

    Attributes:
        part: That; None if there is no room for it.
    """

    part: Part | None = None


class Sharing:
    """A runner's end. Its methods may be called from any thread."""

    def __init__(self) -> None:
        """Begin with nothing, and start the thread.

        Raises:
            OSError: If there is no descriptor to be had.
            RuntimeError: If there is no thread to be had.
        """
        self._parts: dict[Content, Part] = {}
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // _SHARE
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock, self._over = threading.Lock(), False
        self._selector = selectors.DefaultSelector()
        self._waker = -1
        self._acts: dict[type[Instruction], Callable[[Part, Any], None]] = {
            Elect: self._elect,
            Give: self._give,
            Fetch: lambda part, fetch: fetch.asker((part, None)),
            Hand: self._hand,
            Beat: lambda part, beat: part.followers[beat.line].beat(),
            HangUp: lambda part, _: part.hang_up(),
            LetGo: lambda part, _: self._let_go(part),
        }
        try:
            self._waker = os.eventfd(0)
            self._selector.register(
                self._waker, selectors.EVENT_READ, lambda: os.eventfd_read(self._waker)
            )
            self._thread = threading.Thread(
                target=self._run, name="gridmap-node", daemon=True
            )
            self._thread.start()
        except (OSError, RuntimeError):
            self._over = True
            self._close()
            raise

    def enter(self, content: Content) -> Obtain:
        """Take part in sharing a content, if there are descriptors for it.

        Returns:
            What one errand obtains its frames with, in order: from another runner if
            one has it or fetches it. It blocks until the frame is here, or it is clear
            that nobody hands it over, and raises nothing but what downloading raises.
        """
        entry = _Entry()
        self._post(functools.partial(self._enter, content, entry))
        return functools.partial(self._obtain, entry)

    def _obtain(self, entry: _Entry, number: int, download: Download) -> int:
        answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        part: Part | None = None
        if self._post(functools.partial(self._ask, entry, number, answers.put)):
            part, given = answers.get()
            if given is not None:
                return given
        try:
            descriptor = download()
        except BaseException:
            self._tell(part, None)
            raise
        self._tell(part, descriptor)
        return descriptor

    def forget(self, digest: bytes) -> None:
        """Hand a content on no more, and let go of its memory."""
        self._post(functools.partial(self._forget, digest))

    def close(self) -> None:
        """Let go of everything; who waits fetches for himself. Idempotent."""
        self._post(self._end)
        self._thread.join(_CLOSING_S)

    # The callers' threads -----------------------------------------------------------

    def _post(self, task: Callable[[], None]) -> bool:
        """Have something done in the thread; say whether it will be."""
        with self._lock:
            if self._over:
                return False
            self._tasks.put(task)
            os.eventfd_write(self._waker, 1)
            return True

    def _tell(self, part: Part | None, descriptor: int | None) -> None:
        """Tell that a frame was fetched; None: that it was not."""
        if part is None:
            return
        kept: int | None = None
        if descriptor is not None:
            try:
                kept = os.dup(descriptor)
            except OSError:
                # Not as if it had failed: who has this frame asks for the next one.
                _log.info("what jobs share is not handed on: no descriptor is left")
                self._post(lambda: self._do(part, part.seat.barred()))
                return
        if not self._post(functools.partial(self._fetched, part, kept)):
            _close(kept)

    # The thread ---------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._over:
                for key, _ in self._selector.select(self._pause(time.monotonic())):
                    key.data()
                self._work()
                self._mind_the_time(time.monotonic())
        except Exception:  # noqa: BLE001 - nobody else would tell, and nobody may wait
            _log.exception("what jobs share is fetched by each runner for itself now")
        finally:
            self._end()
            self._work()  # what was asked before it was over
            self._close()

    def _work(self) -> None:
        while not self._tasks.empty():
            self._tasks.get()()

    def _pause(self, now: float) -> float | None:
        dues = [part.due for part in self._parts.values()]
        known = [due for due in dues if due is not None]
        return max(0.0, min(known) - now) if known else None

    def _mind_the_time(self, now: float) -> None:
        for part in list(self._parts.values()):
            part.tidy(now)
            self._do(part, part.seat.tick(now))

    def _end(self) -> None:
        with self._lock:
            self._over = True
        for part in list(self._parts.values()):
            self._do(part, part.seat.give_up())

    def _close(self) -> None:
        self._selector.close()
        _close(self._waker if self._waker >= 0 else None)

    # What is asked ------------------------------------------------------------------

    def _enter(self, content: Content, entry: _Entry) -> None:
        entry.part = self._parts.get(content)
        if entry.part is None:  # under another secret: the run has another driver now
            self._forget(content.digest)
        room = self._descriptors() + 1 + len(content.sizes) <= self._most
        if entry.part is None and room and not self._over:
            entry.part = self._parts[content] = Part(content, self._selector)

    def _ask(
        self, entry: _Entry, number: int, answer: Callable[[_Answer], None]
    ) -> None:
        if entry.part is None:
            answer((None, None))
        else:
            seat = entry.part.seat
            self._do(entry.part, seat.ask(answer, number, time.monotonic()))

    def _fetched(self, part: Part, descriptor: int | None) -> None:
        now, seat = time.monotonic(), part.seat
        if descriptor is None:
            self._do(part, seat.failed(now))
        elif seat.hands_on:
            part.frames.append(descriptor)
            self._do(part, seat.fetched())
        else:
            os.close(descriptor)

    def _forget(self, digest: bytes) -> None:
        for content, part in list(self._parts.items()):
            if content.digest == digest:
                self._do(part, part.seat.give_up())

    # What the rules want ------------------------------------------------------------

    def _do(self, part: Part, instructions: Iterable[Instruction]) -> None:
        for instruction in instructions:
            self._acts[type(instruction)](part, instruction)

    def _elect(self, part: Part, elect: Elect) -> None:
        seat, generation, now = part.seat, elect.generation, time.monotonic()
        try:
            if part.lead(generation, functools.partial(self._let_in, part)):
                outcome = seat.bound(now)
            elif part.follow(generation, functools.partial(self._hear, part)):
                outcome = seat.found(now)
            else:
                outcome = seat.vacant(now)
        except RemoteProtocolError as error:
            _log.info("%s", error)
            outcome = seat.misled()
        except OSError as error:
            _log.info("what jobs share is not shared on this node: %s", error)
            outcome = seat.barred()
        self._do(part, outcome)

    def _give(self, part: Part, give: Give) -> None:
        try:
            give.asker((None, os.dup(part.frames[give.number])))
        except OSError:  # no descriptor is left, and downloading will say so
            give.asker((None, None))

    def _hand(self, part: Part, hand: Hand) -> None:
        follower = part.followers.get(hand.line)
        if follower is None:  # it did not take the frame before
            return
        try:
            follower.hand(part.frames[hand.number])
        except OSError:
            part.leave(hand.line)

    def _let_go(self, part: Part) -> None:
        part.let_go()
        if self._parts.get(part.content) is part:
            del self._parts[part.content]

    # What is heard ------------------------------------------------------------------

    def _hear(self, part: Part) -> None:
        """Take in what the leader says."""
        seat, leader, now = part.seat, part.leader, time.monotonic()
        if leader is None:
            return
        fits = functools.partial(part.content.fits, seat.have)
        try:
            descriptor = leader.hear(part.key, seat.have, fits)
        except BlockingIOError:
            return
        except RemoteProtocolError as error:
            _log.info("%s", error)
            self._do(part, seat.misled())
        except ConnectionError:
            self._do(part, seat.hung_up(now))
        except OSError as error:
            _log.info("what jobs share is not taken from another runner: %s", error)
            self._do(part, seat.barred())
        else:
            seat.heard(now)
            if descriptor is not None:
                part.frames.append(descriptor)
                self._do(part, seat.handed(now))

    def _let_in(self, part: Part) -> None:
        """See who comes."""
        number = part.let_in(time.monotonic())
        if number is None:
            return
        hear = functools.partial(self._hear_follower, part, number)
        part.watch(part.followers[number].sock, hear)
        if self._descriptors() > self._most:
            part.leave(number)

    def _hear_follower(self, part: Part, number: int) -> None:
        follower = part.followers.get(number)
        if follower is None:
            return
        try:
            have = follower.hear(part.key, len(part.content.sizes))
        except BlockingIOError:
            return
        except (OSError, RemoteProtocolError):
            part.leave(number)
        else:
            part.proven(number)
            self._do(part, part.seat.came(number, have))

    def _descriptors(self) -> int:
        return sum(part.descriptors for part in self._parts.values())


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)
