"""A runner's large frames, which travel on connections of their own.

They are fetched and brought in threads, one frame at a time in either direction, while
the runner goes on with all else. What does not get through travels over CURVE. What
jobs share may be had from another runner on the node instead.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from gridmap import payload
from gridmap.concealing import Concealing
from gridmap.connection import split_tcp_address
from gridmap.errors import RemoteProtocolError
from gridmap.payload import Compression, held, memory
from gridmap.runner.errand import Errand
from gridmap.runner.membership import Membership, for_itself
from gridmap.transport.bulk import client
from gridmap.transport.bulk.requests import (
    REFERENCE,
    node_secret,
    reference_to,
    secret,
    upload_key,
)
from gridmap.transport.bulk.sealing import fresh_ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from gridmap.connection import ConnectionFile
    from gridmap.payload import Frame
    from gridmap.protocol import messages as m
    from gridmap.runner.node.sharing import Obtain

_MOST_FAILURES: Final = 3
"""After so many frames that did not get through, all travel over CURVE."""


class Way(Concealing, msgspec.Struct):
    """Where the driver listens for frames.

    Attributes:
        address: ``tcp://host:port``.
        secret: What requests are proven with.
        open: Whether the driver answers there.
        node_secret: What runners of one node prove to each other with; empty: nothing
            is had from others.
    """

    concealed = frozenset({"secret", "node_secret"})

    address: str
    secret: bytes
    open: bool = False
    node_secret: bytes = b""


class Shared(NamedTuple):
    """What others on this node may have too, or want.

    Attributes:
        digest: Its content address.
        compressions: How what each reference refers to is compressed. It is opened on
            the way here: in memory once, and not by the runner's thread.
    """

    digest: bytes
    compressions: Mapping[bytes, Compression]


class Apart:
    """A runner's end. Used in the runner's thread.

    Attributes:
        agreed: Whether frames travel apart.
        moved: When bytes of what is brought last moved, on the monotonic clock.
    """

    def __init__(self, wake: Callable[[], None], log: Callable[[str], None]) -> None:
        """Begin knowing nothing.

        Args:
            wake: Wakes the runner's thread; called in others.
            log: Writes a line for people.
        """
        self.agreed = False
        self.moved = -math.inf
        self._wake, self._log = wake, log
        self._node = Membership()
        self._way: Way | None = None
        self._upload_key = b""
        self._failures = 0
        self._coming: Errand | None = None
        self._going: Errand | None = None
        self._packed: list[tuple[bytes, Frame]] = []

    def introduce(
        self, hello: m.Hello, file: ConnectionFile, address: str | None
    ) -> m.Hello:
        """Return a greeting that says whether the driver's port for frames answers.

        Takes a second at most, once, where a firewall drops what is sent there. What
        was under way is given up.

        Args:
            hello: The greeting.
            file: What the connection file says now.
            address: Where the monitor is connected to.
        """
        self.give_up()
        way, known = _way(file, _listening(file, address)), self._way
        place = (way.address, way.secret)
        if known is None or place != (known.address, known.secret):
            way.open = bool(way.secret) and client.prove(*place)
            self._way = known = way
        usable = known.open and self._failures < _MOST_FAILURES
        return msgspec.structs.replace(hello, apart=usable)

    def welcomed(self, welcome: m.Welcome) -> None:
        """Take in what was agreed."""
        self._upload_key = welcome.upload
        self.agreed = bool(welcome.upload)

    def give_up(self) -> None:
        """Forget what is under way: the monitor will be told, or tell, all again."""
        for errand in (self._coming, self._going):
            if errand is not None:
                errand.leave()
        self._coming = self._going = None
        self._packed.clear()
        self.agreed = False

    def failed(self) -> None:
        """Something could not be fetched."""
        self._failures += 1

    def refused(self) -> None:
        """The monitor does not find what was brought."""
        self._failures = _MOST_FAILURES

    # Fetching -----------------------------------------------------------------------

    def here(
        self,
        references: Sequence[Frame],
        limit_bytes: int,
        shared: Shared | None = None,
    ) -> bool:
        """Say whether frames that a message refers to are here; fetch them if not.

        Args:
            references: As in the message; one that stands there several times is
                fetched once.
            limit_bytes: How large they may be together.
            shared: What others on this node may have, or want, as well; None if the
                frames are for this runner alone.

        Returns:
            Whether they are; if not, ask again when woken.

        Raises:
            RemoteProtocolError: If they are none, or were not agreed on.
            OSError: If they could not be fetched.
        """
        if not references:
            return True
        way, wanted = self._way, _wanted(references, limit_bytes)
        if self._coming is not None and self._coming.over and not self._coming.error:
            if self._coming.fetched.keys() >= {ticket for ticket, _, _ in wanted}:
                return True
            self._coming.leave()  # of a message that was damaged
            self._coming = None
        if self._coming is None:
            if not self.agreed or way is None:
                msg = "large frames apart are referred to, and that was not agreed"
                raise RemoteProtocolError(msg)
            self._coming = self._fetch(way, wanted, limit_bytes, shared)
        if not self._coming.over:
            return False
        if self._coming.error is None:
            return True  # it was had from another runner, in no time
        errand, self._coming = self._coming, None
        errand.leave()
        msg = f"{errand.error}"
        raise ConnectionError(msg)

    def _fetch(
        self,
        way: Way,
        wanted: list[tuple[bytes, bytes, int]],
        limit_bytes: int,
        shared: Shared | None,
    ) -> Errand:
        """Begin to fetch frames, or to have them from others on this node."""
        obtain: Obtain = for_itself
        methods = [Compression.NONE] * len(wanted)
        if shared is not None:
            methods = [shared.compressions[REFERENCE.pack(*one)] for one in wanted]
            sizes = [size for _, _, size in wanted]
            larger = [n for n, how in enumerate(methods) if how is not Compression.NONE]
            obtain = self._node.among(way.node_secret, shared.digest, sizes, larger)
        spared = {ticket: size for ticket, _, size in wanted}

        def download(number: int) -> int:
            ticket, key, size = wanted[number]
            del spared[ticket]
            frame = client.download(way.address, way.secret, ticket, key, size)
            return _opened(frame, methods[number], limit_bytes)

        def fetch(errand: Errand) -> None:
            for number, (ticket, _, _) in enumerate(wanted):
                itself = functools.partial(download, number)
                errand.fetched[ticket] = obtain(number, itself)

        def decline() -> None:
            if spared:
                size = sum(spared.values())
                self._log(f"{size:,} bytes came from another runner on this node")
            for ticket in spared:
                with contextlib.suppress(OSError, RemoteProtocolError):
                    client.decline(way.address, way.secret, ticket)

        errand = Errand(fetch, self._wake, decline)
        if shared is not None:
            errand.opened = {REFERENCE.pack(*one) for one in wanted}
        return errand

    def forget(self, digest: bytes) -> None:
        """Hand on no more what was shared."""
        self._node.forget(digest)

    def close(self) -> None:
        """End all that others on this node have from here."""
        self._node.close()

    def take(self, reference: Frame, _: int) -> Frame:
        """Return a frame that is `here`."""
        ticket = REFERENCE.unpack(reference)[0]
        if self._coming is None:
            msg = "a large frame is taken that was not fetched"
            raise RemoteProtocolError(msg)
        frame = held.relay(self._coming.fetched.pop(ticket))
        if not self._coming.fetched:
            self._coming = None
        return frame

    @property
    def opened(self) -> Collection[bytes]:
        """The references to frames that are here as they were before compression."""
        return () if self._coming is None else self._coming.opened

    @property
    def fetched(self) -> bool:
        """Whether what was awaited is here, or failed."""
        return self._coming is None or self._coming.over

    # Bringing -----------------------------------------------------------------------

    @property
    def brings(self) -> bool:
        """Whether frames are to be brought apart; fetching ends with the next greeting.

        The monitor goes on offering them until it has heard that they do not get through.
        """
        return self.agreed and self._failures < _MOST_FAILURES

    def pack(self, frame: Frame) -> bytes:
        """Take a frame to be brought by `bring`; return how to refer to it."""
        ticket = fresh_ticket()
        self._packed.append((ticket, frame))
        return reference_to(ticket, len(frame))

    def bring(self) -> bool:
        """Begin to bring what was packed; say whether there is anything."""
        packed, self._packed = self._packed, []
        way, key = self._way, self._upload_key
        if not packed or way is None:
            return False

        def went() -> None:
            self.moved = time.monotonic()

        def bring(_: Errand) -> None:
            for ticket, frame in packed:
                own = upload_key(key, ticket)
                client.upload(way.address, way.secret, ticket, own, frame, went)

        self._going = Errand(bring, self._wake)
        return True

    def brought(self) -> bool | None:
        """Say whether all that was packed is there; None while it is under way."""
        errand = self._going
        if errand is None or not errand.over:
            return None
        self._going = None
        if errand.error is not None:
            self._failures += 1
        return errand.error is None


def _opened(descriptor: int, method: Compression, limit_bytes: int) -> int:
    """Return sealed memory with what was compressed; the descriptor is closed."""
    if method is Compression.NONE:
        return descriptor
    frame = payload.decompress(memory.take(descriptor), method, limit_bytes)
    sealed = memory.make(frame)
    return os.dup(sealed.descriptor)


def _listening(file: ConnectionFile, address: str | None) -> str:
    """Return where to go for frames: the host that the monitor was found at."""
    if not file.bulk or address is None or not address.startswith("tcp://"):
        return ""
    host = split_tcp_address(address)[0]
    same = [one for one in file.bulk if split_tcp_address(one)[0] == host]
    return (same or [""])[0]


def _way(file: ConnectionFile, address: str) -> Way:
    """Return where to go; whether anybody answers there is still to be seen."""
    client_key = file.client_secret_key
    if not address or not client_key:
        return Way(address, b"")
    proof = secret(client_key, file.token)
    among = node_secret(client_key, file.token)
    return Way(address, proof, node_secret=among)


def _wanted(
    references: Sequence[Frame], limit_bytes: int
) -> list[tuple[bytes, bytes, int]]:
    wanted = []
    for reference in dict.fromkeys(map(bytes, references)):
        if len(reference) != REFERENCE.size:
            msg = f"a reference to a large frame has {len(reference)} bytes"
            raise RemoteProtocolError(msg)
        wanted.append(REFERENCE.unpack(reference))
        limit_bytes -= wanted[-1][2]
    if limit_bytes < 0:
        msg = f"large frames that are {-limit_bytes} bytes too long"
        raise RemoteProtocolError(msg)
    return wanted
