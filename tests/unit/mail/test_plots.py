"""Plots are drawn in memory by another process, or it is said why not."""

import struct
import sys
from pathlib import Path

import pytest

from gridmap_mail.plots import NoPlotsError, Request, draw

REQUEST = Request(
    title=r"job $\frac 3, _x^ on n1",
    times=[0.0, 10.0, 20_000.0],
    memory=[1e9, 2e9, 3e9],
    cores=[0.0, 1.0, 4.0],
    asked_memory=4 * 2**30,
)


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_plots_are_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a sensible size; no file is made, and a style of the user's changes nothing.

    His may ask for LaTeX, which need not be there.
    """
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    style = tmp_path / "matplotlibrc"
    style.write_text("text.usetex: True\nfont.size: 90\nbackend: tkagg\n")
    monkeypatch.setenv("MATPLOTLIBRC", str(style))
    drawn = draw(REQUEST, lambda: 50.0)
    width, height = struct.unpack(">II", drawn[16:24])
    assert 600 < width < 1200
    assert 400 < height < 800
    assert len(drawn) < 200_000
    assert not list(place.iterdir())


def test_without_matplotlib_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason names what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(NoPlotsError, match=r"pip install 'gridmap-mail\[plots\]'"):
        draw(REQUEST, lambda: 5.0)


def test_a_short_job_has_none() -> None:
    """Two points make a line."""
    short = Request(title="x", times=[1.0], memory=[1.0], cores=[1.0])
    with pytest.raises(NoPlotsError, match="second heartbeat"):
        draw(short, lambda: 5.0)


def test_drawing_has_its_time() -> None:
    """A program that takes too long is given up."""
    with pytest.raises(NoPlotsError, match="took too long"):
        draw(REQUEST, lambda: 0.0)
