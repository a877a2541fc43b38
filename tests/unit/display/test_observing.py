"""What a map tells beside its results."""

from typing import Any

import pytest

from gridmap.display.observing import fold, is_wanted, make_progress
from gridmap.events import RunEnded, RunnersSubmitted, RunStarted


def told(capsys: pytest.CaptureFixture[str], *, quiet: bool) -> str:
    """Return what a small run says on standard error."""
    observers, end = make_progress(False, 3, quiet=quiet)
    queries = {"capabilities": 2, "submit": 1, "kill check": 3}
    for _, observer in observers:
        observer(
            RunnersSubmitted(run="1", at=0.0, runners=(1, 2), handles=("7.1", "7.2"))
        )
        observer(RunEnded(run="1", at=1.0, error=None, queries=queries))
        observer(RunEnded(run="1", at=1.0, error=None))
    end()
    return capsys.readouterr().err


def test_the_queries_of_a_run_are_told_at_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All of them, and by purpose; nothing where there were none."""
    assert told(capsys, quiet=False).splitlines() == [
        "gridmap: 2 runners submitted: 7.1 \N{HORIZONTAL ELLIPSIS} 7.2",
        "gridmap: 6 queries to the scheduler: capabilities 2, submit 1, kill check 3",
    ]


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Not a word."""
    assert told(capsys, quiet=True) == ""


@pytest.mark.parametrize(
    ("progress", "quiet", "setting", "wanted"),
    [
        (True, True, False, True),
        (False, False, True, False),
        (None, True, True, False),
        (None, False, False, True),
        (None, None, True, True),
        (None, None, False, False),
        (None, None, None, True),
        (print, None, True, False),
    ],
)
def test_who_speaks_first_decides(
    progress: Any, quiet: bool | None, setting: bool | None, wanted: bool
) -> None:
    """The argument, GridMap's word, the settings."""
    assert is_wanted(progress, setting, quiet) is wanted


def test_a_summary_is_folded_between_words() -> None:
    """A terminal would cut a word in two."""
    line = "  memory: at most 104 MiB; a job took 16 s, the longest 16 s"
    assert fold(["map: 4 jobs", line], 50) == [
        "map: 4 jobs",
        "  memory: at most 104 MiB; a job took 16 s, the",
        "    longest 16 s",
    ]
    assert fold([line], 80) == [line]


@pytest.mark.parametrize("brief", [True, False])
def test_a_quick_map_leaves_nothing_in_a_log_unless_asked(
    capsys: pytest.CaptureFixture[str], *, brief: bool
) -> None:
    """Not even of what went wrong, which the script hears of."""
    ((_, observer),), end = make_progress(True, 1, name="sums", brief=brief)
    started = RunStarted(run="1", at=0.0, name="sums", backend="local", directory="")
    observer(started)
    observer(RunEnded(run="1", at=1.0, error="KeyError: 1"))
    end()
    assert ("sums" in capsys.readouterr().err) is not brief
