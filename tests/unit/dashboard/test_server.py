"""The page's server: what it answers whom, and that it ends."""

import contextlib
import json
import socket
import threading
import time
from pathlib import Path

import pytest

from gridmap import events as ev
from gridmap.testing import eventually
from gridmap_dashboard import guard
from gridmap_dashboard.library import Library
from gridmap_dashboard.observer import Observer
from gridmap_dashboard.server import Server
from gridmap_dashboard.state import RunState
from gridmap_dashboard.visitors import MOST_STRANGERS, PATIENCE_S

from .conftest import BEGAN, HOSTILE, Browser, Serve, Story

PATHS = [
    "/",
    "/static/main.js",
    "/metrics",
    "/api/runs",
    "/api/runs/r1",
    "/api/runs/r1/events",
    "/api/runs/r1/jobs/2/log",
]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_shown_without_the_token(
    told: Story, serve: Serve, path: str
) -> None:
    """Not even what the page is made of; and every answer is marked."""
    browser = serve(Library([told.state]), enter=False)
    status, headers, text = browser.ask(path)
    assert status == 403
    assert "Open the address" in text
    assert {name.lower() for name in guard.HEADERS} <= set(headers)


def test_the_token_becomes_a_cookie_and_leaves_the_address(
    told: Story, serve: Serve
) -> None:
    """One that no script reads and no other site sends."""
    browser = serve(Library([told.state]), enter=False)
    status, headers, text = browser.ask(f"/?token={browser.token}")
    assert status == 200
    flags = {part.strip().lower() for part in headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict"} <= flags
    path = headers["set-cookie"].partition("Path=")[2].partition(";")[0]
    assert len(path) > 30
    assert f'content="0; url={path}"' in text
    assert browser.token not in text
    assert browser.ask(path, cookie=headers["set-cookie"].partition(";")[0])[0] == 200
    browser.enter()
    status, headers, text = browser.ask("/")
    assert status == 200
    assert "<script>" not in text
    assert "unsafe" not in headers["content-security-policy"]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:1"},
    ],
    ids=str,
)
def test_a_cookie_alone_does_not_help_another_page(
    told: Story, serve: Serve, headers: dict[str, str]
) -> None:
    """By whatever name it asks, it gets nothing."""
    browser = serve(Library([told.state]))
    status, _, text = browser.ask("/api/runs/r1", **headers)
    assert status in {403, 421}
    assert "sweep" not in text


class Killable(Library):
    """Notes what it is ordered."""

    def __init__(self, state: RunState) -> None:
        super().__init__([state])
        self.ordered: list[int | None] = []

    def can_kill(self, state: RunState) -> bool:
        return not state.ended

    def kill(self, state: RunState, job: int | None) -> None:
        del state
        self.ordered.append(job)


def test_an_order_needs_the_pages_own_token(told: Story, serve: Serve) -> None:
    """From the page with its second token it is carried out, else it is not."""
    library = Killable(told.state)
    browser = serve(library)
    page = browser.ask("/")[2]
    order = page.partition('gridmap-order" content="')[2].partition('"')[0]
    path, origin = "/api/runs/r1/kill", f"http://{browser.host}"
    assert browser.ask(path, "POST", {"all": True}, origin=origin)[0] == 403
    given = {"origin": origin, "x_gridmap_order": order}
    bodies: list[object] = [
        {"job": "2"},
        {"job": -1},
        {"job": True},
        {"all": 1.5},
        [],
        "x",
    ]
    for body in bodies:
        assert browser.ask(path, "POST", body, **given)[0] == 400
    assert library.ordered == []
    assert browser.ask(path, "POST", {"job": 4}, **given)[0] == 200
    assert browser.ask(path, "POST", {"all": True}, **given)[0] == 200
    assert library.ordered == [4, None]
    told.tell(ev.RunEnded, 20.0, error=None)
    assert browser.ask(path, "POST", {"all": True}, **given)[0] == 409


def test_the_log_is_read_where_logs_are(
    told: Story, serve: Serve, tmp_path: Path
) -> None:
    """What a name says that leads elsewhere is not followed."""
    browser = serve(Library([told.state]))
    log = browser.json("/api/runs/r1/jobs/0/log")
    assert log["text"].splitlines() == [HOSTILE, "working"]
    secret = tmp_path / "secret.log"
    secret.write_text("secret")
    (tmp_path / "logs" / "link.log").symlink_to(secret)
    for path in ("../secret.log", str(secret), str(tmp_path / "logs" / "link.log")):
        told.give(7, 8, 1)
        told.fail(7, at=9.0, log_path=path)
        assert browser.json("/api/runs/r1/jobs/7/log")["text"] is None


