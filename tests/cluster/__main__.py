"""Entry point of ``python3 tests/cluster`` and ``python3 -m tests.cluster``."""

import importlib
import sys
from pathlib import Path

# Started as a directory, this file belongs to no package and the directory is on the
# path.
if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

commands = importlib.import_module(f"{__package__ or 'cluster'}.commands")

if __name__ == "__main__":
    sys.exit(commands.main())
