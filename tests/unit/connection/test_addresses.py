"""Which addresses are offered to runners, and in which order."""

from __future__ import annotations

import ipaddress
import resource
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import InvalidSettingError, RunError
from gridmap.monitor.opening import listen
from gridmap.rundir import RunDirectory
from gridmap.settings import Settings
from gridmap.transport import Endpoint, PortRange, choose_endpoints
from gridmap.transport.addresses import (
    InterfaceAddress,
    interface_addresses,
    only_here,
    preferred_addresses,
    rank,
)
from gridmap.transport.zeromq.keys import RunKeys


def at(interface: str, address: str, *, up: bool = True) -> InterfaceAddress:
    return InterfaceAddress(
        interface=interface, address=ipaddress.ip_address(address), up=up
    )


def ranked(*found: InterfaceAddress, preferred: tuple[str, ...] = ()) -> list[str]:
    addresses = tuple(ipaddress.ip_address(text) for text in preferred)
    return [str(item.address) for item in rank(found, addresses)]


def test_what_no_node_can_reach_is_left_out() -> None:
    """Loopback (Debian's 127.0.1.1 too), what is down, link-local IPv6."""
    assert ranked(
        at("lo", "127.0.0.1"),
        at("lo", "127.0.1.1"),
        at("lo", "::1"),
        at("eth0", "fe80::1"),
        at("eth1", "10.0.0.9", up=False),
        at("eth0", "0.0.0.0"),  # noqa: S104 - nothing is bound
        at("eth0", "224.0.0.1"),
        at("eth0", "10.0.0.1"),
    ) == ["10.0.0.1"]


def test_the_best_guess_comes_first() -> None:
    """Preferred, then IPv4, then IPv6, then containers, then link-local."""
    assert ranked(
        at("eth3", "169.254.3.4"),
        at("docker0", "172.17.0.1"),
        at("eth0", "fd00::2"),
        at("ib0", "10.1.0.1"),
        at("eth0", "192.168.0.2"),
        preferred=("192.168.0.2", "203.0.113.5", "fd00::2"),
    ) == ["192.168.0.2", "fd00::2", "10.1.0.1", "172.17.0.1", "169.254.3.4"]


@pytest.mark.parametrize(
    "name",
    ["docker0", "br-0f3a", "virbr0", "veth12", "cni0", "podman1", "lxcbr0", "cali1"],
)
def test_interfaces_of_containers_come_last(name: str) -> None:
    """Even where the host's name resolves to them."""
    assert ranked(
        at(name, "10.88.0.1"), at("bond0", "fd00::2"), preferred=("10.88.0.1",)
    ) == ["fd00::2", "10.88.0.1"]


@given(
    st.lists(
        st.builds(
            InterfaceAddress,
            interface=st.sampled_from(["lo", "eth0", "docker0"]),
            address=st.ip_addresses(),
            up=st.booleans(),
        )
    )
)
def test_ranking_invents_nothing_and_repeats_nothing(
    found: list[InterfaceAddress],
) -> None:
    """What comes out is a part of what went in, once each, and stays so."""
    result = rank(found)
    assert set(result) <= set(found)
    assert len({item.address for item in result}) == len(result)
    assert rank(result) == result


def test_this_host_has_its_loopback() -> None:
    """The shell asks the system for real."""
    assert any(item.address.is_loopback for item in interface_addresses())
    assert all(isinstance(a.version, int) for a in preferred_addresses())


def test_what_is_chosen_can_be_bound() -> None:
    """Every endpoint is an address of this host, or the error says what it has."""
    if not rank(interface_addresses()):
        with pytest.raises(RunError, match=r"it has .*127\.0\.0\.1 \(lo\)"):
            choose_endpoints()
        return
    endpoints = choose_endpoints()
    own = {str(item.address) for item in interface_addresses()}
    assert {endpoint.bind for endpoint in endpoints} <= own


def test_an_interface_can_be_chosen() -> None:
    """Loopback too, when it is named: a whole cluster may be on one machine."""
    name = next(i.interface for i in interface_addresses() if i.address.is_loopback)
    assert Endpoint(bind="127.0.0.1", offer="127.0.0.1") in choose_endpoints(
        interface=name
    )


def test_an_interface_that_is_not_there_is_refused_with_those_that_are() -> None:
    """The text offers close matches."""
    with pytest.raises(InvalidSettingError, match=r"no interface 'loo'.*It has: .*lo"):
        choose_endpoints(interface="loo")


def test_a_host_of_ours_is_bound() -> None:
    """A name or an address that leads back here is listened at, nothing else."""
    assert choose_endpoints(host="127.0.0.1") == (
        Endpoint(bind="127.0.0.1", offer="127.0.0.1"),
    )
    assert {e.bind for e in choose_endpoints(host="localhost")} <= {"127.0.0.1", "::1"}


def test_a_host_that_is_not_ours_is_offered_as_it_is() -> None:
    """A gateway forwards to us, by whichever interface."""
    assert choose_endpoints(host="203.0.113.9") == (
        Endpoint(bind="0.0.0.0", offer="203.0.113.9"),  # noqa: S104 - nothing is bound
    )
    assert choose_endpoints(host="2001:db8::9") == (
        Endpoint(bind="::", offer="2001:db8::9"),
    )


def test_a_host_without_an_address_is_refused() -> None:
    """Before anything is submitted."""
    with pytest.raises(InvalidSettingError, match=r"no\.such\.invalid"):
        choose_endpoints(host="no.such.invalid")


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [("40000-41000", 40000, 41000), (" 1 - 65535 ", 1, 65535), ("4711", 4711, 4711)],
)
def test_port_ranges_are_read(text: str, first: int, last: int) -> None:
    """Both ends belong to it; one port is a range too."""
    assert PortRange.parse(text) == PortRange(first=first, last=last)
    assert PortRange.parse(text).ports()[-1] == last


@pytest.mark.parametrize("text", ["", "0", "x", "5-4", "1-70000", "1-2-3", "-5", "1,2"])
def test_port_ranges_that_make_no_sense_are_refused(text: str) -> None:
    """The text says how one is written."""
    with pytest.raises(InvalidSettingError, match="40000-41000"):
        PortRange.parse(text)


def test_a_port_in_use_elsewhere_is_no_matter_of_addresses() -> None:
    """Choosing addresses opens no listening socket."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        assert choose_endpoints(host="127.0.0.1")


@pytest.mark.parametrize(
    ("offers", "loops"),
    [
        (["127.0.0.1"], True),
        (["127.0.1.1", "::1", "[::1]"], True),
        (["10.0.0.1", "127.0.0.1"], False),
        (["head"], False),
    ],
)
def test_what_only_this_machine_reaches_is_known(
    offers: list[str], *, loops: bool
) -> None:
    """A name may lead anywhere."""
    assert only_here(offers) is loops


def test_a_run_that_no_node_could_reach_warns_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not after minutes in which no runner is heard of."""
    name = next(i.interface for i in interface_addresses() if i.address.is_loopback)
    directory = RunDirectory(path=tmp_path)
    keys = RunKeys.fresh()
    listen(directory, Settings(interface=name), keys).close(0.0)
    assert "which only this machine can reach: unless all" in caplog.text
    assert f"interface='{name}'" in caplog.text


@pytest.mark.usefixtures("few_descriptors")
def test_there_is_room_for_as_many_runners_as_were_asked_for(tmp_path: Path) -> None:
    """The limit of open files is raised by what is above the usual."""
    settings = Settings(interface="lo", max_workers=3000)
    listen(RunDirectory(path=tmp_path), settings, RunKeys.fresh()).close(0.0)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 3000
