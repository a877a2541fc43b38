"""Whether this machine can use Slurm."""

from pathlib import Path

import pytest

from gridmap_slurm import discovery


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A directory of commands, of which none is ever run."""
    directory = tmp_path / "slurm" / "bin"
    directory.mkdir(parents=True)
    for name in discovery.COMMANDS:
        (directory / name).write_text("#!/bin/sh\nexit 1\n")
        (directory / name).chmod(0o755)
    return directory


def test_commands_and_configuration_make_it_usable(
    commands: Path, tmp_path: Path
) -> None:
    """The reason says what was found."""
    conf = tmp_path / "slurm.conf"
    conf.touch()
    found = discovery.look({"PATH": str(commands)}, (tmp_path / "other", conf))
    assert found.usable
    assert found.preference == 10
    assert str(conf) in found.reason


def test_missing_commands_are_named(commands: Path) -> None:
    """With the way out."""
    (commands / "scancel").unlink()
    (commands / "squeue").chmod(0o644)
    found = discovery.look({"PATH": str(commands)})
    assert not found.usable
    assert "squeue, scancel not found on PATH" in found.reason


def test_commands_without_a_cluster_are_no_cluster(
    commands: Path, tmp_path: Path
) -> None:
    """As on a machine where the packages were only installed."""
    found = discovery.look({"PATH": str(commands)}, (tmp_path / "slurm.conf",))
    assert not found.usable
    assert "SLURM_CONF" in found.reason


@pytest.mark.parametrize("there", [True, False])
def test_slurm_conf_is_taken_at_its_word(
    commands: Path, tmp_path: Path, there: bool
) -> None:
    """A variable that points nowhere is no configuration."""
    conf = tmp_path / "mine.conf"
    if there:
        conf.touch()
    found = discovery.look({"PATH": str(commands), "SLURM_CONF": str(conf)}, ())
    assert found.usable is there


def test_a_site_without_files_names_its_controller(commands: Path) -> None:
    """Configless Slurm, by environment."""
    environ = {"PATH": str(commands), "SLURM_CONF_SERVER": "head:6817"}
    assert discovery.look(environ, ()).usable


def test_a_configuration_beside_the_commands_counts(commands: Path) -> None:
    """Sites that build Slurm themselves put etc beside bin."""
    conf = commands.parent / "etc" / "slurm.conf"
    conf.parent.mkdir()
    conf.touch()
    assert discovery.look({"PATH": str(commands)}, ()).usable


def test_no_path_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own answer, whatever it is, has a reason."""
    monkeypatch.delenv("PATH")
    assert discovery.available().reason
