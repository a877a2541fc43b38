"""The node's end of ``gridmap doctor``: looks round and says what is there.

A copy of this file lies in the run directory, and the scheduler runs it in place of a
runner. It has to work where gridmap does not: with any Python from 3.7 and nothing but
the standard library. It judges nothing. Its answer goes into a file beside it, to
standard output, which is the runner's log, and to the doctor's socket, if there is a
gridmap here that can do that.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import shutil
import socket
import sys
import tempfile
import threading
import time
from typing import Any

PATIENCE_S = 4.0
"""How long an address may take to answer."""

QUESTION = "question.json"
ANSWER = "answer.json"


def main() -> None:
    """Answer the question that lies beside this file."""
    began = time.time()
    where = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(where, QUESTION), encoding="utf-8") as stream:
        question = json.load(stream)
    answer = examine(question, where)
    answer["began"] = began
    answer["spoke"] = ""
    text = json.dumps(answer)
    try:
        if not all(answer["reached"].values()):
            speak(question["connection"], text.encode())
    except BaseException as error:  # whatever is wrong with the gridmap here
        answer["spoke"] = describe(error)
        text = json.dumps(answer)
    with contextlib.suppress(OSError):
        path = os.path.join(where, ANSWER)
        with open(path + ".new", "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(path + ".new", path)
    print(text)


def examine(question: dict[str, Any], where: str) -> dict[str, Any]:
    """Return what is here, as JSON can hold it."""
    return {
        "host": socket.gethostname(),
        "python": list(sys.version_info[:3]),
        "executable": sys.executable,
        "packages": packages(),
        "imports": {name: attempt(name) for name in question["imports"]},
        "identity": identify(question["factory"]),
        "reached": reach_all(question["addresses"]),
        "resolved": resolve(question["host"]),
        "directories": {
            path: look_at(path) for path in [where] + question["directories"]
        },
        "cores": cores(),
        "memory": memory(),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "room": room(),
        "modules": os.environ.get("LOADEDMODULES", ""),
    }


def describe(error: BaseException) -> str:
    """Return an exception as one line."""
    return " ".join("{}: {}".format(type(error).__name__, error).split())


def attempt(name: str) -> str:
    """Import a module; return why that failed, nothing if it did not."""
    try:
        importlib.import_module(name)
    except BaseException as error:
        return describe(error)
    return ""


def identify(factory: str) -> list[str]:
    """Return which runner its backend takes this for, and why it cannot say."""
    try:
        plugins = importlib.import_module("gridmap.plugins")
        backend = plugins.load_backend(factory)
        return [str(plugins.identify(backend, os.environ).handle or ""), ""]
    except BaseException as error:
        return ["", describe(error)]


def packages() -> dict[str, str] | None:
    """Return what is installed, with versions; None where that cannot be had."""
    try:
        from importlib import metadata
    except ImportError:  # Python 3.7
        return None
    found: dict[str, str] = {}
    for each in metadata.distributions():
        with contextlib.suppress(Exception):  # a broken installation of one
            found.setdefault(each.metadata["Name"].lower(), each.version)
    return found


def reach_all(addresses: list[str]) -> dict[str, str]:
    """Try all addresses at the same time; return what was wrong with each."""
    results = dict.fromkeys(addresses, "no answer within {:g} s".format(PATIENCE_S))

    def work(address: str) -> None:
        results[address] = reach(address)

    threads = [threading.Thread(target=work, args=(one,)) for one in addresses]
    for thread in threads:
        thread.daemon = True
        thread.start()
    deadline = time.monotonic() + PATIENCE_S + 1.0
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(results)


def reach(address: str) -> str:
    """Return why an address is not the doctor's, nothing if it is.

    ZeroMQ speaks first: the signature of its greeting is FF, eight bytes, 7F (ZMTP 3.1).
    """
    kind, _, place = address.partition("://")
    try:
        if kind == "unix":
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(PATIENCE_S)
                line.connect(place)
            return ""
        host, _, port = place.rpartition(":")
        line = socket.create_connection((host.strip("[]"), int(port)), PATIENCE_S)
        with line:
            greeting = line.recv(1)
    except OSError as error:
        return describe(error)
    if greeting != b"\xff":
        return "something else answers there: {!r}".format(greeting)
    return ""


def resolve(host: str) -> list[str] | str:
    """Return the addresses a name has here, or why it has none."""
    try:
        found = socket.getaddrinfo(host, None, 0, socket.SOCK_STREAM)
    except OSError as error:
        return describe(error)
    return sorted({str(entry[4][0]).partition("%")[0] for entry in found})


def look_at(path: str) -> str:
    """Return what is wrong with a directory: nothing, unless it cannot be listed."""
    try:
        os.listdir(path)
    except OSError as error:
        return describe(error)
    return ""


def cores() -> float:
    """Return how many cores this process may use, as far as the kernel says."""
    count = float(len(os.sched_getaffinity(0)))
    for quota, period in (
        first_of("cpu.max", "").split()[:2] or ("", ""),
        (first_of("cpu.cfs_quota_us", "cpu"), first_of("cpu.cfs_period_us", "cpu")),
    ):
        with contextlib.suppress(ValueError, ZeroDivisionError):
            if float(quota) > 0:
                count = min(count, float(quota) / float(period))
    return count


def memory() -> dict[str, int | None]:
    """Return bytes: of the machine, and the least of the limits on this process."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = []
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            limits.append(soft)
    for name, group in (("memory.max", ""), ("memory.limit_in_bytes", "memory")):
        with contextlib.suppress(ValueError):
            limits.append(int(first_of(name, group)))
    least = min(limits) if limits else None
    return {"total": total, "limit": least if least and least < total else None}


def first_of(name: str, controller: str) -> str:
    """Return a file of this process's control group; see cgroups(7)."""
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/cgroup", encoding="utf-8") as stream:
            for line in stream:
                _, kinds, path = line.rstrip("\n").split(":", 2)
                if controller in kinds.split(","):
                    place = "/sys/fs/cgroup/" + controller + path
                    with open(os.path.join(place, name), encoding="utf-8") as file:
                        return file.read().strip()
    return ""


def room() -> int | str:
    """Return free bytes of the directory for temporary files, or what is wrong."""
    try:
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"x")
            return shutil.disk_usage(os.path.dirname(file.name)).free
    except OSError as error:
        return describe(error)


def speak(connection: str, text: bytes) -> None:
    """Send the answer over the run's own channel, as a runner does."""
    from pathlib import Path

    from gridmap.connection import ConnectionFile
    from gridmap.transport.choosing import runner_socket

    line = runner_socket(ConnectionFile.read(Path(connection)), b"probe")
    try:
        line.connect(PATIENCE_S)
        line.send([text])
    finally:
        line.close(PATIENCE_S)


if __name__ == "__main__":
    main()
