"""Which entry points are installed, read where an installer writes them.

`importlib.metadata` tells the same, and takes longer to import, with the parser for
e-mail that it brings along, than everything else that a small map imports for its
plugins. So the files are read here where they are all there is: where every place on the
path is a directory, and nobody but Python itself finds distributions. Elsewhere
`importlib.metadata` is asked. Nothing is remembered from one process to the next.
"""

from __future__ import annotations

import functools
import importlib
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

GROUP: Final = "gridmap"
"""The entry-point group in which plugins announce themselves."""

COMMANDS: Final = "gridmap.commands"
"""Likewise, in which they offer commands of their own."""

EARLY: Final = "gridmap.early"
"""Likewise, in which they begin something; see `gridmap.early`."""

_FOLDERS: Final = (".dist-info", ".egg-info")
_HEADERS: Final = ("METADATA", "PKG-INFO")
_SEPARATORS: Final = re.compile(r"[-_.]+")
_REFERENCE: Final = re.compile(r"\s*([\w.]+)\s*(?::\s*([\w.]+)\s*)?(?:\[.*\])?\s*")


class Distribution(Protocol):
    """Who announces an entry point; `importlib.metadata.Distribution` is one."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def version(self) -> str:
        """Its version."""
        ...


class Entry(Protocol):
    """One entry point; `importlib.metadata.EntryPoint` is one."""

    @property
    def name(self) -> str:
        """What it is called within its group."""
        ...

    @property
    def value(self) -> str:
        """``module`` or ``module:attribute``."""
        ...

    @property
    def dist(self) -> Distribution | None:
        """Who announces it; None if that is not known."""
        ...

    def load(self) -> Any:
        """Import what it names."""
        ...


class _Installed:
    """A distribution whose files are in a folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        return self._header("Name")

    @property
    def version(self) -> str:
        return self._header("Version")

    def _header(self, name: str) -> str:
        """Return a header, which is one line; empty if there is none."""
        begin = f"{name}:".lower()
        for file in _HEADERS:
            for line in _lines(f"{self._folder}/{file}"):
                if not line.strip():
                    break
                if line.lower().startswith(begin):
                    return line[len(begin) :].strip()
        return ""


class _Written:
    """An entry point as it stands in a file."""

    def __init__(self, name: str, value: str, dist: _Installed) -> None:
        self.name = name
        self.value = value
        self.dist = dist

    def load(self) -> Any:
        match = _REFERENCE.fullmatch(self.value)
        if match is None:
            msg = f"entry point {self.name} = {self.value}: expected module:attribute"
            raise ValueError(msg)
        module = importlib.import_module(match[1])
        parts = match[2].split(".") if match[2] else []
        return functools.reduce(getattr, parts, module)


@functools.cache
def known() -> Mapping[str, Sequence[Entry]]:
    """Return our own entry points by group; looked up once a process."""
    return entries()


def entries() -> dict[str, list[Entry]]:
    """Return entry points of groups that are ours, those of each distribution once.

    Where the path has a distribution twice, the first counts, as it does for imports.
    """
    groups = (GROUP, COMMANDS, EARLY)
    if not _only_folders():
        from importlib.metadata import entry_points  # noqa: PLC0415 - see above

        return {group: [*entry_points(group=group)] for group in groups}
    found: dict[str, list[Entry]] = {group: [] for group in groups}
    seen: set[str] = set()
    for folder, distribution in _distributions():
        if distribution not in seen:
            seen.add(distribution)
            lines = _lines(f"{folder}/entry_points.txt")
            for group, name, value in _announced(lines):
                if group in found:
                    found[group].append(_Written(name, value, _Installed(folder)))
    return found


def _only_folders() -> bool:
    """Whether the files tell all that `importlib.metadata` could find."""
    others = (
        finder
        for finder in sys.meta_path
        if hasattr(finder, "find_distributions")
        and getattr(finder, "__module__", "") != "_frozen_importlib_external"
    )
    if any(True for _ in others):
        return False
    return not any(
        os.path.isfile(place) or place.lower().rstrip("/").endswith(".egg")  # noqa: PTH113 - a hundred of them may be on the path
        for place in _places()
    )


def _places() -> list[str]:
    """Return where imports look; what else than text is on the path they ignore."""
    path: list[object] = list(sys.path)
    return [place for place in path if isinstance(place, str)]


def _distributions() -> Iterator[tuple[str, str]]:
    """Yield the folder of each distribution, and by what it is known as the same."""
    for place in _places():
        try:
            names = os.listdir(place or ".")  # noqa: PTH208 - thousands of names
        except OSError:
            continue
        for name in names:
            stem, ending = os.path.splitext(name)  # noqa: PTH122 - likewise
            if ending.lower() in _FOLDERS:
                same = _SEPARATORS.sub("-", stem.partition("-")[0]).lower()
                yield f"{place or '.'}/{name}", same


def _announced(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield group, name and value of each entry point that the lines have."""
    group = ""
    for text in map(str.strip, lines):
        if text.startswith("[") and text.endswith("]"):
            group = text[1:-1]
        elif text and not text.startswith("#"):
            name, _, value = text.partition("=")
            yield group, name.strip(), value.strip()


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - likewise
            return file.read().splitlines()
    except OSError:
        return []
