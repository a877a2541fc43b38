"""One mail is handed to a real server, or it is said why not."""

import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from tests.mailbox import HOST, refusing, silent
from tests.unit.mail.conftest import MakeMailbox

from gridmap.settings import Settings
from gridmap_mail.post import Post, PostError, deliver, read_password

PASSWORD = "olive tree 7"  # noqa: S105 - a test's


def mail() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "grid@example.org"
    message["To"] = "you@example.org, they@example.org"
    message["Subject"] = "x"
    message.set_content("hello")
    return message


def post(port: int, **options: Any) -> Post:
    fields = {
        "server": HOST,
        "port": port,
        "security": "none",
        "user": None,
        "password_file": None,
        "sender": "grid@example.org",
        "recipients": "you@example.org",
    }
    return Post(**{**fields, **options})


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.touch(0o600)
    path.write_text(f"{PASSWORD}\nwhat else stands there\n")
    return str(path)


def test_a_mail_arrives(mailbox: MakeMailbox) -> None:
    """The plain way."""
    box = mailbox()
    deliver(post(box.port), mail(), 10.0)
    assert [got["Subject"] for got in box.mails] == ["x"]
    assert box.secured == [False]


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_a_mail_arrives_over_tls(
    way: str, mailbox: MakeMailbox, certified: ssl.SSLContext
) -> None:
    """From the beginning, or on a connection that begins without."""
    box = mailbox(**{way: certified})
    deliver(post(box.port, security=way), mail(), 10.0)
    assert len(box.mails) == 1
    assert box.secured == [True]


@pytest.mark.usefixtures("trusted")
def test_a_mail_arrives_after_a_login(
    mailbox: MakeMailbox, certified: ssl.SSLContext, password_file: str
) -> None:
    """With name and password, over TLS."""
    box = mailbox(starttls=certified, users={"grid": PASSWORD})
    login = {"security": "starttls", "user": "grid", "password_file": password_file}
    deliver(post(box.port, **login), mail(), 10.0)
    assert len(box.mails) == 1


@pytest.mark.usefixtures("trusted")
def test_a_wrong_password_is_no_use_trying_again(
    mailbox: MakeMailbox, certified: ssl.SSLContext, password_file: str
) -> None:
    """And the error does not tell it."""
    box = mailbox(starttls=certified, users={"grid": "another"})
    login = {"security": "starttls", "user": "grid", "password_file": password_file}
    with pytest.raises(PostError, match="535") as caught:
        deliver(post(box.port, **login), mail(), 10.0)
    assert caught.value.final
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in repr(post(box.port, **login))
    assert not box.mails


@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_a_certificate_nobody_trusts_is_refused(
    way: str, mailbox: MakeMailbox, certified: ssl.SSLContext
) -> None:
    """No mail goes to somebody in the middle."""
    box = mailbox(**{way: certified})
    with pytest.raises(PostError, match="certificate") as caught:
        deliver(post(box.port, security=way), mail(), 10.0)
    assert caught.value.final
    assert not box.mails


def test_a_server_without_tls_gets_nothing(mailbox: MakeMailbox) -> None:
    """Whoever asked for TLS does not go without."""
    box = mailbox()
    with pytest.raises(PostError, match="STARTTLS") as caught:
        deliver(post(box.port, security="starttls"), mail(), 10.0)
    assert caught.value.final
    assert not box.mails


def test_no_password_goes_in_the_clear(password_file: str) -> None:
    """It is refused before anybody is connected to."""
    clear = post(1, server="mail.example.org", user="me", password_file=password_file)
    with pytest.raises(PostError, match="smtp_security") as caught:
        deliver(clear, mail(), 10.0)
    assert caught.value.final


def test_a_server_that_is_not_there_may_come_back() -> None:
    """Refused is not final."""
    with refusing() as port, pytest.raises(PostError, match=str(port)) as caught:
        deliver(post(port), mail(), 10.0)
    assert not caught.value.final


def test_a_server_that_says_nothing_is_given_up() -> None:
    """After the time it has; that is not final either."""
    with silent() as port, pytest.raises(PostError, match="not answer") as caught:
        deliver(post(port), mail(), 0.2)
    assert not caught.value.final


@pytest.mark.parametrize(
    ("answer", "final"),
    [("554 no mail today", True), ("451 come back later", False)],
    ids=["no", "later"],
)
def test_what_a_server_answers_counts(
    answer: str, final: bool, mailbox: MakeMailbox
) -> None:
    """Its words are in the error."""
    box = mailbox(answer=answer)
    with pytest.raises(PostError, match=answer[4:]) as caught:
        deliver(post(box.port), mail(), 10.0)
    assert caught.value.final is final


def test_a_recipient_who_is_refused_is_named(mailbox: MakeMailbox) -> None:
    """The others get it."""
    box = mailbox(refuses="they@")
    with pytest.raises(PostError, match=r"they@example\.org: 550 no such") as caught:
        deliver(post(box.port), mail(), 10.0)
    assert caught.value.final
    assert len(box.mails) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660], ids=oct)
def test_a_password_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    """What to do is said."""
    path = tmp_path / "password"
    path.write_text("secret")
    path.chmod(mode)
    with pytest.raises(PostError, match="chmod 600") as caught:
        read_password(path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\nsecret", b"\xff\xfe"], ids=repr)
def test_a_file_without_a_password_is_told(data: bytes, tmp_path: Path) -> None:
    """Nothing is sent with an empty one."""
    path = tmp_path / "password"
    path.touch(0o600)
    path.write_bytes(data)
    with pytest.raises(PostError, match=r"no password|not ASCII"):
        read_password(path)
    with pytest.raises(PostError, match="cannot be read"):
        read_password(tmp_path / "none")


def test_where_mail_goes_if_nobody_said() -> None:
    """To this machine, from and to the user; the ports are those of the security."""
    here = Post.from_settings(Settings())
    assert (here.server, here.port) == ("localhost", 25)
    assert here.sender == here.recipients
    assert "@" in here.sender
    ports = [
        Post.from_settings(Settings(smtp_security=way)).port
        for way in ("starttls", "tls")
    ]
    assert ports == [587, 465]
