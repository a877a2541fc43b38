"""Rows out of the pages of an SQLite file that SQLite itself cannot read any more.

Every page of the file, and every page its write-ahead log holds, is looked at by
itself: neither the tree above it nor the header of the file is needed. What looks like
a row of ours is handed out with its number; whether it is one, its checksum tells. The
layout is that of sqlite.org/fileformat2.html, sections 1.5, 1.6, 2.1 and 4.1, with our
own page size and no bytes reserved.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from gridmap.journal.database import PAGE_BYTES

PageReader: TypeAlias = Callable[[int], bytes | None]
"""Returns a page by its number, from 1; None if there is none or it is unreadable."""

_LEAF: Final = 0x0D
_LEAF_HEADER_BYTES: Final = 8
_MOST_MISSES: Final = 8
_LARGEST_LOCAL: Final = PAGE_BYTES - 35
_SMALLEST_LOCAL: Final = (PAGE_BYTES - 12) * 32 // 255 - 23
_LINK: Final = struct.Struct(">I")
_WAL_HEADER_BYTES: Final = 32
_FRAME_HEADER: Final = struct.Struct(">II8s8x")  # page, pages after a commit, salts
_FRAME_BYTES: Final = _FRAME_HEADER.size + PAGE_BYTES
_LONGEST_VARINT: Final = 9
_MORE: Final = 0x80
_EMPTY_BLOB: Final = 12  # serial type; two more for each byte


def carve(read: PageReader, count: int, wal: bytes) -> Iterator[tuple[int, bytes]]:
    """Return what may be rows: their numbers and contents, in no order.

    Args:
        read: Reads the file.
        count: How many pages it has.
        wal: Its write-ahead log, empty if there is none.
    """
    logged = dict(wal_pages(wal))

    def newest(number: int) -> bytes | None:
        return logged.get(number) or read(number)

    for _, found in wal_pages(wal):
        yield from _rows(found, newest, read)
    for number in range(1, count + 1):
        page = read(number)
        if page is not None:
            yield from _rows(page, newest, read)


def wal_pages(wal: bytes) -> Iterator[tuple[int, bytes]]:
    """Return numbers and contents of the pages that a log committed, in order.

    Right or wrong; but not those after the last commit: what a process that was killed
    had not finished may stand there, and the next one has done something else.
    """
    for start in _frames(wal)[: committed_frames(wal)]:
        number, _, _ = _FRAME_HEADER.unpack_from(wal, start)
        yield number, wal[start + _FRAME_HEADER.size : start + _FRAME_BYTES]


def committed_frames(wal: bytes) -> int:
    """Return up to which frame a log says that it was committed, right or not.

    SQLite reads a log up to the first frame whose checksum is wrong. If that is less
    than this, something committed is cut off.
    """
    headers = [_FRAME_HEADER.unpack_from(wal, start) for start in _frames(wal)]
    salts = _salts(wal[16:24], [own for _, _, own in headers[:2]])
    return max(
        (n for n, (_, commit, own) in enumerate(headers, 1) if commit and own == salts),
        default=0,
    )


def _salts(head: bytes, first: list[bytes]) -> bytes:
    """Return by which the frames of now are told from those of earlier rounds.

    A log begins anew at its beginning, so its head and first frames are of now; one
    of them may have been hit.
    """
    return first[0] if first and head not in first else head


def _frames(wal: bytes) -> range:
    return range(_WAL_HEADER_BYTES, len(wal) - _FRAME_BYTES + 1, _FRAME_BYTES)


def _rows(page: bytes, *views: PageReader) -> Iterator[tuple[int, bytes]]:
    for number, size, local, link in _cells(page):
        if len(local) == size:
            yield number, _content(local)
            continue
        for view in views:
            whole = _follow(local, size, link, view)
            if whole is not None:
                yield number, _content(whole)


def _cells(page: bytes) -> Iterator[tuple[int, int, bytes, int]]:
    """Return number, size, first bytes and overflow page of the rows in a page.

    What a page says of itself may have been hit, that it is a leaf and how many rows it
    has: beyond that, cells are tried until several in a row make no sense. Rows are
    never taken out, so what is found there is at worst another page's as well.
    """
    if len(page) < PAGE_BYTES:
        page = page.ljust(PAGE_BYTES, b"\0")
    count = int.from_bytes(page[3:5], "big")
    most = (PAGE_BYTES - _LEAF_HEADER_BYTES) // 2
    misses = 0
    known = count if page[0] == _LEAF and count <= most else 0
    for index in range(most):
        place = _LEAF_HEADER_BYTES + 2 * index
        cell = _cell(page, int.from_bytes(page[place : place + 2], "big"))
        misses = 0 if cell is not None else misses + 1
        if cell is not None:
            yield cell
        elif index >= known and misses > _MOST_MISSES:
            return


def _cell(page: bytes, start: int) -> tuple[int, int, bytes, int] | None:
    if start < _LEAF_HEADER_BYTES:
        return None
    size, start = _varint(page, start)
    number, start = _varint(page, start)
    local = _local(size)
    first = page[start : start + local]
    if len(first) < local or number <= 0 or not _is_ours(first, size):
        return None
    link = 0
    if local < size:
        if start + local + _LINK.size > PAGE_BYTES:
            return None
        (link,) = _LINK.unpack_from(page, start + local)
    return number, size, first, link


def _is_ours(first: bytes, size: int) -> bool:
    """Say whether a record has our two columns: the number, stored as NULL, a blob."""
    serial, end = _varint(first, 2)
    return (
        first[:1] == bytes([end])
        and first[1:2] == b"\0"
        and serial >= _EMPTY_BLOB
        and serial % 2 == 0
        and end + (serial - _EMPTY_BLOB) // 2 == size
    )


def _content(record: bytes) -> bytes:
    return record[record[0] :]


def _local(size: int) -> int:
    """Return how many bytes of a record of *size* are in its own page."""
    if size <= _LARGEST_LOCAL:
        return size
    local = _SMALLEST_LOCAL + (size - _SMALLEST_LOCAL) % (PAGE_BYTES - _LINK.size)
    return local if local <= _LARGEST_LOCAL else _SMALLEST_LOCAL


def _follow(first: bytes, size: int, link: int, read: PageReader) -> bytes | None:
    parts, missing = [first], size - len(first)
    while missing > 0:
        page = read(link) if link else None
        if page is None or len(page) < _LINK.size:
            return None
        (link,) = _LINK.unpack_from(page)
        part = page[_LINK.size : _LINK.size + missing]
        if not part:
            return None
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """Return a number and where it ends; -1 where there is none."""
    value = 0
    for index, byte in enumerate(data[start : start + _LONGEST_VARINT], 1):
        if index == _LONGEST_VARINT:
            return value << 8 | byte, start + index
        value = value << 7 | byte & ~_MORE
        if not byte & _MORE:
            return value, start + index
    return -1, start
