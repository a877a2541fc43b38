"""What is put comes back, whole and in order."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.others import OtherUser
from tests.unit.journal.journals import PATIENCE_S, Committed, plain, read, write

from gridmap.errors import RunError
from gridmap.journal.log import JournalLog, read_only
from gridmap.journal.record import SPILL_BYTES, Item


def large(size: int) -> st.SearchStrategy[bytes]:
    """Draw frames of about *size* bytes, cheaply."""
    return st.builds(
        lambda seed, more: bytes([seed]) * (size + more),
        st.integers(0, 255),
        st.integers(-1, 1),
    )


def viewed(data: bytes) -> memoryview:
    """Return what buffers that travel beside a pickle are."""
    return memoryview(data)


FRAMES = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=50).map(bytearray),
    st.binary(max_size=50).map(viewed),
    large(2**15),
    large(SPILL_BYTES),
)
ITEMS = st.builds(
    Item,
    st.one_of(st.binary(max_size=100), large(SPILL_BYTES)),
    st.lists(FRAMES, max_size=4).map(tuple),
)


@pytest.mark.slow
@pytest.mark.timeout(120)
@settings(max_examples=20, deadline=None)
@given(batches=st.lists(st.lists(ITEMS, max_size=5), max_size=5), data=st.data())
def test_what_is_put_is_read(batches: list[list[Item]], data: st.DataObject) -> None:
    """Any items in any batches, the file closed and opened anywhere between them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.sqlite")
        log = JournalLog.open(path)
        for batch in batches:
            if data.draw(st.booleans()):
                assert log.close(PATIENCE_S)
                log = JournalLog.open(path)
            log.put(batch)
        assert log.close(PATIENCE_S)
        every = [item for batch in batches for item in batch]
        assert plain(read(path)) == plain(every)
        assert plain(list(read_only(path))) == plain(every)
        log = JournalLog.open(path)
        assert log.damage is None
        assert log.close(PATIENCE_S)


def test_tickets_are_reached_in_order(tmp_path: Path) -> None:
    """A ticket is committed once its items can be read by others."""
    committed = Committed()
    path = tmp_path / "journal.sqlite"
    log = JournalLog.open(path, on_commit=committed)
    first = log.put([Item(b"a"), Item(b"b")])
    assert log.put([]) == first
    second = log.put([Item(b"c", (b"x" * 2 * SPILL_BYTES,))])
    assert second > first
    committed.wait(log, second)
    assert [item.body for item in read_only(path)] == [b"a", b"b", b"c"]
    assert log.failing == ""
    assert log.close(PATIENCE_S)
    assert log.close(PATIENCE_S)


def test_what_comes_after_the_end_keeps_nobody_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is given up, and said to be."""
    log = JournalLog.open(tmp_path / "journal.sqlite")
    log.put([Item(b"a")])
    assert log.close(PATIENCE_S)
    assert log.put([Item(b"b")]) == log.committed
    assert "is closed; it lacks what came since" in caplog.text
    assert not log.close(PATIENCE_S)
    assert plain(read(tmp_path / "journal.sqlite")) == [(b"a", ())]


def test_a_listener_that_fails_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What it was to be told is written all the same."""

    def fail() -> None:
        msg = "socket gone"
        raise OSError(msg)

    log = JournalLog.open(tmp_path / "journal.sqlite", on_commit=fail)
    log.put([Item(b"a")])
    log.put([Item(b"b")])
    assert log.close(PATIENCE_S)
    assert "socket gone" in caplog.text
    assert len(read(tmp_path / "journal.sqlite")) == 2


def test_nobody_else_can_read_what_is_written(tmp_path: Path) -> None:
    """Whatever the umask, files are 0600 and the directory of frames 0700."""
    before = os.umask(0)
    try:
        log = JournalLog.open(tmp_path / "journal.sqlite")
        log.put([Item(b"", (bytes(2 * SPILL_BYTES),)), Item(b"x")])
        modes = set()
        assert log.close(PATIENCE_S)
        log = JournalLog.open(tmp_path / "journal.sqlite")
        committed = log.put([Item(b"")])
        assert committed == 3
        for file in tmp_path.rglob("*"):
            modes.add((file.is_dir(), stat.S_IMODE(file.stat().st_mode)))
        assert log.close(PATIENCE_S)
    finally:
        os.umask(before)
    assert modes == {(True, 0o700), (False, 0o600)}


