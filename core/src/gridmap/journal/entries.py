"""What a journal says: one entry for each change that a later process must know of.

Entries are written before anybody acts on what they say: a grant before its work is
sent, a result before it is acknowledged. So whoever reads them after a crash knows of
everything that anybody else can know of. Job numbers, grants and runners are those of
the run; ``first`` is included, ``stop`` is not. Payloads are frames beside the entry.
"""

import functools
from typing import TypeAlias

import msgspec

from gridmap.errors import RunError
from gridmap.packing import pack
from gridmap.protocol.messages import Failure
from gridmap.resources import Resources
from gridmap.verdict import Verdict


class _Entry(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    pass


class Begun(_Entry, frozen=True, tag="begun"):
    """A run was begun; always the first entry. Frames: its terms, one parcel.

    Attributes:
        token: Its token.
        name: What it is called.
        backend: Name of the backend that starts its runners.
        python: Major and minor version: pickled functions need the same.
        gridmap: Version of gridmap.
        job_path: Directory from which the jobs' modules can be imported.
        keep_failures: Whether jobs that ended badly are over.
    """

    token: str
    name: str
    backend: str
    python: tuple[int, int]
    gridmap: str
    job_path: str
    keep_failures: bool = False


class Content(_Entry, frozen=True, tag="content"):
    """A function. Frames: its parcel, not compressed.

    Attributes:
        digest: Its content address.
        name: What people call it.
        fingerprint: What it means; see `gridmap.payload.fingerprint`.
    """

    digest: bytes
    name: str
    fingerprint: bytes


class Surround(_Entry, frozen=True, tag="surround"):
    """Surroundings that jobs refer to by their number."""

    number: int
    environment: dict[str, str | None]
    directory: str
    path: tuple[str, ...]


class Added(_Entry, frozen=True, tag="added"):
    """Jobs were handed in. Frames: their inputs, a batch of parcels.

    Attributes:
        first: The first.
        stop: One past the last.
        function: Content address of the function all of them call.
        resources: What each of them needs.
        surroundings: Number of their surroundings.
    """

    first: int
    stop: int
    function: bytes
    resources: Resources
    surroundings: int


class Sealed(_Entry, frozen=True, tag="sealed"):
    """All jobs of the run have been handed in."""


class Taken(_Entry, frozen=True, tag="taken"):
    """The scheduler took a runner, or knows it by another handle from now on.

    Attributes:
        runner: Its number.
        job: The scheduler's job id.
        task: Its index within the array; None for a job of its own.
        resources: What the jobs it is for need.
        surroundings: Number of their surroundings.
        avoid: Nodes it was asked to be kept from.
    """

    runner: int
    job: str
    task: str | None
    resources: Resources
    surroundings: int
    avoid: tuple[str, ...] = ()


class Greeted(_Entry, frozen=True, tag="greeted"):
    """A runner said hello, in this life of its process."""

    runner: int
    nonce: str
    node: str


class Granted(_Entry, frozen=True, tag="granted"):
    """Jobs were given to a runner; where they were before, they are not any more."""

    grant: int
    runner: int
    first: int
    stop: int
    attempt: int
    function: bytes


class Doubled(_Entry, frozen=True, tag="doubled"):
    """A job was given to another runner too; the first one's grant stays open.

    A driver that takes over forgets the second attempt. What it has to know is which
    numbers are taken.
    """

    grant: int
    runner: int
    job: int
    attempt: int


class Returned(_Entry, frozen=True, tag="returned"):
    """Jobs of a grant are queued again, as the same attempt."""

    grant: int
    first: int
    stop: int


class Retried(_Entry, frozen=True, tag="retried"):
    """An attempt ended badly, and the job is queued for another.

    Attributes:
        job: The job.
        attempt: The attempt to come.
        verdict: Why the last one ended.
        function: What the job calls from now on.
        resources: What it needs from now on.
        surroundings: Number of its surroundings.
    """

    job: int
    attempt: int
    verdict: Verdict
    function: bytes
    resources: Resources
    surroundings: int


class Saved(_Entry, frozen=True, tag="saved"):
    """A job left a checkpoint: its next attempt calls that. Frames: its parcel."""

    job: int
    digest: bytes


class Done(_Entry, frozen=True, tag="done"):
    """Jobs returned. Frames: their values, a batch of parcels."""

    first: int
    stop: int


class Ended(_Entry, frozen=True, tag="ended"):
    """A job ended badly, for good. Frames: what it raised, a batch of one; or none.

    Attributes:
        job: The job.
        verdict: Why.
        failure: How it failed, where it raised something.
    """

    job: int
    verdict: Verdict
    failure: Failure | None = None


class Gone(_Entry, frozen=True, tag="gone"):
    """A runner is over."""

    runner: int


Entry: TypeAlias = (
    Begun
    | Content
    | Surround
    | Added
    | Sealed
    | Taken
    | Greeted
    | Granted
    | Doubled
    | Returned
    | Retried
    | Saved
    | Done
    | Ended
    | Gone
)


@functools.cache  # few runs read a journal
def _decoder() -> msgspec.msgpack.Decoder[Entry]:
    return msgspec.msgpack.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    """Return an entry as bytes."""
    return pack(entry)


def decode(body: bytes) -> Entry:
    """Return the entry that these bytes are.

    Raises:
        RunError: If another version of gridmap wrote them.
    """
    try:
        entry = _decoder().decode(body)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        msg = f"the journal was written by another version of gridmap: {error}"
        raise RunError(msg) from error
    return entry
