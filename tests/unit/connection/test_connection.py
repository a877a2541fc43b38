"""A connection file is written for us alone and read with suspicion."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.others import OtherUser

from gridmap.connection import (
    ConnectionFile,
    new_token,
    split_tcp_address,
)
from gridmap.driver import Driver
from gridmap.errors import ConnectionFileError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "s3cret" + "x" * 34
FILE = ConnectionFile(
    addresses=("tcp://10.0.0.1:4711", "tcp://[fd00::2]:4711"),
    token=new_token(),
    server_public_key="a" * 40,
    client_public_key="b" * 40,
    client_secret_key=SECRET,
    backend="sge",
    backend_factory="gridmap_sge.backend:GridEngineBackend",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    directory.mkdir(mode=0o700)
    return directory / "connection.json"


def test_what_was_written_is_read(path: Path) -> None:
    """Every field makes the journey."""
    FILE.write(path)
    assert ConnectionFile.read(path) == FILE


def test_a_file_without_keys_is_for_unix_sockets(path: Path) -> None:
    """On one host there are none, and none are asked for."""
    file = ConnectionFile(
        addresses=("unix:///tmp/x/monitor.sock",),
        token=new_token(),
        backend="local",
        backend_factory="a:b",
    )
    file.write(path)
    assert ConnectionFile.read(path) == file


def test_only_its_owner_can_read_it_whatever_the_umask(path: Path) -> None:
    """Mode 0600, not what the umask leaves."""
    before = os.umask(0)
    try:
        FILE.write(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_is_overwritten_unless_asked(path: Path) -> None:
    """A planted file or link is refused; replacing leaves nothing beside it."""
    FILE.write(path)
    with pytest.raises(ConnectionFileError, match="File exists"):
        FILE.write(path)
    newer = msgspec.structs.replace(FILE, token=new_token())
    newer.write(path, replace=True)
    assert ConnectionFile.read(path) == newer
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_link_is_never_written_through(path: Path, tmp_path: Path) -> None:
    """What a planted link points to stays as it is, dangling or not."""
    victim = tmp_path / "victim"
    path.symlink_to(victim)
    with pytest.raises(ConnectionFileError):
        FILE.write(path)
    assert not victim.exists()
    victim.write_text("mine")
    FILE.write(path, replace=True)
    assert victim.read_text() == "mine"
    assert not path.is_symlink()


def test_a_full_disk_leaves_no_half_written_file(path: Path) -> None:
    """A file that could not be finished is taken away again."""
    limit = f"""
import resource, signal, sys
from pathlib import Path
from gridmap.connection import ConnectionFile
from gridmap.errors import ConnectionFileError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
file = ConnectionFile(addresses=("unix:///x",), token="{FILE.token}", backend="b",
                      backend_factory="a:b")
try:
    file.write(Path(sys.argv[1]))
except ConnectionFileError:
    sys.exit(7)
"""
    done = subprocess.run([sys.executable, "-c", limit, str(path)], check=False)
    assert done.returncode == 7
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o770, 0o777], ids=oct)
def test_writing_needs_a_private_directory(path: Path, mode: int) -> None:
    """Others must not even see it."""
    path.parent.chmod(mode)
    with pytest.raises(ConnectionFileError, match="chmod 700"):
        FILE.write(path)
    assert not path.exists()


def test_a_link_in_its_place_is_refused(path: Path, tmp_path: Path) -> None:
    """Even one that leads to a good file."""
    FILE.write(path)
    path.rename(tmp_path / "run" / "real.json")
    path.symlink_to(path.parent / "real.json")
    with pytest.raises(ConnectionFileError, match="symbolic link"):
        ConnectionFile.read(path)


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o666, 0o610], ids=oct)
def test_a_file_open_to_others_is_refused(path: Path, mode: int) -> None:
    """Its key may be known; the text says the mode and what to do."""
    FILE.write(path)
    path.chmod(mode)
    with pytest.raises(ConnectionFileError, match=f"mode {mode:04o}.*start it again"):
        ConnectionFile.read(path)


@pytest.mark.parametrize("mode", [0o770, 0o722, 0o777, 0o1777], ids=oct)
def test_a_directory_others_can_write_to_is_refused(path: Path, mode: int) -> None:
    """They could have put the file there."""
    FILE.write(path)
    path.parent.chmod(mode)
    with pytest.raises(ConnectionFileError, match="open to others"):
        ConnectionFile.read(path)


@pytest.mark.parametrize("what", ["file", "directory"])
def test_what_belongs_to_another_user_is_refused(
    path: Path, what: str, other_user: OtherUser
) -> None:
    """Neither file nor directory may be anyone else's."""
    FILE.write(path)
    other_user.own(path if what == "file" else path.parent)
    with pytest.raises(ConnectionFileError, match=f"belongs to user {other_user.uid}"):
        ConnectionFile.read(path)


def test_a_missing_file_says_what_may_have_happened(path: Path) -> None:
    """The usual cause is a run that has ended, or an unshared file system."""
    with pytest.raises(ConnectionFileError, match="run has ended"):
        ConnectionFile.read(path)
    with pytest.raises(ConnectionFileError, match="directory cannot be opened"):
        ConnectionFile.read(path.parent / "no" / "such.json")


