"""What a content is called among runners: by its bytes and the run's secret alone."""

import itertools

import msgspec

from gridmap.runner.node.election import GENERATIONS
from gridmap.runner.node.naming import MOST_BYTES, Content

CONTENT = Content(b"d" * 20, (1 << 20, 3), b"secret" * 5)
SUN_PATH = 108
"""Bytes of an address of a Unix socket, see unix(7)."""


def test_contents_of_other_bytes_or_runs_have_other_names() -> None:
    """And so has each generation."""
    others = [
        CONTENT,
        msgspec.structs.replace(CONTENT, digest=b"e" * 20),
        msgspec.structs.replace(CONTENT, sizes=(1 << 20, 4)),
        msgspec.structs.replace(CONTENT, sizes=(1 << 20,)),
        msgspec.structs.replace(CONTENT, secret=b"secret" * 6),
    ]
    pairs = list(itertools.product(others, range(GENERATIONS)))
    places = {one.place(generation) for one, generation in pairs}
    keys = {one.key(generation) for one, generation in pairs}
    assert len(places) == len(keys) == len(pairs)
    assert all(place[0] == 0 and len(place) <= SUN_PATH for place in places)


def test_memory_is_as_large_as_its_frame() -> None:
    """What was compressed tells only when it is opened, and has a limit."""
    sizes = CONTENT.sizes
    for number, size in enumerate(sizes):
        assert CONTENT.fits(number, size)
        assert not CONTENT.fits(number, size + 1)
        assert not CONTENT.fits(number, size - 1)
    assert not CONTENT.fits(len(sizes), sizes[-1])
    larger = msgspec.structs.replace(CONTENT, compressed=frozenset({0}))
    assert larger.fits(0, MOST_BYTES)
    assert not larger.fits(0, MOST_BYTES + 1)
    assert not larger.fits(1, sizes[1] + 1)


def test_runners_of_one_run_come_to_the_same_name() -> None:
    same = Content(bytes(CONTENT.digest), tuple(CONTENT.sizes), bytes(CONTENT.secret))
    assert same.place(1) == CONTENT.place(1)


def test_neither_name_nor_text_tells_the_secret() -> None:
    """Everybody can read names in ``/proc/net/unix``."""
    shown = CONTENT.place(0) + repr(CONTENT).encode()
    for secret in (CONTENT.secret, CONTENT.key(0)):
        assert secret not in shown
        assert secret.hex().encode() not in shown
