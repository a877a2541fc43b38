"""The lower lines of a terminal, shared by all maps of the process.

Each map has two of them, from when it has taken half a second. What the user's own code
prints meanwhile goes above them. One thread draws, and only while there is something
to draw; whatever goes wrong with the terminal ends the drawing and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.live import Live

_PERIOD_S: Final = 0.2
AFTER_S: Final = 0.5
"""How long a map takes before it is shown."""

_REFLOW: Final = (
    *("ALACRITTY_WINDOW_ID", "ITERM_SESSION_ID", "KITTY_WINDOW_ID", "KONSOLE_VERSION"),
    *("TERM_PROGRAM", "TMUX", "VTE_VERSION", "WEZTERM_PANE", "WT_SESSION"),
)
"""Variables set by terminals that break long lines anew when they become narrower.

Others cut them, and would lose as many lines of the user's if one erased there."""


class Shown(Protocol):
    """What has lines to show."""

    def lines(self, width: int, *, plain: bool) -> list[str]:
        """Return its lines, none longer than *width*, in ASCII if *plain*."""


class Screen:
    """Draws lines at the bottom of standard error, which is a terminal."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._shown: dict[Shown, float] = {}
        self._live: Live | None = None
        self._drawn: tuple[int, list[str]] = (0, [])
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, shown: Shown) -> None:
        """Draw these lines too, from a moment on."""
        with self._lock:
            self._shown[shown] = self._clock() + AFTER_S
            if self._thread is None:
                self._wake.clear()
                self._thread = threading.Thread(
                    target=self._run, name="gridmap-display", daemon=True
                )
                self._thread.start()

    def remove(self, shown: Shown, last: str = "") -> None:
        """Draw these lines no more, and print a last word in their place."""
        with self._lock:
            self._shown.pop(shown, None)
            if not self._shown:
                self._stop()
                self._wake.set()
                self._thread = None
            else:
                self._draw()
        self.write(last)

    def write(self, text: str) -> None:
        """Print above the lines."""
        if not text:
            return
        with self._lock, contextlib.suppress(OSError, ValueError, AttributeError):
            if self._live is None:
                sys.stderr.write(text)
                sys.stderr.flush()
            else:
                from rich.text import Text  # noqa: PLC0415 - it is there already

                self._live.console.print(Text(text), end="", soft_wrap=True)

    def _run(self) -> None:
        wake = self._wake
        while not wake.wait(_PERIOD_S):
            with self._lock:
                if self._thread is not threading.current_thread():
                    return
                try:
                    self._draw()
                except Exception:  # noqa: BLE001 - a terminal that went away
                    self._shown.clear()
                    self._stop()
                    self._thread = None
                    return

    def _draw(self) -> None:
        now = self._clock()
        due = [shown for shown, at in self._shown.items() if at <= now]
        if not due:
            return
        if self._live is None:
            self._live = _live()
            self._live.start()
        from rich.text import Text  # noqa: PLC0415 - 50 ms that other maps need not pay

        console = self._live.console
        plain = not console.encoding.lower().startswith("utf")
        width, height = console.size
        lines = [n for shown in due for n in shown.lines(width - 1, plain=plain)]
        lines = lines[: height - 2]
        if any(name in os.environ for name in _REFLOW):
            console.file.write(retreat(*self._drawn, width))
        self._drawn = width, lines
        text = Text("\n".join(lines), no_wrap=True, overflow="crop")
        self._live.update(text, refresh=True)

    def _stop(self) -> None:
        live, self._live, self._drawn = self._live, None, (0, [])
        if live is not None:
            with contextlib.suppress(Exception):  # the terminal may be gone
                live.stop()


def retreat(before: int, lines: Sequence[str], width: int) -> str:
    """Return what takes lines away that a terminal has broken anew.

    Args:
        before: Its width when they were drawn; the cursor is behind the last of them.
        lines: They.
        width: Its width now.

    Returns:
        Control sequences that leave the cursor where the last line would be, had each
        stayed one row; empty if they have.
    """
    rows = sum(-(-len(line) // width) or 1 for line in lines)
    if width >= before or rows == len(lines):
        return ""
    down = f"\x1b[{len(lines) - 1}B" if len(lines) > 1 else ""
    return f"\r\x1b[{rows - 1}A\x1b[J{down}"  # ECMA-48: CUU, ED, CUD


def _live() -> Live:
    from rich.console import Console  # noqa: PLC0415 - see _draw
    from rich.live import Live  # noqa: PLC0415 - likewise

    return Live(
        console=Console(stderr=True, highlight=False),
        auto_refresh=False,
        transient=True,
        # What goes elsewhere does no harm to the lines, and must go there.
        redirect_stdout=is_terminal(sys.stdout),
        redirect_stderr=True,
    )


def can_draw(stream: Any) -> bool:
    """Whether a stream is a terminal on which lines can be drawn anew."""
    return is_terminal(stream) and os.environ.get("TERM", "") not in ("", "dumb")


def is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal; one that is closed, or None, is not."""
    try:
        # Meanwhile rich stands for it, and does not say what it stands for.
        return bool(getattr(stream, "rich_proxied_file", stream).isatty())
    except (AttributeError, ValueError, OSError):
        return False


screen: Final = Screen()
