"""A named run, as far as it is files."""

from __future__ import annotations

import threading
from pathlib import Path

from gridmap.journal import entries as e
from gridmap.monitor.named import NamedRun


def test_who_waits_for_the_journal_is_woken(tmp_path: Path) -> None:
    """Also if he said who he is after the run was opened; else he would look late."""
    woken = threading.Event()
    run = NamedRun.open(tmp_path, "x")
    run.wake = woken.set
    run.note(e.Surround(number=0, environment={}, directory="", path=()))
    assert woken.wait(20)
    run.close()
