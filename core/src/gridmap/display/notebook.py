"""A notebook's cell that shows how a map stands. Needs no widgets."""

from __future__ import annotations

import html
import sys
from typing import TYPE_CHECKING, Any

from gridmap.display.status import counts, means, remaining

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gridmap.display.tally import Tally


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = getattr(ipython, "get_ipython", lambda: None)()
    return shell is not None and getattr(shell, "kernel", None) is not None


class Cell:
    """One output of a cell, which is updated in place."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, page: Mapping[str, str]) -> None:
        """Show this; the first time from the thread that runs the cell."""
        from IPython.display import display  # noqa: PLC0415 - a kernel has it

        if self._handle is None:
            shown: Any = display  # which IPython has without types
            self._handle = shown(page, raw=True, display_id=True)
        else:
            self._handle.update(page, raw=True)


def page(tally: Tally, name: str, summary: Sequence[str] = ()) -> dict[str, str]:
    """Return how a map stands; with what it came to, if it is over.

    Returns:
        MIME type to text: as HTML, and plain for what shows no HTML.
    """
    over, parts = tally.done + tally.lost, [*counts(tally), *means(tally)]
    if left := remaining(tally):
        parts.insert(0, left)
    head = f"{name}: {over:,} of {tally.total:,} jobs"
    below = "\n".join(summary) if summary else " \N{MIDDLE DOT} ".join(parts)
    text = (
        f'<div style="font-family: monospace" role="status">'
        f'<progress value="{tally.part:.4f}" max="1" style="width: 20em" '
        f'aria-label="{html.escape(head)}"></progress> {html.escape(head)}'
        f'<pre style="margin: 0; white-space: pre-wrap">{html.escape(below)}</pre></div>'
    )
    return {"text/html": text, "text/plain": "\n".join(filter(None, (head, below)))}
