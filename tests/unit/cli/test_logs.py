"""What is printed while somebody begins to follow a run is shown in any case."""

from pathlib import Path

from gridmap.cli.logs import Heard, Line, Tails


def missed(log: Path, later: str, heard: Heard) -> list[str]:
    """Return what of a log's later lines is shown at the end."""
    log.write_text("before\n")
    with Tails(log.parent, None) as tails:
        assert [line.text for line in tails.first(None)] == ["before"]
        with log.open("a") as file:
            file.write(later)
        log.unlink()  # as at the end of a run that went well
        return [line.text for line in heard.missed(tails)]


def test_what_was_not_heard_is_in_the_log(tmp_path: Path) -> None:
    """Each line as often as it was missed, and none of the runner's own."""
    heard = Heard()
    for text in ("tick", "tick", "tock\r"):
        heard.add(Line(text, job=1))
    later = "tick\ngap\ngridmap: told to end by SIGTERM\ntick\ntick\ntock\r\nno end"
    assert missed(tmp_path / "1.1.log", later, heard) == ["gap", "tick", "no end"]


def test_what_was_left_out_on_purpose_stays_so(tmp_path: Path) -> None:
    """A job that prints faster than is sent would fill the terminal at the end."""
    heard = Heard()
    heard.add(Line("… 1,000,000 bytes more", job=1, gap=True))
    assert missed(tmp_path / "1.1.log", "much\n", heard) == []
