"""Feeds bytes to whatever reads a stranger's: ``python fuzzer.py [libFuzzer options]``.

Needs atheris, which knows which lines a guess reached and makes the next from it.
"""

import contextlib
import importlib
import sys

from gridmap import payload
from gridmap.errors import RemoteProtocolError
from gridmap.protocol import codec

LIMIT_BYTES = 2**20


def try_all(data: bytes) -> None:
    """Read *data* in every way; nothing but `RemoteProtocolError` may come of it."""
    for decode in (codec.decode_from_runner, codec.decode_from_monitor):
        with contextlib.suppress(RemoteProtocolError):
            codec.encode(decode(data))
    half = len(data) // 2
    for frames in ([data], [data[:half], data[half:]], _cut(data)):
        with contextlib.suppress(RemoteProtocolError):
            for parcel in payload.unpack(frames):
                assert parcel.nbytes <= len(data)
        with contextlib.suppress(RemoteProtocolError):
            made = payload.decode(frames, LIMIT_BYTES)
            assert sum(map(len, made)) <= LIMIT_BYTES


def _cut(data: bytes) -> list[bytes]:
    """Return frames whose first byte says how many they are."""
    count = 1 + (data[0] & 7 if data else 0)
    size = max(1, len(data) // count)
    return [data[at : at + size] for at in range(0, len(data), size)] or [b""]


def main() -> None:
    """Fuzz as the command line says."""
    atheris = importlib.import_module("atheris")  # not everywhere, and without types
    for module in (codec, payload.batch, payload.compression):
        for name, value in vars(module).items():
            if callable(value) and getattr(value, "__module__", "") == (
                module.__name__
            ):
                with contextlib.suppress(Exception):
                    setattr(module, name, atheris.instrument_func(value))
    atheris.Setup(sys.argv, try_all)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
