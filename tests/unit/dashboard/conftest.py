"""Runs as their events tell them, and a dashboard that shows one."""

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gridmap import events as ev
from gridmap.verdict import Cause, Statement, Verdict, Witness
from gridmap_dashboard.library import Library
from gridmap_dashboard.server import Server
from gridmap_dashboard.state import RunState

BEGAN = 1_700_000_000.0
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


class Story:
    """Tells a run's events. Times are seconds since it began."""

    def __init__(self, **started: Any) -> None:
        self.state = RunState()
        given = {"name": "sweep", "backend": "local", "directory": "/nowhere"}
        self.tell(ev.RunStarted, 0.0, **{**given, **started})

    def tell(self, kind: type[Any], at: float, **fields: Any) -> None:
        self.state.take(kind(run="r1", at=BEGAN + at, **fields))

    def up(self, runner: int, node: str = "n1", at: float = 1.0) -> None:
        self.tell(
            ev.RunnerUp, at, runner=runner, handle=f"7.{runner}", node=node, pid=9
        )

    def give(self, first: int, stop: int, runner: int, at: float = 1.0) -> None:
        self.tell(ev.JobsGranted, at, first=first, stop=stop, runner=runner, attempt=1)

    def done(
        self, first: int, stop: int, runner: int, at: float, seconds: float = 1.0
    ) -> None:
        self.tell(
            ev.JobsDone, at, first=first, stop=stop, runner=runner, seconds=seconds
        )

    def fail(self, job: int, at: float, *, again: bool = False, **more: Any) -> None:
        said = Statement(
            witness=Witness.WORKER, text=f"it raised ValueError: {HOSTILE}"
        )
        verdict = Verdict(
            cause=Cause.RAISED,
            job=f"{HOSTILE}{job}",
            node="n1",
            runner="7.1",
            raised=("ValueError",),
            statements=(said,),
            log_tail=HOSTILE,
        )
        verdict = msgspec.structs.replace(verdict, **more)
        self.tell(
            ev.JobFailed, at, job=job, verdict=verdict, again=again, traceback=HOSTILE
        )

    def beat(
        self, runner: int, at: float, cpu_s: float, rss: int, job: int | None = None
    ) -> None:
        self.tell(
            ev.RunnerVitals,
            at,
            runner=runner,
            cpu_s=cpu_s,
            rss=rss,
            peak_rss=rss,
            io_bytes=0,
            job=job,
            running_s=0.0,
        )


@pytest.fixture
def story() -> Story:
    """Return a run of which nothing is known but that it began."""
    return Story()


@pytest.fixture
def told(tmp_path: Path) -> Story:
    """Return a run of 100 jobs with a bit of everything, all of it hostile."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "7.1.log").write_text(f"{HOSTILE}\nworking\n")
    story = Story(name=f"{HOSTILE}sweep", directory=str(tmp_path))
    story.tell(ev.JobsQueued, 0.0, first=0, stop=100)
    for runner, node in ((1, "n1"), (2, HOSTILE)):
        story.up(runner, node)
        story.give(50 * (runner - 1), 50 * runner, runner)
        for second in range(1, 12):
            story.beat(runner, 1.0 + second, 0.8 * second, second * 2**20, job=2)
    story.done(0, 2, 1, at=3.0)
    story.fail(2, at=4.0)
    story.fail(3, at=5.0, again=True)
    story.done(50, 60, 2, at=8.0, seconds=7.0)
    return story


class Browser:
    """Asks a dashboard as a browser would, and as none would."""

    def __init__(self, url: str) -> None:
        self.url = url
        rest = url.removeprefix("http://")
        self.host, _, query = rest.partition("/")
        self.token = query.partition("token=")[2].partition("&")[0]
        self.cookie = ""

    def ask(
        self, path: str, method: str = "GET", body: object = None, **headers: str
    ) -> tuple[int, dict[str, str], str]:
        """Return status, headers and text; a header that is "" is left out."""
        given = {"host": self.host, "cookie": self.cookie, **headers}
        connection = http.client.HTTPConnection(self.host, timeout=10)
        connection.putrequest(method, path, skip_host=True)
        data = b"" if body is None else json.dumps(body).encode()
        for name, value in given.items():
            if value:
                connection.putheader(name.replace("_", "-"), value)
        connection.putheader("content-length", str(len(data)))
        connection.endheaders(data)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, text

    def enter(self) -> None:
        """Open the address that was printed, and keep the cookie."""
        _, headers, _ = self.ask(f"/?token={self.token}")
        self.cookie = headers["set-cookie"].partition(";")[0]

    def json(self, path: str) -> Any:
        """Return what is at a path, having entered."""
        status, _, text = self.ask(path)
        assert status == 200, text
        return json.loads(text)


Serve = Callable[..., Browser]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that serves a library, on any port, until the test ends."""
    servers = []

    def start(library: Library, *, enter: bool = True) -> Browser:
        server = Server(library, 0)
        server.start()
        servers.append(server)
        browser = Browser(server.url)
        if enter:
            browser.enter()
        return browser

    yield start
    for server in servers:
        server.stop()
