"""The files that settings stand in: the project's, the user's and the site's."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gridmap import homes
from gridmap.errors import InvalidSettingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME: Final = "gridmap.toml"
SITE: Final = Path("/etc/gridmap") / NAME

PROJECT_VARIABLE: Final = "GRIDMAP_CONFIG"
"""Environment variable that names the project's file, wherever it lies."""
SITE_VARIABLE: Final = "GRIDMAP_SITE_CONFIG"
"""Environment variable that names the site's file."""

_log = logging.getLogger(__name__)


class SettingsFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of settings that was found and read.

    Attributes:
        level: Whose it is: ``project``, ``user`` or ``site``.
        path: Where it lies.
        table: Its content.
    """

    level: str
    path: Path
    table: Mapping[str, Any]


def read_files(environ: Mapping[str, str], directory: Path) -> Iterator[SettingsFile]:
    """Yield the files there are, the one that wins first.

    Args:
        environ: Environment, which may name files.
        directory: Where the search for the project's file begins; it goes upward.

    Raises:
        InvalidSettingError: If a file cannot be read or is not TOML, or one that the
            environment names is missing.
    """
    named = environ.get(PROJECT_VARIABLE)
    project = _named(named, PROJECT_VARIABLE) if named else _project(directory)
    if project:
        yield _read("project", project)
    user = _user()
    if _is_file(user) and not (project and user.samefile(project)):
        yield _read("user", user)
    named = environ.get(SITE_VARIABLE)
    site = _named(named, SITE_VARIABLE) if named else SITE
    if _is_file(site):
        yield _read("site", site)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        msg = f"settings file {path} cannot be looked for: {error.strerror}"
        raise InvalidSettingError(msg) from error


def _named(name: str, variable: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        msg = f"environment variable {variable}={name!r}: there is no such file"
        raise InvalidSettingError(msg)
    return path


def _project(directory: Path) -> Path | None:
    """Return the nearest file at or above *directory*, None if there is none.

    A file that a stranger can write is passed over: it could say which interpreter
    is started, and anybody may leave one in /tmp.
    """
    for place in (directory, *directory.parents):
        path = place / NAME
        try:
            status = path.stat()
        except OSError:
            continue
        if status.st_uid in {0, os.geteuid()} and not status.st_mode & stat.S_IWOTH:
            return path
        _log.warning(
            "settings in %s are not used, since another user could have written them; "
            "to use them nevertheless, set %s=%s",
            path,
            PROJECT_VARIABLE,
            path,
        )
    return None


def _user() -> Path:
    return homes.config() / NAME


def _read(level: str, path: Path) -> SettingsFile:
    import tomllib  # noqa: PLC0415 - not for importing

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        msg = f"settings file {path} cannot be read: {exc.strerror}"
        raise InvalidSettingError(msg) from exc
    except ValueError as exc:  # tomllib's error, and bytes that are not UTF-8
        msg = f"settings file {path} is not valid TOML: {exc}"
        raise InvalidSettingError(msg) from exc
    return SettingsFile(level=level, path=path, table=table)
