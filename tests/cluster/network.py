"""The wires: a switch in a network namespace of its own, and a cable to each host.

Nothing is attached to the machine's own network, so no traffic can leave it.
"""

import subprocess
from pathlib import Path
from typing import Final

from .layout import ADDRESSES, HOSTS, INSTANCE, PREFIX_LENGTH

SWITCH: Final = f"gm{INSTANCE}-switch"
_BRIDGE: Final = "bridge"
_BLOCKED: Final = "100"
"""Where among the rules of routing those stand that block ports."""

_NAMESPACES: Final = Path("/run/netns")


def _netns(host: str) -> str:
    return f"gm{INSTANCE}-{host}"


def namespace(host: str) -> Path:
    """Return the file that stands for the network namespace of *host*."""
    return _NAMESPACES / _netns(host)


def exists() -> bool:
    """Return whether the last cable has been laid."""
    link = ["ip", "-netns", SWITCH, "link", "show", HOSTS[-1]]
    return subprocess.run(link, capture_output=True, check=False).returncode == 0


def lay() -> None:
    """Set up the switch and plug in every host's cable."""
    _batch(None, [f"netns add {name}" for name in (SWITCH, *map(_netns, HOSTS))])
    switch = [f"link add {_BRIDGE} type bridge", f"link set {_BRIDGE} up"]
    for host in HOSTS:
        # The switch's end is called after the host at the other end.
        switch.append(f"link add {host} type veth peer name eth0 netns {_netns(host)}")
        switch.append(f"link set {host} master {_BRIDGE} up")
    _batch(SWITCH, switch)
    for host, address in ADDRESSES.items():
        add = f"address add {address}/{PREFIX_LENGTH} dev eth0"
        _batch(_netns(host), [add, "link set lo up", "link set eth0 up"])


def cable(host: str, *, up: bool) -> None:
    """Plug in the cable of *host* or pull it; processes on it live on. Idempotent."""
    _batch(SWITCH, [f"link set {host} {'up' if up else 'down'}"])


def block(host: str, ports: str) -> None:
    """Let *host* reach no TCP port from ``FIRST-LAST`` of any other, as a firewall does.

    What is tried fails at once, with "Network is unreachable", as a firewall's REJECT may
    have it. A rule of the routing's own needs no packet filter in the kernel.
    """
    rule = f"rule add from all ipproto tcp dport {ports} pref {_BLOCKED} unreachable"
    _batch(_netns(host), [rule])


def unblock(host: str) -> None:
    """Take away all that `block` did; idempotent."""
    rules = ["ip", "-netns", _netns(host), "rule", "show", "pref", _BLOCKED]
    shown = subprocess.run(rules, capture_output=True, text=True, check=False).stdout
    _batch(_netns(host), [f"rule del pref {_BLOCKED}" for _ in shown.splitlines()])


def plugged(host: str) -> bool:
    """Return whether the cable of *host* is plugged in."""
    link = ["ip", "-netns", SWITCH, "-oneline", "link", "show", "up", "dev", host]
    return bool(subprocess.run(link, capture_output=True, check=False).stdout)


def processes(host: str) -> list[int]:
    """Return the ids of all processes in the network namespace of *host*."""
    command = ["ip", "netns", "pids", _netns(host)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return [int(pid) for pid in shown.split()]


def remove() -> None:
    """Remove whatever is there of switch and cables; idempotent."""
    for name in (SWITCH, *map(_netns, HOSTS)):
        if (_NAMESPACES / name).exists():
            subprocess.run(["ip", "netns", "delete", name], check=True)


def _batch(netns: str | None, commands: list[str]) -> None:
    where = [] if netns is None else ["-netns", netns]
    text = "\n".join(commands) + "\n"
    subprocess.run(["ip", *where, "-batch", "-"], input=text, text=True, check=True)
