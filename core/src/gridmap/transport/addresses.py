"""Which addresses of this host a node could reach.

Nothing here can know a site's network, so the monitor listens on every plausible
address and offers them all, best guess first; the runner takes the first that
answers. A site that knows better chooses an interface, a host and a port range.
`rank` holds the rules; the rest asks the system.
"""

from __future__ import annotations

import contextlib
import difflib
import ipaddress
import re
import socket
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
import psutil

from gridmap.errors import InvalidSettingError, RunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# Interfaces of containers and virtual machines: up, with addresses, and known to
# no other host. Names as docker, podman/CNI, libvirt, LXC, Kubernetes and Calico
# give them.
_PRIVATE_INTERFACE: Final = re.compile(
    r"(docker|br-|virbr|veth|cni|podman|lxc|lxd|vnet|vmnet|vboxnet|cali|flannel|kube|dummy)"
)
_PORT_RANGE: Final = re.compile(r"\s*([0-9]{1,5})\s*(?:-\s*([0-9]{1,5})\s*)?")
# Documentation networks (RFC 5737, RFC 3849). Connecting a datagram socket sends
# nothing; it makes the kernel choose the source address of its default route.
_ANYWHERE: Final = (
    (socket.AF_INET, "198.51.100.1"),
    (socket.AF_INET6, "2001:db8::1"),
)


class InterfaceAddress(msgspec.Struct, frozen=True, kw_only=True):
    """One address of one network interface of this host.

    Attributes:
        interface: The interface's name.
        address: Its address.
        up: Whether the interface is up.
    """

    interface: str
    address: IPAddress
    up: bool = True


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One place to listen at.

    Attributes:
        bind: The local address to bind to.
        offer: The host that runners are told; differs from *bind* only where a
            setting names one that is not this host's own, such as a gateway's.
    """

    bind: str
    offer: str


class PortRange(msgspec.Struct, frozen=True):
    """Ports that a site's firewall lets through; both ends belong to it.

    Example:
        >>> PortRange.parse("40000-40002").ports()
        range(40000, 40003)
    """

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> PortRange:
        """Read ``"40000-41000"`` or a single port.

        Raises:
            InvalidSettingError: If it is neither.
        """
        match = _PORT_RANGE.fullmatch(text)
        if match is not None:
            first = int(match[1])
            last = int(match[2] or match[1])
            if 0 < first <= last < 2**16:
                return cls(first=first, last=last)
        msg = (
            f"port range {text!r} makes no sense: expected a port or two, each from "
            "1 to 65535 and the lower first, as in 40000-41000"
        )
        raise InvalidSettingError(msg)

    def ports(self) -> range:
        """Return all ports of the range, lowest first."""
        return range(self.first, self.last + 1)


def rank(
    found: Iterable[InterfaceAddress], preferred: Sequence[IPAddress] = ()
) -> tuple[InterfaceAddress, ...]:
    """Sort out what a node could reach, best guess first.

    Left out are interfaces that are down, loopback (also Debian's 127.0.1.1),
    unspecified and multicast addresses, and IPv6 link-local ones, which mean
    nothing without a zone. Interfaces of containers come last, before IPv4
    link-local addresses.

    Args:
        found: What the host has.
        preferred: Addresses to put first if the host has them, best first.
    """
    order = {address: place for place, address in reversed(list(enumerate(preferred)))}

    def merit(item: InterfaceAddress) -> tuple[bool, bool, int, bool]:
        return (
            item.address.is_link_local,
            _PRIVATE_INTERFACE.match(item.interface) is not None,
            order.get(item.address, len(order)),
            item.address.version == 6,  # noqa: PLR2004 - IPv6
        )

    unique = {item.address: item for item in found if _reachable(item)}
    return tuple(sorted(unique.values(), key=merit))


def _reachable(item: InterfaceAddress) -> bool:
    """Say whether another host could possibly reach this address."""
    address = item.address
    return item.up and not (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or (address.version == 6 and address.is_link_local)  # noqa: PLR2004 - IPv6
    )


def choose_endpoints(
    *, interface: str | None = None, host: str | None = None
) -> tuple[Endpoint, ...]:
    """Decide where the monitor listens and what it offers, best first.

    Blocks for a name look-up at most.

    Args:
        interface: Only addresses of this interface, loopback too if it is named.
        host: Only this address, or what this name resolves to. One that is not
            this host's own (a gateway that forwards to it) is offered as it is,
            while the monitor listens on all interfaces.

    Raises:
        InvalidSettingError: If there is no such interface or host.
        RunError: If this host has no address a node could reach.
    """
    found = interface_addresses()
    if interface is not None:
        found = _of_interface(found, interface)
    if host is not None:
        return _endpoints_of_host(host, found)
    best = rank(found, preferred_addresses())
    if not best and interface is not None:
        best = tuple(item for item in found if item.up and item.address.is_loopback)
    if not best:
        raise RunError(_no_address(found, interface))
    return tuple(Endpoint(bind=str(i.address), offer=str(i.address)) for i in best)


def only_here(offers: Iterable[str]) -> bool:
    """Whether no other machine can reach any of these addresses: they are loopback.

    Args:
        offers: What `choose_endpoints` offers; a name is not looked up.
    """
    for offer in offers:
        try:
            if not ipaddress.ip_address(offer.strip("[]")).is_loopback:
                return False
        except ValueError:
            return False
    return True


def interface_addresses() -> tuple[InterfaceAddress, ...]:
    """Return all IPv4 and IPv6 addresses of this host."""
    states = psutil.net_if_stats()
    return tuple(
        InterfaceAddress(
            interface=name,
            address=ipaddress.ip_address(entry.address.partition("%")[0]),
            up=name in states and states[name].isup,
        )
        for name, entries in psutil.net_if_addrs().items()
        for entry in entries
        if entry.family in {socket.AF_INET, socket.AF_INET6}
    )


def preferred_addresses() -> tuple[IPAddress, ...]:
    """Return the default route's own address, then what the host's name means."""
    found: list[IPAddress] = []
    for family, anywhere in _ANYWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((anywhere, 9))
                found.append(ipaddress.ip_address(probe.getsockname()[0]))
        except OSError:
            continue
    with contextlib.suppress(OSError):
        found.extend(_resolve(socket.gethostname()))
    return tuple(found)


def _resolve(host: str) -> list[IPAddress]:
    """Return the addresses of a host, in the resolver's order, without repeats."""
    entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in entries)
    return [ipaddress.ip_address(text) for text in texts]


