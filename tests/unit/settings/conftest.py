"""Settings are read from places that belong to the test alone."""

from pathlib import Path

import attrs
import pytest

from gridmap.settings import Origins, Settings, load_settings


@attrs.frozen
class Site:
    """A machine with a site's, a user's and a project's file, none of them there yet."""

    site: Path
    user: Path
    project: Path
    environ: dict[str, str]

    def load(
        self, arguments: dict[str, object] | None = None, **environ: str
    ) -> tuple[Settings, Origins]:
        """Load settings from a directory inside the project."""
        inside = self.project.parent / "deep" / "inside"
        inside.mkdir(parents=True, exist_ok=True)
        return load_settings(
            arguments, environ={**self.environ, **environ}, directory=inside
        )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Return a machine without any file of settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(
        "gridmap.settings.files.SITE", tmp_path / "etc" / "gridmap.toml"
    )
    places = Site(
        site=tmp_path / "etc" / "gridmap.toml",
        user=tmp_path / "home" / "gridmap" / "gridmap.toml",
        project=tmp_path / "a project" / "gridmap.toml",
        environ={},
    )
    for path in (places.site, places.user, places.project):
        path.parent.mkdir(parents=True)
    return places
