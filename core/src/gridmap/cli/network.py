"""What the doctor looks at of this machine's name and addresses."""

from __future__ import annotations

import socket
from datetime import datetime
from typing import TYPE_CHECKING

from gridmap.backend import Check, Reach
from gridmap.errors import GridMapError, RunError
from gridmap.monitor.opening import listen
from gridmap.rundir import RunDirectory
from gridmap.transport.addresses import interface_addresses, only_here
from gridmap.transport.zeromq.keys import RunKeys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gridmap.cli.examination import Patient

_NAME = "doctor"


def own_name(patient: Patient) -> Sequence[Check]:
    """Look up this machine's own name, as schedulers' daemons do."""
    if patient.capabilities is None or patient.capabilities.reach is Reach.HOST:
        return []
    name = socket.gethostname()
    try:
        entries = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return [judge_name(name, (), (), str(error))]
    meant = {str(entry[4][0]).partition("%")[0] for entry in entries}
    mine = {str(item.address) for item in interface_addresses()}
    return [judge_name(name, meant, mine)]


def judge_name(
    name: str, meant: Iterable[str], mine: Iterable[str], error: str = ""
) -> Check:
    """Say whether a host's own name leads to itself. Pure.

    Args:
        name: The name.
        meant: The addresses it has.
        mine: The addresses of this host.
        error: Why it has none.
    """
    title = f"name {name}"
    if error:
        return Check(
            name=title,
            passed=True,
            found=f"has no address: {error}",
            advice="gridmap offers addresses and needs no name, but schedulers often do: "
            "a line in /etc/hosts mends it.",
        )
    meant = sorted(meant)
    found = ", ".join(meant)
    if set(meant) & set(mine):
        return Check(name=title, passed=True, found=found)
    if all(address.startswith("127.") or address == "::1" for address in meant):
        # Debian's 127.0.1.1
        return Check(
            name=title,
            passed=True,
            found=found,
            advice="Only this machine can reach that: gridmap offers other addresses, but "
            "a scheduler's daemon here may not work.",
        )
    return Check(
        name=title,
        passed=False,
        found=f"{found}, which is not an address of this machine",
        advice="/etc/hosts or the name server is wrong: the scheduler, ssh and MPI go "
        "astray, and so do runners if the setting host names this machine. This machine "
        f"has {', '.join(sorted(mine))}.",
    )


def addresses(patient: Patient) -> Sequence[Check]:
    """Open a run's socket as a run would, and say what would be offered to nodes."""
    capabilities = patient.capabilities
    if capabilities is None:
        return []
    keys = RunKeys.fresh() if capabilities.reach is Reach.NETWORK else None
    base = patient.settings.runs()
    try:
        made = RunDirectory.create(base, _NAME, datetime.now().astimezone())
    except RunError:
        return []  # said already
    try:
        socket = listen(made, patient.settings, keys)
        offered = socket.addresses
        socket.close(0.0)
    except GridMapError as error:
        advice = (
            "No run can start. The settings interface, host and port_range decide "
            "where a run listens."
        )
        return [Check(name="listening", passed=False, found=str(error), advice=advice)]
    finally:
        made.remove()
    patient.listens = True
    if keys is None:
        found = "a socket in the run directory serves"
        return [Check(name="listening", passed=True, found=found)]
    return [_judge_offer(offered, patient.settings.port_range)]


def _judge_offer(offered: Sequence[str], span: tuple[int, int] | None) -> Check:
    """Say what nodes make of the addresses that they are offered. Pure."""
    hosts = [address.rpartition(":")[0] for address in offered]
    ports = "any port" if span is None else f"ports {span[0]}-{span[1]}"
    advice = (
        "Nodes must be able to connect to one of them: runners take the first that "
        "answers. If a firewall is in between, have it open some ports and name them "
        "with the setting port_range."
    )
    if only_here(host.partition("//")[2] for host in hosts):
        advice = (
            "Only this machine can reach that, so no runner on another will be heard "
            "of: take the settings interface and host away, or name an interface that "
            "the nodes see."
        )
    return Check(
        name="offered to nodes",
        passed=True,
        found=f"{', '.join(hosts)} on {ports}",
        advice=advice,
    )
