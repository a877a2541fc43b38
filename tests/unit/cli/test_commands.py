"""Places in commands, files of inputs, and what a command line that makes no sense gets."""

import io
import shlex
import subprocess
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.cli.conftest import Shell

from gridmap.cli.inputs import Call, read_calls, read_lines
from gridmap.cli.map import find_function
from gridmap.cli.template import fill


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["p", "{}", "{.}", "{/}"], ["p", "a b/c.d.txt", "a b/c.d", "c.d.txt"]),
        (["p", "{//}", "{/.}", "{#}"], ["p", "a b", "c.d", "7"]),
        (["p", "-o{}=x"], ["p", "-oa b/c.d.txt=x"]),
        (["p", "{1}", "{ }"], ["p", "{1}", "{ }", "a b/c.d.txt"]),
        (["p"], ["p", "a b/c.d.txt"]),
        (["p > {#}"], ["/bin/sh", "-c", "p > 7"]),
        (["p -q"], ["/bin/sh", "-c", "p -q 'a b/c.d.txt'"]),
    ],
)
def test_places_are_filled_as_gnu_parallel_does(
    words: list[str], expected: list[str]
) -> None:
    """Words stay words, whatever is in the input."""
    assert fill(words, "a b/c.d.txt", 7) == expected


@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_an_input_is_one_word_to_the_shell(text: str) -> None:
    """Nothing in it is a command."""
    shell, flag, script = fill(["printf %s {}"], text, 1)
    assert (shell, flag) == ("/bin/sh", "-c")
    assert shlex.split(script)[2:] == [text]


def test_what_the_shell_is_given_is_what_it_prints() -> None:
    """The real one, with everything it could stumble over."""
    text = "a'b\"c$HOME`id`\\;&|*?\n#!"
    done = subprocess.run(
        fill(["printf %s {}"], text, 1), capture_output=True, check=True, text=True
    )
    assert done.stdout == text


@pytest.mark.parametrize(
    ("name", "text", "calls"),
    [
        ("a.csv", "x,name\n1,b c\n2.5,\n", [
            Call(kwargs={"x": 1, "name": "b c"}), Call(kwargs={"x": 2.5, "name": ""}),
        ]),
        ("a.jsonl", '{"x": 1}\n\n[1, [2]]\n"t"\n', [
            Call(kwargs={"x": 1}), Call((1, [2])), Call(("t",)),
        ]),
        ("a.txt", "one\r\n\ntwo", [Call(("one",)), Call(("",)), Call(("two",))]),
        ("a.csv", "", []),
    ],
    ids=["csv", "jsonl", "lines", "empty"],
)  # fmt: skip
def test_inputs_are_read(
    tmp_path: Path, name: str, text: str, calls: list[Call]
) -> None:
    """By what the file is called."""
    path = tmp_path / name
    path.write_bytes(text.encode())
    assert read_calls(str(path)) == calls


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.csv", "x,y\n1,2\n3\n", "line 3 does not have 2 fields"),
        ("a.csv", "x,y\n1,2,3\n", "line 2 does not have 2 fields"),
        ("a.jsonl", "1\n{\n", "line 2: "),
        ("b.txt", None, "No such file"),
    ],
)
def test_wrong_inputs_are_named(
    tmp_path: Path, name: str, text: str | None, why: str
) -> None:
    """With the file and the line, before anything runs."""
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(click.UsageError) as caught:
        read_calls(str(path))
    assert why in caught.value.message
    assert str(path) in caught.value.message


def test_a_function_is_found_by_module_or_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that is not there is answered with one that is."""
    (tmp_path / "strange_model.py").write_text("def fit(): pass\nclass A: f = print\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    assert find_function("strange_model:fit").__name__ == "fit"
    assert find_function(f"{tmp_path}/strange_model.py:A.f") is print
    for words, why in (
        ("strange_model:fitt", "Did you mean 'fit'"),
        ("strange_modle:fit", "cannot be imported"),
        ("fit", "MODULE:FUNCTION"),
    ):
        with pytest.raises(click.UsageError, match=why):
            find_function(words)


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("exec",), 2, "COMMAND"),
        (("exec", ":::", "a"), 2, "COMMAND :::"),
        (("exec", "echo", ":::", "a", ":::", "b"), 2, "no product of lists"),
        (("exec", "--inputs", "x", "echo", ":::", "a"), 2, "not in both"),
        (("exec", "--memory", "much", "echo", ":::", "a"), 2, "much"),
        (("map", "math:sqrt", "--inputs", "none.txt"), 2, "none.txt"),
    ],
)
def test_a_command_line_without_sense_is_refused(
    shell: Shell, words: tuple[str, ...], status: int, says: str
) -> None:
    """Nothing is run."""
    result = shell.run(*words)
    assert (result.returncode, says in result.stderr) == (status, True), result.stderr


def test_a_dry_run_prints_commands_and_submission(shell: Shell) -> None:
    """And submits nothing: the backend's submit would raise."""
    shell.offer("beta")
    result = shell.run("exec", "-b", "beta", "--dry-run", "wc", "-l", ":::", "a b", "c")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "wc -l 'a b'", "wc -l c", "# submission 1 of 1 to beta: 2 runners",
        "submit exec -",
    ]  # fmt: skip


def test_no_inputs_are_no_error(shell: Shell) -> None:
    """As for a pipe in which nothing came."""
    result = shell.run("exec", "echo")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_map_of_nothing_says_so(shell: Shell, tmp_path: Path) -> None:
    """And warns of no backend that it does not need."""
    (tmp_path / "model.py").write_text("def fit(x):\n    return x\n")
    (tmp_path / "in.txt").touch()
    function, inputs = f"{tmp_path / 'model.py'}:fit", str(tmp_path / "in.txt")
    result = shell.run("map", function, "--inputs", inputs)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "gridmap: there are no inputs to call it with\n"


def test_who_is_to_type_the_inputs_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the command would look as if it hung."""
    keyboard = io.StringIO("a\nb\n")
    monkeypatch.setattr("sys.stdin", keyboard)
    assert read_lines("-") == ["a", "b"]
    assert not capsys.readouterr().err
    monkeypatch.setattr(keyboard, "isatty", lambda: True)
    read_lines("-")
    assert "Ctrl-D" in capsys.readouterr().err
