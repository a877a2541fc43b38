"""Frames made smaller where that pays.

`encode` puts one frame in front of a message's frames that says, one byte a frame, how
each of them is compressed. The method travels apart from the data, so a large buffer
that does not gain from compression is passed on as it is, never copied.

A frame that both sides can see as memory is not sent at all: a reference to it is. So
it is with a large frame that has a connection of its own.

Decoding never makes more than it is allowed to: a few bytes that would become
gigabytes are refused before they do.
"""

from __future__ import annotations

import enum
import sys
from typing import TYPE_CHECKING, Final

from gridmap.errors import InvalidSettingError, RemoteProtocolError, RunError
from gridmap.payload import held, memory
from gridmap.payload.spare import Spare

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from gridmap.payload.pickling import Frame

_AUTO: Final = "auto"
_NONE: Final = "none"
SETTINGS: Final = (_AUTO, _NONE, "zstd", "bz2")
"""The values `choose` understands."""

_AUTO_BYTES: Final = 16 * 1024
_FORCED_BYTES: Final = 512
_SAMPLES: Final = 8
_SAMPLE_BYTES: Final = 8 * 1024
_WORTHWHILE: Final = 0.8

LEAST_OF_MANY: Final = 16 * 1024
"""No frame travels apart that has less."""

_spare: Final = Spare()
"""Let go of to import zstandard with."""
_ZSTD_LEVEL: Final = 1  # 3 gains a few per cent on arrays, at half the speed
_BZ2_LEVEL: Final = 9

REFERRED: Final = 3
"""In place of a method: the frame is a reference to memory, see `memory`."""

APART: Final = 16
"""Added to a method: the frame travels apart, and a reference to it is here instead."""


class Compression(enum.Enum):
    """How a frame is compressed; the value is its byte on the wire."""

    NONE = 0
    ZSTD = 1
    BZ2 = 2


def choose(setting: str, frame: Frame) -> Compression:
    """Decide how to compress *frame*.

    Args:
        setting: ``none``; ``zstd`` or ``bz2``, for every frame of 512 bytes or more;
            or ``auto``: zstd for a frame of 16 KiB or more of which a sample becomes
            more than 20 % smaller.
        frame: The frame.

    Returns:
        The method.

    Raises:
        InvalidSettingError: If there is no such setting.
    """
    if setting not in SETTINGS:
        msg = f"compression {setting!r} is none of {', '.join(SETTINGS)}"
        raise InvalidSettingError(msg)
    if setting == _AUTO:
        gains = len(frame) >= _AUTO_BYTES and _gains(frame)
        return Compression.ZSTD if gains else Compression.NONE
    if setting == _NONE or len(frame) < _FORCED_BYTES:
        return Compression.NONE
    return Compression[setting.upper()]


