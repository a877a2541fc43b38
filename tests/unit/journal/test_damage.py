"""Of a damaged journal what is intact is kept, and the user is told of the rest."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.journal.journals import PATIENCE_S, Committed, plain, read, write

from gridmap.errors import RunError
from gridmap.journal.database import PAGE_BYTES
from gridmap.journal.log import JournalLog, read_only
from gridmap.journal.record import SPILL_BYTES, Item, encode

SMALL = [Item(b"%d" % n, (b"%d," % n * (n * 20),)) for n in range(1, 81)]
LONG = [Item(b"long", (b"%d," % n * 20_000, b"")) for n in range(3)]
ITEMS = [*SMALL, *LONG, Item(b"large", (bytes(SPILL_BYTES), b"x")), *SMALL[:20]]
"""Rows that share a page, rows of several pages, and one with a file of its own."""


@attrs.frozen
class Template:
    """The files of a journal: closed, or as a writer that was killed leaves them."""

    folder: Path

    def copy(self, to: Path) -> Path:
        """Return the path of a copy."""
        shutil.copytree(self.folder, to / "run")
        return to / "run" / "journal.sqlite"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A journal that was closed properly."""
    folder = tmp_path_factory.mktemp("closed")
    write(folder / "journal.sqlite", ITEMS, a_batch=10)
    return Template(folder)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    """A journal whose later half is only in the write-ahead log."""
    folder = tmp_path_factory.mktemp("killed")
    path = folder / "writing" / "journal.sqlite"
    path.parent.mkdir()
    write(path, ITEMS[:50], a_batch=10)
    committed = Committed()
    log = JournalLog.open(path, on_commit=committed)
    for start in range(50, len(ITEMS), 5):
        committed.wait(log, log.put(ITEMS[start : start + 5]))
    shutil.copytree(path.parent, folder / "killed")
    yield Template(folder / "killed")
    assert log.close(PATIENCE_S)


def salvaged(path: Path) -> list[Item]:
    """Open a journal that may be damaged; check what always holds; return its items."""
    log = JournalLog.open(path)
    found = list(log.read())
    damage = log.damage
    assert is_part(plain(found), plain(ITEMS))
    if damage is None:
        # Only the end can go without a trace.
        assert plain(found) == plain(ITEMS[: len(found)])
    else:
        assert damage.kept == len(found)
    # It can be gone on with, and nobody is told twice.
    log.put([Item(b"more")])
    assert log.close(PATIENCE_S)
    again = JournalLog.open(path)
    assert plain(list(again.read())) == plain([*found, Item(b"more")])
    assert again.damage is None
    assert again.close(PATIENCE_S)
    return found


def is_part(
    some: list[object] | list[tuple[bytes, tuple[bytes, ...]]], of: object
) -> bool:
    """Say whether *some* are among the others in their order."""
    rest = iter(of)  # type: ignore[call-overload] # any list
    return all(item in rest for item in some)


def flip(path: Path, places: list[tuple[float, int]]) -> None:
    """Change bytes of a file: where, as a part of its length, and which bits."""
    data = bytearray(path.read_bytes())
    for where, bits in places:
        data[int(where * len(data))] ^= bits
    path.write_bytes(data)


PLACES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)),
    min_size=1,
    max_size=5,
)
HEADS = st.lists(  # of the file, and of its pages
    st.builds(
        lambda page, byte, bits: (page * PAGE_BYTES + byte, bits),
        st.integers(0, 5),
        st.integers(0, 110),
        st.integers(1, 255),
    ),
    min_size=1,
    max_size=3,
)


@pytest.mark.slow
@pytest.mark.timeout(240)
@settings(max_examples=60, deadline=None)
@given(places=PLACES)
def test_flipped_bytes_take_only_what_they_hit(
    closed: Template, places: list[tuple[float, int]]
) -> None:
    """Anywhere in the file: what is kept is intact and in order, and most is."""
    with tempfile.TemporaryDirectory() as folder:
        path = closed.copy(Path(folder))
        flip(path, places)
        assert len(salvaged(path)) >= len(ITEMS) - len(places)


