"""Content addresses."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gridmap.payload import DIGEST_BYTES, Parcel, digest, dump

FRAMES = st.lists(st.binary(max_size=4), max_size=4)


@given(one=FRAMES, other=FRAMES)
def test_only_equal_frames_have_the_same_address(
    one: list[bytes], other: list[bytes]
) -> None:
    """Neither other bytes nor other cuts between them are the same content."""
    assert (digest(one) == digest(other)) == (one == other)


def test_an_address_does_not_depend_on_what_carries_the_bytes() -> None:
    """A parcel has the address of its frames, before and after the journey."""
    parcel = dump(np.arange(100_000), what="it")
    address = digest(parcel)
    assert len(address) == DIGEST_BYTES
    assert digest(parcel.detach()) == address
    assert digest([parcel.head, *parcel.buffers]) == address
    assert digest(Parcel(b"x")) == digest([memoryview(b"x")])
