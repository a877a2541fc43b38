"""Entry points are found as `importlib.metadata` finds them, and without it."""

import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gridmap.plugins.entries import entries

_PLAIN = "[gridmap]\nmine = shelf.mine\n"


def install(
    place: Path, folder: str, announced: str, head: str = "Name: Mine\nVersion: 1.5\n"
) -> None:
    """Leave what an installer leaves of a distribution that announces something."""
    made = place / folder
    made.mkdir(parents=True)
    (made / "entry_points.txt").write_text(announced, encoding="utf-8")
    headers = "PKG-INFO" if folder.endswith(".egg-info") else "METADATA"
    (made / headers).write_text(f"Metadata-Version: 2.1\n{head}\nName: of the text\n")


def found() -> list[tuple[str, str, str, str]]:
    """Return name, value, and whose it is of each."""
    return sorted(
        (e.name, e.value, e.dist.name, e.dist.version)
        for e in entries()["gridmap"]
        if e.dist is not None
    )


def standard() -> list[tuple[str, str, str, str]]:
    """Return the same as the standard library has it."""
    return sorted(
        (e.name, e.value, e.dist.name, e.dist.version)
        for e in importlib.metadata.entry_points(group="gridmap")
        if e.dist is not None
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory that comes first where modules are looked for."""
    made = tmp_path / "first"
    made.mkdir()
    monkeypatch.syspath_prepend(str(made))
    return made


@pytest.mark.parametrize("folder", ["mine-1.5.dist-info", "mine-1.5-py3.11.egg-info"])
@pytest.mark.parametrize(
    "announced",
    [
        _PLAIN,
        (
            "# a comment\n\n[console_scripts]\nx = y:z\n[gridmap]\n one=a.b:c.d [extra]\n"
            "two =\tb\n# no = more\n[other]\nthree = c\n"
        ),
        "[ gridmap ]\nx = y\n[gridmap]\n",
        "",
    ],
    ids=["plain", "several", "odd", "empty"],
)
def test_what_an_installer_wrote_is_read_as_the_library_reads_it(
    place: Path, folder: str, announced: str
) -> None:
    """Sections, comments, spaces and extras, from either kind of folder."""
    install(place, folder, announced)
    assert found() == standard()


def test_the_first_of_two_on_the_path_counts(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older one behind it announces nothing, however its name is spelt."""
    install(place, "my_plugin-2.0.dist-info", "[gridmap]\nnew = a\n")
    other = tmp_path / "second"
    install(other, "My.Plugin-1.0.dist-info", "[gridmap]\nold = a\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(other)])
    assert found() == standard()
    assert "new" in {name for name, *_ in found()}
    assert "old" not in {name for name, *_ in found()}


def test_what_is_no_text_on_the_path_is_ignored(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As imports ignore it; people put a pathlib.Path there."""
    install(place, "one-1.dist-info", "[gridmap]\none = a\n")
    monkeypatch.setattr(sys, "path", [place / "more", *sys.path])
    assert found() == standard()
    assert "one" in {name for name, *_ in found()}


def test_what_is_in_an_archive_is_found_too(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is imported from as it is."""
    install(place, "one-1.dist-info", "[gridmap]\none = a\n")
    archive = tmp_path / "plugins.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("two-3.dist-info/entry_points.txt", "[gridmap]\ntwo = b\n")
        file.writestr("two-3.dist-info/METADATA", "Name: two\nVersion: 3\n\n")
    monkeypatch.syspath_prepend(str(archive))
    assert found() == standard()
    assert {"one", "two"} <= {name for name, *_ in found()}


def test_who_finds_distributions_in_another_way_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a tool may that installs into no directory of the path."""
    install(tmp_path, "hidden-1.dist-info", "[gridmap]\nhidden = a\n")

    class Finder:
        def find_spec(self, *_: object) -> None:
            return None

        def find_distributions(
            self, *_: object
        ) -> list[importlib.metadata.Distribution]:
            return [importlib.metadata.Distribution.at(tmp_path / "hidden-1.dist-info")]

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    assert "hidden" in {name for name, *_ in found()}


def test_what_is_named_is_loaded(place: Path) -> None:
    """A module, or what is in one, however deep."""
    (place / "shelved.py").write_text("class A:\n    b = 5\n")
    install(
        place,
        "mine-1.dist-info",
        "[gridmap]\nwhole = shelved\npart = shelved:A.b [x]\n",
    )
    loaded = {
        e.name: e.load() for e in entries()["gridmap"] if e.value[:7] == "shelved"
    }
    assert loaded == {"whole": sys.modules.pop("shelved"), "part": 5}


def test_a_value_that_names_nothing_says_so(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the entry point's name, so that it can be found."""
    own = "_frozen_importlib_external"  # a backport's would be asked instead of files
    finders = [
        one
        for one in sys.meta_path
        if not hasattr(one, "find_distributions") or one.__module__ == own
    ]
    monkeypatch.setattr(sys, "meta_path", finders)
    install(place, "mine-1.dist-info", "[gridmap]\nbad = one two\n")
    (bad,) = [e for e in entries()["gridmap"] if e.name == "bad"]
    with pytest.raises(ValueError, match=r"bad = one two: expected module:attribute"):
        bad.load()


def test_looking_for_plugins_imports_no_parser_of_mail() -> None:
    """Which is what takes long in the standard library's way."""
    code = (
        "import sys; from gridmap.plugins import installed; print(len(installed().backends));"
        "print(*sorted({'email', 'importlib.metadata', 'zipfile'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    count, *modules = done.stdout.split()
    assert int(count) >= 1
    assert modules == []
