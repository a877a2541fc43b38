"""Functions, inputs, results and exceptions as bytes that travel and come back.

`dump` and `load` turn an object into a `Parcel` and back, `pack` and `unpack` many
parcels into few frames, `encode` and `decode` frames into smaller ones. Importing this
imports neither cloudpickle nor zstandard.
"""

from gridmap.payload.batch import MAX_PARCELS, Batch, join, pack, take, unpack
from gridmap.payload.compression import (
    APART,
    LEAST_OF_MANY,
    REFERRED,
    Compression,
    choose,
    compress,
    compressions,
    decode,
    decompress,
    encode,
    is_light,
    is_plain,
    least_apart,
    opened,
    prepare,
    refer,
    references,
)
from gridmap.payload.content import DIGEST_BYTES, digest
from gridmap.payload.exceptions import (
    dump_exception,
    format_traceback,
    load_exception,
    read_traceback,
)
from gridmap.payload.likeness import same, sketch
from gridmap.payload.pickling import (
    LARGE_BYTES,
    Frame,
    Parcel,
    describe,
    detach,
    dump,
    dump_call,
    dump_calls,
    dump_plain,
    load,
    load_all,
    load_plain,
    settle,
)

__all__ = [
    "APART",
    "DIGEST_BYTES",
    "LARGE_BYTES",
    "LEAST_OF_MANY",
    "MAX_PARCELS",
    "REFERRED",
    "Batch",
    "Compression",
    "Frame",
    "Parcel",
    "choose",
    "compress",
    "compressions",
    "decode",
    "decompress",
    "describe",
    "detach",
    "digest",
    "dump",
    "dump_call",
    "dump_calls",
    "dump_exception",
    "dump_plain",
    "encode",
    "format_traceback",
    "is_light",
    "is_plain",
    "join",
    "least_apart",
    "load",
    "load_all",
    "load_exception",
    "load_plain",
    "opened",
    "pack",
    "prepare",
    "read_traceback",
    "refer",
    "references",
    "same",
    "settle",
    "sketch",
    "take",
    "unpack",
]
