"""A job as it was handed in, to be called again here: of a journal, or one that failed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from gridmap import payload
from gridmap.concealing import Concealing
from gridmap.control import kept, record
from gridmap.errors import InvalidRequestError, RunError
from gridmap.journal.log import read_only
from gridmap.lifecycle import JobState
from gridmap.monitor.named import read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gridmap.control.register import Entry, Register
    from gridmap.monitor.past import Restored
    from gridmap.overview import Overview
    from gridmap.rundir import RunDirectory


class Replay(Concealing, msgspec.Struct, frozen=True, kw_only=True):
    """A job, with all that it was called with.

    Attributes:
        function: The function.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        environment: Variables that were set for it, None: unset.
        directory: Where it ran; empty if the journal does not tell.
    """

    concealed = frozenset({"environment"})

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    environment: Mapping[str, str | None]
    directory: str

    def call(self) -> Any:
        """Call the function in this process, in its surroundings, which stay.

        Raises:
            Exception: What it raises.
        """
        for name, value in self.environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        sys.argv = [""]  # as in a worker
        if os.path.isdir(self.directory):  # noqa: PTH112 - may be empty
            os.chdir(self.directory)
        return self.function(*self.args, **self.kwargs)


def load(run: RunDirectory, job: int) -> Replay:
    """Return a job of a run that can be resumed.

    It is unpickled, from a directory that only its user can write to, so it is called
    for the user's own runs only. Puts the run's module directories on ``sys.path``.

    Args:
        run: The run's directory.
        job: The job's number.

    Raises:
        InvalidRequestError: If there is no such job.
        RunError: If the journal cannot be read, or was written with another Python.
    """
    past = read(read_only(run.journal))
    if past.begun is not None:
        _check_python(past.begun.python)
    for first, (added, frames) in past.inputs.items():
        if first <= job < added.stop:
            parcel = _function(past, added.function)
            _find_modules(past, added.surroundings)
            function: Any = payload.load(parcel)
            call: Any = payload.load(payload.unpack(frames)[job - first])
            args, kwargs = call
            around = past.surroundings.get(added.surroundings)
            return Replay(
                function=function,
                args=tuple(args),
                kwargs=kwargs or {},
                environment=around.environment if around else {},
                directory=around.directory if around else "",
            )
    msg = (
        f"run {run.given_name!r} has no job {job} in its journal; it has {past.jobs:,}"
    )
    raise InvalidRequestError(msg)


def load_failed(entry: Entry, records: Register, job: int) -> Replay:
    """Return a job that failed of a run that has a record; else as `load`.

    Args:
        entry: The run.
        records: Where its record is.
        job: The job's number.

    Raises:
        InvalidRequestError: If there is no such job, or it was not kept; says why.
        RunError: If what was kept cannot be read, or is of another Python.
    """
    try:
        found = kept.find(records.jobs(entry.name), job)
    except OSError as error:
        msg = f"what was kept of the run's jobs cannot be read: {error.strerror}"
        raise RunError(msg) from error
    if found is None:
        raise InvalidRequestError(_why_not(entry.record.overview(), job))
    function, around, call = found
    _check_python(around.python)
    sys.path[:0] = [one for one in around.path if one and one not in sys.path]
    head, *buffers = payload.decode(function.frames, record.MOST_BYTES)
    called: Any = payload.load(payload.Parcel(bytes(head), tuple(buffers)))
    arguments: Any = payload.load(payload.unpack(call.frames)[0])
    args, kwargs = arguments
    return Replay(
        function=called,
        args=tuple(args),
        kwargs=kwargs or {},
        environment=around.environment,
        directory=around.directory,
    )


def _why_not(view: Overview, job: int) -> str:
    """Say why a job was not kept, and what to do."""
    if job >= view.total:
        return f"run {view.name!r} has no job {job}; it has {view.total:,}"
    state = JobState(view.states[job])
    named = (
        "give the map a name, grid_map(..., resume=NAME), and all its inputs are kept"
    )
    if state is not JobState.FAILED:
        return (
            f"job {job} of run {view.name!r} did not fail ({state.name.lower()}), and "
            f"of other jobs inputs are not kept: {named}"
        )
    return (
        f"job {job} of run {view.name!r} was not kept: the first that fail are, up to "
        f"the setting keep_failed and {kept.MOST_BYTES // 2**20} MiB a run. Replay one "
        f"that failed before it, raise the setting, or {named}"
    )


def _check_python(had: tuple[int, int]) -> None:
    if had != sys.version_info[:2]:
        told = ".".join(map(str, had))
        msg = f"the run was begun with Python {told}: what it holds can be read by that only"
        raise RunError(msg)


def _function(past: Restored, digest: bytes) -> payload.Parcel:
    frames = past.contents.get(digest)
    if not frames:
        msg = "the journal has lost the function of this job"
        raise RunError(msg)
    head, *buffers = frames
    return payload.Parcel(bytes(head), tuple(buffers))


def _find_modules(past: Restored, surroundings: int) -> None:
    around = past.surroundings.get(surroundings)
    folders = [past.begun.job_path] if past.begun is not None else []
    folders += around.path if around is not None else ()
    sys.path[:0] = [one for one in folders if one and one not in sys.path]
