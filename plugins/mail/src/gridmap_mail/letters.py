"""What stands in a mail, and the mail itself. Pure."""

from __future__ import annotations

import html
import re
from datetime import datetime
from email.errors import InvalidHeaderDefect
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import TYPE_CHECKING, Final

import attrs

from gridmap_mail.plots import Request
from gridmap_mail.vitals import Series

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridmap_mail.post import Post

_SUBJECT_CHARACTERS: Final = 150
_FEW_S: Final = 10
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400
_ESCAPES: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_STYLE: Final = {
    "body": "font-family:sans-serif;font-size:15px;line-height:1.4;max-width:50em",
    "td": "padding:1px 1em 1px 0;vertical-align:top",
    "pre": "background:#f4f4f4;color:#222;padding:.6em;overflow-x:auto;font-size:13px",
}


@attrs.frozen(kw_only=True)
class Letter:
    """What stands in a mail, before it has addresses and pictures.

    All texts may hold anything: they are cleaned when the mail is made.

    Attributes:
        subject: Its subject, without the word gridmap.
        run: Token of the run, which holds its mails together in a mail reader.
        at: When it happened, seconds since the epoch.
        lead: The first sentences.
        facts: Names and values, in order; empty values are left out.
        blocks: Titles and texts of several lines, in order; empty texts are left out.
        notes: Sentences at the end.
        log: The job's log, or its end; None if there is none.
        plots: What is to be drawn; None if nothing is.
    """

    subject: str
    run: str
    at: float
    lead: str
    facts: tuple[tuple[str, str], ...] = ()
    blocks: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    log: bytes | None = None
    plots: Plots | None = None

    def noting(self, note: str) -> Letter:
        """Return it with one more sentence at the end."""
        return attrs.evolve(self, notes=(*self.notes, note))


@attrs.frozen(kw_only=True)
class Plots:
    """What is to be drawn.

    Attributes:
        title: What stands above.
        series: The job's use over time; None if it had no heartbeat.
        asked_memory: Bytes asked for; None if nothing was.
    """

    title: str
    series: Series | None
    asked_memory: int | None

    def request(self) -> Request:
        """Return it as the drawing program takes it."""
        series = self.series or Series()
        return Request(
            title=_line(self.title),
            times=list(series.times),
            memory=list(series.memory),
            cores=list(series.cores),
            asked_memory=self.asked_memory,
        )


def _address(mail: EmailMessage, name: str, text: str) -> None:
    """Add a header with addresses; what Python makes of senseless ones varies."""
    try:
        mail[name] = text
        found = mail[name].defects
    except IndexError:  # 3.11 and 3.12, of an address that ends too soon
        found = [InvalidHeaderDefect("it ends too soon")]
    for defect in found:
        # A user of this host needs no domain, and old ways of writing do no harm.
        if isinstance(defect, InvalidHeaderDefect) and "no domain" not in str(defect):
            msg = f"{text!r}: {defect}"
            raise ValueError(msg)


def message(letter: Letter, post: Post, picture: bytes | None = None) -> EmailMessage:
    """Return the mail of a letter: text, the same as HTML, picture and log.

    Args:
        letter: What stands in it.
        post: The addresses.
        picture: The plots, a PNG; None if there are none.

    Raises:
        ValueError: If an address makes no sense.
    """
    mail = EmailMessage()
    _address(mail, "From", post.sender)
    _address(mail, "To", post.recipients)
    mail["Subject"] = subject(letter)
    mail["Date"] = format_datetime(local_time(letter.at))
    domain = post.sender.rpartition("@")[2].strip("> ") or "localhost"
    mail["Message-ID"] = make_msgid(domain=domain if domain.isascii() else "localhost")
    mail["References"] = f"<{re.sub('[^A-Za-z0-9]', '', letter.run)}@gridmap>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes, please
    mail.set_content(as_text(letter))
    mail.add_alternative(as_html(letter, picture=picture is not None), subtype="html")
    if picture is not None:
        parts = mail.get_payload()
        parts[1].add_related(  # type: ignore[index, union-attr]  # it has two now
            picture,
            maintype="image",
            subtype="png",
            cid="<plots@gridmap>",
            filename="plots.png",
            disposition="inline",
        )
    if letter.log is not None:
        mail.add_attachment(
            letter.log.decode(errors="replace"), subtype="plain", filename="log.txt"
        )
    return mail