def _gains(frame: Frame) -> bool:
    """Try samples from all over the frame: a file's start is rarely typical."""
    view = memoryview(frame)
    last = len(view) - _SAMPLE_BYTES
    starts = sorted({last * part // (_SAMPLES - 1) for part in range(_SAMPLES)})
    sample = b"".join(view[start : start + _SAMPLE_BYTES] for start in starts)
    return len(compress(sample, Compression.ZSTD)) < _WORTHWHILE * len(sample)


def compress(frame: Frame, compression: Compression) -> Frame:
    """Compress *frame*; the frame itself is returned if there is nothing to do."""
    if compression is Compression.NONE:
        return frame
    if compression is Compression.BZ2:
        import bz2  # noqa: PLC0415 - few use it

        return bz2.compress(frame, _BZ2_LEVEL)
    _import_zstandard()
    import zstandard  # noqa: PLC0415 - see there

    compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True)
    return compressor.compress(frame)


def prepare() -> None:
    """See that frames can be decompressed when there are no descriptors any more."""
    if "zstandard" not in sys.modules:
        _spare.keep()


def _import_zstandard() -> None:
    """Import it now: that takes 15 ms, which small frames need not pay.

    Raises:
        RunError: If there is not a descriptor to be had for that.
    """
    _spare.let_go()
    try:
        import zstandard  # noqa: F401, PLC0415 - see above
    except OSError as error:
        msg = (
            f"zstandard, with which large data are compressed, cannot be imported "
            f"({error}): have fewer files open in this process, raise its limit "
            '(ulimit -n), or set compression to "none"'
        )
        raise RunError(msg) from error


def decompress(frame: Frame, compression: Compression, limit_bytes: int) -> Frame:
    """Undo `compress`.

    Args:
        frame: The compressed frame.
        compression: How it was compressed.
        limit_bytes: How much may come out of it.

    Returns:
        The frame as it was; the same object if it was not compressed.

    Raises:
        RemoteProtocolError: If it is damaged, or is or claims to be larger than the
            limit. Nothing larger is ever made.
    """
    if compression is Compression.BZ2:
        return _decompress_bz2(frame, limit_bytes)
    if compression is Compression.ZSTD:
        return _decompress_zstd(frame, limit_bytes)
    _check_size(len(frame), limit_bytes)
    return frame


def _decompress_bz2(frame: Frame, limit_bytes: int) -> bytes:
    import bz2  # noqa: PLC0415 - few use it

    decompressor = bz2.BZ2Decompressor()
    try:
        # One byte more than allowed tells "exactly the limit" from "over it".
        data = decompressor.decompress(frame, max_length=limit_bytes + 1)
    except (OSError, ValueError, EOFError) as exc:
        msg = f"a bz2 frame is damaged: {exc}"
        raise RemoteProtocolError(msg) from exc
    _check_size(len(data), limit_bytes)
    if not decompressor.eof or decompressor.unused_data:
        msg = "a bz2 frame does not end where its data end"
        raise RemoteProtocolError(msg)
    return data


def _decompress_zstd(frame: Frame, limit_bytes: int) -> bytes:
    _import_zstandard()
    import zstandard  # noqa: PLC0415 - see there

    try:
        size = zstandard.frame_content_size(frame)
        if size < 0:  # the one way to find out would be to decompress it
            msg = "a zstd frame does not tell its size"
            raise RemoteProtocolError(msg)
        _check_size(size, limit_bytes)
        return zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as exc:
        msg = f"a zstd frame is damaged: {exc}"
        raise RemoteProtocolError(msg) from exc


def _check_size(size: int, limit_bytes: int) -> None:
    if size > limit_bytes:
        msg = f"a frame of {size} bytes where at most {limit_bytes} are allowed"
        raise RemoteProtocolError(msg)


def encode(
    frames: Sequence[Frame], setting: str, *, neighbour: bool = False
) -> list[Frame]:
    """Compress each of *frames* as *setting* has it.

    Args:
        frames: A message's payload frames.
        setting: As for `choose`.
        neighbour: Whether who reads them can open this process's memory: then frames
            that can be passed on as memory are only referred to, and have to be kept
            until they have been fetched. ``auto`` compresses nothing then: copying is
            faster.

    Returns:
        One frame more: first a byte a frame for its method, then the frames. Those
        that would not become smaller are the objects that were passed in, and large
        ones that are the same object, or show the same memory, are one object.
    """
    if neighbour and setting == _AUTO:
        setting = _NONE
    if setting in (_AUTO, _NONE) and max(map(len, frames), default=0) < _AUTO_BYTES:
        return [bytes(len(frames)), *frames]  # as most messages are
    methods = bytearray()
    encoded: list[Frame] = []
    known: dict[int, tuple[int, Frame]] = {}
    for frame in frames:
        if len(frame) < memory.LEAST_BYTES:
            method, smaller = _smaller(frame, setting)
        else:
            sealed = held.sealed_in(frame)
            key = id(sealed or frame)
            if key not in known:
                if neighbour and sealed is not None:
                    known[key] = REFERRED, sealed.reference
                else:
                    known[key] = _smaller(frame, setting)
            method, smaller = known[key]
        methods.append(method)
        encoded.append(smaller)
    return [bytes(methods), *encoded]


def _smaller(frame: Frame, setting: str) -> tuple[int, Frame]:
    method = choose(setting, frame)
    smaller = compress(frame, method)
    if len(smaller) >= len(frame):
        method, smaller = Compression.NONE, frame
    return method.value, smaller


def refer(
    encoded: Sequence[Frame],
    refer_to: Callable[[Frame], bytes],
    least_bytes: int = memory.LEAST_BYTES,
) -> list[Frame]:
    """Have large frames travel apart.

    Args:
        encoded: What `encode` or this returned.
        refer_to: Takes a frame that is to travel apart, and returns a reference to it.
        least_bytes: From which size on a frame is large.

    Returns:
        The frames, with references in place of those that are large.
    """
    if max(map(len, encoded)) < least_bytes:
        return list(encoded)  # as most messages are
    methods = bytearray(encoded[0])
    referring: list[Frame] = [b""]
    for at, frame in enumerate(encoded[1:]):
        if len(frame) >= least_bytes:  # a reference is not, nor is it referred to
            methods[at] |= APART
            frame = refer_to(frame)  # noqa: PLW2901 - what stands for it
        referring.append(frame)
    referring[0] = bytes(methods)
    return referring


def is_plain(encoded: Sequence[Frame]) -> bool:
    """Tell whether all of a message is there as it is, as with most messages.

    Args:
        encoded: What `encode` or `refer` returned, possibly from another process.
    """
    return bool(encoded) and not any(encoded[0])


def is_light(encoded: Sequence[Frame]) -> bool:
    """Tell whether all of a message travels in it, as it does with most messages.

    Args:
        encoded: What `encode` or `refer` returned.
    """
    return sum(map(len, encoded)) < memory.LEAST_BYTES


def least_apart(encoded: Sequence[Frame], *, neighbour: bool) -> int:
    """Return from which size on frames are too large to travel in their message.

    As small ones do, but for those of a message that is large for their number: what is
    said behind it would wait for all of it.

    Args:
        encoded: What `encode` or `refer` returned.
        neighbour: Whether it stays on this host, where no line is slow: then frames
            that are large only together stay in the message.
    """
    many = not neighbour and not is_light(encoded)
    return LEAST_OF_MANY if many else memory.LEAST_BYTES


def references(encoded: Sequence[Frame]) -> list[Frame]:
    """Return the references among frames that `refer` returned, in order.

    Raises:
        RemoteProtocolError: If they are damaged.
    """
    if not encoded or len(encoded[0]) != len(encoded) - 1:
        msg = f"the methods of {len(encoded)} encoded frames do not match them"
        raise RemoteProtocolError(msg)
    pairs = zip(bytes(encoded[0]), encoded[1:], strict=True)
    return [frame for number, frame in pairs if number & APART]


def compressions(encoded: Sequence[Frame]) -> dict[bytes, Compression]:
    """Return how what each reference of `references` refers to is compressed.

    Raises:
        RemoteProtocolError: If that is not known here.
    """
    numbers = bytes(encoded[0])
    pairs = zip(numbers, encoded[1:], strict=True)
    return {bytes(f): _method(number ^ APART) for number, f in pairs if number & APART}


def opened(encoded: Sequence[Frame], which: Collection[bytes]) -> list[Frame]:
    """Return what `refer` returned as if what some references lead to were uncompressed.

    Args:
        encoded: The frames.
        which: These references.
    """
    methods = bytearray(encoded[0])
    for at, frame in enumerate(encoded[1:]):
        if methods[at] & APART and bytes(frame) in which:
            methods[at] = APART
    return [bytes(methods), *encoded[1:]]


def decode(
    frames: Sequence[Frame],
    limit_bytes: int,
    fetch: Callable[[Frame, int], Frame] | None = None,
    bring: Callable[[Frame, int], Frame] | None = None,
    *,
    alike: bool = False,
) -> list[Frame]:
    """Undo `encode`.

    Args:
        frames: What `encode` returned, possibly from another process.
        limit_bytes: How large all the frames together may become.
        fetch: Returns what a reference refers to, given that and how large it may be;
            None: there are to be no references.
        bring: Returns what travelled apart, given the reference and how large it may
            be; None: nothing is to.
        alike: Whether a reference may stand there several times. It is followed once,
            and counts once; what it leads to is then one frame, not to be written to.

    Returns:
        The frames that were encoded.

    Raises:
        RemoteProtocolError: If they are damaged or too large.
        OSError: If memory cannot be fetched.
    """
    if not frames or len(frames[0]) != len(frames) - 1:
        msg = f"the methods of {len(frames)} encoded frames do not match them"
        raise RemoteProtocolError(msg)
    numbers, rest = bytes(frames[0]), frames[1:]
    if not any(numbers) and sum(map(len, rest)) <= limit_bytes:
        return list(rest)  # as most messages are
    decoded: list[Frame] = []
    known: dict[tuple[int, bytes], Frame] = {}
    for number, frame in zip(numbers, rest, strict=True):
        refers = number == REFERRED or number & APART
        key = (number, bytes(frame) if alike and refers else b"")
        found = known.get(key)
        if found is None:
            if number == REFERRED and fetch is not None:
                found = fetch(frame, limit_bytes)
            elif number & APART and bring is not None:
                brought = bring(frame, limit_bytes)
                found = decompress(brought, _method(number ^ APART), limit_bytes)
            else:
                found = decompress(frame, _method(number), limit_bytes)
            limit_bytes -= len(found)
            if alike and refers:
                known[key] = found = held.hold(found)
        decoded.append(found)
    return decoded


def _method(number: int) -> Compression:
    try:
        return Compression(number)
    except ValueError as exc:
        msg = f"no compression has the number {number}"
        raise RemoteProtocolError(msg) from exc
