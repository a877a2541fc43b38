"""What is asked over a run's control socket, and what is answered.

Each message is four bytes that tell its length, little-endian, and that many bytes of
MessagePack. The user's own processes are at both ends, of the same gridmap.
"""

from __future__ import annotations

import struct
from typing import Any, Final, TypeAlias

import msgspec

from gridmap import events
from gridmap.errors import RemoteProtocolError
from gridmap.packing import pack

MOST_ASKED: Final = 2**16
"""Bytes of a question or an order."""

MOST_ANSWERED: Final = 2**29
LENGTH: Final = struct.Struct("<I")


class _Message(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    pass


class Look(_Message, frozen=True, tag="look"):
    """How does the run stand? Answered by a `Shown`."""


class Follow(_Message, frozen=True, tag="follow"):
    """Tell every event from now on: `Happened`, until either side hangs up.

    Attributes:
        output: Whether what jobs print is wanted too.
    """

    output: bool = False


class KillRun(_Message, frozen=True, tag="kill-run"):
    """End the run; ``by`` says who wants it, for people. Answered by a `Told`."""

    by: str


class KillJobs(_Message, frozen=True, tag="kill-jobs"):
    """End jobs that are not over. Answered by a `Told`.

    Attributes:
        spans: Which: first and one past the last, of each stretch.
        by: Who wants it, for people.
    """

    spans: tuple[tuple[int, int], ...]
    by: str


class Shown(_Message, frozen=True, tag="shown"):
    """How the run stands: see `gridmap.control.record`."""

    record: bytes


class Told(_Message, frozen=True, tag="told"):
    """An order was taken."""


class Refused(_Message, frozen=True, tag="refused"):
    """A question or an order was not understood, or cannot be met; says why."""

    text: str


class Happened(_Message, frozen=True, tag="happened"):
    """An event: the name of its class, and its fields."""

    kind: str
    fields: msgspec.Raw


Question: TypeAlias = Look | Follow | KillRun | KillJobs
Answer: TypeAlias = Shown | Told | Refused | Happened

_questions: Final = msgspec.msgpack.Decoder(Question)
_answers: Final = msgspec.msgpack.Decoder(Answer)
_WITHHELD: Final = frozenset({"settings"})
"""Settings may be of any type, and one may be a password."""

_KINDS: Final[dict[str, type[events.Event]]] = {
    name: kind
    for name, kind in vars(events).items()
    if isinstance(kind, type)
    and issubclass(kind, events.Event)
    and kind is not events.Event
}


def encode(message: Question | Answer) -> bytes:
    """Return a message as it travels, with its length."""
    body = pack(message)
    return LENGTH.pack(len(body)) + body


def question(body: bytes) -> Question:
    """Return the question that these bytes are.

    Raises:
        RemoteProtocolError: If they are none.
    """
    return _decoded(_questions, body)  # type: ignore[no-any-return]


def answer(body: bytes) -> Answer:
    """Return the answer that these bytes are.

    Raises:
        RemoteProtocolError: If they are none.
    """
    return _decoded(_answers, body)  # type: ignore[no-any-return]


def happened(event: events.Event) -> Happened:
    """Return the message that tells of an event, without the run's settings."""
    fields = {
        name: getattr(event, name)
        for name in event.__struct_fields__
        if name not in _WITHHELD
    }
    body = pack(fields)
    return Happened(kind=type(event).__name__, fields=msgspec.Raw(body))


def event(message: Happened) -> events.Event | None:
    """Return the event that is told; None if this gridmap knows none of that name.

    Raises:
        RemoteProtocolError: If its fields make no sense.
    """
    kind = _KINDS.get(message.kind)
    if kind is None:
        return None
    return _decoded(msgspec.msgpack.Decoder(kind), message.fields)  # type: ignore[no-any-return]


def _decoded(decoder: msgspec.msgpack.Decoder[Any], body: bytes | msgspec.Raw) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        msg = f"a message of the control socket makes no sense: {error}"
        raise RemoteProtocolError(msg) from error
