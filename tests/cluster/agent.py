"""The agent: does as root what tests, which run as an ordinary user, ask it to.

One JSON object a line in each direction: ``{"do": VERB, "timeout": SECONDS, ...}`` is
answered by an object with the results or ``{"error": "..."}``. `client.Cluster` is the
other end and says what the verbs mean. Whoever may connect can become root by way of
the schedulers' configuration, so the socket is the test user's alone.
"""

import json
import os
import pwd
import re
import signal
import socket
import socketserver
import struct
import subprocess
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from . import naming, network, testbed
from .hosts import Host
from .layout import AGENT_SOCKET, HEAD, USER, USERS, ClusterError, environment

ADMIN_COMMANDS: Final = ("qconf", "qmod", "qdel", "qalter", "scontrol", "scancel")

Answer = dict[str, Any]


def serve() -> None:
    """Listen until killed; one process per connection, so that none has threads."""
    AGENT_SOCKET.unlink(missing_ok=True)
    with _Server(str(AGENT_SOCKET), _Conversation) as server:
        os.chown(AGENT_SOCKET, pwd.getpwnam(USER).pw_uid, -1)
        AGENT_SOCKET.chmod(0o600)
        server.serve_forever(poll_interval=60)


class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    max_children = 200
    request_queue_size = 64


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        if not _admitted(self.request):
            return
        for line in self.rfile:
            self.wfile.write(json.dumps(_answer(line)).encode() + b"\n")


def _admitted(connection: socket.socket) -> bool:
    format_ = "3i"
    peer = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(format_)
    )
    _pid, uid, _gid = struct.unpack(format_, peer)
    return uid in {0, pwd.getpwnam(USER).pw_uid}


def _answer(line: bytes) -> Answer:
    try:
        request = json.loads(line)
        verb = request.pop("do")
        if verb not in _VERBS:
            return {"error": f"no verb {verb!r}: there are {', '.join(_VERBS)}"}
        return _VERBS[verb](**request) or {}
    except (ClusterError, OSError) as exc:
        return {"error": str(exc)}
    except Exception as exc:  # noqa: BLE001 - the asker has to learn of it
        traceback.print_exc()
        return {"error": repr(exc)}


def _ping(timeout: float) -> None:
    del timeout


def _run(
    *,
    timeout: float,
    host: str,
    argv: Sequence[str],
    user: str | None,
    cwd: str | None,
    env: Mapping[str, str],
    input: str,  # noqa: A002 - the request's word
) -> Answer:
    user = user or USER
    if user not in USERS:
        msg = f"no user {user!r} here: there are {', '.join(USERS)}"
        raise ClusterError(msg)
    return _finish(
        timeout=timeout,
        host=host,
        argv=argv,
        user=user,
        cwd=cwd or environment(user)["HOME"],
        env=env,
        input=input,
    )


def _admin(timeout: float, argv: Sequence[str]) -> Answer:
    if argv[0] not in ADMIN_COMMANDS:
        msg = f"{argv[0]!r} is none of {', '.join(ADMIN_COMMANDS)}"
        raise ClusterError(msg)
    return _finish(
        timeout=timeout, host=HEAD, argv=argv, user="root", cwd="/", env={}, input=""
    )


def _give(timeout: float, path: str, user: str) -> None:
    del timeout
    if user not in USERS:
        msg = f"no user {user!r} here: there are {', '.join(USERS)}"
        raise ClusterError(msg)
    entry = pwd.getpwnam(user)
    os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def _finish(
    *,
    timeout: float,
    host: str,
    argv: Sequence[str],
    user: str,
    cwd: str,
    env: Mapping[str, str],
    input: str,  # noqa: A002 - as above
) -> Answer:
    pipe = subprocess.PIPE
    process = Host(host).start(
        argv,
        user=user,
        cwd=cwd,
        env=dict(env),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        new_session=True,
    )
    status: int | None
    try:
        output, errors = process.communicate(input.encode(), timeout=timeout)
        status = process.returncode
    except subprocess.TimeoutExpired as exc:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output, errors, status = exc.stdout or b"", exc.stderr or b"", None
    return {
        "returncode": status,
        "stdout": output.decode(errors="replace"),
        "stderr": errors.decode(errors="replace"),
    }


def _kill(timeout: float, host: str, pid: int, **rest: int) -> None:
    del timeout
    found = [one.pid for one in Host(host).processes() if one.inner_pid == pid]
    if not found:
        msg = f"no process {pid} on {host}"
        raise ClusterError(msg)
    os.kill(found[0], rest["signal"])


def _pids(timeout: float, host: str, pattern: str) -> Answer:
    del timeout
    wanted = re.compile(pattern)
    pids = []
    for process in Host(host).processes():
        try:
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if wanted.search(words.decode(errors="replace").replace("\0", " ").rstrip()):
            pids.append(process.inner_pid)
    return {"pids": pids}


def _cable(timeout: float, host: str, *, up: bool) -> None:
    del timeout
    network.cable(Host(host).name, up=up)


def _places(daemon: str, host: str | None) -> Sequence[str]:
    return testbed.daemon(daemon).hosts if host is None else [Host(host).name]


def _block(timeout: float, host: str, ports: str) -> None:
    del timeout
    network.block(Host(host).name, ports)


def _misname(timeout: float, host: str, name: str, address: str) -> None:
    del timeout
    naming.misname(Host(host).name, name, address)


def _stop(timeout: float, daemon: str, host: str | None, **rest: int) -> None:
    del timeout
    for place in _places(daemon, host):
        testbed.daemon(daemon).stop(place, signal.Signals(rest["signal"]))


def _pause(timeout: float, daemon: str, host: str | None, **rest: int) -> None:
    del timeout
    for place in _places(daemon, host):
        for process in testbed.daemon(daemon).find(place):
            os.kill(process.pid, rest["signal"])


def _start(timeout: float, daemon: str, host: str | None) -> None:
    del timeout
    for place in _places(daemon, host):
        testbed.daemon(daemon).start(place)


def _pull_plug(timeout: float, host: str) -> None:
    del timeout
    Host(host).pull_plug()


def _boot(timeout: float, host: str) -> None:
    del timeout
    network.cable(Host(host).name, up=True)
    testbed.boot(host)


def _repair(timeout: float) -> None:
    testbed.repair(timeout)


def _account(timeout: float, *, wanted: bool) -> None:
    del timeout
    testbed.account(wanted=wanted)


_VERBS: Final[Mapping[str, Callable[..., Answer | None]]] = {
    "account": _account,
    "admin": _admin,
    "block": _block,
    "boot": _boot,
    "cable": _cable,
    "give": _give,
    "kill": _kill,
    "misname": _misname,
    "pause": _pause,
    "pids": _pids,
    "ping": _ping,
    "pull_plug": _pull_plug,
    "repair": _repair,
    "run": _run,
    "start": _start,
    "stop": _stop,
}
