"""What a host's first process does: set up the host's view, then sleep.

It is started as a program, in the host's new namespaces: ``boot.py PACKAGE HOST``.
"""

import importlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Prepare the host, say so on standard output, and sleep ever after."""
    package, host = sys.argv[1:]
    sys.path[0] = str(Path(__file__).resolve().parents[1 + package.count(".")])
    layout = importlib.import_module(f"{package}.layout")
    cgroups = importlib.import_module(f"{package}.cgroups")
    socket.sethostname(host)
    for overlay in layout.OVERLAYS:
        subprocess.run(["mount", "--bind", overlay.source, overlay.target], check=True)
    cgroups.mount()
    # Orphans become this process's children. The kernel drops them by itself when their
    # parent ignores this signal, and that outlives exec; otherwise they would stay as
    # zombies for ever.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.write(1, b"up\n")
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.execvp("sleep", ["sleep", "infinity"])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
