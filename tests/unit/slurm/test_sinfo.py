"""The nodes of a real cluster."""

import pytest
from tests.unit.slurm import recordings

from gridmap_slurm import sinfo


def test_real_nodes_are_read() -> None:
    """A node of several partitions is one node."""
    assert sinfo.parse(recordings.read("sinfo")) == frozenset({"n1", "n2"})


@pytest.mark.parametrize("output", ["", "gridmap|\n", "n1\n", "welcome\n"])
def test_what_is_no_answer_gives_none(output: str) -> None:
    """Not knowing the nodes is not the same as there being none."""
    assert sinfo.parse(output) is None


def test_the_query_marks_its_lines() -> None:
    """Whatever a wrapper prints is told apart."""
    command = ("sinfo", "--all", "--noheader", "--Node", "--format=gridmap|%N")
    assert sinfo.command() == command


def test_silent_nodes_have_a_star() -> None:
    """As seen with 22.05.8 while one node's cable was pulled."""
    output = "banner\ngridmap|n1|mixed*\ngridmap|n1|mixed*\ngridmap|n2|idle\n"
    assert sinfo.parse_silent(output) == {"n1": "mixed*"}


def test_nodes_that_take_no_job_are_read_with_the_reason() -> None:
    """As scontrol's user gave it; one without an answer has none."""
    drained = recordings.read("sinfo-drained")
    assert sinfo.parse_shut(drained) == ({"n2": "drained: disk is full"}, 2)
    silent = "gridmap|n3|idle*|none\nwelcome\ngridmap|n4|mixed|none\n"
    assert sinfo.parse_shut(silent) == ({"n3": "idle*"}, 2)
