"""Look for known holes in what is locked, without a network: this is ``make audit``.

Usage: ``python requirements/audit.py ADVISORIES``, where ADVISORIES is a clone of the
PyPA advisory database (https://github.com/pypa/advisory-database), or a directory or
zip of the same in JSON, as https://osv.dev hands it out for PyPI. Exit status 1: there
are holes; 2: nothing could be looked up, which is not to be taken for "none".

pip-audit was tried first (2.10.1). It has no way to use a copy on disk, and against an
index without PyPI's JSON interface it skips every package, says "no known
vulnerabilities found", and exits 0.
"""

import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

HERE: Final = Path(__file__).resolve().parent
_PIN: Final = re.compile(r"^([A-Za-z0-9][\w.\-]*)(?:\[[^\]]*\])?==([^\s;\\]+)")
FOUND: Final = 1
UNKNOWN: Final = 2


def locked(directory: Path = HERE) -> dict[str, set[str]]:
    """Return all versions that the locks in a directory name, by package."""
    pins: dict[str, set[str]] = {}
    for path in sorted(directory.glob("*.lock")):
        for line in path.read_text().splitlines():
            if match := _PIN.match(line):
                pins.setdefault(canonicalize_name(match[1]), set()).add(match[2])
    return pins


def advisories(source: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the advisories of a database, in the OSV schema."""
    if source.is_file():
        with zipfile.ZipFile(source) as archive:
            for name in archive.namelist():
                if name.endswith(".json"):
                    yield json.loads(archive.read(name))
        return
    for path in sorted(source.rglob("*.json")):
        yield json.loads(path.read_bytes())
    found = sorted((*source.rglob("PYSEC-*.yaml"), *source.rglob("MAL-*.yaml")))
    if found:
        import yaml  # noqa: PLC0415 - only what documents are built with brings it

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for path in found:
            yield yaml.load(path.read_bytes(), loader)  # noqa: S506 - a safe one


def hits(advisory: Mapping[str, Any], pins: Mapping[str, set[str]]) -> Iterator[str]:
    """Yield the pins that an advisory is about, as ``name==version``."""
    if advisory.get("withdrawn"):
        return
    for affected in advisory.get("affected") or ():
        package = affected.get("package") or {}
        if package.get("ecosystem") != "PyPI":
            continue
        name = canonicalize_name(str(package.get("name", "")))
        for version in sorted(pins.get(name, ())):
            if affects(affected, version):
                yield f"{name}=={version}"


def affects(affected: Mapping[str, Any], version: str) -> bool:
    """Say whether a version is named, or lies in a range that is.

    Where that cannot be told, it is said to be: a person looks then.
    """
    if version in map(str, affected.get("versions") or ()):
        return True
    try:
        return any(
            _within(each.get("events") or (), Version(version))
            for each in affected.get("ranges") or ()
            if each.get("type") == "ECOSYSTEM"
        )
    except InvalidVersion:
        return True


def _within(events: Iterator[Mapping[str, Any]], version: Version) -> bool:
    """Go through a range's events in order, as the OSV schema (1.6) evaluates them."""

    def at(event: Mapping[str, Any]) -> Version:
        (text,) = event.values()
        return Version(str(text))

    inside = False
    for event in sorted(events, key=at):
        if "introduced" in event and version >= at(event):
            inside = True
        elif ("fixed" in event and version >= at(event)) or (
            "last_affected" in event and version > at(event)
        ):
            inside = False
    return inside


def main(arguments: list[str]) -> int:
    """Print what is found; return the exit status."""
    if len(arguments) != 1 or not Path(arguments[0]).exists():
        print("not audited: name a copy of the PyPA advisory database (ADVISORIES=)")
        return UNKNOWN
    pins, known, newest, found = locked(), 0, "", []
    for advisory in advisories(Path(arguments[0])):
        known += 1
        newest = max(newest, str(advisory.get("modified", "")))
        for pin in hits(advisory, pins):
            aliases = ", ".join(advisory.get("aliases") or ())
            text = advisory.get("summary") or advisory.get("details") or ""
            brief = " ".join(text.split())[:200]
            found.append(f"{pin}: {advisory.get('id')} ({aliases}) {brief}")
    if not known:
        print(f"not audited: {arguments[0]} holds no advisories")
        return UNKNOWN
    print("\n".join(sorted(found)), end="\n" if found else "")
    print(
        f"{len(found)} known holes in {len(pins)} packages, by {known:,} advisories, "
        f"the newest of {newest[:10]}"
    )
    return FOUND if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
