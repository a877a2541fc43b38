"""What a runner needs of plugins: one backend, made from its factory, who it is.

A runner imports this and none of what finds plugins or calls the verbs, since what a
runner imports delays its first job.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pluggy

from gridmap.backend import Identity
from gridmap.errors import PluginError
from gridmap.hookspecs import PROJECT, RunHooks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def load_backend(factory: str) -> object:
    """Make a backend from its factory text, on a node, without looking for plugins."""
    return resolve(factory)()


def identify(backend: object, environ: Mapping[str, str]) -> Identity:
    """Ask a backend, on a node, which runner this is.

    Raises:
        PluginError: If it fails or returns something else.
    """
    name = type(backend).__name__
    try:
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(RunHooks)
        manager.register(backend, name=name)
        answer = manager.hook.gridmap_identify(environ=environ)
    except Exception as error:
        raise PluginError(name, "gridmap_identify", describe(error)) from error
    if answer is None:
        return Identity()
    if not isinstance(answer, Identity):
        raise PluginError(name, "gridmap_identify", f"it returned {answer!r}")
    return answer


def describe(error: BaseException) -> str:
    """Return an exception as one line: its type, and its text if it has one."""
    name = type(error).__name__
    try:
        text = " ".join(str(error).split())
    except Exception as another:  # noqa: BLE001 - anybody's __str__ may raise anything
        text = f"(no message: str() raised {type(another).__name__})"
    return f"{name}: {text}" if text else name


def resolve(text: str) -> Callable[[], Any]:
    """Import what ``module:attribute`` names."""
    module_name, _, attribute = text.partition(":")
    target: Callable[[], Any] = getattr(importlib.import_module(module_name), attribute)
    return target
