"""``gridmap dashboard``: the web page of the user's runs, those that are over too."""

from __future__ import annotations

import json

import click

from gridmap.cli.parameters import json_option
from gridmap.cli.watching import RunName


@click.command("dashboard", short_help="Show runs on a web page of this machine.")
@click.argument("run", required=False, type=RunName())
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port to serve on, another if it is taken; without it the setting "
    "dashboard_port.",
)
@click.option("--records", metavar="DIRECTORY", help="Where records of runs are kept.")
@json_option
def command(
    *, run: str | None, port: int | None, records: str | None, as_json: bool
) -> int:
    """Show runs on a web page of this machine, until Ctrl-C.

    RUN is the directory of a run, its name in `gridmap runs`, or the name its script
    gave it; the page opens with it. Without it the page opens with a list.

    The address is printed on a line of its own, "dashboard: URL", with --json as
    {"url": URL}; it has a token in it: whoever has it can see your runs and end them.
    From elsewhere it is reached through `ssh -L PORT:localhost:PORT HOST`.
    """
    from gridmap.cli import watching  # noqa: PLC0415 - not for `gridmap --help`
    from gridmap.settings import load_settings  # noqa: PLC0415 - likewise
    from gridmap_dashboard.library import Library  # noqa: PLC0415 - likewise
    from gridmap_dashboard.server import Server  # noqa: PLC0415 - likewise

    settings = load_settings()[0]
    query = ""
    if run is not None:
        query = f"&run={watching.find(run, records).record.token}"
    shelf = Library(register=watching.register(records))
    server = Server(shelf, port or settings.dashboard_port)
    server.start()
    url = f"{server.url}{query}"
    try:
        click.echo(json.dumps({"url": url}) if as_json else f"dashboard: {url}")
        server.wait()
    except KeyboardInterrupt:
        click.echo("", err=True)
    finally:
        server.stop()
    return 0
