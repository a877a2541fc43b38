"""Whoever lacks the run's key gets nowhere, and the run goes on to its end."""

import contextlib
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import zmq
from tests.security import attackers, deeds
from tests.security import crowd as crowds
from tests.security.besieged import PATIENCE_S, Siege, siege
from tests.security.wire import GARBAGE

from gridmap.connection import ConnectionFile, split_tcp_address
from gridmap.errors import ConnectionFileError, RunError
from gridmap.transport import Limits, RunKeys, runner_socket

SILENT = 2_000
"""Connections that never speak."""


@contextlib.contextmanager
def client(kind: int, address: str, **options: bytes) -> Iterator[zmq.Socket[bytes]]:
    """Connect a bare ZeroMQ socket."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sock = context.socket(kind)
    try:
        sock.setsockopt(zmq.LINGER, 0)
        for name, value in options.items():
            sock.setsockopt(getattr(zmq, name), value)
        sock.connect(address)
        yield sock
    finally:
        sock.close(0)
        context.term()


@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.REQ], ids=["dealer", "ancestor"])
def test_a_plain_client_gets_no_pickle_loaded(tmp_path: Path, kind: int) -> None:
    """Neither a DEALER nor the ancestor's REQ is let in without CURVE."""
    canary = tmp_path / "canary"
    bomb = pickle.dumps(deeds.Trap(canary))
    with (
        siege(tmp_path / "place") as run,
        client(kind, run.file.addresses[0]) as sock,
    ):
        sock.send_multipart([bomb, bomb])
        run.until(lambda: run.counters.strangers, "the stranger to be counted")
        run.finish()
        assert not sock.poll(0)
    assert not canary.exists()


def test_the_server_key_alone_opens_nothing(tmp_path: Path) -> None:
    """A key pair of one's own is denied before a message is let through."""
    canary = tmp_path / "canary"
    other = RunKeys.fresh()
    with siege(tmp_path / "place") as run:
        key = run.file.server_public_key
        assert key is not None
        with client(
            zmq.DEALER,
            run.file.addresses[0],
            CURVE_SERVERKEY=key.encode(),
            CURVE_PUBLICKEY=other.client_public_key.encode(),
            CURVE_SECRETKEY=other.client_secret_key.encode(),
        ) as sock:
            sock.send(pickle.dumps(deeds.Trap(canary)))
            run.until(lambda: run.counters.denied, "the key to be denied")
            run.finish()
    assert not canary.exists()


def with_keys(run: Siege, keys: RunKeys, *, server: bool) -> ConnectionFile:
    """Return the run's file with the client keys, or all keys, of another."""
    changes = {
        "client_public_key": keys.client_public_key,
        "client_secret_key": keys.client_secret_key,
    }
    if server:
        changes["server_public_key"] = keys.server_public_key
    return msgspec.structs.replace(run.file, **changes)


def test_a_key_of_another_run_is_of_no_use(tmp_path: Path) -> None:
    """Two runs of one user do not admit each other's runners."""
    with (
        siege(tmp_path / "one") as one,
        siege(tmp_path / "other", honest=0) as other,
    ):
        theirs = other.file
        mixed = msgspec.structs.replace(
            theirs,
            addresses=one.file.addresses,
            server_public_key=one.file.server_public_key,
        )
        runner = runner_socket(mixed, b"runner")
        try:
            with pytest.raises(ConnectionFileError, match="refused the key"):
                runner.connect(10.0)
        finally:
            runner.close(0.0)
        assert one.counters.denied
        stale = msgspec.structs.replace(theirs, addresses=one.file.addresses)
        runner = runner_socket(stale, b"runner")
        try:
            with pytest.raises(RunError, match="broke off the handshake"):
                runner.connect(0.1)
        finally:
            runner.close(0.0)
        other.gate.touch()
        one.finish()
        other.finish()


def test_a_runner_does_not_speak_to_an_impostor(tmp_path: Path) -> None:
    """Who listens at the run's address with another key hears nothing."""
    keys = RunKeys.fresh()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    impostor = context.socket(zmq.ROUTER)
    try:
        impostor.setsockopt(zmq.LINGER, 0)
        impostor.setsockopt(zmq.CURVE_SERVER, 1)
        impostor.setsockopt(zmq.CURVE_SECRETKEY, keys.server_secret_key.encode())
        port = impostor.bind_to_random_port("tcp://127.0.0.1")
        with siege(tmp_path / "place") as run:
            file = msgspec.structs.replace(
                run.file, addresses=(f"tcp://127.0.0.1:{port}",)
            )
            runner = runner_socket(file, b"runner")
            try:
                with pytest.raises(RunError, match="broke off the handshake"):
                    runner.connect(0.1)
            finally:
                runner.close(0.0)
            assert not impostor.poll(0)
            run.finish()
    finally:
        impostor.close(0)
        context.term()


def test_bytes_that_are_no_zmtp_are_counted(tmp_path: Path) -> None:
    """Each such connection is cut and counted, and that is all."""
    with siege(tmp_path / "place") as run:
        target = split_tcp_address(run.file.addresses[0])
        for garbage in GARBAGE.values():
            with socket.create_connection(target, 10.0) as raw:
                with contextlib.suppress(OSError):
                    raw.sendall(garbage)
                    raw.shutdown(socket.SHUT_WR)
                raw.settimeout(20.0)
                with contextlib.suppress(ConnectionResetError):
                    while raw.recv(4096):  # until it is cut
                        pass
        run.until(lambda: run.counters.strangers >= len(GARBAGE), "all to be counted")
        run.finish()


@contextlib.contextmanager
def crowd(address: str, count: int) -> Iterator[None]:
    """Let another process connect *count* times and say nothing."""
    host, port = split_tcp_address(address)
    command = [sys.executable, crowds.__file__, host, str(port), str(count)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.communicate()


@pytest.mark.usefixtures("few_descriptors")
def test_thousands_that_never_speak_keep_nobody_out(tmp_path: Path) -> None:
    """A crowd at the door costs neither the run nor its process its descriptors."""
    with (
        siege(tmp_path / "place", runners=1, jobs=2) as run,
        crowd(run.file.addresses[0], SILENT),
    ):
        late = runner_socket(run.file, b"late")
        try:
            late.connect(5.0)
        finally:
            late.close(0.0)
        # The process they knock at still can open files and start programs.
        with contextlib.ExitStack() as files:
            for _ in range(100):
                files.enter_context((tmp_path / "place" / "f").open("w"))
        run.finish()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_flood_of_strangers_is_let_in_drop_by_drop(tmp_path: Path) -> None:
    """They come as fast as they can; a runner that comes among them gets in."""
    with siege(tmp_path / "place") as run:
        prey = attackers.Prey(
            file=run.file,
            path=run.directory / "connection.json",
            handle=("", None),
            recorded=(),
            pause_s=0.0,
        )
        flood = [
            (prey, attackers.ATTACKS.index(attackers.make_noise)) for _ in range(3)
        ]
        with attackers.crew(attackers.again_and_again, [*flood]):
            run.until(lambda: run.counters.shut > 2, "the port to be shut")
            begin, before = time.monotonic(), run.counters.strangers
            late = runner_socket(run.file, b"late")
            try:
                late.connect(PATIENCE_S)
            finally:
                late.close(0.0)
            run.finish()
            seconds, came = time.monotonic() - begin, run.counters.strangers - before
    limits = Limits()
    assert came < limits.strangers_at_once + 2 * limits.strangers_hz * (seconds + 1)
    assert run.turned_away["moments in which nobody was let in"] > 2
