"""Pythons that know less of the kernel than others, and kernels that can do less.

conda and uv bring Pythons that were built against a C library of 2012.
"""

import os
import platform
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gridmap import kernel

BUILT_LONG_AGO = """
    import fcntl, os, signal, socket
    for module in fcntl, os, signal, socket:
        for name in (
            "F_ADD_SEALS", "F_GET_SEALS", "MFD_ALLOW_SEALING", "MFD_CLOEXEC",
            "MSG_CMSGCLOEXEC", "copy_file_range", "getrandom", "memfd_create",
            "pidfd_open", "pidfd_send_signal",
        ):
            vars(module).pop(name, None)
"""
"""What a Python lacks that was built against glibc 2.17 and headers of Linux 3.10."""

WITHOUT_MEMORY = """
    import ctypes, errno, struct
    # seccomp(2): load the call's number; is it this one? ENOSYS. Else let it pass.
    rows = (0x20, 0, 0, 0), (0x15, 0, 1, {number}), (6, 0, 0, 0x50026), (6, 0, 0, 0x7FFF0000)
    filter = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in rows))
    program = struct.pack("HxxxxxxQ", len(rows), ctypes.addressof(filter))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, program, 0, 0) == 0
    try:
        import os
        os.memfd_create("any")
    except OSError as error:
        assert error.errno == errno.ENOSYS
    else:
        raise AssertionError("there is such memory")
"""
"""A kernel before Linux 3.17."""

SCRIPT = """
    import os
    import sys

    import numpy as np

    from gridmap import JobException, grid_map

    def double(array):
        return 2 * array

    def crash(number):
        print("crash it is")
        os.abort()

    if __name__ == "__main__":
        arrays = [np.full(300_000, number) for number in range(4)]
        doubled = grid_map(double, arrays, backend="local", max_workers=2)
        print([int(array.sum()) // 600_000 for array in doubled])
        try:
            grid_map(crash, [1], backend="local")
        except JobException as error:
            print(error.verdict.cause.name, "crash it is" in str(error))
        print(hasattr(os, "memfd_create"), "ctypes" in sys.modules)
"""


def run(place: Path, site: str) -> list[str]:
    """Run the script by a Python that begins so; return the lines it printed."""
    (place / "sitecustomize.py").write_text(textwrap.dedent(site))
    script = place / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_python_that_was_built_long_ago(tmp_path: Path) -> None:
    assert run(tmp_path, BUILT_LONG_AGO) == [
        "[0, 1, 2, 3]",
        "SIGNALLED True",
        "False True",
    ]


@pytest.mark.skipif(
    platform.machine() not in kernel.MEMFD_CREATE, reason="calls have other numbers"
)
def test_a_kernel_without_anonymous_memory(tmp_path: Path) -> None:
    number = kernel.MEMFD_CREATE[platform.machine()]
    shared = Path("/dev/shm")  # noqa: S108 - looked into, for what is left
    before = set(shared.iterdir())
    lines = run(tmp_path, WITHOUT_MEMORY.format(number=number))
    assert lines[:2] == ["[0, 1, 2, 3]", "SIGNALLED True"]
    left = {path.name for path in set(shared.iterdir()) - before}
    assert not [name for name in left if name.startswith("gridmap-")]
