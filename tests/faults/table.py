"""Turn records of faults into the table of bounds as measured.

Usage: ``python -m tests.faults.table RECORDS...`` prints the table; see CONTRIBUTING.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.faults.records import Record, read

SITES = ("local", "sge", "slurm", "slurm+slurmdbd")
HEADS = ("fault", "verdict", "witnesses", "run again", *SITES)


def table(records: Iterable[Record]) -> str:
    """Return a Markdown table: a row for each fault and verdict, seconds by site.

    Where a fault was measured several times, the longest time stands.
    """
    rows: dict[tuple[str, str, bool], list[Record]] = defaultdict(list)
    for record in records:
        rows[record.fault, record.cause, record.again].append(record)
    lines = [_line(HEADS), _line(["---"] * len(HEADS))]
    for (fault, cause, again), seen in rows.items():
        witnesses = dict.fromkeys(w for record in seen for w in record.witnesses)
        times = [_longest(seen, site) for site in SITES]
        told = "yes" if again else "no"
        lines.append(_line([fault, cause, ", ".join(witnesses), told, *times]))
    return "\n".join(lines) + "\n"


def _longest(seen: Iterable[Record], site: str) -> str:
    seconds = [record.seconds for record in seen if record.site == site]
    return f"{max(seconds):.1f}" if seconds else ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(paths: Sequence[str]) -> None:
    """Print the table of all records in some files."""
    sys.stdout.write(table(record for path in paths for record in read(Path(path))))


if __name__ == "__main__":
    main(sys.argv[1:])
