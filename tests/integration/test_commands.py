"""`gridmap exec` and `gridmap map`, on this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def gridmap(
    folder: Path, *words: str, says: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "gridmap", *words],
        cwd=folder, input=says, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_commands_print_in_order_and_failures_are_counted(tmp_path: Path) -> None:
    """Each job's output in one piece, errors too; a missing program is a failure."""
    script = "sleep 0.$((3-{#})); echo out {}; echo err {} >&2; exit {#}"
    done = gridmap(tmp_path, "exec", "-b", "local", script, ":::", "a b", "c")
    assert done.stdout == "out a b\nout c\n"
    assert done.stderr == "err a b\nerr c\n"
    assert done.returncode == 2
    lines = gridmap(
        tmp_path, "exec", "-b", "local", "--json", "--", "no-such-program",
        says="x y\nz\n",
    )  # fmt: skip
    answers = [json.loads(line) for line in lines.stdout.splitlines()]
    assert [(one["input"], one["status"]) for one in answers] == [
        ("x y", 127),
        ("z", 127),
    ]


def test_rows_are_mapped_to_rows(tmp_path: Path) -> None:
    """A call that fails leaves its row, and the exit status says so."""
    (tmp_path / "model.py").write_text("def fit(x, y=1):\n    return {'q': x / y}\n")
    (tmp_path / "in.csv").write_text("x,y\n1,2\n1,0\n")
    done = gridmap(
        tmp_path, "map", "model:fit", "--inputs", "in.csv", "-o", "out.jsonl",
        "-b", "local",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "1 of 2 calls failed" in done.stderr
    rows = [
        json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()
    ]
    assert rows == [
        {"input": 0, "value": {"q": 0.5}},
        {"input": 1, "error": "ZeroDivisionError: division by zero"},
    ]
    told = gridmap(
        tmp_path, "map", "model:fit", "--inputs", "in.csv", "-b", "local", "--json"
    )
    assert json.loads(told.stdout) == {"calls": 2, "failed": 1, "results": rows}


def test_an_output_that_would_belie_its_name_is_refused(tmp_path: Path) -> None:
    """Before anything runs: a spreadsheet cannot be written."""
    (tmp_path / "in.csv").write_text("x\n1\n")
    done = gridmap(
        tmp_path, "map", "math:sqrt", "--inputs", "in.csv", "-o", "out.xlsx",
        "-b", "local",
    )  # fmt: skip
    assert done.returncode == 2
    assert "out.xlsx" in done.stderr
    assert ".csv" in done.stderr
    assert not (tmp_path / "out.xlsx").exists()


def test_commands_go_on_by_their_job_log(tmp_path: Path) -> None:
    """What succeeded is left out, what failed is run again, and each end is a line."""

    def run(*words: str) -> tuple[int, str]:
        done = gridmap(tmp_path, "exec", "-b", "local", "--joblog", "log", *words)
        return done.returncode, done.stdout

    script = "test -e good || test {} != b && echo {}"
    assert run(script, ":::", "a", "b", "c") == (1, "a\nc\n")
    assert run("--resume", script, ":::", "a", "b", "c", "d") == (0, "d\n")
    (tmp_path / "good").touch()
    assert run("--retry-failed") == (0, "b\n")
    assert run("--resume-failed", script, ":::", *"abcd") == (0, "")
    lines = [line.split("\t") for line in (tmp_path / "log").read_text().splitlines()]
    assert lines[0][:3] == ["Seq", "Host", "Starttime"]
    assert sorted((line[0], line[6]) for line in lines[1:]) == [
        ("1", "0"), ("2", "0"), ("2", "1"), ("3", "0"), ("4", "0"),
    ]  # fmt: skip
    assert run(script, ":::", "e") == (0, "e\n")  # anew
    assert len((tmp_path / "log").read_text().splitlines()) == 2


@pytest.mark.parametrize("command", ["exec", "map"])
def test_a_straggler_is_run_a_second_time_if_asked(
    command: str, tmp_path: Path
) -> None:
    """The first attempt of the first waits for ever; only the second says anything."""
    texts = [str(number) for number in range(1, 9)]
    options = ["-b", "local", "--max-workers", "2", "--speculate"]
    if command == "exec":
        waits = "test {} = 1 && mkdir begun && exec tail -f /dev/null"
        done = gridmap(tmp_path, "exec", *options, f"{waits}; echo {{}}", ":::", *texts)
        assert done.stdout.split() == texts, done.stderr
    else:
        (tmp_path / "inputs.txt").write_text("\n".join(texts))
        (tmp_path / "model.py").write_text(
            "import os, threading\n"
            "def fit(text):\n"
            f"    begun = {str(tmp_path / 'begun')!r}\n"
            "    if text == '1' and not os.path.exists(begun):\n"
            "        os.mkdir(begun)\n"
            "        threading.Event().wait()\n"
            "    return text\n"
        )
        done = gridmap(tmp_path, "map", "model:fit", "--inputs", "inputs.txt", *options)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert [row["value"] for row in rows] == texts, done.stderr
    assert done.returncode == 0
    assert (tmp_path / "begun").is_dir()
