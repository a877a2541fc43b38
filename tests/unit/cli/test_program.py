"""The command as a whole: help, versions, errors, exit statuses, completion, speed."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from gridmap import __version__
from gridmap.cli import program
from gridmap.cli.program import COMMANDS
from gridmap.testing.waiting import eventually

from .conftest import Shell


def test_the_version_is_printed(shell: Shell) -> None:
    """``--version`` says which gridmap this is."""
    assert shell.run("--version").stdout == f"gridmap, version {__version__}\n"


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_help_lists_every_command(shell: Shell, words: tuple[str, ...]) -> None:
    """Help is shown when asked for, and when nothing is."""
    result = shell.run(*words)
    assert result.returncode == 0
    assert all(f"\n  {name} " in result.stdout for name in COMMANDS)
    assert "..." not in result.stdout.partition("Commands:")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    """Each has a help of its own that fits 80 columns."""
    result = CliRunner().invoke(program, [name, "--help"], terminal_width=80)
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: gridmap {name} ") or name in result.output
    assert all(len(line) <= 80 for line in result.output.splitlines())
    assert "\\b" not in result.output
    assert "\b" not in result.output


def test_an_unknown_command_gets_a_close_match(shell: Shell) -> None:
    """A slip of the finger is a usage error with a hint."""
    result = shell.run("bckends")
    assert result.returncode == 2
    assert result.stdout == ""
    assert "no command 'bckends'. Did you mean 'backends'?" in result.stderr


def test_an_unknown_backend_gets_a_close_match(shell: Shell) -> None:
    """So is a backend that is not installed."""
    result = shell.run("doctor", "--backend", "slrum")
    assert result.returncode == 2
    assert "Did you mean 'slurm'?" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_alias_is_as_good_as_the_name(shell: Shell) -> None:
    """Backends answer to all their names."""
    shell.offer("fine", extra='aliases=("good",)')
    assert shell.json("render", "-b", "good")["backend"] == "fine"


def test_an_unknown_option_is_a_usage_error(shell: Shell) -> None:
    """It is said in whose help to look."""
    result = shell.run("backends", "--jsn")
    assert result.returncode == 2
    assert "Try 'gridmap backends --help'" in result.stderr


@pytest.mark.parametrize("command", ["settings", "demo", "render"])
def test_a_setting_that_makes_no_sense_is_one_message(
    shell: Shell, command: str
) -> None:
    """Errors of gridmap go to standard error, without a traceback, with status 1."""
    result = shell.run(command, GRIDMAP_COMPRESSION="zip")
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("gridmap: environment variable GRIDMAP_COMPRESSION='zip'")


def test_nobody_reading_is_no_error(shell: Shell) -> None:
    """When the reader of a pipe goes away, nothing is said about it."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as stdout:
        result = subprocess.run(
            [sys.executable, "-m", "gridmap", "settings"],
            check=False,
            env=shell.environ,
            stderr=subprocess.PIPE,
            stdout=stdout,
            timeout=30,
        )
    assert result.stderr == b""
    assert result.returncode == 141


@pytest.mark.parametrize("buffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    "words",
    [
        ("settings",),
        ("--help",),
        ("exec", "--backend", "local", "--", "echo", "{}", ":::", "1"),
    ],
    ids=["settings", "help", "exec"],
)
def test_a_full_disk_is_one_message(
    shell: Shell, words: tuple[str, ...], buffered: str
) -> None:
    """Whoever redirects to a file learns that it is not whole, by the status too."""
    with Path("/dev/full").open("wb") as stdout:
        result = subprocess.run(
            [sys.executable, "-m", "gridmap", *words],
            check=False,
            cwd=shell.home,
            env=shell.environ
            | {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": buffered},
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            timeout=30,
        )
    assert result.returncode == 1
    (line,) = result.stderr.decode().splitlines()
    assert line.startswith("gridmap: the output cannot be written: No space left")


def test_who_closes_the_output_wants_none(shell: Shell) -> None:
    """As cron jobs do; it is no reason for a traceback."""
    command = [sys.executable, "-m", "gridmap"]
    for words in (["settings"], ["backends"], ["settings", "--json"]):
        result = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", *command, *words],
            check=False,
            env=shell.environ | {"PATH": os.environ["PATH"]},
            stderr=subprocess.PIPE,
            timeout=30,
        )
        assert (result.returncode, result.stderr) == (0, b"")


def test_what_cannot_be_encoded_is_printed_nevertheless(shell: Shell) -> None:
    """An old terminal gets an escape, not a traceback."""
    (shell.home / "gridmap.toml").write_text('queue = "long…"', encoding="utf-8")
    result = shell.run("settings", PYTHONIOENCODING="latin-1")
    assert result.returncode == 0, result.stderr
    assert "long\\u2026" in result.stdout


def on_a_terminal(shell: Shell, *words: str, **environ: str) -> str:
    """Return what a command prints when standard output is a terminal."""
    parent, child = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "gridmap", *words],
        env=shell.environ | {"COLUMNS": "60", "TERM": "xterm"} | environ,
        stdin=child,
        stdout=child,
        stderr=child,
    ) as process:
        os.close(child)
        parts = []
        while True:
            try:
                part = os.read(parent, 65536)
            except OSError:  # EIO: the other side is closed
                break
            if not part:
                break
            parts.append(part)
        process.wait(30)
    os.close(parent)
    return b"".join(parts).decode()