@pytest.mark.slow
@pytest.mark.timeout(240)
@settings(max_examples=60, deadline=None)
@given(places=HEADS)
@example(places=[(2 * PAGE_BYTES, 1), (2 * PAGE_BYTES + 8, 1)])
@example(places=[(3 * PAGE_BYTES + 4, 4)])  # it says 9 rows then, and has 13
def test_a_hit_at_the_head_of_a_page_does_not_take_the_page(
    closed: Template, places: list[tuple[int, int]]
) -> None:
    """Rows do not need the tree above them, nor what their page says of itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = closed.copy(Path(folder))
        data = bytearray(path.read_bytes())
        for where, bits in places:
            data[where] ^= bits
        path.write_bytes(data)
        assert len(salvaged(path)) >= len(ITEMS) - 2 * len(places)


@pytest.mark.slow
@pytest.mark.timeout(240)
@settings(max_examples=60, deadline=None)
@given(places=PLACES)
def test_a_damaged_log_loses_only_what_was_hit(
    killed: Template, places: list[tuple[float, int]]
) -> None:
    """SQLite would silently forget all that follows the first wrong byte."""
    with tempfile.TemporaryDirectory() as folder:
        path = killed.copy(Path(folder))
        flip(path.with_name("journal.sqlite-wal"), places)
        assert len(salvaged(path)) >= len(ITEMS) - len(places)


@pytest.mark.slow
@pytest.mark.timeout(240)
@settings(max_examples=60, deadline=None)
@given(part=st.floats(0, 1, exclude_max=True), which=st.sampled_from(["", "-wal"]))
def test_a_file_cut_off_anywhere_keeps_what_is_before(
    killed: Template, part: float, which: str
) -> None:
    """Of either file; what the other has is there in any case."""
    with tempfile.TemporaryDirectory() as folder:
        path = killed.copy(Path(folder))
        cut = path.with_name(path.name + which)
        length = int(part * cut.stat().st_size)
        with cut.open("r+b") as stream:
            stream.truncate(length)
        found = salvaged(path)
        assert len(found) >= (50 if which else len(ITEMS) - 50)


@pytest.mark.parametrize("content", [b"", b"\0" * 100_000, b"not SQLite", b"S" * 9000])
def test_a_file_that_is_none_is_set_aside(tmp_path: Path, content: bytes) -> None:
    """It is there still, and the journal begins anew."""
    path = tmp_path / "journal.sqlite"
    write(path, SMALL)
    path.write_bytes(content)
    log = JournalLog.open(path)
    assert list(log.read()) == []
    assert log.damage is not None
    assert log.damage.aside == tmp_path / "journal.sqlite.damaged-1"
    assert log.damage.aside.read_bytes() == content
    assert str(log.damage.aside) in str(log.damage)
    log.put(SMALL)
    assert log.close(PATIENCE_S)
    path.write_bytes(content)
    assert read(path) == []
    assert (tmp_path / "journal.sqlite.damaged-2").exists()


def test_a_log_that_is_gone_takes_only_its_own(
    killed: Template, tmp_path: Path
) -> None:
    """What had been written back into the file stays."""
    path = killed.copy(tmp_path)
    path.with_name("journal.sqlite-wal").unlink()
    assert len(salvaged(path)) >= 50


def test_a_file_that_is_gone_is_told(killed: Template, tmp_path: Path) -> None:
    """What its log has is kept, and the numbers of lost items are not given again."""
    path = killed.copy(tmp_path)
    path.unlink()
    found = salvaged(path)
    assert plain(found)[-20:] == plain(SMALL[:20])


def test_what_was_never_committed_is_not_salvaged(tmp_path: Path) -> None:
    """A dead process's unfinished work does not come back instead of what was done."""
    path = tmp_path / "journal.sqlite"
    write(path, SMALL[:5])
    if os.fork() == 0:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA cache_size=1")
        connection.execute("BEGIN")
        for number in range(6, 300):
            row = encode(number, Item(b"never", (bytes(30_000),)))
            connection.execute("INSERT INTO item VALUES (?, ?)", (number, row))
        os.kill(os.getpid(), signal.SIGKILL)
    os.wait()
    assert path.with_name("journal.sqlite-wal").stat().st_size > 100 * PAGE_BYTES
    committed = Committed()
    log = JournalLog.open(path, on_commit=committed)
    committed.wait(log, log.put(SMALL[5:20]))
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tmp_path.glob("journal.sqlite*"):
        shutil.copy(file, copy)
    assert log.close(PATIENCE_S)
    flip(copy / "journal.sqlite", [(0.0, 1)])
    assert plain(read(copy / "journal.sqlite")) == plain(SMALL[:20])


