"""Mail of a real map, to a real server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import jobs, mailbox
from tests.mailbox import Mailbox, attachments, text

from gridmap import grid_map
from gridmap_mail import correspondent


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """Return a server, of which the site's file tells."""
    monkeypatch.setattr(correspondent, "_limits", correspondent._Limits())
    opened = Mailbox()
    yield opened
    opened.close()


@pytest.fixture
def sites_file(box: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file in which an administrator says where mail goes."""
    path = tmp_path / "site.toml"
    path.write_text(
        f"""
        smtp_server = "{mailbox.HOST}"
        smtp_port = {box.port}
        error_mail_sender = "gridmap <grid@example.org>"
        error_mail_recipient = "you@example.org"
        create_plots = false
        """
    )
    monkeypatch.setenv("GRIDMAP_SITE_CONFIG", str(path))
    return path


@pytest.mark.usefixtures("sites_file")
def test_the_job_that_ended_a_map_is_told(box: Mailbox) -> None:
    """With the name users know it by, its traceback and what it printed."""
    with pytest.raises(jobs.Teapot):
        grid_map(
            jobs.complain,
            [1],
            backend="local",
            name="tea",
            settings={"send_error_mail": True},
        )
    (mail,) = box.mails
    assert mail["Subject"] == "gridmap: tea0 failed: raised tests.jobs.Teapot: 0.5"
    assert mail["From"] == "gridmap <grid@example.org>"
    assert "raise Teapot(number / 2)" in text(mail)


@pytest.mark.usefixtures("sites_file")
def test_a_complete_map_is_told(box: Mailbox) -> None:
    """`completion_mail` is enough, and GridMap's way to ask for it."""
    grid_map(jobs.square, range(5), backend="local", name="s", completion_mail=True)
    (mail,) = box.mails
    assert "s is complete: 5 of 5 jobs done" in mail["Subject"]
    assert attachments(mail) == {}


@pytest.mark.usefixtures("sites_file")
def test_a_map_that_asks_for_no_mail_sends_none(box: Mailbox) -> None:
    """A site that says where mail goes has not said that everybody wants it."""
    options: dict[str, Any] = {"backend": "local", "return_exceptions": True}
    grid_map(jobs.complain, [1], **options)
    assert box.mails == []
