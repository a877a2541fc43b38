"""One call ends many runners."""

from gridmap.backend import Handle
from gridmap_slurm import scancel


def test_all_are_named_in_one_call() -> None:
    """Tasks of an array are a list, single jobs stand for themselves."""
    handles = {Handle("7", "1"), Handle("7", "2"), Handle("9")}
    assert set(scancel.command(handles)) == {"scancel", "9", "7_[1-2]"}


def test_another_cluster_is_named() -> None:
    """Settings may name a cluster of several."""
    command = scancel.command([Handle("7")], ("--clusters=b",))
    assert command == ("scancel", "--clusters=b", "7")