def subject(letter: Letter) -> str:
    """Return the subject: one line, not too long."""
    text = _line(f"gridmap: {letter.subject}")
    if len(text) > _SUBJECT_CHARACTERS:
        text = f"{text[: _SUBJECT_CHARACTERS - 1]}…"
    return text


def as_text(letter: Letter) -> str:
    """Return the letter as text, for readers that show no HTML."""
    parts = [_clean(letter.lead)]
    if facts := _facts(letter):
        width = max(len(name) for name, _ in facts) + 1
        lines = [f"  {name + ':':<{width}}  {value}" for name, value in facts]
        parts.append("\n".join(lines))
    for title, text in _blocks(letter):
        lines = [f"  | {line}" for line in text.splitlines()]
        parts.append("\n".join([f"{title}:", *lines]))
    parts += map(_clean, letter.notes)
    return "\n\n".join(parts) + "\n"


def as_html(letter: Letter, *, picture: bool = False) -> str:
    """Return the letter as HTML: no scripts, and nothing from elsewhere."""
    out = [f'<!DOCTYPE html><html><body style="{_STYLE["body"]}">']
    out.append(f"<p><strong>{_escape(letter.lead)}</strong></p>")
    rows = [
        f'<tr><td style="{_STYLE["td"]}">{_escape(name)}</td>'
        f'<td style="{_STYLE["td"]}">{_escape(value)}</td></tr>'
        for name, value in _facts(letter)
    ]
    if rows:
        out.append(f"<table>{''.join(rows)}</table>")
    for title, text in _blocks(letter):
        out.append(f"<p>{_escape(title)}:</p>")
        out.append(f'<pre style="{_STYLE["pre"]}">{_escape(text)}</pre>')
    if picture:
        alt = "Memory and processor use over time"
        out.append(
            f'<p><img src="cid:plots@gridmap" alt="{alt}" style="max-width:100%"></p>'
        )
    out += [f"<p>{_escape(note)}</p>" for note in letter.notes]
    out.append("</body></html>\n")
    return "\n".join(out)


def local_time(at: float) -> datetime:
    """Return seconds since the epoch as a time of this machine's zone."""
    return datetime.fromtimestamp(at).astimezone()


def moment(at: float) -> str:
    """Return seconds since the epoch as people write a time."""
    return local_time(at).strftime("%Y-%m-%d %H:%M:%S %Z")


def span(seconds: float) -> str:
    """Return a length of time as people say it, such as ``3 min 20 s``.

    Example:
        >>> span(0.34), span(200), span(7260), span(200_000)
        ('0.3 s', '3 min 20 s', '2 h 1 min', '2 d 7 h')
    """
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{seconds:.1f} s" if seconds < _FEW_S else f"{whole} s"
    if whole < _HOUR:
        return _two(whole, _MINUTE, "min", 1, "s")
    if whole < _DAY:
        return _two(whole, _HOUR, "h", _MINUTE, "min")
    return _two(whole, _DAY, "d", _HOUR, "h")


def _two(whole: int, large: int, name: str, small: int, rest_name: str) -> str:
    first, rest = divmod(whole, large)
    second = rest // small
    return f"{first} {name}" + (f" {second} {rest_name}" if second else "")


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 job``, ``2,000 jobs``."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _facts(letter: Letter) -> list[tuple[str, str]]:
    return [(_line(name), _line(value)) for name, value in letter.facts if value]


def _blocks(letter: Letter) -> Iterable[tuple[str, str]]:
    for title, text in letter.blocks:
        cleaned = _clean(text).strip("\n")
        if cleaned.strip():
            yield _line(title), cleaned


def _escape(text: str) -> str:
    return html.escape(_clean(text))


def _line(text: str) -> str:
    """Return a text as one line without control characters."""
    return _clean(" ".join(text.split()))


def _clean(text: str) -> str:
    """Return a text in which nothing but line ends and tabs is a control character."""
    lines = _ESCAPES.sub("", text).expandtabs(4).splitlines()
    return "\n".join(
        "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)
        for line in lines
    )
