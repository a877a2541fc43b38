"""Programs that fail, hang or print rubbish."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gridmap import programs
from gridmap.programs import Answer, NoAnswer, Reply, run

ENVIRON = {"PATH": os.environ["PATH"]}


def python(code: str, text: str = "", timeout_s: float = 20.0) -> Reply:
    """Run a piece of Python as a program."""
    return run([sys.executable, "-c", code], ENVIRON, text, timeout_s)


def sh(script: str, timeout_s: float = 20) -> Reply:
    """Run a script."""
    return run(("/bin/sh", "-c", script), {"PATH": "/bin"}, "", timeout_s)


def test_a_program_answers() -> None:
    """Status, output and errors come back, and the text goes in."""
    code = (
        "import sys; print(sys.stdin.read()); print('no', file=sys.stderr); sys.exit(3)"
    )
    assert python(code, "script") == Answer(status=3, output="script\n", errors="no\n")


def test_rubbish_is_decoded_all_the_same() -> None:
    """What is no UTF-8 becomes replacement characters."""
    answer = sh(r"printf 'a\377b'")
    assert answer == Answer(status=0, output="a\ufffdb")


def test_a_text_that_is_not_utf_8_goes_in_unchanged() -> None:
    """File names may hold any bytes, and Python carries them as surrogates."""
    code = "import sys; print(sys.stdin.buffer.read())"
    answer = python(code, "\udcff")
    assert answer == Answer(status=0, output="b'\\xff'\n")


def test_a_program_that_somebody_killed_gave_no_answer() -> None:
    """Whatever it had printed by then; and it may have had its effect."""
    answer = sh("echo 17.1-2:1; kill -9 $$")
    assert isinstance(answer, NoAnswer)
    assert answer.started
    assert "signal 9" in answer.text


def test_a_program_that_reads_nothing_is_no_trouble() -> None:
    """It may end before the text is written to it."""
    assert isinstance(python("pass", "x" * 10_000_000), Answer)


def test_the_user_s_directory_may_have_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs run where every process may be."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert sh("pwd") == Answer(status=0, output="/\n")


@pytest.mark.slow
def test_a_program_that_hangs_dies_with_its_children(tmp_path: Path) -> None:
    """And may have had its effect."""
    before = time.monotonic()
    outcome = sh(f"(sleep 5; touch {tmp_path}/late) & sleep 30", timeout_s=0.3)
    assert isinstance(outcome, NoAnswer)
    assert outcome.started
    assert "within 0.3 s" in outcome.words
    assert time.monotonic() - before < 4


@pytest.mark.slow
def test_a_child_that_hides_does_not_hold_us_up() -> None:
    """In a session of its own it survives, and its pipes are let go of."""
    before = time.monotonic()
    outcome = sh("setsid sleep 5 & sleep 30", timeout_s=0.3)
    assert isinstance(outcome, NoAnswer)
    assert time.monotonic() - before < 4


def test_an_interrupt_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C leaves no submission behind."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    ended: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr("subprocess.Popen.communicate", interrupt)
    monkeypatch.setattr(programs, "_kill", ended.append)
    with pytest.raises(KeyboardInterrupt):
        sh("exit 0")
    (process,) = ended
    process.wait(5)


@pytest.mark.parametrize("argv", [["/no/such/program"], ["zero\0byte"], ["/"]])
def test_what_cannot_be_started_was_not_started(argv: list[str]) -> None:
    """A submission that did not run has had no effect."""
    outcome = run(argv, ENVIRON, "", 5.0)
    assert isinstance(outcome, NoAnswer)
    assert not outcome.started


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(status=1, output="o", errors=" a\n b\n"), "a b"),
        (Answer(status=1, output="o\n", errors="\n"), "o"),
        (Answer(status=1), "exit status 1, and no word"),
        (NoAnswer(text="no", started=True), "no"),
    ],
)
def test_words_are_one_line(answer: Reply, words: str) -> None:
    """What people are shown, the complaint before the rest."""
    assert answer.words == words
