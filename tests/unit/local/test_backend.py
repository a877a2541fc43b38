"""The verbs of the local backend that the conformance suite does not go into."""

import logging
import os
import signal
import time
from collections.abc import Callable

import pytest

from gridmap.backend import (
    Batch,
    Ending,
    Handle,
    Identity,
    Killed,
    Limit,
    Observed,
    RunContext,
    SeenState,
)
from gridmap.resources import Resources
from gridmap.testing import eventually
from gridmap_local import plugin, registry
from gridmap_local.backend import LocalBackend
from gridmap_local.runner import Runner

MakeBatch = Callable[..., Batch]
Launch = Callable[..., Runner]


def state(backend: LocalBackend, handle: Handle, context: RunContext) -> SeenState:
    answer = backend.gridmap_observe(frozenset({handle}), context)
    assert isinstance(answer, Observed)
    return answer.seen[handle].state


def test_stopped_runners_are_shown(
    backend: LocalBackend, context: RunContext, launch: Launch
) -> None:
    """A stopped process is not dead; nor is it suspended, as nobody will resume it."""
    runner = launch()
    os.kill(runner.pid, signal.SIGSTOP)

    def shown() -> str:
        answer = backend.gridmap_observe(frozenset({runner.handle}), context)
        assert isinstance(answer, Observed)
        assert answer.seen[runner.handle].state is SeenState.RUNNING
        return answer.seen[runner.handle].reason

    eventually(lambda: "stopped" in shown(), within_s=10, what="that it is stopped")
    os.kill(runner.pid, signal.SIGCONT)
    eventually(lambda: "stopped" not in shown(), within_s=10, what="that it goes on")


def test_walltime_is_enforced(
    context: RunContext, launch: Launch, backend: LocalBackend
) -> None:
    """Whoever has had its time is ended, and the others are not."""
    now = [1000.0]
    backend._clock = lambda: now[0]
    first = launch(resources=Resources(walltime=60))
    other = launch()
    assert first.deadline == 1060.0
    now[0] = 1061.0
    launch(resources=Resources(walltime=60))  # the thread looks at the clock again
    eventually(first.check, within_s=10, what="the end")
    report = backend.gridmap_postmortem(frozenset({first.handle}), context)
    autopsy = report[first.handle]
    assert (autopsy.ending, autopsy.limit) == (Ending.SCHEDULER_LIMIT, Limit.TIME)
    assert not other.check()


def test_kill_is_remembered_in_accounting(
    backend: LocalBackend, context: RunContext, launch: Launch
) -> None:
    """Accounting says that we did it, however often it is asked."""
    handle = launch().handle
    assert backend.gridmap_kill(frozenset({handle}), context) == {handle: Killed.KILLED}
    assert backend.gridmap_kill(frozenset({handle}), context) == {handle: Killed.GONE}
    report = backend.gridmap_postmortem(frozenset({handle}), context)
    assert report[handle].ending is Ending.PERSON


def test_kill_that_fails_says_so(
    backend: LocalBackend,
    context: RunContext,
    launch: Launch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is still there after all was tried has not been killed."""
    runner = launch()
    with monkeypatch.context() as patch:
        patch.setattr("gridmap_local.ending.end", lambda *_, **__: {runner})
        answer = backend.gridmap_kill(frozenset({runner.handle}), context)
    assert answer == {runner.handle: Killed.FAILED}


def test_own_end_before_a_kill_is_not_ours(
    backend: LocalBackend, context: RunContext, launch: Launch
) -> None:
    """A kill that comes late does not rewrite history."""
    runner = launch("exit 3")
    eventually(runner.check, within_s=10, what="the end")
    backend.gridmap_kill(frozenset({runner.handle}), context)
    report = backend.gridmap_postmortem(frozenset({runner.handle}), context)
    assert report[runner.handle].ending is Ending.ITSELF


def test_close_lets_go_of_attached_runners(
    backend: LocalBackend, context: RunContext, launch: Launch
) -> None:
    """A process that only looks at a run does not end it by leaving."""
    runner = launch()
    visitor = LocalBackend()
    assert list(visitor.gridmap_attach(context)) == [runner.handle]
    visitor.gridmap_close(context)
    assert not runner.check()
    assert registry.path(context).exists()
    backend.gridmap_close(context)
    assert runner.check()
    assert not registry.path(context).exists()


def test_full_disk_is_only_a_warning(
    backend: LocalBackend,
    context: RunContext,
    batch: MakeBatch,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Runners that could not be written down run all the same."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(registry, "add", full)
    (handle,) = backend.gridmap_submit(batch(), context).values()
    assert isinstance(handle, Handle)
    assert state(backend, handle, context) is SeenState.RUNNING
    assert "No space left on device" in caplog.text


def test_ignored_resources_are_told_once(
    backend: LocalBackend,
    context: RunContext,
    batch: MakeBatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What only a scheduler can give does no harm, and is no secret either."""
    asked = Resources(queue="all.q", options={"par_env": "smp"}, cores=2)
    with caplog.at_level(logging.WARNING):
        backend.gridmap_submit(batch("exit 0", resources=asked), context)
        backend.gridmap_submit(batch("exit 0", resources=asked), context)
    (record,) = caplog.records
    assert "queue, options" in record.getMessage()


@pytest.mark.parametrize(
    ("environ", "identity"),
    [
        ({}, None),
        ({"GRIDMAP_LOCAL_HANDLE": "ab12.3"}, Identity(handle=Handle("ab12", "3"))),
        (
            {"GRIDMAP_LOCAL_HANDLE": "ab12.3", "GRIDMAP_LOCAL_SLOTS": "4"},
            Identity(handle=Handle("ab12", "3"), slots=4),
        ),
    ],
    ids=["elsewhere", "least", "most"],
)
def test_identity_is_read(environ: dict[str, str], identity: Identity | None) -> None:
    """What submit has set is what the runner finds."""
    assert LocalBackend().gridmap_identify(environ) == identity


def test_a_deadline_is_told_as_a_date() -> None:
    """It is kept by a clock that nobody sets; core wants to know it by the other."""
    environ = {
        "GRIDMAP_LOCAL_HANDLE": "ab12.3",
        "GRIDMAP_LOCAL_DEADLINE": repr(time.monotonic() + 60.0),
    }
    identity = LocalBackend().gridmap_identify(environ)
    assert identity is not None
    in_a_minute = time.time() + 60.0
    assert identity.deadline == pytest.approx(in_a_minute, abs=1.0)


def test_description_points_to_the_backend() -> None:
    """The plugin offers one backend, usable here and last in line."""
    (info,) = plugin.gridmap_backends()
    assert info.name == "local"
    answer = plugin.available()
    assert answer.usable
    assert answer.preference == 0


def test_doctor_looks_at_this_machine() -> None:
    """Checks for local pass here; of other backends nothing is said."""
    assert all(check.passed for check in plugin.gridmap_doctor("local"))
    assert plugin.gridmap_doctor("sge") == []
