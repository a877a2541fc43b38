"""The file that tells a runner where its monitor is, and how each proves itself.

The monitor writes one connection file a run, mode 0600 in the run's 0700
directory, and a runner is given nothing but its path: neither keys nor addresses
stand in arguments or environments, which ``ps`` and a scheduler show to everyone.
The file holds the only secret that travels, the run's client key. Whoever can read
it may act as a runner of this run; whoever could write it could send runners to a
monitor of his own. So reading it is as careful as writing it: no link is followed,
and owner and modes are checked on the opened file, not on its name.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import stat
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.concealing import Concealing
from gridmap.driver import Driver
from gridmap.errors import ConnectionFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION: Final = 1
"""Layout of the file; a reader refuses any other."""

VARIABLE: Final = "GRIDMAP_CONNECTION"
"""Environment variable by which a runner is told the file's path."""

UNIX: Final = "unix://"
"""How the addresses begin that lead to a monitor of the same user on the same host."""

MAX_FRAME_BYTES: Final = 256 * 2**20
"""Default for the longest frame either side of a run takes, unencrypted."""

MESSAGE_PER_FRAME: Final = 4
"""A message, compressed or not, may be so many times as long as its longest frame."""

_MAX_FILE_BYTES: Final = 64 * 1024
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_TOKEN: Final = re.compile(r"[0-9a-f]{32,128}")
_Z85_KEY: Final = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
_REFERENCE: Final = re.compile(r"(?:[0-9a-f]{2}){0,64}")
_TCP: Final = re.compile(r"tcp://(?:\[([^\[\]/\s]+)\]|([^\[\]:/\s]+)):([0-9]{1,5})")


def new_token() -> str:
    """Return a fresh run token: 128 random bits as hexadecimal text."""
    return os.urandom(16).hex()


def split_tcp_address(address: str) -> tuple[str, int]:
    """Return host and port of an address such as ``tcp://[fd00::2]:4711``.

    Raises:
        ValueError: If *address* is no TCP address with a port from 1 to 65535.
    """
    match = _TCP.fullmatch(address)
    if match is None or not 0 < int(match[3]) < 2**16:
        msg = f"{address!r} is not an address like tcp://10.0.0.1:4711"
        raise ValueError(msg)
    return match[1] or match[2], int(match[3])


class ConnectionFile(Concealing, msgspec.Struct, frozen=True, kw_only=True):
    """What a runner has to know before it can say its first word.

    Its texts never show the secret key.

    Attributes:
        server_public_key: The monitor's key, 40 characters of Z85; None on this host.
        client_public_key: What the monitor admits; None on this host.
        client_secret_key: The run's one secret; None on this host.
        addresses: Where the monitor listens, best first: ``tcp://10.0.0.1:4711``,
            ``tcp://[fd00::2]:4711`` or, for its own host alone,
            ``unix:///path``.
        token: The run's name on the wire, random hexadecimal.
        backend: Name of the backend that started the runners.
        backend_factory: Where its class is, as ``module:name``; opaque here.
        max_frame_bytes: The longest frame the monitor takes from a runner.
        driver: The process the run belongs to.
        resumable: Whether another process may drive the run when that one is gone; it
            then writes this file anew.
        memory: By what runners on the driver's host see that they can open its memory,
            as hexadecimal text; empty if it has none to show.
        bulk: Where large frames are fetched and brought, as *addresses*, for which it
            has the same hosts; empty: nowhere.
        version: Layout of this file.

    Example:
        >>> file = ConnectionFile(
        ...     addresses=("unix:///tmp/run/monitor.sock",),
        ...     token=new_token(),
        ...     backend="local",
        ...     backend_factory="gridmap_local.backend:LocalBackend",
        ... )
        >>> file.driver.gone()
        False
    """

    concealed = frozenset({"client_secret_key"})

    server_public_key: str | None = None
    client_public_key: str | None = None
    client_secret_key: str | None = None
    addresses: tuple[str, ...]
    token: str
    backend: str
    backend_factory: str
    max_frame_bytes: int = MAX_FRAME_BYTES
    driver: Driver = msgspec.field(default_factory=Driver.here)
    resumable: bool = False
    memory: str = ""
    bulk: tuple[str, ...] = ()
    version: int = VERSION

    def __post_init__(self) -> None:
        """Refuse what no runner could use; no error shows a key, it may be the secret."""
        for name in ("server_public_key", "client_public_key", "client_secret_key"):
            key = getattr(self, name)
            if key is not None and not _matches(_Z85_KEY, key):
                msg = f"{name} is not a key of 40 Z85 characters"
                raise ValueError(msg)
        self._check_addresses()
        if not _matches(_TOKEN, self.token):
            msg = f"token {self.token!r:.100} is not random hexadecimal"
            raise ValueError(msg)
        if not _matches(_REFERENCE, self.memory):
            msg = f"memory {self.memory!r:.100} is no reference to any"
            raise ValueError(msg)
        if self.max_frame_bytes <= 0:
            msg = f"max_frame_bytes={self.max_frame_bytes} lets nothing pass"
            raise ValueError(msg)
        if self.version != VERSION:
            msg = f"version {self.version} is not {VERSION}"
            raise ValueError(msg)

    def _check_addresses(self) -> None:
        """Refuse an empty or mixed list, unknown transports, and TCP without keys."""
        if not self.addresses or not isinstance(self.addresses, tuple):
            msg = "addresses must be a tuple with at least one address"
            raise ValueError(msg)
        if all(address.startswith(f"{UNIX}/") for address in self.addresses):
            return
        for address in self.addresses:
            split_tcp_address(address)
            if None in self.keys:
                msg = (
                    f"{address} needs all three keys: gridmap never speaks TCP in clear"
                )
                raise ValueError(msg)

    @property
    def keys(self) -> tuple[str | None, str | None, str | None]:
        """Server public, client public and client secret key, or three None."""
        return self.server_public_key, self.client_public_key, self.client_secret_key

    def write(self, path: Path, *, replace: bool = False, durable: bool = True) -> None:
        """Write the file, readable by its owner alone.

        Args:
            path: Where to; its directory must be the caller's own, mode 0700.
            replace: Put it in place of an older one, in one step, so that a reader
                sees either of them whole.
            durable: Wait for the disk, or the file server. Whoever reads it on this
                machine need not; when that fails, he is gone as well.

        Raises:
            ConnectionFileError: If the directory is not safe, the file is there
                already, or it cannot be written. Nothing is left half written.
        """
        data = msgspec.json.encode(self)
        with _directory(path, private=True) as directory:
            name = f".{path.name}.{os.urandom(4).hex()}" if replace else path.name
            try:
                _write_new(directory, name, data, durable=durable)
                if replace:
                    os.replace(
                        name, path.name, src_dir_fd=directory, dst_dir_fd=directory
                    )
                if durable:
                    os.fsync(directory)
            except OSError as error:
                if not isinstance(error, FileExistsError):
                    with contextlib.suppress(OSError):
                        os.unlink(name, dir_fd=directory)
                text = (
                    f"it cannot be written: {error.strerror}; mend that, or choose "
                    "another directory with the setting run_directory"
                )
                raise _refusal(path, text) from error

    @classmethod
    def read(cls, path: Path) -> ConnectionFile:
        """Read a file that nobody but its owner can have written or read.

        Raises:
            ConnectionFileError: If it is missing, damaged, of another version, or
                anybody else could have read or written it; the text says which
                check failed and what to do. The runner gives up.
        """
        with _directory(path, private=False) as directory:
            data = _read_private(directory, path)
        try:
            file = _decoder().decode(data)
        except (msgspec.MsgspecError, ValueError, UnicodeDecodeError) as error:
            text = (
                f"its content is damaged or of another version of gridmap ({error}); "
                "the node must run the same gridmap as the submit host"
            )
            # The error of a validator holds the value, a damaged key perhaps.
            raise _refusal(path, text) from None
        return file


