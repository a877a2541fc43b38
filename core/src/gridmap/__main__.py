"""``python -m gridmap`` is the command ``gridmap``."""

import sys

from gridmap.cli import main

if __name__ == "__main__":
    sys.exit(main())
