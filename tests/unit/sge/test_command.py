"""Running programs."""

import subprocess
import time
from pathlib import Path

import pytest

from gridmap_sge import command
from gridmap_sge.command import Answer, NoAnswer


def sh(script: str, timeout_s: float = 20) -> command.Outcome:
    """Run a script."""
    return command.run(("/bin/sh", "-c", script), {"PATH": "/bin"}, "/", timeout_s)


def test_both_streams_and_the_status_come_back() -> None:
    """Bytes that are no text are replaced."""
    answer = sh(r"printf 'a\377b'; echo oh >&2; exit 3")
    assert answer == Answer(status=3, output="a\ufffdb", errors="oh\n")
    assert answer.words == "oh"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(status=1, output="a\n b\n"), "a b"),
        (Answer(status=1), "exit status 1, and no word"),
        (NoAnswer(text="no", started=True), "no"),
    ],
)
def test_words_are_one_line(answer: command.Outcome, words: str) -> None:
    """What people are shown."""
    assert answer.words == words


def test_a_program_that_is_not_there_was_not_started() -> None:
    """So it had no effect."""
    answer = command.run(("/no/such",), {}, "/", 5)
    assert isinstance(answer, NoAnswer)
    assert not answer.started


def test_a_program_that_somebody_killed_gave_no_answer() -> None:
    """Whatever it had printed by then; and it may have had its effect."""
    answer = sh("echo 17.1-2:1; kill -9 $$")
    assert isinstance(answer, NoAnswer)
    assert answer.started
    assert "signal 9" in answer.text


def test_a_program_that_hangs_dies_with_its_children(tmp_path: Path) -> None:
    """And may have had its effect."""
    start = time.monotonic()
    answer = sh(f"(sleep 30; touch {tmp_path}/late) & sleep 30", timeout_s=0.3)
    assert isinstance(answer, NoAnswer)
    assert answer.started
    assert "0.3 s" in answer.text
    assert time.monotonic() - start < 10


def test_a_daemon_that_holds_the_pipe_is_not_waited_for() -> None:
    """Its pipe stays open, which must not hold us."""
    start = time.monotonic()
    answer = sh("setsid sleep 5 & sleep 30", timeout_s=0.3)
    assert isinstance(answer, NoAnswer)
    assert time.monotonic() - start < 4


def test_an_interrupt_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C leaves no qsub behind."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    ended: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr("subprocess.Popen.communicate", interrupt)
    monkeypatch.setattr(command, "_end", ended.append)
    with pytest.raises(KeyboardInterrupt):
        sh("exit 0")
    assert len(ended) == 1
    with ended[0]:
        pass