def test_a_pipe_does_not_make_the_reader_wait(path: Path) -> None:
    """Nor does any other thing that is no regular file."""
    os.mkfifo(path, 0o600)
    with pytest.raises(ConnectionFileError, match="regular file"):
        ConnectionFile.read(path)
    path.unlink()
    path.mkdir(0o700)
    with pytest.raises(ConnectionFileError, match="regular file"):
        ConnectionFile.read(path)


def put(path: Path, data: bytes) -> None:
    """Write anything as a file of the right mode."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(data)


def test_a_huge_file_is_not_read(path: Path) -> None:
    """Size is bounded before anything is taken in."""
    put(path, b"x" * 100_000)
    with pytest.raises(ConnectionFileError, match="100000 bytes"):
        ConnectionFile.read(path)


def test_a_file_cut_anywhere_is_damaged(path: Path) -> None:
    """No truncation gives a connection, and none shows the key."""
    FILE.write(path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        put(path, whole[:length])
        with pytest.raises(ConnectionFileError, match="damaged") as caught:
            ConnectionFile.read(path)
        assert SECRET not in str(caught.value)


@given(data=st.binary(max_size=300))
def test_any_bytes_are_a_connection_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """Nothing but ConnectionFileError comes out of a bad file."""
    path = tmp_path_factory.mktemp("any", numbered=True) / "connection.json"
    put(path, data)
    with pytest.raises(ConnectionFileError):
        ConnectionFile.read(path)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"token": "short"},
        {"token": "A" * 32},
        {"addresses": []},
        {"addresses": "tcp://10.0.0.1:1"},
        {"addresses": ["udp://10.0.0.1:1"]},
        {"addresses": ["tcp://10.0.0.1:99999"]},
        {"addresses": ["unix://relative"]},
        {"server_public_key": SECRET[:-1]},
        {"client_secret_key": None},
        {"client_secret_key": SECRET[:-1] + " "},
        {"max_frame_bytes": 0},
        {"driver": {"pid": 0, "start": "1", "host": "h", "machine": "m"}},
        {"driver": None},
    ],
    ids=lambda change: "-".join(f"{k}={v}"[:40] for k, v in change.items()),
)
def test_a_file_that_makes_no_sense_is_refused(
    path: Path, change: dict[str, object]
) -> None:
    """Each field is checked on reading, also what JSON's types let through."""
    FILE.write(path)
    put(path, json.dumps(json.loads(path.read_bytes()) | change).encode())
    with pytest.raises(ConnectionFileError, match="damaged") as caught:
        ConnectionFile.read(path)
    assert SECRET[:-1] not in f"{caught.value!r}"
    assert caught.value.__cause__ is None


def test_its_texts_never_show_the_secret() -> None:
    """Neither repr, str nor an error about its making."""
    assert SECRET not in f"{FILE!r} {FILE} {[FILE]}"
    with pytest.raises(ValueError, match="client_secret_key") as caught:
        msgspec.structs.replace(FILE, client_secret_key=SECRET + "!")
    assert SECRET not in repr(caught.value)


def test_tcp_without_keys_cannot_be_described() -> None:
    """There is no way to tell a runner to speak in clear."""
    with pytest.raises(ValueError, match="never speaks TCP in clear"):
        msgspec.structs.replace(FILE, client_secret_key=None)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("tcp://10.0.0.1:4711", ("10.0.0.1", 4711)),
        ("tcp://[fd00::2]:1", ("fd00::2", 1)),
        ("tcp://node.example:65535", ("node.example", 65535)),
    ],
)
def test_addresses_are_split(address: str, parts: tuple[str, int]) -> None:
    """Host without brackets, port as a number."""
    assert split_tcp_address(address) == parts


@pytest.mark.parametrize(
    "address",
    [
        "",
        "tcp://",
        "tcp://a",
        "tcp://a:0",
        "tcp://a:65536",
        "tcp://fd00::2:1",
        "http://a:1",
        "tcp://a:1/x",
        "tcp://a b:1",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """The error shows what an address looks like."""
    with pytest.raises(ValueError, match=r"tcp://10\.0\.0\.1:4711"):
        split_tcp_address(address)


def test_this_process_is_not_gone() -> None:
    """A driver that lives is never missed."""
    assert not Driver.here().gone()


def test_a_killed_driver_is_gone_at_once() -> None:
    """Even while its parent has not yet fetched its exit status."""
    code = "from gridmap.driver import Driver; import msgspec, json; print(json.dumps(msgspec.structs.asdict(Driver.here())), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        driver = Driver(**json.loads(process.stdout.readline()))
        assert not driver.gone()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert driver.gone()
    assert driver.gone()


def test_another_process_under_the_same_id_is_not_the_driver() -> None:
    """The time of its start tells them apart."""
    assert msgspec.structs.replace(Driver.here(), start="1").gone()


def test_a_driver_on_another_machine_is_never_called_gone() -> None:
    """Process ids mean nothing there, so there is nothing to say."""
    assert not msgspec.structs.replace(
        Driver.here(), machine="elsewhere", start="1"
    ).gone()
