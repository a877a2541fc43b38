"""White lists and nodes to avoid, in Slurm's words."""

import pytest

from gridmap.errors import InvalidResourceError
from gridmap_slurm.nodes import Placement, place, shorten

CLUSTER = frozenset({"n1", "n2", "n3", "gpu"})


@pytest.mark.parametrize(
    ("allowed", "avoided", "placement"),
    [
        ([], [], Placement()),
        (["n1"], [], Placement(only="n1")),
        (["n1", "n2"], [], Placement(exclude="gpu,n3")),
        (["n1", "n2"], ["n2"], Placement(only="n1")),
        ([], ["n2"], Placement(exclude="n2")),
        ([], ["n1", "n2", "gpu"], Placement(exclude="gpu,n[1-2]")),
        (["all.q@n1"], [], Placement(only="n1")),
        (["n1.site.org"], [], Placement(only="n1")),
        (["n1", "strange"], [], Placement(only="n1")),
        ([], ["strange"], Placement()),
        ([], ["n3.site.org"], Placement(exclude="n3")),
        (["n1", "n2", "n3", "gpu"], [], Placement()),
    ],
)
def test_any_of_these_is_written_as_none_of_the_others(
    allowed: list[str], avoided: list[str], placement: Placement
) -> None:
    """One node is named, a choice excludes the rest, and unknown names are dropped."""
    assert place(allowed, avoided, CLUSTER) == placement


@pytest.mark.parametrize(
    ("allowed", "avoided"),
    [
        (["strange"], []),
        (["n1"], ["n1"]),
        ([], ["n1", "n2", "n3", "gpu"]),
        (["n1,n2"], []),
        (["n1 --wrap=x"], []),
        (["-n1"], []),
        ([], ["n[1-2]"]),
        ([""], []),
    ],
)
def test_what_leaves_no_node_or_is_no_name_is_refused(
    allowed: list[str], avoided: list[str]
) -> None:
    """The error comes before anything is submitted."""
    with pytest.raises(InvalidResourceError):
        place(allowed, avoided, CLUSTER)


@pytest.mark.parametrize(
    ("allowed", "avoided", "placement"),
    [
        (["n1"], [], Placement(only="n1")),
        ([], ["n1", "n2"], Placement(exclude="n[1-2]")),
        (["n1", "n2"], ["n2"], Placement(only="n1")),
        (["n1", "n2"], [], Placement(exclude="<every node but n1,n2>")),
    ],
)
def test_without_knowing_the_cluster_names_are_taken_as_they_are(
    allowed: list[str], avoided: list[str], placement: Placement
) -> None:
    """A dry run that has asked nobody describes what it cannot list."""
    assert place(allowed, avoided, None) == placement


def test_without_knowing_the_cluster_nothing_left_is_still_an_error() -> None:
    """The only node allowed is to be avoided."""
    with pytest.raises(InvalidResourceError, match="no node is left"):
        place(["n1"], ["n1"], None)


def test_an_unknown_white_list_names_some_of_the_nodes_there_are() -> None:
    """On a large cluster the message stays readable."""
    known = frozenset(f"n{number:04}" for number in range(2000))
    with pytest.raises(InvalidResourceError, match=r"n\[0000-0049\], \.\.\."):
        place(["strange"], [], known)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["n1"], "n1"),
        (["n1", "n2", "n4"], "n[1-2,4]"),
        (["n01", "n02", "n1"], "n1,n[01-02]"),
        (["login", "n9", "n10"], "login,n9,n10"),
        (["r1c1", "r1c2", "r2c1"], "r1c[1-2],r2c1"),
    ],
)
def test_names_are_shortened_as_slurm_does(names: list[str], text: str) -> None:
    """Only names that differ in a number of the same width are joined."""
    assert shorten(names) == text
