"""The documentation's pictures can be taken anew at any time."""

import importlib.util
import struct
from pathlib import Path

import pytest
from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

DOCS = Path(__file__).parents[2] / "docs"


def test_every_picture_is_taken_and_shown(browser: Browser, tmp_path: Path) -> None:
    """Each in its size; each is in the page, and lies where the page looks for it."""
    spec = importlib.util.spec_from_file_location(
        "pictures", DOCS / "_ext" / "pictures.py"
    )
    assert spec is not None
    assert spec.loader is not None
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    pictures.take_all(browser, tmp_path)
    page = (DOCS / "how-to" / "dashboard.md").read_text()
    for picture in pictures.PICTURES:
        data = (tmp_path / f"{picture.name}.png").read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        assert struct.unpack(">II", data[16:24]) == (picture.width, picture.height)
        assert f"../_static/{picture.name}.png" in page
        assert (DOCS / "_static" / f"{picture.name}.png").is_file()
