"""Why an address cannot be connected to, which libzmq does not tell."""

from __future__ import annotations

import socket

from gridmap.connection import split_tcp_address


def diagnosis(address: str, patience_s: float) -> str:
    """Try to connect, and say in words what comes of it.

    Args:
        address: ``tcp://host:port``.
        patience_s: How long it may take.
    """
    target = split_tcp_address(address)
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(patience_s)
        try:
            probe.connect(target)
        except TimeoutError:
            return f"no answer within {patience_s:g} s"
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return "it accepts connections only now"
