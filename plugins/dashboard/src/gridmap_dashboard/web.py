"""The page's answers, as a Starlette application behind a `Guard`."""

from __future__ import annotations

import asyncio
import functools
import json
import re
import time
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from gridmap_dashboard import guard as guards
from gridmap_dashboard import logs, metrics, pages, views

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping

    from gridmap_dashboard.library import Library
    from gridmap_dashboard.listener import Listener
    from gridmap_dashboard.state import RunState
    from gridmap_dashboard.visitors import Visitors

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_READ_S: Final = 1.0
"""How long who has heard that a run is over may take to ask for the last of it."""
_LOOK_S: Final = 0.5
_BEAT_S: Final = 10.0
"""A line is sent at least so often, so that a page knows a silence for what it is."""
_MOST_ORDER_BYTES: Final = 100_000
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_ENTRANCE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>gridmap</title>
<link rel="icon" href="/{{door}}/static/icon.svg" type="image/svg+xml">
<meta http-equiv="refresh" content="0; url=/{{door}}/{{place}}"></head>
<body><p><a href="/{{door}}/{{place}}">Go on to the dashboard</a></p></body></html>
"""
"""Takes the token out of the address bar. A page, since a browser that was sent here by
another site would follow a redirect without the strict cookie it has just been given."""


def make_app(library: Library, guard: guards.Guard, visitors: Visitors) -> Guarded:
    """Return the application that shows the runs of a library."""
    answers = _Answers(library, guard)
    run = "/api/runs/{run}"
    return Guarded(
        Starlette(
            routes=[
                Route("/", answers.page),
                Route("/static/{name}", answers.static),
                Route("/metrics", answers.metrics),
                Route("/api/runs", answers.runs),
                Route(run, answers.summary),
                Route(f"{run}/events", answers.events),
                Route(f"{run}/timeline", answers.view(views.timeline)),
                Route(f"{run}/charts", answers.view(views.charts)),
                Route(f"{run}/runners", answers.view(views.runners)),
                Route(f"{run}/notices", answers.view(views.notices)),
                Route(f"{run}/jobs", answers.jobs),
                Route(f"{run}/jobs/{{job:int}}", answers.job),
                Route(f"{run}/jobs/{{job:int}}/log", answers.log),
                Route(f"{run}/kill", answers.kill, methods=["POST"]),
            ],
            exception_handlers={HTTPException: _plain_error},
        ),
        guard,
        visitors,
    )


class Guarded:
    """Lets through what the guard does not refuse; marks every answer.

    What is there is below the guard's door, for browsers, and at ``/`` for others.
    """

    def __init__(self, app: Starlette, guard: guards.Guard, visitors: Visitors) -> None:
        self._app = app
        self._guard = guard
        self._visitors = visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return  # a WebSocket is closed, and there is nothing to start

        async def send_marked(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                marks = [
                    (name.lower().encode(), text.encode())
                    for name, text in guards.HEADERS.items()
                ]
                message["headers"] = [*message.get("headers", []), *marks]
            await send(message)

        path, door = scope["path"], f"/{self._guard.door}"
        if path.startswith(f"{door}/"):
            scope = {**scope, "path": path.removeprefix(door)}
        request = Request(scope)
        refusal = self._guard.judge(_seen(request, self._guard))
        if refusal is not None:
            answer = PlainTextResponse(f"{refusal.text}\n", refusal.status)
            await answer(scope, receive, send_marked)
        else:
            self._visitors.leave(scope["client"])
            await self._app(scope, receive, send_marked)


def _seen(request: Request, guard: guards.Guard) -> guards.Request:
    headers = request.headers
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    return guards.Request(
        method=request.method,
        host=headers.get("host", ""),
        origin=headers.get("origin", ""),
        cookie=request.cookies.get(guard.cookie, ""),
        bearer=bearer.strip() if kind.lower() == "bearer" else "",
        shown=request.query_params.get("token", ""),
        order=headers.get(guards.ORDER_HEADER, ""),
    )


async def _plain_error(_request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return PlainTextResponse(f"{error.detail}\n", error.status_code)
    return PlainTextResponse("It failed.\n", 500)


def _now() -> float:
    return time.time()  # noqa: TID251 - the shell's clock


@functools.cache
def _file(name: str) -> bytes | None:
    """Return a file of the page; None if there is none of that name."""
    folder = resources.files("gridmap_dashboard") / "static"
    names = {entry.name for entry in folder.iterdir()}
    return (folder / name).read_bytes() if name in names else None


class _Answers:
    """One answer to each address."""

    def __init__(self, library: Library, guard: guards.Guard) -> None:
        self._library = library
        self._guard = guard

    async def page(self, request: Request) -> Response:
        if "token" in request.query_params:
            asked = request.query_params.get("run", "")
            place = f"#/run/{asked}" if _TOKEN.fullmatch(asked) else ""
            door = self._guard.door
            entrance = _ENTRANCE.replace("{{place}}", place).replace("{{door}}", door)
            answer = Response(entrance, media_type="text/html")
            answer.set_cookie(
                self._guard.cookie,
                self._guard.token,
                path=f"/{door}/",
                httponly=True,
                samesite="strict",
            )
        else:
            content = (_file("index.html") or b"").replace(
                b"{{order}}", self._guard.order.encode()
            )
            answer = Response(content, media_type="text/html")
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        content = _file(name)
        if content is None or name == "index.html":
            raise HTTPException(404, "There is no such file.")
        kind = _TYPES[name[name.rindex(".") :]]
        headers = {"Cache-Control": "no-cache"}
        return Response(content, media_type=kind, headers=headers)

    async def metrics(self, _request: Request) -> Response:
        text = metrics.render(self._library.live(), _now())
        return Response(text, headers={"Content-Type": metrics.CONTENT_TYPE})

    async def runs(self, _request: Request) -> Response:
        found = await asyncio.to_thread(self._library.runs)
        return _json({"runs": found})

    async def _run(self, request: Request) -> RunState:
        name = request.path_params["run"]
        state = self._library.live_run(name)
        if state is None:
            state = await asyncio.to_thread(self._library.run, name)
        if state is None:
            raise HTTPException(404, "There is no such run.")
        return state

    async def summary(self, request: Request) -> Response:
        return _json(self._stands(await self._run(request)))

    def _stands(self, state: RunState) -> dict[str, Any]:
        with state.lock:
            stands = views.summary(state, _now())
        return {**stands, "killable": self._library.can_kill(state)}

    def view(
        self, make: Callable[[RunState, float], dict[str, Any]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            state = await self._run(request)
            with state.lock:
                plain = make(state, _now())
            return _json(plain)

        return answer

    async def events(self, request: Request) -> Response:
        state = await self._run(request)
        return StreamingResponse(
            self._tell(state, _watched(request)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def _tell(self, state: RunState, job: int | None) -> AsyncIterator[str]:
        """Yield how the run stands whenever that has changed, until it is over.

        Args:
            state: The run.
            job: The job whose prints are told too; None: no job's are.
        """
        listener = None
        self._library.watch(1)
        try:
            if job is not None:
                listener = await asyncio.to_thread(self._library.listen, state, job)
            async for words in self._words(state, listener):
                yield words
        finally:
            self._library.watch(-1)
            if listener is not None:
                listener.close()

    async def _words(
        self, state: RunState, listener: Listener | None
    ) -> AsyncIterator[str]:
        told, silence = -1, 0.0
        while not self._library.closing:
            ended = state.ended
            if ended and listener is not None:
                await asyncio.to_thread(listener.wait, _LOOK_S)
            if listener is not None and (printed := listener.take()) is not None:
                yield f"event: printed\ndata: {json.dumps(printed)}\n\n"
            if state.version != told or silence >= _BEAT_S:
                told, silence = state.version, 0.0
                yield f"data: {json.dumps(self._stands(state))}\n\n"
            if ended:
                yield "event: over\ndata: {}\n\n"
                await asyncio.sleep(_READ_S)  # cut short when the listener hangs up
                return
            await asyncio.sleep(_LOOK_S)
            silence += _LOOK_S

    async def jobs(self, request: Request) -> Response:
        state, query = await self._run(request), _query(request)
        with state.lock:
            plain = pages.table(state, query, _now())
        return _json(plain)

    async def job(self, request: Request) -> Response:
        state, job = await self._run(request), request.path_params["job"]
        try:
            with state.lock:
                plain = pages.one(state, job, _now())
        except IndexError:
            raise HTTPException(404, "There is no such job.") from None
        return _json(plain)

    async def log(self, request: Request) -> Response:
        state, job = await self._run(request), request.path_params["job"]
        with state.lock:
            path = logs.find(state, job)
        text = None if path is None else await asyncio.to_thread(logs.tail, path)
        return _json({"path": None if path is None else str(path), "text": text})

    async def kill(self, request: Request) -> Response:
        state = await self._run(request)
        order = await _order(request)
        if not self._library.can_kill(state):
            raise HTTPException(409, "The run is over, or cannot be reached from here.")
        try:
            await asyncio.to_thread(self._library.kill, state, order)
        except Exception as error:
            raise HTTPException(502, f"It could not be done: {error}") from error
        return _json({"done": True})


def _json(plain: dict[str, Any]) -> Response:
    return JSONResponse(plain, headers={"Cache-Control": "no-store"})


def _query(request: Request) -> pages.Query:
    asked = request.query_params
    return pages.Query(
        state=asked.get("state", ""),
        text=asked.get("q", "")[:200],
        sort=asked.get("sort", "job"),
        down=asked.get("down", "") == "1",
        offset=_whole(asked.get("offset", "0")),
        limit=_whole(asked.get("limit", "50")),
    )


def _watched(request: Request) -> int | None:
    """Return the job a page looks at; None: it looks at the run."""
    asked = request.query_params.get("job")
    return None if asked is None else _whole(asked)


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004 - digits


async def _order(request: Request) -> int | None:
    """Return the job that is to be ended; None: the whole run.

    Raises:
        HTTPException: If the request says neither.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_ORDER_BYTES:
            raise HTTPException(413, "That is too long.")
    try:
        order = json.loads(body)
    except ValueError:
        order = None
    match order:
        case {"job": int(job)} if not isinstance(job, bool) and job >= 0:
            return job
        case {"all": True}:
            return None
    raise HTTPException(400, "Say which job, or all.")
