"""Plugins as they are met: modules on the path, announced by entry points."""

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from gridmap.backend import INTERFACE
from gridmap.plugins import GROUP, Plugins


class Shelf:
    """Where a test puts its plugins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[EntryPoint] = []

    def add(self, name: str, source: str) -> None:
        """Write a plugin's module and announce it."""
        module = f"shelf_{name}"
        text = "from gridmap.hookspecs import hookimpl\n" + textwrap.dedent(source)
        (self.folder / f"{module}.py").write_text(text)
        importlib.invalidate_caches()
        self.entries.append(EntryPoint(name, module, GROUP))

    def load(self) -> Plugins:
        """Load what was added, in the order in which it was not."""
        return Plugins(reversed(self.entries))

    def module(self, name: str) -> ModuleType:
        """Return a plugin's module."""
        return importlib.import_module(f"shelf_{name}")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """Return an empty shelf; what was imported from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Shelf(tmp_path)
    for name in [name for name in sys.modules if name.startswith("shelf_")]:
        del sys.modules[name]


Offer = Callable[..., str]


@pytest.fixture
def offer() -> Offer:
    """Return a function that writes a plugin with one backend."""

    def write(name: str, preference: int = 0, usable: bool = True, **more: str) -> str:
        said = {"interface": str(INTERFACE), **more}
        extra = "".join(f", {key}={value}" for key, value in said.items())
        return f"""
from gridmap.backend import Availability, BackendInfo

@hookimpl
def gridmap_backends():
    return [
        BackendInfo(
            name={name!r}, summary="", factory="shelf_{name}:Backend",
            availability="shelf_{name}:available"{extra}
        )
    ]

def available():
    return Availability(usable={usable}, reason="so", preference={preference})

class Backend:
    pass
"""

    return write
