"""What a runner of the run may say that is not so."""

from typing import Any, Final

from tests.security.rogue import Rogue

from gridmap import payload
from gridmap.protocol import messages as m

LIE: Final = 666
NONCE: Final = "0123456789abcdef"


def values(*results: object) -> list[bytes]:
    """Return the payload frames of a report."""
    parcels = [payload.dump(result, what="a lie") for result in results]
    frames = payload.encode(payload.pack(parcels), "none")
    return [bytes(frame) for frame in frames]


def report(liar: Rogue, grant: int, first: int, count: int = 1, **rest: Any) -> None:
    """Report lies about jobs."""
    message = m.Report(
        number=liar.next(), grant=grant, first=first, count=count, **rest
    )
    liar.say(message, *values(*[LIE] * count))


def settle(liar: Rogue) -> None:
    """Wait until everything said so far was heard; the session must be open."""
    number = liar.next()
    liar.say(m.Beat(number=number, holds=tuple(range(200))))
    while liar.await_one(m.Echo).number != number:
        pass


def retire(liar: Rogue, work: m.Work) -> None:
    """Give back the work, and go as an honest runner would."""
    liar.say(
        m.Returned(
            number=liar.next(), grant=work.grant, first=work.first, count=work.count
        )
    )
    liar.say(m.Goodbye(number=liar.next(), reason="stopped"))
    settled = liar.next()
    while settled - 1 not in liar.await_one(m.Ack).numbers:
        pass
