"""The thread that sends one run's mails, whatever the server does."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from gridmap_mail import letters, plots
from gridmap_mail.post import Post, PostError, deliver

if TYPE_CHECKING:
    from gridmap.settings import Settings
    from gridmap_mail.letters import Letter

_log = logging.getLogger(__name__)

MOST_WAITING: Final = 50
"""Mails that wait while the server is away; what comes after is given up."""

_STEP_S: Final = 10.0
"""What the server may take to answer."""
_DRAWING_S: Final = 30.0
_SENDING_S: Final = 3.0
"""Kept for sending at a run's end, whatever is being drawn then."""
_PAUSE_S: Final = 15.0
_LONGEST_PAUSE_S: Final = 600.0


class Sender:
    """Sends letters one after another, and again if the server was away.

    The thread is a daemon and starts with the first letter, so that neither a run nor
    the end of the process waits for a server that hangs.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._changed = threading.Condition()
        self._waiting: deque[Letter] = deque()
        self._lost: list[tuple[Letter, str]] = []
        self._pause_s = 0.0
        self._not_before = 0.0
        self._deadline: float | None = None
        self._said = False
        self._why = ""
        self._thread: threading.Thread | None = None

    def put(self, letter: Letter) -> None:
        """Have a letter sent; returns at once."""
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                why = self._why or "too many are waiting"
                self._lost.append((letter, why))
                return
            self._waiting.append(letter)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="gridmap-mail", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def finish(self, patience_s: float) -> list[tuple[Letter, str]]:
        """Give what is waiting one last try each.

        Args:
            patience_s: Seconds it may take, all together.

        Returns:
            What was not sent, each with the reason, also from before.
        """
        if self._thread is None:
            return self._lost
        with self._changed:
            self._deadline = time.monotonic() + patience_s
            self._changed.notify()
        self._thread.join(patience_s)
        with self._changed:
            why = self._why or f"that took longer than {patience_s:g} s"
            self._lost += [(letter, why) for letter in self._waiting]
            self._waiting.clear()
            return self._lost

    def _run(self) -> None:
        while (letter := self._next()) is not None:
            try:
                self._send(letter)
            except PostError as error:
                self._failed(letter, error.text, final=error.final)
            except Exception as error:  # noqa: BLE001 - no mail disturbs a run
                # The text alone: a traceback's frames know the password.
                self._failed(letter, f"{type(error).__name__}: {error}", final=True)
            else:
                self._sent(letter)

    def _next(self) -> Letter | None:
        """Wait for a letter that is to be sent now; None: no more will come."""
        with self._changed:
            while True:
                if self._waiting:
                    pause = self._not_before - time.monotonic()
                    if pause <= 0 or self._deadline is not None:
                        return self._waiting[0]
                    self._changed.wait(pause)
                elif self._deadline is not None:
                    return None
                else:
                    self._changed.wait()

    def _send(self, letter: Letter) -> None:
        post = Post.from_settings(self._settings)
        try:
            letters.message(letter, post)
        except ValueError as error:
            where = f"from {post.sender!r} to {post.recipients!r}"
            msg = f"the addresses make no mail, {where}: {error}"
            raise PostError(msg, final=True) from error
        letter, picture = self._illustrated(letter)
        message = letters.message(letter, post, picture)
        deliver(post, message, max(1.0, min(_STEP_S, self._left())))

    def _illustrated(self, letter: Letter) -> tuple[Letter, bytes | None]:
        """Draw a letter's plots; without them, it says why there are none."""
        if letter.plots is None:
            return letter, None
        until = time.monotonic() + _DRAWING_S

        def left_s() -> float:
            return min(until - time.monotonic(), self._left() - _SENDING_S)

        try:
            return letter, plots.draw(letter.plots.request(), left_s)
        except plots.NoPlotsError as error:
            return letter.noting(f"There are no plots: {error}."), None

    def _left(self) -> float:
        """Return how long this may still take, seconds."""
        if self._deadline is None:
            return float("inf")
        return max(0.0, self._deadline - time.monotonic())

    def _sent(self, letter: Letter) -> None:
        with self._changed:
            if self._waiting and self._waiting[0] is letter:
                self._waiting.popleft()
            self._pause_s, self._why = 0.0, ""
        _log.info("mail sent: %s", letters.subject(letter))

    def _failed(self, letter: Letter, why: str, *, final: bool) -> None:
        with self._changed:
            if not (self._waiting and self._waiting[0] is letter):
                return  # the run did not wait for it, and said so
            if final or self._deadline is not None:
                self._waiting.popleft()
                self._lost.append((letter, why))
                return
            self._pause_s = min(_LONGEST_PAUSE_S, max(_PAUSE_S, 2 * self._pause_s))
            self._not_before = time.monotonic() + self._pause_s
            self._why = why
            first, self._said = not self._said, True
        if first:
            _log.warning(
                "mail is not sent yet: %s; trying again in %g s, and so on until the "
                "end of the run",
                why,
                self._pause_s,
            )