def test_the_damaged_file_is_kept_with_its_log(
    killed: Template, tmp_path: Path
) -> None:
    """Somebody who knows more may yet get more out of it."""
    path = killed.copy(tmp_path)
    log = path.with_name("journal.sqlite-wal")
    flip(log, [(0.3, 255)])
    before = log.read_bytes()
    assert salvaged(path)
    aside = path.with_name("journal.sqlite.damaged-1")
    assert aside.with_name(f"{aside.name}-wal").read_bytes() == before


@pytest.mark.parametrize("how", ["gone", "short", "other"])
def test_frames_that_are_not_what_they_were_take_their_item(
    closed: Template, tmp_path: Path, how: str
) -> None:
    """And no other; the user is told."""
    path = closed.copy(tmp_path)
    (file,) = path.with_suffix(".frames").iterdir()
    if how == "gone":
        file.unlink()
    elif how == "short":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        flip(file, [(0.5, 1)])
    expected = [item for item in ITEMS if item.body != b"large"]
    assert plain(list(read_only(path))) == plain(expected)
    log = JournalLog.open(path)
    assert plain(list(log.read())) == plain(expected)
    assert log.damage is not None
    assert (log.damage.kept, log.damage.lost) == (len(expected), 1)
    assert log.damage.aside is None
    assert "lacks entries; 103 entries are intact, 1 at least" in str(log.damage)
    assert log.close(PATIENCE_S)


def test_lost_numbers_are_not_given_again(closed: Template, tmp_path: Path) -> None:
    """Else the file of a lost item's frames would be taken for a new one's."""
    path = closed.copy(tmp_path)
    (file,) = path.with_suffix(".frames").iterdir()
    path.write_bytes(b"")
    log = JournalLog.open(path)
    assert log.put([Item(b"x")]) == int(file.name) + 1
    assert log.close(PATIENCE_S)
    assert file.exists()


@pytest.mark.parametrize("step", ["part", "new", "log moved", "moved"])
def test_a_repair_that_was_cut_short_is_finished(
    killed: Template, tmp_path: Path, step: str
) -> None:
    """Whatever had been done of it: nothing is lost by dying in the middle."""
    path = killed.copy(tmp_path)
    whole = tmp_path / "whole" / "journal.sqlite"
    whole.parent.mkdir()
    write(whole, ITEMS)
    fresh = path.with_name(f"{path.name}.{'part' if step == 'part' else 'new'}")
    if step == "part":
        fresh.write_bytes(whole.read_bytes()[:PAGE_BYTES])
    else:
        whole.rename(fresh)
    aside = path.with_name(f"{path.name}.damaged-1")
    if "moved" in step:
        path.with_name("journal.sqlite-wal").rename(f"{aside}-wal")
    if step == "moved":
        path.rename(aside)
    assert plain(read(path)) == plain(ITEMS)
    assert aside.exists() == (step != "part")
    # The fresh file never met the log of the old one.
    assert aside.with_name(f"{aside.name}-wal").exists() == (step != "part")


def test_a_reader_says_that_the_file_is_damaged(
    closed: Template, tmp_path: Path
) -> None:
    """It changes nothing; the next writer mends it."""
    path = closed.copy(tmp_path)
    data = bytearray(path.read_bytes())
    data[PAGE_BYTES : PAGE_BYTES + 8] = bytes(8)  # the top of the tree
    path.write_bytes(data)
    with pytest.raises(RunError, match=r"journal .* cannot be"):
        list(read_only(path))
    assert path.read_bytes() == data
    assert len(salvaged(path)) == len(ITEMS)
