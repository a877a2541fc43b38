"""Mails hold what they are told, whatever it is made of."""

import email
import email.policy
import re
from html.parser import HTMLParser

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmap_mail.letters import Letter, as_html, as_text, message, subject
from gridmap_mail.post import Post

POST = Post(
    server="localhost",
    port=25,
    security="none",
    user=None,
    password_file=None,
    sender="grid@example.org",
    recipients="you@example.org, you.too@example.org",
)
NASTY = "a\r\nBcc: all@example.org\r\n\r\nbody"
HEADERS = {
    "From", "To", "Subject", "Date", "Message-ID", "References", "Auto-Submitted",
    "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
}  # fmt: skip


def letter(text: str, log: bytes | None = None) -> Letter:
    return Letter(
        subject=text,
        run=text,
        at=0.0,
        lead=text,
        facts=((text, text),),
        blocks=((text, text),),
        notes=(text,),
        log=log,
    )


@settings(deadline=None, max_examples=40)
@given(st.text() | st.just(NASTY) | st.just("\udcff\x00\x1b[31m"))
def test_no_text_becomes_a_header_or_breaks_the_mail(text: str) -> None:
    """A job may be called anything."""
    made = message(letter(text, text.encode(errors="replace")), POST, b"png")
    raw = made.as_bytes(policy=email.policy.SMTP)
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert set(parsed.keys()) <= HEADERS
    assert not parsed.defects
    assert [a.addr_spec for a in parsed["To"].addresses] == [
        "you@example.org",
        "you.too@example.org",
    ]
    assert [part.get_content_type() for part in parsed.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "text/plain",
    ]


def test_the_subject_is_one_short_line() -> None:
    """Line breaks are gone, and so is what is too long."""
    assert subject(letter(NASTY)) == "gridmap: a Bcc: all@example.org body"
    assert len(subject(letter("x" * 1000))) == 150


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}


@settings(deadline=None, max_examples=40)
@given(st.text() | st.just('<script src="x">') | st.just("'\"><img onerror=x>"))
def test_text_is_escaped(text: str) -> None:
    """No text becomes a tag or an attribute."""
    tags = Tags(as_html(letter(text), picture=True))
    assert tags.seen <= {
        "html", "body", "p", "strong", "table", "tr", "td", "pre", "img",
    }  # fmt: skip
    assert tags.attributes <= {"style", "src", "alt"}


@settings(deadline=None, max_examples=40)
@given(st.text())
def test_text_has_no_control_characters(text: str) -> None:
    """Nothing that a terminal would obey stands in a mail read in one."""
    shown = as_text(letter(text))
    assert all(c.isprintable() or c == "\n" for c in shown)


def test_an_address_that_makes_no_sense_is_an_error() -> None:
    """It is found before anything is sent."""
    with pytest.raises(ValueError, match=r"header|address|line"):
        message(letter("x"), attrs.evolve(POST, recipients="a@b\r\nBcc: c@d"))


@pytest.mark.parametrize("text", ["no address <", "a@", "<>", "a b c", "me@here <"])
def test_senseless_addresses_are_refused(text: str) -> None:
    """Whatever the Python at hand makes of them."""
    with pytest.raises(ValueError, match=re.escape(text)):
        message(letter("x"), attrs.evolve(POST, recipients=text))


@pytest.mark.parametrize(
    "text",
    ["root", "you, me@example.org", "John Q. Public <j@example.org>", "a@b,,c@d"],
)
def test_unusual_addresses_are_taken(text: str) -> None:
    """Users of this host, and what was allowed of old."""
    assert message(letter("x"), attrs.evolve(POST, recipients=text))["To"].addresses
