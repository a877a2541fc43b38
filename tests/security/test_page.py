"""The page of a run, attacked by another user of the machine over real connections."""

import contextlib
import http.client
import json
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.driver import Driver, driving
from tests.others import OtherUser

from gridmap.testing import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

SCRIPT = """
    import sys, time
    from pathlib import Path
    from gridmap import grid_map

    def wait(gate):
        while not Path(gate).exists():
            time.sleep(0.02)
        return 42

    if __name__ == "__main__":
        print(grid_map(wait, [sys.argv[1]], backend="local", name="private",
                       dashboard=True, progress=False))
"""

ATTACK = """
import http.client, json, sys
host, attempts = sys.argv[1], json.loads(sys.argv[2])
for method, path, headers in attempts:
    connection = http.client.HTTPConnection(host, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    for name, value in {"Host": host, "Content-Length": "0", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    print(json.dumps([answer.status, dict(answer.getheaders()), text]))
    connection.close()
"""

FLOOD = """
import contextlib, socket, sys, time
host, port = sys.argv[1].split(":")
held = []
for number in range(1500):
    one = socket.socket()
    one.settimeout(5)
    with contextlib.suppress(OSError):
        one.connect((host, int(port)))
        one.sendall([b"", b"GET / HT", b"\\x00\\xff" * 1000, b"POST / HTTP/1.1\\r\\n"
                     b"Host: x\\r\\nContent-Length: 999999999999\\r\\n\\r\\n"][number % 4])
    held = [*held[-400:], one]
    time.sleep(0.003)
print(len(held))
"""

LOOK = r"""
ps axeww
cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n'
cat /proc/net/unix
"""

SEARCH = r"""
printf "%s" "$1" > "$2"
find /tmp /run /dev/shm /home /root /var/log /var/spool -xdev \
    -type f -readable -mmin -5 -size -4096k -print0 2>/dev/null |
    xargs -0 -r grep -l -a -F -e "$1" 2>/dev/null || true
rm "$2"
"""


@attrs.frozen
class Shown:
    """A run with a page, in a process of its own.

    Attributes:
        driver: Its process.
        gate: The file its job waits for.
        host: Address and port of the page.
        token: What opens it.
    """

    driver: Driver
    gate: Path
    host: str
    token: str


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    """Return a run that goes on, and at its end came to its result."""
    gate = tmp_path / "gate"
    with driving(tmp_path, SCRIPT, str(gate)) as driver:
        eventually(lambda: "&run=" in driver.stderr, within_s=30, what="the address")
        url = driver.stderr.partition("http://")[2].split()[0]
        host, _, rest = url.partition("/?token=")
        yield Shown(driver, gate, host, rest.partition("&")[0])
        gate.touch()
        assert driver.output(60) == "[42]\n"


Attempt = tuple[str, str, dict[str, str]]


def attack(
    other: OtherUser, run: Shown, attempts: Sequence[Attempt]
) -> list[tuple[int, dict[str, str], str]]:
    """Return status, headers and text of each attempt that the other user makes."""
    command = ["/usr/bin/python3", "-c", ATTACK, run.host, json.dumps(attempts)]
    done = other.run(command)
    assert done.returncode == 0, done.stderr
    found: list[Any] = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(attempts)
    return [(status, headers, text) for status, headers, text in found]


def test_another_user_gets_nothing_from_the_page(
    shown: Shown, other_user: OtherUser
) -> None:
    """Without the token, with a wrong one, by other names and from other sites."""
    own = f"http://{shown.host}"
    wrong = "A" * len(shown.token)
    paths = ["/", "/api/runs", "/metrics", "/static/main.js", f"/?token={wrong}"]
    tries: list[Attempt] = [("GET", path, {}) for path in paths]
    asks: list[dict[str, str]] = [
        {"Authorization": f"Bearer {wrong}"},
        {"Authorization": "Bearer "},
        {"Cookie": f"gridmap-00000000={wrong}"},
        {"Host": "evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ]
    tries += [("GET", "/api/runs", headers) for headers in asks]
    orders = [{}, {"Origin": own}, {"Origin": own, "X-Gridmap-Order": wrong}]
    tries += [("POST", "/api/runs/x/kill", headers) for headers in orders]
    for (method, path, headers), (status, marks, text) in zip(
        tries, attack(other_user, shown, tries), strict=True
    ):
        what = f"{method} {path} {headers}"
        assert status in {403, 421}, what
        assert "private" not in text, what
        assert shown.token not in f"{marks}{text}", what
        assert "set-cookie" not in {name.lower() for name in marks}, what


def test_the_token_alone_is_not_enough_for_another_site(
    shown: Shown, other_user: OtherUser
) -> None:
    """As it would be a browser that is made to ask, which has the token."""
    known = {"Authorization": f"Bearer {shown.token}"}
    ((status, _, text),) = attack(other_user, shown, [("GET", "/api/runs", known)])
    assert status == 200, "it is the token that was tried"
    assert "private" in text
    own = f"http://{shown.host}"
    tries: list[Attempt] = [
        ("GET", "/api/runs", {**known, "Host": "evil.example"}),
        ("GET", "/api/runs", {**known, "Origin": "http://evil.example"}),
        ("GET", "/api/runs", {**known, "Origin": "http://127.0.0.1:1"}),
        ("POST", "/api/runs/x/kill", known),
        ("POST", "/api/runs/x/kill", {**known, "Origin": own}),
    ]
    for status, _, text in attack(other_user, shown, tries):
        assert status in {403, 421}
        assert "private" not in text


def test_another_user_finds_the_token_nowhere(
    shown: Shown, other_user: OtherUser
) -> None:
    """In no process, and in no file that he can read."""
    seen = other_user.run(["sh", "-c", LOOK]).stdout
    assert str(shown.driver.process.pid) in seen
    assert str(shown.gate) in seen, "arguments were looked at"
    assert shown.token not in seen
    control = f"/tmp/gridmap-control-{secrets.token_hex(4)}"  # noqa: S108 - to be found
    found = other_user.run(["sh", "-c", SEARCH, "sh", shown.token, control])
    assert found.stdout.split() == [control], found.stderr
    assert shown.token not in shown.driver.stdout
    assert shown.driver.stderr.count(shown.token) == 1


def test_a_crowd_at_the_page_leaves_its_owner_room(
    shown: Shown, other_user: OtherUser
) -> None:
    """Silence, halves and garbage, held on 400 connections, and new ones all the time."""
    known = {"Authorization": f"Bearer {shown.token}"}

    def answers() -> bool:
        connection = http.client.HTTPConnection(shown.host, timeout=20)
        with contextlib.closing(connection), contextlib.suppress(ConnectionError):
            connection.request("GET", "/metrics", headers=known)
            return connection.getresponse().status == 200
        return False

    command = ["/usr/bin/python3", "-c", FLOOD, shown.host]
    with ThreadPoolExecutor(1) as pool:
        crowding, asked = pool.submit(other_user.run, command), 0
        while not crowding.done():
            eventually(answers, within_s=5, what="the page to answer its owner")
            asked += 1
    assert crowding.result().stdout == "401\n", crowding.result().stderr
    assert asked > 10
