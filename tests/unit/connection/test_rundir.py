"""A run's directory is private from its first moment and leaves no trace."""

from __future__ import annotations

import os
import re
import resource
import signal
import stat
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.others import OtherUser

from gridmap.errors import RunError
from gridmap.rundir import RunDirectory, slug

NOW = datetime(2025, 1, 31, 14, 25, 1, tzinfo=UTC)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_directory_is_private_whatever_the_umask(tmp_path: Path) -> None:
    """Base, run and logs are 0700; the name says when and what."""
    before = os.umask(0)
    try:
        run = RunDirectory.create(tmp_path / "state" / "runs", "a it(0)", NOW)
    finally:
        os.umask(before)
    assert re.fullmatch(r"20250131-142501-a-it-0-[0-9a-f]{8}", run.name)
    for path in (run.path.parent, run.path, run.logs):
        assert mode_of(path) == 0o700
    assert run.connection_file.parent == run.journal.parent == run.path


def test_runs_of_one_second_do_not_meet(tmp_path: Path) -> None:
    """The same name at the same time gives another directory."""
    runs = {RunDirectory.create(tmp_path, "x", NOW).path for _ in range(20)}
    assert len(runs) == 20


@given(name=st.text())
def test_any_name_makes_a_harmless_one(name: str) -> None:
    """No separators, no dots in front, no shell characters, never empty."""
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}", slug(name))


def test_a_base_anybody_can_write_to_is_refused(tmp_path: Path) -> None:
    """Others could exchange our directories; a sticky bit does not excuse it."""
    tmp_path.chmod(0o1777)
    with pytest.raises(RunError, match=r"anybody can write.*1777.*Choose a directory"):
        RunDirectory.create(tmp_path, "x", NOW)
    assert not list(tmp_path.iterdir())


def test_a_base_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """The text has the system's reason."""
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="Not a directory"):
        RunDirectory.create(tmp_path / "file", "x", NOW)


def test_a_base_of_another_user_is_refused(
    tmp_path: Path, other_user: OtherUser
) -> None:
    """He could exchange our directories."""
    other_user.own(tmp_path)
    with pytest.raises(RunError, match=f"belongs to user {other_user.uid}"):
        RunDirectory.create(tmp_path, "x", NOW)


def test_a_base_that_cannot_be_written_to_is_refused() -> None:
    """Root may write anywhere but in the kernel's own file systems."""
    with pytest.raises(RunError, match=r"cannot be (made|written)|belongs to"):
        RunDirectory.create(Path("/proc"), "x", NOW)


def test_removing_follows_no_links(tmp_path: Path) -> None:
    """What links point to stays; removing twice is no error."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").touch()
    run = RunDirectory.create(tmp_path / "runs", "x", NOW)
    (run.path / "link").symlink_to(victim)
    (run.logs / "link").symlink_to(victim)
    run.remove()
    assert not run.path.exists()
    assert (victim / "file").exists()
    run.remove()
    run.remove(keep_logs=True)


def test_logs_can_be_kept(tmp_path: Path) -> None:
    """All else goes, the connection file with its key first of all."""
    run = RunDirectory.create(tmp_path, "x", NOW)
    run.connection_file.touch()
    (run.path / "more").mkdir()
    (run.logs / "1.out").touch()
    run.remove(keep_logs=True)
    assert [p.name for p in run.path.iterdir()] == ["logs"]
    assert (run.logs / "1.out").exists()


def test_a_named_run_has_one_directory(tmp_path: Path) -> None:
    """It is private, and found again by its exact name."""
    before = os.umask(0)
    try:
        run = RunDirectory.named(tmp_path / "runs", "sweep 7")
    finally:
        os.umask(before)
    assert re.fullmatch(r"sweep-7-[0-9a-f]{8}", run.name)
    for path in (run.path.parent.parent, run.path.parent, run.path, run.logs):
        assert mode_of(path) == 0o700
    run.journal.touch()
    assert RunDirectory.named(tmp_path / "runs", "sweep 7") == run
    assert run.journal.exists()
    assert run.given_name == "sweep 7"


@given(names=st.sets(st.text(), max_size=5))
def test_names_that_differ_have_directories_that_differ(names: set[str]) -> None:
    """All are listed, each with its exact name."""
    with tempfile.TemporaryDirectory() as base:
        runs = {RunDirectory.named(Path(base), name) for name in names}
        assert len(runs) == len(names)
        listed = RunDirectory.all_named(Path(base))
        assert set(listed) == runs
        assert [run.given_name for run in listed] == sorted(names)


def test_a_base_without_named_runs_lists_none(tmp_path: Path) -> None:
    """Nor does one that is not there; unnamed runs and stray files are not listed."""
    assert RunDirectory.all_named(tmp_path / "nowhere") == []
    RunDirectory.create(tmp_path, "x", NOW)
    assert RunDirectory.all_named(tmp_path) == []
    run = RunDirectory.named(tmp_path, "y")
    (run.path.parent / "stray").touch()
    (run.path.parent / "link").symlink_to(run.path)
    (run.path.parent / "empty").mkdir()
    assert RunDirectory.all_named(tmp_path) == [run]
    run.remove()
    assert RunDirectory.all_named(tmp_path) == []


def test_a_base_that_cannot_be_read_is_not_said_to_be_empty(tmp_path: Path) -> None:
    """Nobody knows what is there."""
    (tmp_path / "base").touch()
    with pytest.raises(RunError, match=r"Not a directory; name another place"):
        RunDirectory.all_named(tmp_path / "base")


@pytest.mark.parametrize("which", ["named", "run", "logs"])
def test_a_directory_that_is_not_ours_alone_is_refused(
    tmp_path: Path, which: str
) -> None:
    """What a named run left behind is believed only if nobody else wrote it."""
    run = RunDirectory.named(tmp_path, "x")
    folder = {"named": run.path.parent, "run": run.path, "logs": run.logs}[which]
    folder.chmod(0o750)
    with pytest.raises(RunError, match=r"yours alone.*mode 0750"):
        RunDirectory.named(tmp_path, "x")
    folder.chmod(0o700)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="is a link or a file"):
        RunDirectory.named(tmp_path, "x")


def test_a_directory_of_another_name_is_refused(tmp_path: Path) -> None:
    """Names whose digests are equal too would else share a journal."""
    run = RunDirectory.named(tmp_path, "x")
    (run.path / "name").write_text("y")
    with pytest.raises(RunError, match="not that of run 'x', but of 'y'"):
        RunDirectory.named(tmp_path, "x")


def test_a_directory_whose_making_was_cut_short_is_made_whole(tmp_path: Path) -> None:
    """A process may die between any two steps."""
    run = RunDirectory.named(tmp_path, "x")
    (run.path / "name").unlink()
    run.logs.rmdir()
    assert run.given_name is None
    assert RunDirectory.named(tmp_path, "x").given_name == "x"
    assert run.logs.is_dir()


def test_a_full_disk_leaves_no_half_written_name(tmp_path: Path) -> None:
    """Whoever starts the script until there is room makes one more try each time."""
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, most[1]))
        with pytest.raises(RunError, match="cannot be written to"):
            RunDirectory.named(tmp_path, "x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
        signal.signal(signal.SIGXFSZ, before)
    run = RunDirectory.named(tmp_path, "x")
    assert {path.name for path in run.path.iterdir()} == {"logs", "name"}
