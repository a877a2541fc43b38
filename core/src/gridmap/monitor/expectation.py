"""What a script that resumes a run hands in, held against what the run was begun with.

Done before anything is started, so that a run is refused as a whole and left as it is.
Equal bytes are equal; where bytes differ, meaning decides (`payload.fingerprint`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from gridmap import payload
from gridmap.concealing import Concealing
from gridmap.errors import DifferentRunError
from gridmap.payload.fingerprint import fingerprint
from gridmap.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gridmap.journal import entries as e
    from gridmap.monitor.past import Frames, Restored
    from gridmap.payload import Parcel

CHUNK: Final = 1_000
"""Jobs an entry of the journal holds at most: what damage to one of them costs."""

_QUOTED: Final = 200


class Call(Concealing, msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Jobs that are alike, as a script hands them in.

    Attributes:
        first: The first.
        function: What they call.
        inputs: Their encoded arguments.
        resources: What each of them needs.
        environment: Variables of their surroundings.
        directory: Working directory of their surroundings.
    """

    concealed = frozenset({"environment"})

    first: int
    function: Callable[..., Any]
    inputs: Sequence[bytes | Parcel]
    resources: Resources = msgspec.field(default_factory=Resources)
    environment: Mapping[str, str] = {}
    directory: str = ""

    @property
    def stop(self) -> int:
        """One past the last."""
        return self.first + len(self.inputs)

    def chunks(self) -> list[Call]:
        """Return it in the parts that the journal knows."""
        return [
            msgspec.structs.replace(
                self, first=self.first + at, inputs=self.inputs[at : at + CHUNK]
            )
            for at in range(0, len(self.inputs), CHUNK)
        ]


class Checker:
    """Compares what is handed in with what a journal tells.

    Args:
        past: What it tells.
        name: The run's name, for errors.
    """

    def __init__(self, past: Restored, name: str) -> None:
        self._past = past
        self._name = name
        self._prints: dict[int, tuple[object, bytes]] = {}

    def check_count(self, count: int) -> None:
        """See that a script hands in as many jobs as the run has.

        Raises:
            DifferentRunError: If it does not.
        """
        past = self._past
        if past.sealed and count != past.jobs:
            self._refuse(f"it has {past.jobs:,} inputs, and is given {count:,} now")

    def check(self, call: Call) -> bool:
        """See that a chunk of jobs is what it was when the run was begun.

        Returns:
            Whether the journal knows it at all.

        Raises:
            DifferentRunError: If it is another; says what differs.
        """
        added, frames = self._past.inputs.get(call.first, (None, ()))
        if added is None:
            return False
        content = self._past.functions.get(added.function)
        if content is not None:
            self._check_function(call.function, content)
        if added.stop != call.stop:
            had, has = added.stop - added.first, call.stop - call.first
            self._refuse(
                f"from input {call.first} on it has {had:,} inputs, and is given "
                f"{has:,} now"
            )
        self._check_inputs(call, frames)
        return True

    def _refuse(self, text: str) -> None:
        raise DifferentRunError(self._name, text)

    def _check_function(self, function: Callable[..., Any], was: e.Content) -> None:
        known = self._prints.get(id(function))
        if known is None:
            known = self._prints[id(function)] = (function, fingerprint(function))
        if known[1] == was.fingerprint:
            return
        now = payload.describe(function)
        if was.name != now:
            self._refuse(f"it calls {was.name}, and is given {now} now")
        self._refuse(f"{now} has other code, or other values in it, than it had")

    def _check_inputs(self, call: Call, frames: Frames) -> None:
        if [*map(bytes, payload.pack(call.inputs))] == [*map(bytes, frames)]:
            return
        before = payload.unpack(frames)
        for number, (was, now) in enumerate(zip(before, call.inputs, strict=True)):
            parcel = payload.Parcel(now) if isinstance(now, bytes) else now
            if not was.buffers and bytes(was.head) == bytes(parcel.head):
                continue
            one, other = payload.load(was), payload.load(parcel)
            if fingerprint(one) != fingerprint(other):
                self._refuse(
                    f"input {call.first + number} was {_quoted(one)}, "
                    f"and is {_quoted(other)} now"
                )


def _quoted(call: Any) -> str:
    """Return a call's arguments for people, however large they are."""
    args, kwargs = call
    named = [f"{key}={_short(value)}" for key, value in (kwargs or {}).items()]
    return f"({', '.join([*map(_short, args), *named])})"


def _short(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a user's __repr__
        text = f"a {type(value).__name__}"
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"
