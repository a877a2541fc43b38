"""A disk that is full stops no run: what waits is written later, or its loss is told."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.journal.journals import PATIENCE_S, Committed, plain

from gridmap.journal.log import JournalLog, read_only
from gridmap.journal.record import SPILL_BYTES, Item

ROOT = Path(__file__).parents[3]
LIMIT = 300_000

_BEGIN = """
import logging, resource, sys
from pathlib import Path
from gridmap.journal.log import JournalLog
from tests.unit.journal.journals import Committed
from tests.unit.journal.test_full_disk import LIMIT, few, many
logging.basicConfig(format="%(levelname)s %(message)s")
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
committed = Committed()
path = Path(sys.argv[1])
log = JournalLog.open(path, on_commit=committed, waiting_bytes=int(sys.argv[2]))
committed.wait(log, log.put(few()))
assert not log.failing
limit(LIMIT)
committed.wait(log, log.put(many()))
assert log.failing
"""


def few() -> list[Item]:
    """Return what fits."""
    return [Item(b"few %d" % n, (b"x" * 1000,)) for n in range(20)]


def many() -> list[Item]:
    """Return what does not."""
    large = Item(b"large", (bytes(SPILL_BYTES),))
    return [large, *[Item(b"many %d" % n, (b"x" * 30_000,)) for n in range(100)]]


def run(path: Path, code: str, waiting_bytes: int = 2**30) -> str:
    """Run a writer whose files may not grow; return what it logged."""
    done = subprocess.run(
        [sys.executable, "-c", _BEGIN + code, str(path), str(waiting_bytes)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_what_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    """Tickets go on meanwhile; one warning when it begins and one when it is over."""
    path = tmp_path / "journal.sqlite"
    code = """
assert not list(path.with_suffix(".frames").glob("*"))  # nor half a file
committed.wait(log, log.put(few()))
limit(resource.RLIM_INFINITY)
committed.until(lambda: not log.failing)
committed.wait(log, log.put(few()))
assert log.close(20)
"""
    told = run(path, code)
    assert plain(list(read_only(path))) == plain([*few(), *many(), *few(), *few()])
    first, second = told.splitlines()
    assert first.startswith(f"WARNING {path} cannot be written at present: ")
    assert second.startswith(f"WARNING {path} is written again, after ")
    assert second.endswith("; 0 entries were given up")


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_closing_tries_once_more(tmp_path: Path) -> None:
    """Without waiting for the next try to be due."""
    path = tmp_path / "journal.sqlite"
    run(path, "limit(resource.RLIM_INFINITY); assert log.close(20)")
    assert plain(list(read_only(path))) == plain([*few(), *many()])


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_what_is_given_up_is_told(tmp_path: Path) -> None:
    """Memory for what waits is bounded; all that was written is intact."""
    path = tmp_path / "journal.sqlite"
    code = """
committed.wait(log, log.put(many()))
assert log.dropped > 50
assert not log.close(0.5)
assert not log.close(0.5)
"""
    told = run(path, code, waiting_bytes=5 * 2**20).splitlines()
    assert plain(list(read_only(path))) == plain(few())
    assert [line.split()[0] for line in told] == ["WARNING", "ERROR"]
    assert "202 entries" in told[1]
    assert str(path) in told[1]
    assert "do again what they told" in told[1]


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_what_was_given_up_is_missed_once(tmp_path: Path) -> None:
    """The next reader is told that items are missing in the middle, and how many."""
    path = tmp_path / "journal.sqlite"
    code = """
committed.wait(log, log.put(many()))
dropped = log.dropped
limit(resource.RLIM_INFINITY)
committed.until(lambda: not log.failing)
committed.wait(log, log.put(few()))
assert not log.close(20)
assert dropped == log.dropped
path.with_name("dropped").write_text(str(dropped))
"""
    told = run(path, code, waiting_bytes=5 * 2**20).splitlines()
    dropped = int((tmp_path / "dropped").read_text())
    assert "ERROR" in told[-1]
    assert f"lacks {dropped} entries" in told[-1]
    log = JournalLog.open(path)
    found = plain(list(log.read()))
    assert log.damage is not None
    assert (log.damage.lost, log.damage.aside) == (dropped, None)
    assert found[-20:] == plain(few())
    assert len(found) == 242 - dropped
    assert log.close(PATIENCE_S)
    again = JournalLog.open(path)
    assert again.damage is None
    assert again.close(PATIENCE_S)


def again_as_root_of_a_namespace(request: pytest.FixtureRequest) -> None:
    """Run a test once more, where an ordinary user may mount: user_namespaces(7)."""
    command = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("this machine lets ordinary users make no namespaces")
    pytest_again = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *pytest_again, f"{__file__}::{request.node.name}"],
        cwd=request.config.rootpath,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        check=False,
        capture_output=True,
        text=True,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir(mode=0o700)
    options = ["-t", "tmpfs", "-o", "size=6m,mode=0700", "none", str(folder)]
    if subprocess.run(["mount", *options], check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_really_full(request: pytest.FixtureRequest) -> None:
    """Filled by others, and freed by them."""
    if os.geteuid() != 0:
        again_as_root_of_a_namespace(request)
        return
    small_disk = request.getfixturevalue("small_disk")
    path = small_disk / "journal.sqlite"
    committed = Committed()
    log = JournalLog.open(path, on_commit=committed)
    committed.wait(log, log.put(few()))
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(bytes(10_000)):
            pass
    committed.wait(log, log.put(many()))
    assert "full" in log.failing or "space" in log.failing
    filler.unlink()
    committed.until(lambda: not log.failing)
    assert log.close(PATIENCE_S)
    assert plain(list(read_only(path))) == plain([*few(), *many()])
