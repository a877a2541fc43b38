"""Records tell what an overview knew, and of nobody's runs but the user's."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap import events as ev
from gridmap.control import record, register
from gridmap.control.register import Entry, Register
from gridmap.driver import Driver
from gridmap.errors import RunError
from gridmap.lifecycle import JobState
from gridmap.overview import Overview
from gridmap.verdict import Cause, Statement, Verdict, Witness

DEAD = Driver(pid=2**22 - 1, start="0", host="h", machine=Driver.here().machine)


def overview(run: str = "0123456789abcdef") -> Overview:
    """Return one with something of everything."""
    made = Overview()
    verdict = Verdict(
        cause=Cause.OUT_OF_MEMORY,
        statements=(Statement(witness=Witness.KERNEL, text="killed", peak_memory=5),),
        log_tail="the end",
        earlier=(Verdict(cause=Cause.LOST),),
    )
    for event in (
        ev.RunStarted(run=run, at=1e9, name="sweep", backend="local", directory="/d"),
        ev.JobsQueued(
            run=run, at=1e9, first=0, stop=5, names=("a", "b", "c", "d", "é")
        ),
        ev.RunnersSubmitted(run=run, at=1e9, runners=(1, 2), handles=("7", "8")),
        ev.RunnerUp(run=run, at=1e9 + 1, runner=1, handle="7", node="n", pid=3),
        ev.JobsGranted(run=run, at=1e9 + 1, first=0, stop=3, runner=1, attempt=2),
        ev.JobsDone(run=run, at=1e9 + 2, first=0, stop=1, runner=1, seconds=0.5),
        ev.RunnerVitals(
            run=run,
            at=1e9 + 2,
            runner=1,
            cpu_s=1,
            rss=5,
            peak_rss=5,
            io_bytes=0,
            job=1,
            running_s=0.5,
        ),
        ev.JobFailed(
            run=run, at=1e9 + 3, job=1, verdict=verdict, again=False, traceback="here"
        ),
    ):
        made.take(event)
    return made


def made(of: Overview, driver: Driver = DEAD) -> record.Record:
    """Return a record of it."""
    return record.make(of, driver, "1.0", kept=False)


def test_a_record_tells_all_that_the_overview_knew() -> None:
    """What is written and read again is what was there, to the last field."""
    before = overview()
    after = record.decode(record.encode(made(before))).overview()
    for name in (
        "token", "name", "started", "at", "states", "holders", "seconds", "runners",
        "failures", "causes", "notices", "samples", "attempts", "ends", "peaks", "names",
        "readings",
    ):  # fmt: skip
        assert getattr(after, name) == getattr(before, name), name
    after.take(ev.JobsDone(run="r", at=1e9 + 4, first=2, stop=3, runner=1, seconds=1))
    assert after.count(JobState.DONE) == 2


@given(
    data=st.binary(max_size=200), place=st.integers(0, 10_000), bit=st.integers(0, 7)
)
def test_bytes_that_are_no_record_are_refused(
    data: bytes, place: int, bit: int
) -> None:
    """Noise, and a record with one bit changed, give a record or one kind of error."""
    good = bytearray(record.encode(made(overview())))
    good[place % len(good)] ^= 1 << bit
    for body in (data, bytes(good)):
        try:
            record.decode(body).overview()
        except RunError:
            continue


def test_runs_are_found_by_all_their_names(tmp_path: Path) -> None:
    """The one that goes on comes before newer ones that are over."""
    records = Register(tmp_path / "records")
    living = made(overview(run="aaaaaaaa0"), Driver.here())
    for name, one in (
        ("20250101-000000-sweep-aaaaaaaa", living),
        ("20250102-000000-sweep-bbbbbbbb", made(overview(run="bbbbbbbb0"))),
    ):
        records.write(name, record.encode(one))
    entries = records.entries()
    assert [entry.short for entry in entries] == ["bbbbbbbb", "aaaaaaaa"]
    assert [entry.over for entry in entries] == [True, False]
    for wanted, short in (
        ("sweep", "aaaaaaaa"),
        ("bbbbbbbb", "bbbbbbbb"),
        ("20250102-000000-sweep-bbbbbbbb", "bbbbbbbb"),
        ("/d", "aaaaaaaa"),
    ):
        found = register.find(entries, wanted)
        assert found is not None
        assert found.short == short
    assert register.find(entries, "swee") is None
    records.prune(1)
    assert records.names() == ["20250102-000000-sweep-bbbbbbbb"]


def test_a_run_that_was_resumed_is_one_run(tmp_path: Path) -> None:
    """What the process before it wrote down stays, and goes by its whole name."""
    records = Register(tmp_path / "records")
    names = [f"2025010{day}-000000-sweep-{token * 8}" for day, token in
             ((1, "a"), (2, "b"), (3, "a"))]  # fmt: skip
    for name in names:
        one = made(overview(run=name.rpartition("-")[2]))
        records.write(name, record.encode(one))
    assert [entry.name for entry in records.entries()] == [names[2], names[1]]
    assert [entry.name for entry in records.entries(1)] == [names[2]]
    assert records.names() == [names[2], names[1]]
    for wanted, name in (("aaaaaaaa", names[2]), (names[0], names[0])):
        found = register.find(records.entries(earlier=True), wanted)
        assert found is not None
        assert found.name == name


def test_a_register_that_others_can_change_is_not_believed(tmp_path: Path) -> None:
    """Nor is a link in it followed."""
    records = Register(tmp_path / "records")
    records.write("a-b-c", record.encode(made(overview())))
    assert (records.path / "a-b-c.run").stat().st_mode & 0o777 == 0o600
    (records.path / "x-y-z.run").symlink_to(records.path / "a-b-c.run")
    os.mkfifo(records.path / "f-f-f.run")
    assert [entry.name for entry in records.entries()] == ["a-b-c"]
    records.path.chmod(0o770)
    with pytest.raises(RunError, match="mode 0770"):
        records.entries()


def test_there_are_no_runs_where_there_is_no_register(tmp_path: Path) -> None:
    """That is no error."""
    assert Register(tmp_path / "none").entries() == []
    assert Entry("a-b", made(overview())).short == "b"
