"""What is written down about runners is found by a later process."""

import pytest

from gridmap.backend import Handle, RunContext
from gridmap_local import processes, registry
from gridmap_local.runner import Runner


def runner(task: str, deadline: float | None = None) -> Runner:
    return Runner(handle=Handle("abc", task), pid=42, born=1234, deadline=deadline)


def test_runners_are_found_again(context: RunContext) -> None:
    """All that is needed to observe and end a runner survives."""
    registry.add([runner("1"), runner("2", deadline=1700000000.25)], context)
    registry.add([runner("3")], context)
    found = registry.read(context)
    assert [str(handle) for handle in found] == ["abc.1", "abc.2", "abc.3"]
    second = found[Handle("abc", "2")]
    assert (second.pid, second.born, second.deadline) == (42, 1234, 1700000000.25)
    assert found[Handle("abc", "1")].deadline is None


def test_no_file_is_nobody(context: RunContext) -> None:
    """Before the first submission there is nothing to be found."""
    assert registry.read(context) == {}
    registry.remove(context)


def test_earlier_boots_do_not_count(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart of the machine the numbers belong to others."""
    registry.add([runner("1")], context)
    monkeypatch.setattr(processes, "boot", lambda: "another")
    assert registry.read(context) == {}


def test_half_a_line_is_ignored(context: RunContext) -> None:
    """A disk that was full may have cut the last line."""
    registry.add([runner("1")], context)
    with registry.path(context).open("a") as file:
        file.write("boot abc.2 43")
    assert list(registry.read(context)) == [Handle("abc", "1")]


@pytest.mark.parametrize(
    "handle", [Handle("abc", "7"), Handle("abc")], ids=["task", "no-task"]
)
def test_handles_survive_being_written(handle: Handle) -> None:
    """A handle's text names it."""
    assert registry.parse_handle(str(handle)) == handle
