"""What a connection costs in libzmq alone, without anything of gridmap.

Usage: ``python benchmarks/connections.py [CONNECTIONS]``; Linux only.

CONNECTIONS (2,000) DEALERs of another process say one word each over TCP to a ROUTER of
this one's child, and are answered: without encryption, with CURVE, and with CURVE and a
ZAP handler that lets all in, as gridmap's does who has the run's key. Printed is what
the ROUTER's process grew by, in KiB a connection. `fleet.py` shows the same for the
driver, with all it knows of a runner and its job.
"""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

WAYS = ("plain", "CURVE", "CURVE and ZAP")
KIB = 2**10
HANDSHAKE_MS = 120_000


def connect(address: str, server_key: str, count: int) -> None:
    """Be all the peers: say a word, await an answer, and stay until told to go."""
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, count + 16)
    sockets = []
    for _ in range(count):
        sock = context.socket(zmq.DEALER)
        sock.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        if server_key:
            public, secret = zmq.curve_keypair()
            sock.curve_serverkey = server_key.encode()
            sock.curve_publickey, sock.curve_secretkey = public, secret
        sock.connect(address)
        sock.send(b"hello")
        sockets.append(sock)
    for sock in sockets:
        sock.recv()
    print("answered", flush=True)
    sys.stdin.readline()
    os._exit(0)


def serve(way: str, count: int) -> None:
    """Be the ROUTER; print KiB a connection."""
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    router.setsockopt(zmq.BACKLOG, 4096)
    key = ""
    if way != "plain":
        public, secret = zmq.curve_keypair()
        router.curve_server, router.zap_domain = True, b"bench"
        router.curve_publickey, router.curve_secretkey = public, secret
        key = public.decode()
    if way == "CURVE and ZAP":
        authenticator = ThreadAuthenticator(context)
        authenticator.start()
        authenticator.configure_curve(domain="*", location=zmq.auth.CURVE_ALLOW_ANY)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    me = psutil.Process()
    before = me.memory_info().rss
    address = f"tcp://127.0.0.1:{port}"
    command = [sys.executable, __file__, "connect", address, key, str(count)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as peers:
        for _ in range(count):
            peer, word = router.recv_multipart()
            router.send_multipart([peer, word])
        if peers.stdout is not None:
            peers.stdout.readline()
        print((me.memory_info().rss - before) / count / KIB, flush=True)
    os._exit(0)


def main(count: int) -> None:
    """Measure each way in a process of its own."""
    print(f"  {count:,} connections, libzmq {zmq.zmq_version()}")
    for way in WAYS:
        argv = [sys.executable, __file__, "serve", way, str(count)]
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
        print(f"    {way}: {float(done.stdout):.1f} KiB each", flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["connect", address, key, count]:
            connect(address, key, int(count))
        case ["serve", way, count]:
            serve(way, int(count))
        case given:
            main(int(given[0]) if given else 2_000)
