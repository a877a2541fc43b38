"""Run on a node by the tests: writes down who and where it is.

Usage: ``python -P node.py PLACE FACTORY [ARGUMENT ...]``
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path


def main(place: str, factory: str, *arguments: str) -> None:
    """Write a report named ``report.*.json`` into *place*, whole or not at all."""
    from gridmap import plugins  # noqa: PLC0415 - its failure is to be in the log

    identity = plugins.identify(plugins.load_backend(factory), os.environ)
    handle = identity.handle
    report = {
        "handle": None if handle is None else [handle.job, handle.task],
        "deadline": identity.deadline,
        "slots": identity.slots,
        "arguments": arguments,
        "directory": str(Path.cwd()),
        "environment": dict(os.environ),
    }
    descriptor, name = tempfile.mkstemp(dir=place)
    with os.fdopen(descriptor, "w") as file:
        json.dump(report, file)
    Path(name).rename(Path(place, f"report.{Path(name).name}.json"))


if __name__ == "__main__":
    main(*sys.argv[1:])
