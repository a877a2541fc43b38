"""Which entry points of a group are installed, read where an installer writes them.

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
    from collections.abc import Iterable, Iterator

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


def entries(group: str) -> list[Entry]:
    """Return the entry points of a group, those of each distribution once.

    Where the path has a distribution twice, the first counts, as it does for imports.
    """
    if not _only_folders():
        from importlib.metadata import entry_points  # noqa: PLC0415 - see above

        return [*entry_points(group=group)]
    found: list[Entry] = []
    known: set[str] = set()
    for folder, name in _distributions():
        if name not in known:
            known.add(name)
            announced = _group(_lines(f"{folder}/entry_points.txt"), group)
            found += (_Written(n, value, _Installed(folder)) for n, value in announced)
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


def _group(lines: Iterable[str], group: str) -> Iterator[tuple[str, str]]:
    """Yield name and value of each entry point that the lines have in a group."""
    inside = False
    for text in map(str.strip, lines):
        if text.startswith("[") and text.endswith("]"):
            inside = text[1:-1] == group
        elif inside and text and not text.startswith("#"):
            name, _, value = text.partition("=")
            yield name.strip(), value.strip()


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - likewise
            return file.read().splitlines()
    except OSError:
        return []
