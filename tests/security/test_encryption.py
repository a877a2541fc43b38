"""Nothing turns encryption off by itself."""

import re
from pathlib import Path

import msgspec
import pytest
from tests.security.besieged import siege

from gridmap.connection import ConnectionFile, new_token
from gridmap.settings import Settings
from gridmap.transport import RouterSocket, runner_socket

CORE = Path(__file__).parents[2] / "core" / "src" / "gridmap"


def test_no_setting_speaks_of_it() -> None:
    """There is none that could be set by mistake, or by another's environment."""
    words = re.compile(
        "secure|security|crypt|curve|plain|clear|auth|key", re.IGNORECASE
    )
    names = {name for name in Settings.__struct_fields__ if words.search(name)}
    assert names == {"smtp_security"}  # of mails, to whoever the site's server is


def test_tcp_needs_keys() -> None:
    """Neither side can be made without, and no such file can be written or read."""
    with pytest.raises(TypeError, match="keys"):
        RouterSocket.tcp([])  # type: ignore[call-arg] # the mistake under test
    with pytest.raises(ValueError, match="never speaks TCP in clear"):
        ConnectionFile(
            addresses=("tcp://127.0.0.1:1",),
            token=new_token(),
            backend="local",
            backend_factory="x:y",
        )


def test_a_file_stripped_of_its_keys_is_refused(tmp_path: Path) -> None:
    """Even if it was changed after it had been checked."""
    with siege(tmp_path / "place", runners=1, jobs=1) as run:
        path = run.directory / "connection.json"
        text = path.read_text()
        for key in ("server_public_key", "client_public_key", "client_secret_key"):
            stripped = re.sub(f'"{key}":"[^"]*"', f'"{key}":null', text)
            assert stripped != text
            path.write_text(stripped)
            with pytest.raises(Exception, match="never speaks TCP in clear"):
                ConnectionFile.read(path)
        path.write_text(text)
        file = ConnectionFile.read(path)
        msgspec.structs.force_setattr(file, "client_secret_key", None)
        runner = runner_socket(file, b"runner")
        try:
            with pytest.raises(Exception, match="never speaks TCP in clear"):
                runner.connect(0.1)
        finally:
            runner.close(0.0)
        run.finish()


def test_tcp_is_bound_in_one_place() -> None:
    """Sockets are made in two modules, and both set CURVE or refuse."""
    makers = {
        path.name
        for path in CORE.rglob("*.py")
        if re.search(r"zmq\.(ROUTER|DEALER)\b", path.read_text())
    }
    assert makers == {"authentication.py", "dealer.py", "router.py"}
