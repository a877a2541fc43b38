"""The lines at the bottom of a terminal, when that becomes narrower."""

import pytest

from gridmap.display.screen import retreat

LINES = ["#" * 99, "=" * 70]


@pytest.mark.parametrize(
    ("before", "lines", "width", "rows"),
    [
        (100, LINES, 99, 2),
        (100, LINES, 98, 3),
        (100, LINES, 60, 4),
        (100, LINES, 30, 7),
        (100, LINES, 120, 2),
        (100, ["#" * 99], 50, 2),
        (100, ["", "=" * 70], 60, 3),
        (0, [], 60, 0),
    ],
    ids=lambda value: str(len(value) if isinstance(value, list) else value),
)
def test_lines_that_a_terminal_broke_anew_are_taken_away(
    before: int, lines: list[str], width: int, rows: int
) -> None:
    """All of their rows and none above; the cursor is as if they had stayed whole."""
    told = retreat(before, lines, width)
    if rows == len(lines):
        assert told == ""
        return
    up, _, down = told.removeprefix("\r\x1b[").partition("A\x1b[J")
    assert int(up) == rows - 1
    assert (int(down[2:-1]) if down else 0) == len(lines) - 1
