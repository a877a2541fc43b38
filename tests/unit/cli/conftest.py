"""The real command in a process of its own, and plugins installed for it alone."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import attrs
import pytest

VERBS = """
from gridmap.backend import Capabilities, Handle, Identity, Killed, Observed, Rendered
from gridmap.hookspecs import hookimpl

class Backend:
    @hookimpl
    def gridmap_capabilities(self):
        return Capabilities(largest_array=10)
    @hookimpl
    def gridmap_render(self, batch, context):
        words = (batch.resources.queue or "-", *batch.resources.native)
        return Rendered(command=("submit", batch.name, *words), script=None)
    @hookimpl
    def gridmap_submit(self, batch):
        raise RuntimeError("nothing may be submitted")
    @hookimpl
    def gridmap_observe(self, handles):
        return Observed(seen={}, absent=handles)
    @hookimpl
    def gridmap_kill(self, handles):
        return dict.fromkeys(handles, Killed.GONE)
    @hookimpl
    def gridmap_identify(self):
        return Identity()
"""

OFFER = """
from gridmap.backend import Availability, BackendInfo, Check
from gridmap.hookspecs import hookimpl

@hookimpl
def gridmap_backends():
    return [
        BackendInfo(
            name={name!r}, summary="Of a test.", factory="{module}:Backend",
            availability="{module}:available", **dict({{"interface": 1}}, {extra})
        )
    ]

def available():
    return {availability}
"""

YES = 'Availability(usable=True, reason="it is there", preference={})'


@attrs.frozen
class Shell:
    """A user's shell on a machine of its own: home, settings and plugins.

    Attributes:
        home: The home directory, empty at first.
        plugins: Where distributions are installed besides the real ones.
        environ: The environment of the command.
    """

    home: Path
    plugins: Path
    environ: dict[str, str]

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run ``gridmap`` with these words to its end."""
        return subprocess.run(
            [sys.executable, "-m", "gridmap", *words],
            capture_output=True,
            check=False,
            cwd=self.home,
            encoding="utf-8",
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            timeout=30,
        )

    def json(self, *words: str, status: int = 0, **environ: str) -> Any:
        """Run a command with ``--json`` and return what it printed."""
        result = self.run(*words, "--json", **environ)
        assert result.returncode == status, result.stderr
        return json.loads(result.stdout)

    def install(self, name: str, source: str, version: str = "1.0") -> None:
        """Install a distribution as pip would: a module and its dist-info."""
        module = f"plugin_{name}"
        (self.plugins / f"{module}.py").write_text(textwrap.dedent(source))
        info = self.plugins / f"strange_{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: strange-{name}\nVersion: {version}\n"
        )
        (info / "entry_points.txt").write_text(f"[gridmap]\n{name} = {module}\n")

    def add_command(self, name: str, source: str) -> None:
        """Install a distribution that offers a command of that name."""
        (self.plugins / f"command_{name}.py").write_text(textwrap.dedent(source))
        info = self.plugins / f"commands_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: commands-{name}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(
            f"[gridmap.commands]\n{name} = command_{name}:command\n"
        )

    def offer(
        self, name: str, availability: str = YES.format(30), extra: str = ""
    ) -> None:
        """Install a plugin with one backend whose verbs all work."""
        offer = OFFER.format(
            name=name, module=f"plugin_{name}", availability=availability, extra=extra
        )
        self.install(name, offer + VERBS)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Return a shell in a home with a space in its name, without any cluster."""
    home, plugins, programs = (
        tmp_path / "a home",
        tmp_path / "site-packages",
        tmp_path / "bin",
    )
    for path in (home, plugins, programs):
        path.mkdir()
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("COV", "LANG", "LC_", "TMP"))
    }
    environ = {
        **kept,
        "GRIDMAP_SITE_CONFIG": str(home / "site.toml"),
        "HOME": str(home),
        "PATH": str(programs),
        "PYTHONPATH": str(plugins),
        "SGE_ROOT": str(home / "no cell"),
    }
    (home / "site.toml").touch()
    return Shell(home, plugins, environ)
