"""Options that several commands share."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from gridmap.errors import UnknownBackendError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeVar

    _Command = TypeVar("_Command", bound=Callable[..., Any])
    _TextType = click.ParamType[str]
    _PairType = click.ParamType[tuple[str, str]]
else:
    _TextType = _PairType = click.ParamType  # generic only since click 8.4


_NEEDS: Final = (
    "memory", "memory_limit", "walltime", "cores", "gpus", "queue", "account", "nodes",
    "native",
)  # fmt: skip


class BackendName(_TextType):
    """The name or alias of an installed backend; becomes its name."""

    name = "name"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Look the backend up."""
        from gridmap import plugins  # noqa: PLC0415 - needed where a backend is named

        try:
            return plugins.installed().find(str(value)).info.name
        except UnknownBackendError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer what is installed."""
        del ctx, param
        from gridmap import plugins  # noqa: PLC0415 - likewise

        return [
            CompletionItem(backend.info.name, help=backend.info.summary)
            for backend in plugins.installed().backends
            if backend.info.name.startswith(incomplete)
        ]


class ResumeName(_TextType):
    """The name under which a run can be resumed."""

    name = "name"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer those there are."""
        del param
        from gridmap.errors import RunError  # noqa: PLC0415 - likewise
        from gridmap.rundir import RunDirectory  # noqa: PLC0415 - needed there only

        try:
            runs = RunDirectory.all_named(runs_directory(ctx.params.get("runs")))
        except RunError:  # told where it is asked for; a Tab is no place to
            return []
        names = [run.given_name or run.name for run in runs]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class KeyValue(_PairType):
    """A text such as ``qos=high``."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Take it apart."""
        if isinstance(value, tuple):
            return value
        key, equal, text = str(value).partition("=")
        if not equal or not key:
            self.fail(f"{value!r} is not of the form KEY=VALUE", param, ctx)
        return key, text


def backend_option(command: _Command) -> _Command:
    """Add ``--backend``."""
    return click.option(
        "-b",
        "--backend",
        type=BackendName(),
        help="The backend; without it the one that a map would take.",
    )(command)


def speculate_option(command: _Command) -> _Command:
    """Add ``--speculate``; without it, and its opposite, the settings say."""
    return click.option(
        "--speculate/--no-speculate",
        default=None,
        help="Begin what takes very long a second time; the first result counts.",
    )(command)


_NEEDS_OPTIONS: Final = (
    click.option("--memory", metavar="AMOUNT", help="Memory a job needs: 512M, 2G."),
    click.option(
        "--memory-limit", metavar="AMOUNT", help="Memory at which it is ended."
    ),
    click.option("--walltime", metavar="TIME", help="Longest life of a runner: 90m."),
    click.option("--cores", type=int, default=1, help="Cores on one node."),
    click.option("--gpus", type=int, default=0, help="Graphics processors."),
    click.option("--queue", metavar="NAME", help="Queue or partition."),
    click.option("--account", metavar="NAME", help="Project or account to charge."),
    click.option(
        "--node", "nodes", multiple=True, help="Node to use; may be repeated."
    ),
    click.option(
        "--option",
        "options",
        type=KeyValue(),
        multiple=True,
        help="What only this backend knows; may be repeated.",
    ),
    click.option(
        "--native",
        metavar="TEXT",
        multiple=True,
        help="Raw option, as in --native=--qos=high; may be repeated.",
    ),
)


def needs_options(command: _Command) -> _Command:
    """Add what a job needs; it arrives as ``resources``, a `Resources`."""

    @functools.wraps(command)
    def with_resources(*, options: tuple[tuple[str, str], ...], **given: Any) -> Any:
        from gridmap.errors import InvalidResourceError  # noqa: PLC0415 - see gridmap.cli
        from gridmap.resources import Resources  # noqa: PLC0415

        needs = {name: given.pop(name) for name in _NEEDS}
        try:
            resources = Resources(options=dict(options), **needs)
        except InvalidResourceError as error:
            raise click.UsageError(str(error)) from None
        return command(resources=resources, **given)

    wrapped: Any = with_resources
    for option in reversed(_NEEDS_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


def json_option(command: _Command) -> _Command:
    """Add ``--json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, for programs."
    )(command)


def runs_option(command: _Command) -> _Command:
    """Add ``--runs``."""
    return click.option(
        "--runs",
        metavar="DIRECTORY",
        is_eager=True,
        help="Where runs are kept, if the script says so; else the settings count.",
    )(command)


def runs_directory(given: str | None) -> Path:
    """Return where runs are kept.

    Args:
        given: What the user said; None takes the settings.
    """
    from gridmap.settings import load_settings  # noqa: PLC0415 - needed there only

    return load_settings({"run_directory": given} if given else None)[0].runs()
