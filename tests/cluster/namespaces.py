"""Starting programs inside another process's namespaces.

nsenter(1) would do, but it stays between the caller and the program and hands no signal
on. Here the program is the caller's own child. The calls are made through ctypes,
because Python has ``os.setns`` only since 3.12.
"""

import ctypes
import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO, Final

from . import cgroups

# From linux/sched.h.
_NEW_PID: Final = 0x20000000
_NEW_OTHERS: Final = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x40000000
"""Mount, cgroup, UTS, IPC and network."""

NOT_ENTERED: Final = 125
"""Exit status, as of env(1) when it fails before it starts a program."""

_libc: Final = ctypes.CDLL(None, use_errno=True)

Stream = int | IO[bytes] | None


def _setns(fd: int, flags: int) -> None:
    if _libc.setns(fd, flags) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


def start(
    init: int,
    host: str,
    argv: Sequence[str],
    *,
    user: str,
    env: Mapping[str, str],
    cwd: str,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = None,
    stderr: Stream = None,
    new_session: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program on a host; the caller must have no other thread.

    Args:
        init: Process id of the host's init.
        host: The host's name.
        argv: The program and its arguments; looked up in the ``PATH`` of *env*.
        user: Whose rights it gets, supplementary groups included.
        env: Its whole environment.
        cwd: Its working directory, as the host sees it.
        stdin: As for `subprocess.Popen`, as are *stdout* and *stderr*.
        stdout: See *stdin*.
        stderr: See *stdin*.
        new_session: Whether to leave the caller's session and its terminal.

    Returns:
        The started program, a child of this process. It ends with `NOT_ENTERED` and a
        line on its standard error when *user* cannot use *cwd*.

    Raises:
        OSError: If *user* cannot execute the program, or the host has died meanwhile.
    """
    account = pwd.getpwnam(user)
    groups = os.getgrouplist(user, account.pw_gid)
    target = os.pidfd_open(init)
    own = os.pidfd_open(os.getpid())

    def enter() -> None:
        try:
            cgroups.join(host)
            _setns(target, _NEW_OTHERS)
            os.setgroups(groups)
            os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
            os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
            os.umask(0o022)
            os.chdir(cwd)
        except OSError as exc:  # subprocess would only say that something was wrong
            os.write(2, f"cannot enter {host} as {user}: {exc}\n".encode())
            os._exit(NOT_ENTERED)

    try:
        _setns(target, _NEW_PID)  # holds for children only
        try:
            return subprocess.Popen(
                argv,
                env=dict(env),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=new_session,
                preexec_fn=enter,  # noqa: PLW1509 - no threads: see above
            )
        finally:
            _setns(own, _NEW_PID)
    finally:
        os.close(target)
        os.close(own)