def test_a_file_others_could_have_written_is_refused(tmp_path: Path) -> None:
    """Loose modes and links are, by the writer and by readers."""
    path = tmp_path / "journal.sqlite"
    write(path, [Item(b"x")])
    path.chmod(0o620)
    with pytest.raises(RunError, match="mode 0620, expected 0600"):
        JournalLog.open(path)
    with pytest.raises(RunError, match="mode 0620, expected 0600"):
        list(read_only(path))
    path.chmod(0o600)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(RunError, match="link"):
        JournalLog.open(tmp_path / "link")


def test_a_file_of_another_user_is_refused(
    tmp_path: Path, other_user: OtherUser
) -> None:
    """He could write what he likes."""
    path = tmp_path / "journal.sqlite"
    write(path, [])
    other_user.own(path)
    with pytest.raises(RunError, match=f"belongs to user {other_user.uid}"):
        JournalLog.open(path)


def test_a_journal_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(RunError, match=r"cannot be opened: .*No such file"):
        JournalLog.open(tmp_path / "nowhere" / "journal.sqlite")


def test_a_journal_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    """Reading begins none."""
    with pytest.raises(RunError, match="cannot be opened"):
        list(read_only(tmp_path / "journal.sqlite"))
    assert not list(tmp_path.iterdir())


def test_frames_of_no_row_are_cleared_away(tmp_path: Path) -> None:
    """They are the rest of a writer that died before it named them."""
    path = tmp_path / "journal.sqlite"
    write(path, [Item(b"", (bytes(2 * SPILL_BYTES),))])
    folder = tmp_path / "journal.frames"
    (folder / "000000000002").touch()
    (folder / "000000000003.part").touch()
    assert len(read(path)) == 1
    assert [file.name for file in folder.iterdir()] == ["000000000001"]


def test_a_journal_becomes_no_larger_than_it_may(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is too much is counted and told; what is small is still written."""
    committed, path = Committed(), tmp_path / "journal.sqlite"
    result = Item(b"result", (b"x" * 300_000,))
    most = 5 * 2**20
    log = JournalLog.open(path, on_commit=committed, largest_bytes=most)
    for number in range(40):
        committed.wait(log, log.put([result, Item(b"runner %d" % number)]))
    assert log.beyond == log.dropped == 40 - most // 300_000
    assert not log.failing
    assert not log.close(PATIENCE_S)
    assert [r.levelname for r in caplog.records] == ["WARNING", "ERROR"]
    assert all("max_journal_bytes" in text for text in caplog.messages)
    runners = [item.body for item in read_only(path) if not item.frames]
    assert runners == [b"runner %d" % number for number in range(40)]
    assert size_of(tmp_path) < most * 1.1


def test_what_an_earlier_process_wrote_counts(tmp_path: Path) -> None:
    """Also what stands in files of its own."""
    path, most = tmp_path / "journal.sqlite", 4 * 2**20
    large = Item(b"large", (bytes(SPILL_BYTES),))
    for lost in (0, 1):
        log = JournalLog.open(path, largest_bytes=most)
        log.put([large, large, Item(b"small")])
        assert log.close(PATIENCE_S) is not bool(lost)
        assert log.beyond == lost


def test_words_alone_do_not_fill_the_disk(tmp_path: Path) -> None:
    """What has no frames may go on for a while longer, and then ends too."""
    most = 2**20
    log = JournalLog.open(tmp_path / "journal.sqlite", largest_bytes=most)
    for _ in range(1000):
        log.put([Item(b"word" * 1000)])
    assert not log.close(PATIENCE_S)
    assert 1000 - log.beyond < most * 1.1 / 4000
    assert size_of(tmp_path) < most * 1.2


def size_of(directory: Path) -> int:
    """Return how much is in a directory, bytes."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
