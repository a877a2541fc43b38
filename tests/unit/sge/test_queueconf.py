"""Reading a queue's own limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.sge.doubles import recorded

from gridmap_sge import queueconf

NONE = dict.fromkeys(queueconf.LIMITS, "INFINITY")


def test_a_real_queue_without_limits() -> None:
    """As queues come."""
    assert queueconf.limits(recorded("qconf_sq.txt"), "n1") == NONE


@pytest.mark.parametrize(
    ("value", "host", "limit"),
    [
        ("24:00:00", "n1", "24:00:00"),
        ("24:00:00,[n1=01:00:00],[n2=INFINITY]", "n1", "01:00:00"),
        ("24:00:00,[n1=01:00:00]", "n3", "24:00:00"),
        ("24:00:00,[n1=01:00:00],\\\n   [n2=2:0:0]", "n2", "2:0:0"),
        ("24:00:00,[n1=01:00:00]", None, "24:00:00"),
    ],
)
def test_hosts_may_be_exceptions(value: str, host: str | None, limit: str) -> None:
    """The one that is asked about counts."""
    text = f"qname x\nh_rt    {value}\nh_cpu  INFINITY\nh_vmem INFINITY\n"
    assert queueconf.limits(text, host) == {**NONE, "h_rt": limit}


@pytest.mark.parametrize(
    "text", ["", "h_rt 1\n", "h_rt 1,[@all=2]\nh_cpu INFINITY\nh_vmem INFINITY\n"]
)
def test_what_is_not_told_is_not_known(text: str) -> None:
    """Nobody asks here which hosts are in a group."""
    assert queueconf.limits(text, "n1") is None


@given(text=st.text(max_size=40))
def test_any_text_is_limits_or_none(text: str) -> None:
    """No text raises."""
    queueconf.limits(f"h_rt {text}\nh_cpu {text}\nh_vmem {text}", text)
