"""A port of this machine leads to a host's loopback, and back."""

import socket
import subprocess
import threading

from tests.cluster import forward


def test_what_is_accepted_here_is_passed_on_there() -> None:
    """Both ways, to the end of it; where nobody listens, the caller is hung up on."""
    there = forward.listen(0)
    port = there.getsockname()[1]

    def answer() -> None:
        one, _ = there.accept()
        with one:
            one.sendall(one.recv(100).upper())
        there.close()

    threading.Thread(target=answer, daemon=True).start()
    with (
        forward.listen(0) as here,
        subprocess.Popen(
            forward.command(port),
            stdin=here.fileno(),
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stderr is not None
        with socket.create_connection(here.getsockname(), timeout=30) as caller:
            caller.sendall(b"hello")
            assert caller.recv(100) == b"HELLO"
            assert caller.recv(100) == b""
        with socket.create_connection(here.getsockname(), timeout=30) as caller:
            assert caller.recv(100) == b""
        assert f"nobody listens on port {port}" in process.stderr.readline()
        process.terminate()
