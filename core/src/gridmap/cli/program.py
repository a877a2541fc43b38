"""The command itself: finds the others, and says in one line what went wrong.

Exit statuses: 0 done, 1 it could not be done (or a check failed), 2 the command line
makes no sense, 130 interrupted, 141 nobody reads what is printed any more.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import io
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gridmap.cli import text
from gridmap.errors import GridMapError
from gridmap.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from gridmap.plugins.entries import Entry

COMMANDS: Final = (
    "attach",
    "backends",
    "completion",
    "conform",
    "demo",
    "doctor",
    "exec",
    "forget",
    "kill",
    "logs",
    "map",
    "render",
    "replay",
    "report",
    "runs",
    "settings",
    "status",
    "top",
)
"""Each is the attribute ``command`` of the module of that name beside this one."""

FAILED: Final = 1
INTERRUPTED: Final = 128 + 2
UNREAD: Final = 128 + 13

_LEVELS: Final = (logging.WARNING, logging.INFO, logging.DEBUG)


class Program(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in order."""
        del ctx
        return sorted([*COMMANDS, *_offered()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            entry = _offered().get(cmd_name)
            return None if entry is None else _load(entry)
        module = importlib.import_module(f"gridmap.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called, or say which was probably meant."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            known = self.list_commands(ctx)
            close = difflib.get_close_matches(args[0], known, n=1, cutoff=0.5)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            ctx.fail(
                f"there is no command {args[0]!r}.{hint} There are: {', '.join(known)}."
            )
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click would end with 1 where nobody reads what it says."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _drop_output()
            ctx.exit(UNREAD)


@functools.cache
def _offered() -> dict[str, Entry]:
    """Return the commands of plugins by name; none takes the name of one of ours."""
    from gridmap.plugins import entries  # noqa: PLC0415 - most commands do without

    announced = entries.known()[entries.COMMANDS]
    return {e.name: e for e in announced if e.name not in COMMANDS}


def _load(entry: Entry) -> click.Command:
    """Import a plugin's command; one that is broken says so when it is called."""
    try:
        command = entry.load()
        if isinstance(command, click.Command):
            return command
        reason = f"{entry.value} is {command!r}, not a click.Command"
    except (Exception, SystemExit) as error:  # noqa: BLE001 - one bad plugin never stops the others
        reason = " ".join(f"{type(error).__name__}: {error}".split())
    message = f"the command {entry.name!r} of a plugin cannot be loaded: {reason}"

    def fail() -> None:
        raise click.ClickException(message)

    return click.Command(
        entry.name, callback=fail, short_help="(its plugin is broken)", help=message
    )


class _Stderr(logging.Handler):
    """Prints what library and plugins log the way the command prints its errors."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message on what is standard error now: a bar may have taken it."""
        text.complain(f"gridmap: {self.format(record)}")


@click.group(
    cls=Program,
    invoke_without_command=True,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
    epilog="Each command has a --help of its own.",
)
@click.version_option(__version__, "-V", "--version", prog_name="gridmap")
@click.option(
    "-v",
    "--verbose",
    count=True,
    help="Say more of what is done, on standard error; twice for everything.",
)
@click.pass_context
def program(context: click.Context, verbose: int) -> None:
    """Map Python functions onto the batch scheduler a site has."""
    context.color = _wants_color()
    context.call_on_close(_show_log(_LEVELS[min(verbose, len(_LEVELS) - 1)]))
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _show_log(level: int) -> Callable[[], None]:
    """Print what is logged from this level on; return what ends that.

    The handler is the root's, since plugins log under names of their own.
    """
    root, handler = logging.getLogger(), _Stderr()
    before = root.level
    root.setLevel(level)
    root.addHandler(handler)

    def end() -> None:
        root.removeHandler(handler)
        root.setLevel(before)

    return end


def _wants_color() -> bool | None:
    """Return whether there is to be colour; None: where a terminal is."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False  # https://no-color.org
    return True if os.environ.get("FORCE_COLOR") else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the command's name; None takes this process's.

    Returns:
        The exit status.
    """
    _print_anything()
    if "_GRIDMAP_COMPLETE" in os.environ:
        importlib.import_module("gridmap.cli.completion").use()
    try:
        status = program.main(arguments, prog_name="gridmap", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and error.ctx is not None:
            command = error.ctx.command_path
            click.echo(error.ctx.get_usage(), err=True)
            click.echo(f"Try '{command} --help' for help.", err=True)
        text.complain(f"gridmap: {error.format_message()}")
        return error.exit_code
    except GridMapError as error:
        text.complain(f"gridmap: {error}")
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return UNREAD
    except OSError as error:
        if not _came_of_printing(error):
            raise
        _drop_output()
        text.complain(f"gridmap: the output cannot be written: {error.strerror}")
        return FAILED
    return status if isinstance(status, int) else 0


def _print_anything() -> None:
    """Let no character of a path or a message be one that cannot be printed.

    Who has closed an output wants nothing of it.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - for the life of the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _came_of_printing(error: OSError) -> bool:
    """Whether it was a command's output that could not be written, as on a full disk.

    No file is named then, and no more was called than what prints.
    """
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    ours = frame.f_globals["__name__"].startswith("gridmap.cli.")
    return error.filename is None and (ours or frame.f_code is click.echo.__code__)


def _drop_output() -> None:
    """Keep the interpreter from failing again when it flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
