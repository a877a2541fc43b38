"""Joining all places where settings stand into one value, each with its origin."""

from __future__ import annotations

import enum
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from gridmap import connection, homes
from gridmap.errors import InvalidSettingError
from gridmap.settings.files import SettingsFile, read_files
from gridmap.settings.values import BOUNDED, KINDS, Settings, variables

_log = logging.getLogger(__name__)

_BACKENDS: Final = "backends"
_LIKENESS: Final = 0.85
_told: Final[set[str]] = set()


class Level(enum.Enum):
    """Who says what a setting is; the first in this order wins."""

    ARGUMENT = "argument"
    ENVIRONMENT = "environment"
    PROJECT = "project"
    USER = "user"
    SITE = "site"
    DEFAULT = "default"


class Origin(msgspec.Struct, frozen=True):
    """Where the value of a setting stands.

    Attributes:
        level: Who says so.
        place: Where to look, for people.
    """

    level: Level
    place: str

    def __str__(self) -> str:
        """Return the place."""
        return self.place


DEFAULT: Final = Origin(Level.DEFAULT, "default")

Origins: TypeAlias = Mapping[str, Origin]
"""Name of every setting to its origin; options as ``backends.NAME.OPTION``."""

_Found: TypeAlias = Iterator[tuple[str, object, Origin]]


def load_settings(
    arguments: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> tuple[Settings, Origins]:
    """Return the settings as they stand now.

    Reads up to three small files and keeps nothing, so that a change holds from the
    next run on. Any thread may call it.

    Args:
        arguments: Settings the caller gives explicitly; None as a value is not given.
        environ: Environment variables; None takes this process's. An empty one is
            not set.
        directory: Where the search for the project's file begins; None takes the
            working directory.

    Returns:
        The settings, and where each of them comes from.

    Raises:
        InvalidSettingError: If a value makes no sense or there is no setting of a
            name; the text says where that stands, and the user mends it there.

    Example:
        >>> settings, origins = load_settings({"num_resubmits": 1}, environ={})
        >>> settings.num_resubmits, str(origins["num_resubmits"])
        (1, 'argument num_resubmits')
    """
    environ = os.environ if environ is None else environ
    _warn_of_misspelt(environ)
    files = list(read_files(environ, _place(directory)))
    values: dict[str, object] = {}
    origins: dict[str, Origin] = {}
    for found in (
        _from_arguments(arguments or {}),
        _from_environment(environ),
        *map(_from_file, files),
    ):
        for name, value, origin in found:
            if name not in origins or _binds(name, value, origin, values[name]):
                values[name] = _read(name, value, origin)
                origins[name] = origin
    backends, option_origins = _options(files)
    settings = _settle(values, backends, origins)
    return settings, {
        **{name: origins.get(name, DEFAULT) for name in KINDS},
        **option_origins,
    }


def _place(directory: str | os.PathLike[str] | None) -> Path:
    try:
        return Path(directory or ".").absolute()
    except FileNotFoundError:  # the working directory was deleted
        return homes.home()


def _binds(name: str, value: object, origin: Origin, before: Any) -> bool:
    """Tell whether a site sets a bound that somebody else's value exceeds."""
    if origin.level is not Level.SITE or name not in BOUNDED:
        return False
    most = _read(name, value, origin)
    if before > most:
        _log.warning("%s=%s: %s allows %s at most", name, before, origin.place, most)
    return bool(before > most)


def _from_arguments(arguments: Mapping[str, object]) -> _Found:
    _refuse_unknown(arguments, KINDS, "arguments")
    for name, value in arguments.items():
        if value is not None:
            yield name, value, Origin(Level.ARGUMENT, f"argument {name}")


def _from_environment(environ: Mapping[str, str]) -> _Found:
    for name in KINDS:
        for variable in variables(name):
            if value := environ.get(variable, "").strip():
                place = f"environment variable {variable}"
                yield name, value, Origin(Level.ENVIRONMENT, place)


def _warn_of_misspelt(environ: Mapping[str, str]) -> None:
    """Warn of variables that look like a setting's; in files those are refused.

    Here they may be somebody else's. Not within a job, where plugins' variables are.
    """
    known = {variable for name in KINDS for variable in variables(name)}
    strange = [n for n in environ if n.startswith("GRIDMAP_") and n not in known]
    if not strange or connection.VARIABLE in environ:
        return
    from difflib import get_close_matches  # noqa: PLC0415 - for a warning alone

    for name in strange:
        close = get_close_matches(name, known, n=1, cutoff=_LIKENESS)
        if close and name not in _told:
            _told.add(name)
            text = "the environment variable %s is no setting: did you mean %s?"
            _log.warning(text, name, close[0])


def _from_file(file: SettingsFile) -> _Found:
    _refuse_unknown(file.table, (*KINDS, _BACKENDS), f"{file.path}")
    for name, value in file.table.items():
        if name != _BACKENDS:
            yield name, value, _origin(file, name)


def _origin(file: SettingsFile, key: str) -> Origin:
    return Origin(Level(file.level), f"{file.path}, key {key}")


def _refuse_unknown(names: Iterable[str], known: Iterable[str], place: str) -> None:
    known = list(known)
    for name in names:
        if name in known:
            continue
        from difflib import get_close_matches  # noqa: PLC0415 - for an error alone

        close = get_close_matches(name.lower(), known, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        msg = f"{place}: there is no setting {name!r}{hint}"
        raise InvalidSettingError(msg)


def _read(name: str, value: object, origin: Origin) -> object:
    try:
        return KINDS[name](value)
    except ValueError as exc:
        equal = "=" if origin.level in {Level.ARGUMENT, Level.ENVIRONMENT} else " = "
        msg = f"{origin.place}{equal}{value!r}: {exc}"
        raise InvalidSettingError(msg) from None


def _options(
    files: Iterable[SettingsFile],
) -> tuple[dict[str, dict[str, object]], dict[str, Origin]]:
    """Return every backend's own options, joined over *files*, with their origins."""
    backends: dict[str, dict[str, object]] = {}
    origins: dict[str, Origin] = {}
    for file in files:
        for backend, options in _tables(file):
            for option, value in options.items():
                key = f"{_BACKENDS}.{backend}.{option}"
                if key not in origins:
                    backends.setdefault(backend, {})[option] = value
                    origins[key] = _origin(file, key)
    return backends, origins


def _tables(file: SettingsFile) -> Iterator[tuple[str, Mapping[str, Any]]]:
    tables = file.table.get(_BACKENDS, {})
    if not isinstance(tables, dict):
        msg = f"{file.path}, key {_BACKENDS}: expected tables such as [backends.sge]"
        raise InvalidSettingError(msg)
    for backend, options in tables.items():
        if not isinstance(options, dict):
            msg = (
                f"{file.path}, key {_BACKENDS}.{backend}: expected a table "
                f"[{_BACKENDS}.{backend}]"
            )
            raise InvalidSettingError(msg)
        yield backend, options


def _settle(
    values: Mapping[str, Any],
    backends: Mapping[str, Mapping[str, object]],
    origins: Mapping[str, Origin],
) -> Settings:
    """Make the settings; what disagrees is told with where it stands."""
    try:
        return Settings(**values, backends=backends)
    except InvalidSettingError as exc:
        pair = ("silence_limit", "heartbeat_interval")
        places = "; ".join(f"{one}: {origins.get(one, DEFAULT)}" for one in pair)
        msg = f"{exc} ({places})"
        raise InvalidSettingError(msg) from None
