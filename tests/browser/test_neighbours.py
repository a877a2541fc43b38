"""Another user's server on the same machine, visited by the same browser."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser

from gridmap_dashboard.library import Library
from gridmap_dashboard.server import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

ASK = """url => fetch(url, {mode: "no-cors", credentials: "include"})
  .then((answer) => answer.type, (error) => error.name)"""


class Neighbour(ThreadingHTTPServer):
    """A server of another user, which notes what it is sent."""

    daemon_threads = True

    def __init__(self) -> None:
        self.heard: list[str] = []
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                heard.append(str(self.headers))
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Set-Cookie", "own=1")
                self.end_headers()
                self.wfile.write(b"<!doctype html><title>neighbour</title>")

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def neighbour() -> Iterator[Neighbour]:
    server = Neighbour()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_neighbours_page_gets_no_token_and_no_answer(
    neighbour: Neighbour, browser: Browser
) -> None:
    """Cookies do not tell ports apart: ours is for a path that he does not know."""
    server = Server(Library(), 0)
    server.start()
    context = browser.new_context()
    page = context.new_page()
    page.goto(server.url)
    page.wait_for_selector("main h1")
    (cookie,) = context.cookies()
    there = f"http://127.0.0.1:{neighbour.server_port}/"
    for _ in range(2):
        page.goto(there)
        page.reload()
    heard = "".join(neighbour.heard)
    assert "own=1" in heard, "his own cookie comes back, so ours could have"
    assert cookie["value"] not in heard
    assert cookie["path"] not in heard
    origin = server.url.partition("?")[0]
    for path in ("api/runs", "metrics", "static/main.js"):
        assert page.evaluate(ASK, f"{origin}{path}") == "TypeError"
    context.close()
    server.stop()
