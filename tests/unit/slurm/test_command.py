"""Commands that fail, hang or print rubbish."""

import os
import sys
import time

import pytest

from gridmap_slurm.command import Answer, NoAnswer, run

ENVIRON = {"PATH": os.environ["PATH"]}


def python(code: str, script: str = "", timeout_s: float = 20.0) -> Answer | NoAnswer:
    """Run a piece of Python as a command."""
    return run([sys.executable, "-c", code], ENVIRON, script, timeout_s)


def test_a_command_answers() -> None:
    """Status, output and errors come back, and the script goes in."""
    code = (
        "import sys; print(sys.stdin.read()); print('no', file=sys.stderr); sys.exit(3)"
    )
    assert python(code, "script") == Answer(status=3, output="script\n", errors="no\n")


def test_rubbish_is_decoded_all_the_same() -> None:
    """What is no UTF-8 becomes replacement characters."""
    answer = python(r"import os; os.write(1, b'\xff\xfe7')")
    assert isinstance(answer, Answer)
    assert answer.output == "\ufffd\ufffd7"


def test_a_script_that_is_not_utf_8_goes_in_unchanged() -> None:
    """File names may hold any bytes, and Python carries them as surrogates."""
    code = "import sys; print(sys.stdin.buffer.read())"
    answer = python(code, "\udcff")
    assert isinstance(answer, Answer)
    assert answer.output == "b'\\xff'\n"


def test_a_death_by_signal_is_a_negative_status() -> None:
    """As subprocess has it."""
    answer = python("import os; os.kill(os.getpid(), 9)")
    assert isinstance(answer, Answer)
    assert answer.status == -9
    assert answer.words == "exit status -9, and no word"


def test_a_command_that_reads_nothing_is_no_trouble() -> None:
    """It may end before the script is written to it."""
    assert isinstance(python("pass", "x" * 10_000_000), Answer)


@pytest.mark.slow
def test_a_command_that_hangs_dies_with_its_children() -> None:
    """A wrapper's child holds the pipes open: it dies, too."""
    code = "import subprocess; print(1); subprocess.run(['sleep', '60'])"
    before = time.monotonic()
    outcome = python(code, timeout_s=0.5)
    assert time.monotonic() - before < 10
    assert isinstance(outcome, NoAnswer)
    assert outcome.started
    assert "within 0.5 s" in outcome.text


@pytest.mark.slow
def test_a_child_that_hides_does_not_hold_us_up() -> None:
    """In a session of its own it survives, and its pipes are let go of."""
    code = (
        "import subprocess, time\n"
        "subprocess.Popen(['sleep', '5'], start_new_session=True)\n"
        "time.sleep(60)"
    )
    before = time.monotonic()
    outcome = python(code, timeout_s=0.5)
    assert time.monotonic() - before < 4
    assert isinstance(outcome, NoAnswer)


@pytest.mark.parametrize("argv", [["/no/such/command"], ["zero\0byte"], ["/"]])
def test_what_cannot_be_started_was_not_started(argv: list[str]) -> None:
    """A submission that did not run has had no effect."""
    outcome = run(argv, ENVIRON, "", 5.0)
    assert isinstance(outcome, NoAnswer)
    assert not outcome.started


def test_words_prefer_the_complaint() -> None:
    """One line, from standard error if there is anything."""
    assert Answer(status=1, output="o", errors=" a\n b\n").words == "a b"
    assert Answer(status=1, output="o\n", errors="\n").words == "o"