def _of_interface(
    found: Sequence[InterfaceAddress], interface: str
) -> tuple[InterfaceAddress, ...]:
    """Return the addresses of one interface, or say which there are."""
    names = sorted({item.interface for item in found})
    if interface not in names:
        close = difflib.get_close_matches(interface, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        msg = (
            f"this host has no interface {interface!r} with an address.{hint} "
            f"It has: {', '.join(names)}"
        )
        raise InvalidSettingError(msg)
    return tuple(item for item in found if item.interface == interface)


def _endpoints_of_host(
    host: str, found: Sequence[InterfaceAddress]
) -> tuple[Endpoint, ...]:
    """Return where to listen for a host that a setting names."""
    try:
        resolved = _resolve(host)
    except OSError as error:
        msg = f"the host {host!r} to offer to runners has no address: {error}"
        raise InvalidSettingError(msg) from error
    own = {item.address for item in found}
    # All of 127.0.0.0/8 is this host's, though only 127.0.0.1 is listed.
    mine = [address for address in resolved if address in own or address.is_loopback]
    if mine:
        return tuple(Endpoint(bind=str(a), offer=str(a)) for a in mine)
    return tuple(
        Endpoint(bind="0.0.0.0" if a.version == 4 else "::", offer=str(a))  # noqa: PLR2004, S104 - asked for by a setting; CURVE guards it
        for a in resolved
    )


def _no_address(found: Sequence[InterfaceAddress], interface: str | None) -> str:
    """Say what the host has instead of a usable address, and what to do."""
    have = ", ".join(
        f"{item.address} ({item.interface}{'' if item.up else ', down'})"
        for item in found
    )
    where = f"interface {interface!r}" if interface is not None else "this host"
    return (
        f"{where} has no address that a node could reach; it has {have or 'none'}. "
        "Bring a network interface up, or name the address to offer in the setting "
        "host; runners on this machine alone need none: use backend='local'"
    )