def test_a_terminal_gets_colours_and_folded_lines(shell: Shell) -> None:
    """Lines keep to the width of the terminal."""
    printed = on_a_terminal(shell, "backends")
    assert "\x1b[32m" in printed
    plain = on_a_terminal(shell, "backends", NO_COLOR="1")
    assert max(map(len, plain.splitlines())) <= 60


@pytest.mark.parametrize(
    "environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"]
)
def test_colours_can_be_refused(shell: Shell, environ: dict[str, str]) -> None:
    """https://no-color.org is heeded, and so are terminals without colours."""
    assert "\x1b" not in on_a_terminal(shell, "doctor", **environ)


def test_the_doctor_says_for_what_he_waits(shell: Shell) -> None:
    """To who sees him wait; the scheduler may have others to serve first."""
    words = ("doctor", "-b", "local", "--wait", "30")
    told = "(sending a probe; the scheduler has 30 s to start it)"
    shown = on_a_terminal(shell, *words, COLUMNS="80", NO_COLOR="1")
    assert f"\n{told}\nOn a node\n" in shown.replace("\r", "")
    assert told not in shell.run(*words).stderr


def test_colours_can_be_forced(shell: Shell) -> None:
    """Machines that show logs with colours can have them."""
    assert "\x1b[32m" in shell.run("backends", FORCE_COLOR="1").stdout


INTERRUPTIBLE = """
import signal, sys
from gridmap.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""  # a process in the background of a shell ignores the signal from the start


def runners(shell: Shell) -> list[int]:
    """Return the processes that serve a run below the shell's home."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            place = process.environ().get("GRIDMAP_CONNECTION", "")
            if place.startswith(str(shell.home)):
                found.append(process.pid)
    return found


def test_an_interrupt_ends_with_130_and_leaves_nothing(shell: Shell) -> None:
    """Ctrl-C ends a map and all its runners."""
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "demo", "--calls", "2000"],
        env=shell.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            eventually(lambda: runners(shell), within_s=10, what="a runner")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=15)
        finally:
            process.kill()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert runners(shell) == []


def test_the_library_is_quiet_unless_asked(shell: Shell) -> None:
    """``-v`` shows on standard error what is logged."""
    shell.offer("fine")
    module = shell.plugins / "plugin_fine.py"
    module.write_text(
        "import logging\nlogging.getLogger('strange').info('loaded %s', 'fine')\n"
        + module.read_text()
    )
    assert shell.run("render", "-b", "fine").stderr.count("loaded") == 0
    told = shell.run("-v", "render", "-b", "fine")
    assert "gridmap: loaded fine\n" in told.stderr
    assert "loaded" not in told.stdout


@pytest.mark.parametrize("words", [("--version",), ("--help",)])
def test_starting_costs_little(shell: Shell, words: tuple[str, ...]) -> None:
    """Neither rich nor zmq nor any plugin is imported to say what there is."""
    del shell
    code = (
        "import sys; from gridmap.cli import main; main(sys.argv[1:]); "
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        check=True,
        text=True,
        timeout=30,
    )
    loaded = set(result.stderr.split())
    heavy = {"attr", "rich", "zmq", "pluggy", "psutil", "msgspec", "gridmap_local"}
    assert not loaded & heavy


def test_the_module_is_the_command(shell: Shell) -> None:
    """``python -m gridmap`` and the installed script are one."""
    script = Path(sys.executable).with_name("gridmap")
    if not script.exists():
        pytest.skip("gridmap is not installed as a script beside this Python")
    result = subprocess.run(
        [script, "backends"],
        capture_output=True,
        check=True,
        env=shell.environ,
        text=True,
        timeout=30,
    )
    assert result.stdout == shell.run("backends").stdout


def test_plugins_add_commands(shell: Shell) -> None:
    """They stand in the help, are called, and are what a slip may have meant."""
    shell.add_command(
        "greet",
        """
        import click

        @click.command("greet", short_help="Say hello.")
        def command():
            click.echo("hello")
        """,
    )
    assert shell.run("greet").stdout == "hello\n"
    assert "greet" in shell.run("--help").stdout
    assert "Did you mean 'greet'?" in shell.run("gret").stderr


@pytest.mark.parametrize("source", ["1 / 0", "command = 3"])
def test_a_broken_command_of_a_plugin_is_its_own_trouble(
    shell: Shell, source: str
) -> None:
    """The others work, it says what is wrong, and none takes the name of ours."""
    shell.add_command("bad", source)
    shell.add_command("demo", source)
    assert "(its plugin is broken)" in shell.run("--help").stdout
    result = shell.run("bad")
    assert result.returncode == 1
    assert "the command 'bad' of a plugin cannot be loaded" in result.stderr
    assert "Traceback" not in result.stderr
    assert shell.run("demo", "--help").returncode == 0
