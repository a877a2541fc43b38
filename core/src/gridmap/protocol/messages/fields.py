"""The protocol's version, and what fields of its messages may hold.

Bytes that hold a value out of range are no message.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

VERSION: Final = 1
"""Version of the wire protocol. Both sides must have the same."""

Count = Annotated[int, Meta(ge=0, le=2**53)]
Seconds = Annotated[float, Meta(ge=0, le=1e15)]  # bounds keep out inf and nan
Moment = Annotated[float, Meta(ge=-1e15, le=1e15)]
Amount = Annotated[float, Meta(ge=-1e300, le=1e300)]
Word = Annotated[str, Meta(max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""One line without control characters: words end up in logs and on terminals."""
Text = Annotated[str, Meta(max_length=65_536)]
Path = Annotated[str, Meta(max_length=4_096)]
Holdings = Annotated[tuple[Count, ...], Meta(max_length=4_096)]
Short = Annotated[bytes, Meta(max_length=256)]
Sizes = Annotated[
    tuple[Annotated[int, Meta(ge=1, le=2**53)], ...],
    Meta(min_length=1, max_length=65_536),
]
Status = Annotated[int, Meta(ge=-(2**31), lt=2**32)]


class Message(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a message, or a part of one, is made of: its fields in order, no names."""
