"""What gridmap brings along: known licences, exact pins, nothing fetched at run time."""

import importlib.util
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
MEMBERS: Final = (ROOT / "core", *sorted((ROOT / "plugins").glob("*")))
OURS: Final = [f"gridmap-{member.name}" for member in MEMBERS]
LISTED: Final = ROOT / "docs" / "reference" / "dependencies.md"


def script(name: str) -> ModuleType:
    """Load a script of requirements/."""
    path = ROOT / "requirements" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"requirements_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


requirements_lock, requirements_audit = script("lock"), script("audit")


def licences() -> dict[str, str]:
    """Return what the documentation says; who adds a dependency looks it up."""
    row = re.compile(r"^\| (\w[\w.\-]+) \| (\w[\w.\-]+) \|", re.MULTILINE)
    rows = row.findall(LISTED.read_text())
    return {name: licence for name, licence in rows if name != "package"}


def runtime() -> set[str]:
    """Return the names of all distributions that ours need, directly or not."""
    found: set[str] = set()
    waiting = list(OURS)
    environment = {**_strings(default_environment()), "extra": ""}
    while waiting:
        for text in metadata.requires(waiting.pop()) or ():
            needed = Requirement(text)
            name = canonicalize_name(needed.name)
            applies = needed.marker is None or needed.marker.evaluate(environment)
            if applies and name not in found:
                found.add(name)
                waiting.append(name)
    return found - set(OURS)


def _strings(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def declared(name: str) -> str:
    """Return all that a distribution says of its licence."""
    data = metadata.metadata(name)
    fields = [data[key] for key in ("License-Expression", "License") if key in data]
    fields += [c for c in data.get_all("Classifier") or () if c.startswith("License")]
    return " ".join(fields)


def test_every_dependency_is_listed_with_its_licence() -> None:
    """None is missing or no longer needed, and none says another licence now."""
    listed = licences()
    assert runtime() == set(listed), f"bring {LISTED.name} up to date"
    for name, licence in sorted(listed.items()):
        family = licence.partition("-")[0]
        assert re.search(rf"\b{family}\b", declared(name)), f"{name}: {declared(name)}"


REQUIREMENTS: Final = ROOT / "requirements"


def test_what_tests_and_checks_use_is_pinned_exactly() -> None:
    """Each line of requirements/ names one version, or another such file."""
    for path in sorted(REQUIREMENTS.glob("*.txt")):
        for line in path.read_text().splitlines():
            words = line.partition("#")[0].partition(";")[0].strip()
            assert not words or re.match(r"-r \S+$|[\w.\-\[\]]+==[\w.]+$", words), line


def wanted(name: str) -> Iterator[Requirement]:
    """Yield what a file of requirements/ asks for, and what our members do."""
    for line in (REQUIREMENTS / name).read_text().splitlines():
        words = line.partition("#")[0].strip()
        if words.startswith("-r "):
            yield from wanted(words[3:].strip())
        elif words:
            yield Requirement(words)
    yield from map(Requirement, requirements_lock.dependencies())


@pytest.mark.parametrize(("lock", "name"), requirements_lock.LOCKS.items())
def test_every_pin_is_locked_with_its_hashes(lock: str, name: str) -> None:
    """What CI installs is named to the last byte; `make lock` writes it."""
    text = (REQUIREMENTS / lock).read_text()
    entries = re.split(r"\n(?=\S)", text.partition("\n")[2].rstrip())
    assert all("--hash=sha256:" in entry for entry in entries), lock
    pins: dict[str, set[str]] = {}
    for entry in entries:
        pin = Requirement(entry.partition("\\")[0])
        assert re.fullmatch(r"==[\w.+]+", str(pin.specifier)), entry
        versions = pins.setdefault(canonicalize_name(pin.name), set())
        versions.add(str(pin.specifier)[2:])
    for each in wanted(name):
        versions = pins.get(canonicalize_name(each.name), set())
        fits = any(each.specifier.contains(v, prereleases=True) for v in versions)
        assert fits, f"{each} is not in {lock}: run `make lock`"


def advisory(**affected: object) -> dict[str, object]:
    """Return an advisory as a database has it."""
    package = {"name": "Some.Thing", "ecosystem": "PyPI"}
    return {"id": "PYSEC-1", "affected": [{"package": package, **affected}]}


RANGE: Final = [{"introduced": "1.2"}, {"fixed": "1.10"}, {"introduced": "2.0rc1"}]


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("1.1", False),
        ("1.2", True),
        ("1.9.3", True),
        ("1.10", False),
        ("2.0rc1", True),
        ("3", True),
        ("0.1", True),
        ("of no form", True),
    ],
)
def test_a_known_hole_is_found(version: str, affected: bool) -> None:
    """By a version that is named, or by a range, in the database's order of versions."""
    ranges = [
        {"type": "GIT", "events": [{"introduced": "0"}]},
        {"type": "ECOSYSTEM", "events": RANGE},
    ]
    said = advisory(ranges=ranges, versions=["0.1"])
    pins = {"some-thing": {version}, "other": {"1.5"}}
    found = [f"some-thing=={version}"] if affected else []
    assert list(requirements_audit.hits(said, pins)) == found
    assert list(requirements_audit.hits({**said, "withdrawn": "2020"}, pins)) == []


def test_the_last_version_affected_is() -> None:
    """And the next one is not."""
    events = [{"introduced": "0"}, {"last_affected": "2.0"}]
    said = advisory(ranges=[{"type": "ECOSYSTEM", "events": events}])
    pins = {"some-thing": {"2.0", "2.0.1"}}
    assert list(requirements_audit.hits(said, pins)) == ["some-thing==2.0"]


def test_an_audit_tells_holes_from_not_knowing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No advisories are no good news; those that are there are looked up in the locks."""
    audit = requirements_audit.main
    assert audit([]) == audit([str(tmp_path)]) == requirements_audit.UNKNOWN
    (version,) = requirements_audit.locked()["pyzmq"]
    package = {"name": "PyZMQ", "ecosystem": "PyPI"}
    entry = {"id": "PYSEC-2", "affected": [{"package": package, "versions": ["0"]}]}
    path = tmp_path / "one.json"
    path.write_text(json.dumps(entry))
    assert audit([str(tmp_path)]) == 0
    entry["affected"] = [{"package": package, "versions": [version]}]
    path.write_text(json.dumps(entry))
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(path, "PYSEC-2.json")
    for source in (tmp_path, archive):
        capsys.readouterr()
        assert audit([str(source)]) == requirements_audit.FOUND
        assert f"pyzmq=={version}: PYSEC-2" in capsys.readouterr().out


def test_nothing_is_downloaded_at_run_time() -> None:
    """The sources speak no HTTP and start no installer."""
    strange = re.compile(
        r"^\s*(?:import|from) (?:urllib|http|requests|ftplib|pip)\b", re.MULTILINE
    )
    sources = [*ROOT.glob("core/src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
    assert sources
    assert [path for path in sources if strange.search(path.read_text())] == []
