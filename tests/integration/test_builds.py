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
from gridmap_local import early

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

WITHOUT_THE_CALL = """
    import ctypes, struct
    # seccomp(2): load the call's number; is it this one? ENOSYS. Else let it pass.
    rows = (0x20, 0, 0, 0), (0x15, 0, 1, {number}), (6, 0, 0, 0x50026), (6, 0, 0, 0x7FFF0000)
    filter = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in rows))
    program = struct.pack("HxxxxxxQ", len(rows), ctypes.addressof(filter))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, program, 0, 0) == 0
    assert libc.syscall({number}, None, -1) == -1 and ctypes.get_errno() == 38
"""
"""What a kernel is like that does not have a call yet."""

SCRIPT = """
    import os
    import sys

    import numpy as np

    from gridmap import JobException, grid_map

    def double(array):
        return 2 * array

    def program(_):
        return sys.modules["__main__"].__file__.rpartition("/")[2]

    def crash(number):
        print("crash it is")
        os.abort()

    if __name__ == "__main__":
        arrays = [np.full(300_000, number) for number in range(4)]
        doubled = grid_map(double, arrays, backend="local", max_workers=2)
        print([int(array.sum()) // 600_000 for array in doubled])
        print(*grid_map(program, [1], backend="local"))
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


@pytest.fixture
def copies() -> str:
    """What runners are of: a process that has imported all, where that can be."""
    return "zygote.py" if early.can_clone() else "__main__.py"


def test_a_python_that_was_built_long_ago(tmp_path: Path, copies: str) -> None:
    lines = run(tmp_path, BUILT_LONG_AGO)
    assert lines == ["[0, 1, 2, 3]", copies, "SIGNALLED True", "False True"]


@pytest.mark.skipif(
    platform.machine() not in kernel.MEMFD_CREATE, reason="calls have other numbers"
)
def test_a_kernel_without_anonymous_memory(tmp_path: Path, copies: str) -> None:
    """Before Linux 3.17."""
    number = kernel.MEMFD_CREATE[platform.machine()]
    before = set(Path("/dev/shm").iterdir())  # noqa: S108 - looked at only
    lines = run(tmp_path, WITHOUT_THE_CALL.format(number=number))
    assert lines[:3] == ["[0, 1, 2, 3]", copies, "SIGNALLED True"]
    left = {path.name for path in set(Path("/dev/shm").iterdir()) - before}  # noqa: S108 - likewise
    assert not [name for name in left if name.startswith("gridmap-")]


def test_a_kernel_that_does_not_tell_of_ends(tmp_path: Path, copies: str) -> None:
    """Before Linux 5.3, which is that of Enterprise Linux 8."""
    lines = run(tmp_path, WITHOUT_THE_CALL.format(number=kernel.PIDFD_OPEN))
    assert lines[:3] == ["[0, 1, 2, 3]", copies, "SIGNALLED True"]