def prepare() -> None:
    """Make ready to read such a file: a runner that is a copy of another need not."""
    _decoder()


@functools.cache
def _decoder() -> msgspec.json.Decoder[ConnectionFile]:
    return msgspec.json.Decoder(ConnectionFile)


def _matches(pattern: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None


def _refusal(path: Path, text: str) -> ConnectionFileError:
    """Make the exception that names the file first."""
    return ConnectionFileError(f"connection file {path}: {text}")


def _modes(mode: int) -> str:
    """Show a mode as chmod would take it."""
    return f"{stat.S_IMODE(mode):04o}"


@contextlib.contextmanager
def _directory(path: Path, *, private: bool) -> Iterator[int]:
    """Open the directory of *path* after checking that it is safe.

    The descriptor pins the directory: replacing it under its name afterwards does
    not move what is read or written through it.
    """
    folder = path.parent
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        text = f"its directory cannot be opened: {error.strerror}; the run directory must be on a file system the nodes share"
        raise _refusal(path, text) from error
    try:
        info = os.fstat(descriptor)
        forbidden = _OTHERS if private else _WRITABLE_BY_OTHERS
        if info.st_uid not in {os.geteuid(), 0}:
            text = f"its directory belongs to user {info.st_uid}, not to you ({os.geteuid()}); choose a run directory of your own"
            raise _refusal(path, text)
        if info.st_mode & forbidden:
            text = f"its directory is open to others (mode {_modes(info.st_mode)}); chmod 700 {folder}"
            raise _refusal(path, text)
        yield descriptor
    finally:
        os.close(descriptor)


def _write_new(directory: int, name: str, data: bytes, *, durable: bool) -> None:
    """Write a file that did not exist before; wait for the disk if told so."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=directory), "wb") as stream:
        os.fchmod(stream.fileno(), 0o600)
        stream.write(data)
        stream.flush()
        if durable:
            os.fsync(stream.fileno())


def _read_private(directory: int, path: Path) -> bytes:
    """Read a file of ours that no one else can read or write."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(path.name, flags, dir_fd=directory)
    except FileNotFoundError as error:
        text = "it is not there: the run has ended, or this node does not see the submit host's file system"
        raise _refusal(path, text) from error
    except OSError as error:
        text = f"it cannot be opened, or is a symbolic link ({error.strerror}); start the run again"
        raise _refusal(path, text) from error
    try:
        _check_private(os.fstat(descriptor), path)
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise _refusal(path, f"it cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _check_private(info: os.stat_result, path: Path) -> None:
    """Refuse an opened file that others own, could touch, or made huge."""
    if not stat.S_ISREG(info.st_mode):
        raise _refusal(path, "it is not a regular file; start the run again")
    if info.st_uid != os.geteuid():
        text = f"it belongs to user {info.st_uid}, not to you ({os.geteuid()}); runners must run as the user who submitted them"
        raise _refusal(path, text)
    if info.st_mode & _OTHERS:
        text = f"others can read or write it (mode {_modes(info.st_mode)}, expected 0600), so its key may be known; cancel the run and start it again"
        raise _refusal(path, text)
    if info.st_size > _MAX_FILE_BYTES:
        text = f"it has {info.st_size} bytes, more than the {_MAX_FILE_BYTES} one can have; start the run again"
        raise _refusal(path, text)
