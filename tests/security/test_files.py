"""What other users plant, and what is left lying open, is refused with the reason."""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cluster.client import Cluster
from tests.others import OtherUser
from tests.security.besieged import siege

from gridmap import grid_map
from gridmap.connection import ConnectionFile, new_token
from gridmap.errors import ConnectionFileError, RunError
from gridmap.rundir import RunDirectory

NOW = datetime(2025, 1, 31, tzinfo=UTC)


def opened(base: Path) -> RunDirectory:
    """Make the directory of a run."""
    return RunDirectory.create(base, "run", NOW)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o757])
def test_a_base_that_anybody_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    """With or without a sticky bit: a whole map says so, and leaves nothing."""
    base = tmp_path / "base"
    base.mkdir()
    base.chmod(mode)
    with pytest.raises(RunError, match=r"anybody can write to it.*chmod o-w"):
        grid_map(abs, [1], backend="local", settings={"run_directory": str(base)})
    assert list(base.iterdir()) == []


def test_a_base_below_one_that_anybody_can_write_to_is_refused(tmp_path: Path) -> None:
    """Whoever can rename a directory above can put his own in its place."""
    above = tmp_path / "scratch"
    (above / "mine").mkdir(parents=True)
    above.chmod(0o777)
    with pytest.raises(RunError, match=r"anybody can rename what is in .*scratch"):
        opened(above / "mine" / "runs")
    above.chmod(0o1777)
    opened(above / "mine" / "runs").remove()


def test_links_of_ones_own_lead_where_they_lead(tmp_path: Path) -> None:
    """Absolute and relative ones, through links; those in a circle are refused."""
    (tmp_path / "far" / "away").mkdir(parents=True, mode=0o700)
    (tmp_path / "one").symlink_to(tmp_path / "far")
    (tmp_path / "two").symlink_to(Path("one", "away", "..", "..", "far"))
    made = opened(tmp_path / "two" / "runs")
    assert (tmp_path / "far" / "runs" / made.name).is_dir()
    made.remove()
    (tmp_path / "round").symlink_to(tmp_path / "round")
    with pytest.raises(RunError, match="round"):
        opened(tmp_path / "round" / "runs")


def test_a_base_behind_a_strangers_link_is_refused(
    tmp_path: Path, other_user: OtherUser
) -> None:
    """He could point it elsewhere once the run is open."""
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o700)
    link = tmp_path / "predictable"
    link.symlink_to(mine)
    opened(link).remove()
    other_user.own(link)
    with pytest.raises(RunError, match=f"predictable.* link of user {other_user.uid}"):
        opened(link)


def test_a_base_of_another_user_is_refused(
    tmp_path: Path, other_user: OtherUser
) -> None:
    """Even if nobody else can write to it."""
    base = tmp_path / "base"
    base.mkdir(mode=0o700)
    other_user.own(base)
    with pytest.raises(RunError, match=f"it belongs to user {other_user.uid}"):
        opened(base)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a connection file as the monitor writes it."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    path = folder / "connection.json"
    ConnectionFile(
        addresses=("unix:///nowhere",),
        token=new_token(),
        backend="local",
        backend_factory="gridmap_local.backend:LocalBackend",
    ).write(path)
    return path


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o602, 0o660])
def test_a_connection_file_open_to_others_is_refused(file: Path, mode: int) -> None:
    """The reason and the mode are told."""
    file.chmod(mode)
    with pytest.raises(ConnectionFileError, match=f"{mode:04o}"):
        ConnectionFile.read(file)


def test_a_connection_file_of_another_user_is_refused(
    file: Path, other_user: OtherUser
) -> None:
    """A planted one would send runners to another's monitor."""
    other_user.own(file)
    with pytest.raises(ConnectionFileError, match=str(other_user.uid)):
        ConnectionFile.read(file)


def test_links_are_not_followed(file: Path) -> None:
    """Neither on reading nor on writing."""
    link = file.with_name("link.json")
    link.symlink_to(file)
    with pytest.raises(ConnectionFileError, match="symbolic link"):
        ConnectionFile.read(link)
    before = file.read_bytes()
    with pytest.raises(ConnectionFileError, match="cannot be written"):
        ConnectionFile.read(file).write(link)
    assert file.read_bytes() == before


def everything(directory: Path) -> Iterator[Path]:
    """Yield a directory and all that is in it."""
    yield directory
    yield from directory.rglob("*")


@pytest.mark.parametrize("backend", ["local", "loopback"])
def test_nothing_of_a_run_is_open_to_others(tmp_path: Path, backend: str) -> None:
    """Whatever the umask; and with the run, its secret goes."""
    before = os.umask(0)
    try:
        with siege(tmp_path / "place", backend, runners=1, jobs=2) as run:
            directory = run.directory
            for path in everything(directory):
                if not path.is_socket():
                    mode = stat.S_IMODE(path.stat().st_mode)
                    assert not mode & 0o077, f"{path} {mode:04o}"
            assert (directory / "connection.json").exists()
            run.finish()
        assert not (directory / "connection.json").exists()
    finally:
        os.umask(before)


@pytest.mark.cluster
def test_another_user_plants_in_vain(tmp_path: Path) -> None:
    """Directories and links under the names a run would use, made by gmother."""
    cluster = Cluster.find()
    assert cluster is not None
    name = f"gridmap-{os.environ.get('USER', 'gmtest')}-{os.getpid()}"
    for made in (["mkdir", "-m", "777"], ["ln", "-s", str(tmp_path)]):
        planted = Path("/tmp") / name  # noqa: S108 - a place that others write to
        cluster.run("head", [*made, str(planted)], user="gmother", check=True)
        try:
            with pytest.raises(RunError, match="cannot be in"):
                grid_map(
                    abs, [1], backend="local", settings={"run_directory": str(planted)}
                )
        finally:
            cluster.run("head", ["rm", "-rf", str(planted)], user="gmother", check=True)


@pytest.mark.cluster
def test_another_user_cannot_reach_the_unix_socket(tmp_path: Path) -> None:
    """The directory keeps him out; so does the peer check behind it."""
    cluster = Cluster.find()
    assert cluster is not None
    with siege(tmp_path / "place", "local", runners=1, jobs=1) as run:
        path = run.file.addresses[0].removeprefix("unix://")
        knock = "import socket, sys; socket.socket(1).connect(sys.argv[1])"
        command = ["/usr/bin/python3", "-c", knock, path]
        done = cluster.run("head", command, user="gmother")
        assert "PermissionError" in done.stderr
        run.finish()
