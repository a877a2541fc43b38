"""What faults were seen to lead to, and how soon: kept in a file, one line each.

`GRIDMAP_FAULT_RECORDS` names the file; without it nothing is kept. `tests.faults.table`
makes the page of measured bounds of it.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import attrs

from gridmap.verdict import Verdict

VARIABLE: Final = "GRIDMAP_FAULT_RECORDS"


@attrs.frozen(kw_only=True)
class Record:
    """One fault as it was told.

    Attributes:
        site: The backend.
        fault: What was done.
        cause: The verdict's cause.
        witnesses: Who said something, in that order.
        seconds: From the fault to the event that told it.
        again: Whether the job was run again.
    """

    site: str
    fault: str
    cause: str
    witnesses: tuple[str, ...]
    seconds: float
    again: bool


@attrs.frozen
class Records:
    """The file of records; None keeps none."""

    path: Path | None

    @classmethod
    def find(cls) -> Self:
        """Return those that the environment names."""
        name = os.environ.get(VARIABLE)
        return cls(Path(name) if name else None)

    def add(self, record: Record) -> None:
        """Keep a record."""
        if self.path is not None:
            with self.path.open("a") as stream:
                stream.write(json.dumps(attrs.asdict(record)) + "\n")

    def explain(self, title: str, verdict: Verdict) -> None:
        """Keep what users are told of it, to be read by a person."""
        if self.path is not None:
            with self.path.with_suffix(".txt").open("a") as stream:
                stream.write(f"== {title}\n{verdict.explain()}\n\n")


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a file, oldest first."""
    for line in path.read_text().splitlines():
        fields = json.loads(line)
        yield Record(**{**fields, "witnesses": tuple(fields["witnesses"])})
