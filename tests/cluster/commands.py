"""The command line."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from . import agent, forward, packages, testbed
from .hosts import Host
from .layout import HEAD, HOSTS, USER, USERS, ClusterError, environment, require_root

FORWARDED: Final = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCONT,
)


def main() -> int:
    """Run the command in ``sys.argv``; return the exit status."""
    arguments = _parser().parse_args()
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except ClusterError as exc:
        print(f"cluster: {exc}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cluster",
        description="Real two-node Grid Engine and Slurm clusters on one machine.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    install = commands.add_parser(
        "install", help="install the Debian packages that are missing"
    )
    install.add_argument(
        "group", nargs="*", default=["base"], help=", ".join(packages.GROUPS)
    )
    install.set_defaults(command=_install)

    up = commands.add_parser(
        "up", help="start hosts, schedulers and agent; safe to repeat"
    )
    up.add_argument(
        "scheduler", nargs="*", help="sge, slurm, oar; the first two if none is named"
    )
    up.set_defaults(command=_up)

    down = commands.add_parser(
        "down", help="kill and remove everything; safe to repeat"
    )
    down.set_defaults(command=_down)

    status = commands.add_parser(
        "status", help="show hosts and daemons; fails unless all is up"
    )
    status.set_defaults(command=_status)

    repair = commands.add_parser(
        "repair", help="undo faults: pulled cables, dead daemons, ..."
    )
    repair.set_defaults(command=_repair)

    accounting = commands.add_parser(
        "accounting", help="let Slurm have slurmdbd, hence sacct, or take it away"
    )
    accounting.add_argument("state", choices=("on", "off"))
    accounting.set_defaults(command=_accounting)

    shell = commands.add_parser("shell", help="open a shell on a host")
    shell.add_argument("host", nargs="?", default=HEAD, choices=HOSTS)
    _user_option(shell)
    shell.set_defaults(command=_shell)

    forwarding = commands.add_parser(
        "forward", help="let this machine's browser reach a port of a host"
    )
    forwarding.add_argument("port", nargs="?", type=int, default=8137)
    forwarding.add_argument("--host", default=HEAD, choices=HOSTS)
    forwarding.set_defaults(command=_forward)

    run = commands.add_parser("run", help="run a command on a host, as the test user")
    run.add_argument("--host", default=HEAD, choices=HOSTS)
    _user_option(run)
    run.add_argument("--cwd", help="working directory; the present one if not given")
    run.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="hand on or set",
    )
    run.add_argument(
        "argv", nargs="+", metavar="ARG", help="after --: program and arguments"
    )
    run.set_defaults(command=_run)

    served = commands.add_parser(
        "agent", help="serve tests, in the foreground; `up` starts it"
    )
    served.set_defaults(command=_agent)
    return parser


def _user_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", default=USER, choices=(*USERS, "root"))


def _install(arguments: argparse.Namespace) -> int:
    if unknown := set(arguments.group) - set(packages.GROUPS):
        known = ", ".join(packages.GROUPS)
        msg = f"no package group {', '.join(unknown)}: there are {known}"
        raise ClusterError(msg)
    wanted = [one for group in arguments.group for one in packages.GROUPS[group]]
    if missing := packages.missing(wanted):
        require_root()
        print(
            f"installing {len(missing)} Debian packages and what they need "
            "(a minute or two)",
            flush=True,
        )
    installed = packages.install(arguments.group)
    print(f"installed: {' '.join(installed) or 'nothing, all is there'}")
    return 0


def _up(arguments: argparse.Namespace) -> int:
    names = arguments.scheduler or ["sge", "slurm"]
    if unknown := set(names) - set(testbed.SCHEDULERS):
        known = ", ".join(testbed.SCHEDULERS)
        msg = f"no scheduler {', '.join(unknown)}: there are {known}"
        raise ClusterError(msg)
    for line in testbed.up(names):
        print(line, flush=True)
    return 0


def _down(arguments: argparse.Namespace) -> int:
    del arguments
    testbed.down()
    return 0


def _status(arguments: argparse.Namespace) -> int:
    del arguments
    found = list(testbed.status())
    print("\n".join(line for line, _ in found))
    return int(not all(healthy for _, healthy in found))


def _repair(arguments: argparse.Namespace) -> int:
    del arguments
    require_root()
    testbed.repair(timeout_s=60)
    return 0


def _accounting(arguments: argparse.Namespace) -> int:
    require_root()
    testbed.account(wanted=arguments.state == "on")
    return 0


def _shell(arguments: argparse.Namespace) -> int:
    require_root()
    cwd = environment(arguments.user)["HOME"]
    return _wait_for(
        arguments.host, ["bash", "--login"], user=arguments.user, cwd=cwd, env={}
    )


def _run(arguments: argparse.Namespace) -> int:
    require_root()
    env = {}
    for setting in arguments.env:
        name, given, value = setting.partition("=")
        if given or name in os.environ:
            env[name] = value if given else os.environ[name]
    cwd = arguments.cwd or str(Path.cwd())
    return _wait_for(
        arguments.host, arguments.argv, user=arguments.user, cwd=cwd, env=env
    )


def _forward(arguments: argparse.Namespace) -> int:
    require_root()
    port = arguments.port
    try:
        listener = forward.listen(port)
    except OSError as exc:
        msg = f"port {port} of this machine cannot be had: {exc.strerror}"
        raise ClusterError(msg) from exc
    print(f"port {port} of this machine is that of {arguments.host}; Ctrl-C ends it")
    with listener:
        process = Host(arguments.host).start(
            forward.command(port), stdin=listener.fileno(), env={}
        )
    _hand_on_signals(process)
    return process.wait()


def _agent(arguments: argparse.Namespace) -> int:
    del arguments
    require_root()
    agent.serve()
    return 0


def _wait_for(
    host: str, argv: Sequence[str], *, user: str, cwd: str, env: Mapping[str, str]
) -> int:
    """Run a program in the foreground and return its status as a shell would."""
    try:
        process = Host(host).start(argv, user=user, cwd=cwd, env=dict(env), stdin=None)
    except OSError as exc:
        print(f"cluster: cannot run {argv[0]} on {host}: {exc}", file=sys.stderr)
        return 127 if isinstance(exc, FileNotFoundError) else 126
    _hand_on_signals(process)
    status = process.wait()
    return 128 - status if status < 0 else status


def _hand_on_signals(process: subprocess.Popen[bytes]) -> None:
    """Send signals that this process gets to its child.

    A terminal sends the signals of its keys to both already.
    """
    keys = {signal.SIGINT, signal.SIGQUIT} if sys.stdin.isatty() else set()
    for one in FORWARDED:
        if one in keys:
            signal.signal(one, signal.SIG_IGN)
        else:
            signal.signal(one, lambda signum, _frame: process.send_signal(signum))
