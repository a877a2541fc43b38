"""What gridmap brings along: known licences, exact pins, nothing fetched at run time."""

import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OURS: Final = ("gridmap-core", "gridmap-local", "gridmap-sge", "gridmap-slurm")

LICENCES: Final = {
    "attrs": "MIT",
    "click": "BSD-3-Clause",
    "cloudpickle": "BSD-3-Clause",
    "drmaa": "BSD-3-Clause",
    "markdown-it-py": "MIT",
    "mdurl": "MIT",
    "msgspec": "BSD-3-Clause",
    "platformdirs": "MIT",
    "pluggy": "MIT",
    "psutil": "BSD-3-Clause",
    "pygments": "BSD-2-Clause",
    "pyzmq": "BSD-3-Clause",
    "rich": "MIT",
    "zstandard": "BSD-3-Clause",
}
"""Of all that a user gets with gridmap. Who adds a dependency looks its licence up."""


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


def test_every_dependency_has_a_licence_we_know() -> None:
    """Neither one that is not listed, nor one that says another now."""
    assert runtime() - set(LICENCES) == set(), "look up their licences"
    for name in sorted(runtime()):
        family = LICENCES[name].partition("-")[0]
        assert re.search(rf"\b{family}\b", declared(name)), f"{name}: {declared(name)}"


def test_what_tests_and_checks_use_is_pinned_exactly() -> None:
    """Each line of requirements/ names one version, or another such file."""
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        for line in path.read_text().splitlines():
            words = line.partition("#")[0].strip()
            assert not words or re.match(r"-r \S+$|[\w.\-\[\]]+==[\w.]+$", words), line


def test_nothing_is_downloaded_at_run_time() -> None:
    """The sources speak no HTTP and start no installer."""
    strange = re.compile(
        r"^\s*(?:import|from) (?:urllib|http|requests|ftplib|pip)\b", re.MULTILINE
    )
    sources = [*ROOT.glob("core/src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
    assert sources
    assert [path for path in sources if strange.search(path.read_text())] == []
