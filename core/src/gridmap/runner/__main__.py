"""``python -m gridmap.runner HOME_ADDRESS JOB_PATH``, as a scheduler runs it.

The first worker is forked as soon as all that it needs is imported, which the runner
needs as well: so it is small, and no socket, thread or lock of the runner's is in it.
(In a copy of the local backend's zygote all is imported, and nothing opened.)

Where as many runners start on a node as it has cores, the processor time they need for
that is what the first results wait for.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys

USAGE = """\
usage: python -m gridmap.runner HOME_ADDRESS JOB_PATH

The process a batch scheduler starts for gridmap; not meant to be typed.
  HOME_ADDRESS  where the monitor is, such as tcp://10.0.0.1:4711
  JOB_PATH      directory to put first on sys.path; '-' for none
The environment variable GRIDMAP_CONNECTION holds the path of the run's connection
file, with all addresses and the keys."""


def main(arguments: list[str]) -> int:
    """Be a runner.

    Args:
        arguments: Home address and job path.

    Returns:
        The exit status: 0 if it ended as it should, 2 for a wrong command line, 3 if
        the monitor could not be reached, 4 if it would not take this runner.
    """
    if len(arguments) != 2 or arguments[0].startswith("-"):  # noqa: PLR2004 - as the usage says
        sys.stderr.write(USAGE + "\n")
        return 2
    gc.disable()  # what is imported is no garbage
    from gridmap.runner.offspring import fork_worker  # noqa: PLC0415 - light, see above

    gc.freeze()
    worker = fork_worker()
    from gridmap.runner.service import RunnerService  # noqa: PLC0415 - after the fork

    gc.freeze()
    gc.enable()
    return RunnerService(arguments[0], arguments[1], worker).run()


if __name__ == "__main__":
    status = main(sys.argv[1:])
    with contextlib.suppress(OSError):  # a full disk
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
