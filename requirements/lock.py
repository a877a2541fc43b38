"""Write down all that tests and checks install, to the last hash: this is ``make lock``.

For each of `LOCKS`, what its requirements and the members' own dependencies resolve
to, on every platform and Python that gridmap knows, with the hashes of all files that
an index may hand out for it. ``pip`` then installs these bytes and no others.
"""

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
LOCKS: Final = {"test.lock": "test.txt", "dev.lock": "dev.txt"}
HEAD: Final = "# Written by `make lock`: what {name} and the members need, hashed.\n"


def members() -> Iterator[Path]:
    """Yield the project files of all distributions here."""
    yield ROOT / "core" / "pyproject.toml"
    yield from sorted(ROOT.glob("plugins/*/pyproject.toml"))


def dependencies() -> Iterator[str]:
    """Yield what the members need from others, to be built and to be used."""
    for path in members():
        project = tomllib.loads(path.read_text())
        extras = project["project"].get("optional-dependencies", {})
        for listed in (
            project["build-system"]["requires"],
            project["project"].get("dependencies", []),
            *extras.values(),
        ):
            yield from (text for text in listed if not text.startswith("gridmap-"))


def lock(name: str, requirements: str) -> None:
    """Write one lock."""
    with tempfile.NamedTemporaryFile("w", suffix=".in") as wanted:
        wanted.write("\n".join([f"-r {HERE / requirements}", *dependencies()]))
        wanted.flush()
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet"]
        options = ["--universal", "--generate-hashes", "--python-version=3.11"]
        options += ["--no-header", "--no-annotate", "--upgrade", "--no-config"]
        done = subprocess.run(
            [*command, *options, wanted.name], check=True, stdout=subprocess.PIPE
        )
    text = HEAD.format(name=requirements) + done.stdout.decode()
    (HERE / name).write_text(text)


if __name__ == "__main__":
    for lock_name, its_requirements in LOCKS.items():
        lock(lock_name, its_requirements)