def test_what_is_not_there_is_said_so(told: Story, serve: Serve) -> None:
    """Strange addresses are answered like any other."""
    browser = serve(Library([told.state]))
    for path in (
        "/api/runs/other",
        "/api/runs/r1/jobs/100",
        "/static/index.html",
        "/static/..%2fplugin.py",
        "/nothing",
    ):
        assert browser.ask(path)[0] == 404
    assert browser.ask("/api/runs", "POST", origin=f"http://{browser.host}")[0] == 403
    query = "state=%00&q=%ff&sort=x&offset=-1&limit=99999999999&down=x"
    assert len(browser.json(f"/api/runs/r1/jobs?{query}")["rows"]) == 0


def test_events_are_told_until_the_run_is_over(told: Story, serve: Serve) -> None:
    """The stream ends with the run, and its last word is how it ended."""
    browser = serve(Library([told.state]))
    told.tell(ev.RunEnded, 20.0, error="KeyboardInterrupt")
    _, headers, text = browser.ask("/api/runs/r1/events")
    assert headers["content-type"].startswith("text/event-stream")
    first = json.loads(text.partition("data: ")[2].partition("\n")[0])
    assert first["error"] == "KeyboardInterrupt"
    assert text.endswith("event: over\ndata: {}\n\n")


def test_a_port_that_is_taken_is_no_trouble() -> None:
    """Another one is taken instead."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = Server(Library(), port)
        server.start()
        assert f":{port}/" not in server.url
        server.stop()


def _follow(browser: Browser) -> socket.socket:
    """Return a connection that shows the token, and is told of the run."""
    line = _connect(browser)
    line.sendall(
        f"GET /api/runs/r1/events HTTP/1.1\r\nHost: {browser.host}\r\n"
        f"Cookie: {browser.cookie}\r\n\r\n".encode()
    )
    assert line.recv(15) == b"HTTP/1.1 200 OK"
    return line


def _rest(line: socket.socket) -> bytes:
    """Return what comes until the end, or the end of the run."""
    text = b""
    while b"event: over" not in text and (piece := line.recv(65536)):
        text += piece
    return text


def _connect(browser: Browser) -> socket.socket:
    host, port = browser.host.split(":")
    return socket.create_connection((host, int(port)), 10)


def _answers(browser: Browser) -> bool:
    with contextlib.suppress(ConnectionError):  # they come a thousand a second here
        return browser.ask("/api/runs")[0] == 200
    return False


def test_strangers_take_nobodys_room(told: Story, serve: Serve) -> None:
    """The oldest of them make room; who has the token is answered, and stays."""
    browser = serve(Library([told.state]))
    with contextlib.ExitStack() as crowd:
        line = crowd.enter_context(_follow(browser))
        first = crowd.enter_context(_connect(browser))
        for number in range(3 * MOST_STRANGERS):
            stranger = crowd.enter_context(_connect(browser))
            with contextlib.suppress(OSError):
                stranger.sendall(b"GET / HT" if number % 2 else b"")
            if number % 20 == 0:
                eventually(lambda: _answers(browser), within_s=10, what="an answer")
        with contextlib.suppress(ConnectionResetError):
            assert first.recv(1) == b""
        told.tell(ev.RunEnded, 20.0, error=None)
        assert b"event: over" in _rest(line)


@pytest.mark.slow
def test_who_does_not_show_the_token_is_hung_up_on(told: Story, serve: Serve) -> None:
    """However slowly he speaks."""
    browser = serve(Library([told.state]))
    begin = time.monotonic()
    with _follow(browser) as line, _connect(browser) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert stranger.recv(1) == b""
        assert time.monotonic() - begin >= PATIENCE_S
        told.tell(ev.RunEnded, 20.0, error=None)
        assert b"event: over" in _rest(line)


def _threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


@pytest.mark.timeout(30)
def test_the_server_ends_with_its_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Also while somebody looks who hears nothing; its address was printed."""
    observer = Observer({"dashboard": True, "dashboard_port": 1})
    observer(
        ev.RunStarted(run="r1", at=BEGAN, name="x", backend="b", directory="/none")
    )
    url = capsys.readouterr().err.partition("dashboard of x: ")[2].strip()
    browser = Browser(url)
    browser.enter()
    with _follow(browser) as idle:
        begin = time.monotonic()
        observer(ev.RunEnded(run="r1", at=BEGAN + 5, error=None))
        assert time.monotonic() - begin < 5.0
        assert "gridmap-dashboard" not in _threads()
        idle.settimeout(10)
        text = b""
        while piece := idle.recv(65536):
            text += piece
    assert b"event: over" in text
    with pytest.raises(OSError, match="refused"):
        _connect(browser)
