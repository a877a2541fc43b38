"""What jobs are called, print and raise stands in mails, and becomes nothing else there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests import mailbox
from tests.mailbox import Mailbox
from tests.security import deeds
from tests.security.test_injection import EVIL

from gridmap import grid_map
from gridmap.errors import GridMapError
from gridmap_mail import correspondent

HEADERS: Final = {
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "References",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
}
TEXTS: Final = [EVIL["mail header"], EVIL["markup"] + EVIL["escape"]]
SECRET: Final = "correct-horse-battery-staple"  # noqa: S105 - it opens nothing


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """Return a server that the site's file names."""
    monkeypatch.setattr(correspondent, "_limits", correspondent._Limits())
    opened = Mailbox()
    path = tmp_path / "site.toml"
    path.write_text(
        f"""
        smtp_server = "{mailbox.HOST}"
        smtp_port = {opened.port}
        error_mail_sender = "grid@example.org"
        error_mail_recipient = "you@example.org"
        create_plots = false
        """
    )
    monkeypatch.setenv("GRIDMAP_SITE_CONFIG", str(path))
    monkeypatch.setenv("MY_TOKEN", SECRET)
    yield opened
    opened.close()


@pytest.mark.slow
def test_no_name_or_text_of_a_job_becomes_a_header_or_markup(box: Mailbox) -> None:
    """Neither a map's name, nor what its job raises, nor what it prints."""
    for text in TEXTS:
        with pytest.raises((GridMapError, ValueError)):
            grid_map(
                deeds.complain,
                [text],
                backend="local",
                name=text,
                settings={"send_error_mail": True},
            )
    assert len(box.mails) == len(TEXTS)
    for mail in box.mails:
        assert set(mail.keys()) <= HEADERS
        assert len(mail.keys()) == len(set(mail.keys()))
        assert mail["To"] == "you@example.org"
        assert mail["Subject"].isprintable()
        html = mail.get_body(("html",))
        assert html is not None
        tags = re.findall(r"</?(\w+)", html.get_content())
        assert not {"script", "iframe", "object", "link", "form"} & set(tags)
        assert SECRET not in mail.as_string()
