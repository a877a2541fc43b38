"""What a map tells beside its results."""

from typing import Any

import pytest

from gridmap.display.observing import fold, is_wanted, make_progress
from gridmap.events import RunEnded, RunnersSubmitted


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
        (None, None, None, False),  # standard error is no terminal here
        (print, None, True, False),
    ],
)
def test_who_speaks_first_decides(
    progress: Any, quiet: bool | None, setting: bool | None, wanted: bool
) -> None:
    """The argument, GridMap's word, the settings; then where it is."""
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
