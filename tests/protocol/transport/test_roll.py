"""Who speaks by which connection, whatever the order of events and messages."""

from gridmap.transport.zeromq.roll import Roll

A, B = b"a", b"b"


def gone(roll: Roll) -> list[bytes]:
    """Return who is gone, all they said having been read."""
    roll.tell()
    return roll.told()


def test_a_peer_is_gone_when_its_connection_is_closed() -> None:
    """It is told once."""
    roll = Roll()
    roll.enters(7)
    assert not roll.speaks(A, 7)
    assert roll.claim(A, 7)
    assert roll.speaks(A, 7)
    assert roll.leaves(7)
    assert roll.told() == [], "it may have said more"
    assert gone(roll) == [A]
    assert gone(roll) == []


def test_a_stranger_was_never_heard() -> None:
    roll = Roll()
    roll.enters(7)
    assert not roll.leaves(7)
    assert gone(roll) == []


def test_who_comes_back_by_another_connection_is_not_gone() -> None:
    """Nor is whoever has the old descriptor now taken for it."""
    roll = Roll()
    roll.enters(7)
    roll.claim(A, 7)
    roll.enters(8)
    roll.claim(A, 8)
    assert roll.leaves(7)
    assert gone(roll) == []
    roll.enters(7)
    roll.claim(B, 7)
    roll.leaves(8)
    roll.leaves(7)
    assert gone(roll) == [A, B]


def test_a_takeover_of_which_nothing_is_told() -> None:
    """Libzmq closes the older connection itself, and its descriptor is used again."""
    roll = Roll()
    roll.enters(7)
    roll.claim(A, 7)
    roll.enters(8)
    roll.claim(A, 8)
    roll.enters(7)
    assert not roll.leaves(7), "a stranger"
    assert gone(roll) == []


def test_a_message_that_is_read_after_its_connection_was_closed() -> None:
    """Its peer was there, and is gone."""
    roll = Roll()
    roll.enters(7)
    assert not roll.leaves(7)
    assert not roll.claim(A, 7)
    assert roll.spoke(A, 7)
    assert not roll.spoke(A, 7)
    assert gone(roll) == [A]
