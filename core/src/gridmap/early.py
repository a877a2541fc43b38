"""What a backend begins before anything else is imported, where its user has named it.

The first result waits for two things that take as long as each other: that this process
has imported what it needs, and that whatever is to run the jobs has. A plugin may
announce in the entry-point group ``gridmap.early``, under its backend's name, a function
of a module that imports next to nothing. It is called with nothing as soon as a map or
an executor names that backend, and what it returns is given to the backend's
``gridmap_open``. If no run is opened, it is closed.

Here nothing is imported that the first map does not need at once.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final, Protocol

from gridmap.plugins import entries

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARIABLE: Final = "GRIDMAP_BACKEND"


class Begun(Protocol):
    """What was begun for a run that is not open yet."""

    def close(self) -> None:
        """End it, and see that nothing is left."""
        ...


_begun: Final[dict[str, list[Begun]]] = {}
"""By backend, what no run has taken yet. Any thread."""

os.register_at_fork(after_in_child=_begun.clear)  # it is the parent's


def take(backend: str) -> Begun | None:
    """Return what was begun, which is the caller's from now on; None if nothing was."""
    try:
        return _begun.get(backend, []).pop()
    except IndexError:
        return None


def drop(backend: str) -> None:
    """Close what was begun for a run that will not be opened."""
    _close(take(backend))


@contextlib.contextmanager
def begun(backend: str | None) -> Iterator[contextlib.ExitStack]:
    """Let a backend begin, and close that at the end unless a run has taken it.

    Args:
        backend: Its name, as the user gave it; None: see the environment.

    Yields:
        What closes it; ``pop_all`` leaves that to `drop`.
    """
    with contextlib.ExitStack() as undo:
        name = backend or os.environ.get(_VARIABLE)
        if name is not None and (mine := _begin(name)) is not None:
            _begun.setdefault(name, []).append(mine)
            undo.callback(_give_up, name, mine)
        yield undo


def _begin(name: str) -> Begun | None:
    """Let a backend begin. What fails it will find not begun."""
    for entry in entries.known()[entries.EARLY]:
        if entry.name == name:
            with contextlib.suppress(Exception, SystemExit):  # a stranger's code
                begun: Begun = entry.load()()
                return begun
    return None


def _give_up(name: str, mine: Begun) -> None:
    with contextlib.suppress(ValueError):  # it was taken, or a fork's parent has it
        _begun.get(name, []).remove(mine)
        _close(mine)


def _close(begun: Begun | None) -> None:
    if begun is not None:
        with contextlib.suppress(Exception, SystemExit):  # likewise
            begun.close()
