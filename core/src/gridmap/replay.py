"""A job of a run that has a journal, as it was handed in, to be called again here."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from gridmap import payload
from gridmap.errors import InvalidRequestError, RunError
from gridmap.journal.log import read_only
from gridmap.monitor.named import read

if TYPE_CHECKING:
    from gridmap.monitor.past import Restored
    from gridmap.rundir import RunDirectory


@attrs.frozen(kw_only=True)
class Replay:
    """A job, with all that it was called with.

    Attributes:
        function: The function.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        environment: Variables that were set for it, None: unset.
        directory: Where it ran; empty if the journal does not tell.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    environment: Mapping[str, str | None] = attrs.field(repr=False)
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
    if past.begun is not None and past.begun.python != sys.version_info[:2]:
        had = ".".join(map(str, past.begun.python))
        msg = f"the run was begun with Python {had}: what it holds can be read by that only"
        raise RunError(msg)
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
