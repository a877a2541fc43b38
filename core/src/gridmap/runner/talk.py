"""What a runner and its monitor say to each other, with all that goes along.

Small things travel in the messages. A large frame may be in memory that both can open
(`neighbour`), or travel by a way of its own (`large`); while it is on that, what was
said behind it waits, in order, in either direction. Heartbeats and their echoes do not,
nor what else means the same in any order: a frame may take longer than either side may
be silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from gridmap import payload
from gridmap.errors import RemoteProtocolError
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.runner.apart import Shared
from gridmap.runner.large import LargeFrames
from gridmap.runner.neighbour import Neighbour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gridmap.connection import ConnectionFile
    from gridmap.runner.actions import Say
    from gridmap.transport.sockets import RunnerSocket

Heard: TypeAlias = "tuple[m.FromMonitor, list[payload.Frame]]"
"""A message, and its payload if it has one."""

_MOST_PAYLOAD: Final = 2**34

codec.prepare(m.FromMonitor)  # runners that are copies of one process have it then

_SAID_AT_ONCE: Final = (m.Hello, m.Beat, m.Live)
_HEARD_AT_ONCE: Final = (m.Echo, m.Ack, m.Refuse, m.Welcome, m.Watch)
"""What passes by messages that wait for a large frame."""


class Talk:
    """A runner's side of it. Used in the runner's thread."""

    def __init__(
        self,
        socket: RunnerSocket,
        nonce: str,
        wake: Callable[[], None],
        log: Callable[[str], None],
    ) -> None:
        """Begin.

        Args:
            socket: The connection.
            nonce: What this life of the runner is known by.
            wake: Wakes the runner's thread, to call `awaited`; called in others.
            log: Writes a line for people.
        """
        self._socket, self._log = socket, log
        self._neighbour = Neighbour(nonce)
        self._large = LargeFrames(socket.send, wake, log)
        self._compression = "auto"
        self._held: list[tuple[m.FromMonitor, Sequence[payload.Frame]]] = []
        self._ready: bytes | None = None
        self._unsaid: list[Say] = []
        self._numbers: set[int] = set()
        self._welcome = True
        self.misheard = False

    def introduce(self, hello: m.Hello, file: ConnectionFile) -> m.Hello:
        """Return the greeting to say now, which begins all anew.

        No work is taken in until it is answered: what was sent before that the monitor
        takes for lost, and gives to whoever comes next.

        Args:
            hello: The greeting.
            file: What the connection file says.
        """
        self.forget()
        self._welcome = False
        hello = self._neighbour.introduce(hello, file)
        return self._large.introduce(hello, file, self._socket.address)

    def forget(self) -> None:
        """Forget what waits: the monitor will be told, and will tell, all again."""
        self._large.give_up()
        self._held, self._ready, self._unsaid = [], None, []
        self._numbers.clear()
        self.misheard = False

    def close(self) -> None:
        """End what other runners on this node have from here. Idempotent."""
        self._large.close()

    # Hearing ------------------------------------------------------------------------

    def hear(self, frames: Sequence[payload.Frame]) -> Heard | None:
        """Take in a message.

        Args:
            frames: As they came.

        Returns:
            It; None if it cannot be understood, or its payload is not here. If
            `misheard` is set then, a greeting has to be said; else `awaited` returns
            it later, and what came behind it.
        """
        try:
            message = codec.decode_from_monitor(bytes(frames[0]))
            if isinstance(message, m.Piece):
                self._large.came(message, frames[1:])
                return message, []
            if isinstance(message, m.Credit):
                self._large.allowed(message)
                return message, []
            if self._held and not isinstance(message, _HEARD_AT_ONCE):
                self._held.append((message, frames))
                return None
            if isinstance(message, (m.Content, m.Work)):
                content = self._payload(message, frames)
                return None if content is None else (message, content)
        except RemoteProtocolError as error:
            self._log(f"the monitor is not understood: {error}")
            return None
        if isinstance(message, m.Discard):
            self._large.forget(message.digest)
        elif isinstance(message, m.Welcome):
            self._welcome = True
            self._compression = message.compression
            self._neighbour.welcomed(message)
            self._large.welcomed(message)
        elif isinstance(message, m.Plain):
            self._neighbour.refused()
            self._large.refused()
            self.misheard = True
        return message, []

    def _payload(
        self, message: m.FromMonitor, frames: Sequence[payload.Frame]
    ) -> list[payload.Frame] | None:
        """Return a payload; None if it comes later, or the monitor has to say it again."""
        neighbour, large = self._neighbour, self._large
        if not self._welcome:
            return None
        encoded, shared = frames[1:], None
        if payload.is_plain(encoded):
            return payload.decode(encoded, _MOST_PAYLOAD)
        try:
            references = payload.references(encoded)
            if isinstance(message, m.Content) and not message.once:
                shared = Shared(message.digest, payload.compressions(encoded))
            if not large.here(references, _MOST_PAYLOAD, shared):
                self._held = [(message, frames)]
                return None
            encoded = payload.opened(encoded, large.opened)
        except OSError as error:
            self._log(f"a large frame could not be fetched: {error}")
            self.misheard = True
            return None
        try:
            return payload.decode(
                encoded, _MOST_PAYLOAD, neighbour.fetch, large.take, alike=True
            )
        except OSError as error:
            self._log(f"the driver's memory cannot be opened: {error}")
            neighbour.failed()
            self.misheard = True
            return None

    @property
    def coming(self) -> frozenset[int]:
        """The grants of work that waits for a large frame."""
        return frozenset(
            message.grant for message, _ in self._held if isinstance(message, m.Work)
        )

    @property
    def moved(self) -> float:
        """When bytes of what is brought last moved, on the monotonic clock."""
        return self._large.moved

    def awaited(self) -> Iterator[Heard]:
        """Yield what waited for a large frame that has come, and say what waited so."""
        if self._ready is not None and (brought := self._large.brought()) is not None:
            said: list[Any] = [self._ready, *brought]
            self._socket.send(said)
            unsaid, self._ready, self._unsaid = self._unsaid, None, []
            self._numbers.clear()
            for say in unsaid:
                self.say(say)
        if self._held and self._large.fetched:
            held, self._held = self._held, []
            for _, frames in held:
                if not self.misheard and (heard := self.hear(frames)) is not None:
                    yield heard

    # Saying -------------------------------------------------------------------------

    def say(self, say: Say) -> None:
        """Send a message. One that must arrive is kept elsewhere, and said again."""
        if self._ready is not None and not isinstance(say.message, _SAID_AT_ONCE):
            if self._note(say.message):
                self._unsaid.append(say)
            return
        frames: list[Any] = [codec.encode(say.message)]
        if say.frames:
            encoded = payload.encode(
                say.frames, self._compression, neighbour=self._neighbour.agreed
            )
            now = self._large.bring(encoded, neighbour=self._neighbour.agreed)
            if now is None:
                self._note(say.message)
                self._ready = frames[0]
                return
            frames += now
        sent = self._socket.send(frames)
        if isinstance(say.message, m.Hello):
            if sent:
                self._large.greeted()
            elif not self._welcome:
                # Nobody answers it, and without an answer no work is taken in.
                self.misheard = True

    def tick(self) -> None:
        """Go on with what could not go on before. To be called now and then."""
        self._large.tick()

    def _note(self, message: m.FromRunner) -> bool:
        """Note what waits; say whether it did not wait already, to be said again."""
        number = getattr(message, "number", None)
        if number is None:
            return True
        new = number not in self._numbers
        self._numbers.add(number)
        return new
