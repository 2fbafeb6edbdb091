"""The gate in front of the page: Gradio sees only what passes here.

A request passes if it is for a name that the page was started for, comes from the page itself and
asks for something that the page needs. Photos never reach Gradio: they are taken in, and shown
again, here. Gradio is told a photo's random name, and only if the same browser session sent it.
"""

import asyncio
import contextlib
import json
import mimetypes
import re
import secrets
import sys
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from imdb_wiki.command import first_line
from imdb_wiki.files import parse_json
from imdb_wiki.page.senders import HEADERS, RefusedError, check_sender
from imdb_wiki.page.uploads import Uploads

COOKIE = "imdb_wiki_demo"  # a random name for the browser session
QUESTION_BYTES = 2**16  # of a request that is no photo; the page's own have under 1 kB
DRAIN_SECONDS = 60  # that a refused upload may go on
# What the page and Gradio's Python client ask for. Gradio itself offers more.
API = "/gradio_api"
READ_PATHS = (
    *("/", "/config", "/theme.css", "/favicon.ico", "/manifest.json"),
    *(f"{API}/{name}" for name in ("info", "queue/data", "app_id")),
)
READ_FOLDERS = re.compile(
    rf"(?:/assets|/static|{API}/heartbeat|{API}/call/answer)(?:/[\w@-][\w.@-]*)+", re.ASCII
)
ASKING_PATHS = (f"{API}/queue/join", f"{API}/call/answer")
ENDING_PATHS = (f"{API}/cancel", f"{API}/reset")
UPLOAD_PATH, PROGRESS_PATH, PHOTO_PATH = (
    f"{API}/{name}" for name in ("upload", "upload_progress", "file=")
)
NOTHING = "There is nothing here."
NO_QUESTION = "This is no question that the page asks."
ALLOWED = (
    "Whoever starts it may allow the name: --allow_host NAME, or NAME:PORT where the address shows "
    "a port."
)
# Gradio's HTML needs eval.
CONTENT = {
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
}
_SESSION = re.compile(rf"(?:^|;\s*){COOKIE}=([\w-]{{43}})(?:;|$)", re.ASCII)


class Guard:
    """The gate, as an ASGI application."""

    def __init__(
        self, app: ASGIApp, hosts: frozenset[str], uploads: Uploads, input_counts: dict[int, int]
    ):
        """Stands in front of a page.

        Args:
            app: The page.
            hosts: Of `known_hosts`.
            uploads: Where its photos are.
            input_counts: How many inputs each of its functions takes, by its number.
        """
        self.app, self.hosts, self.uploads = app, hosts, uploads
        self.input_counts = input_counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, lets it pass or refuses it."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # a websocket, which the page does not use
            return await send({"type": "websocket.close", "code": 1008})
        started = read = False  # the answer; the request to its end

        async def counted_receive():
            nonlocal read
            message = await receive()
            read = not message.get("more_body", False)
            return message

        async def guarded_send(message):
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _harden(MutableHeaders(raw=message.setdefault("headers", [])), request)
            await send(message)

        request = Request(scope, counted_receive)
        try:
            check_sender(request, self.hosts, ALLOWED)
            return await self._answer(request, guarded_send)
        except ClientDisconnect:
            return None
        except RefusedError as error:
            refusal = PlainTextResponse(f"{error}\n", error.status)
        except Exception as error:
            print(f"error: {scope['path']!r}: {first_line(error)}", file=sys.stderr)
            refusal = PlainTextResponse("This went wrong.\n", 500)
        if started:
            return None
        # A sender who is not heard to the end may not hear why either.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not read:
                    await counted_receive()
        return await refusal(scope, receive, guarded_send)

    async def _answer(self, request: Request, send: Send) -> None:
        path, reads = request.scope["path"], request.method in ("GET", "HEAD")
        posts = request.method == "POST"
        if posts and path in (*ASKING_PATHS, *ENDING_PATHS):
            body = await self._question(request, asks=path in ASKING_PATHS)
            return await self._pass(request, send, body)
        if reads and (path in READ_PATHS or READ_FOLDERS.fullmatch(path)):
            return await self._pass(request, send)
        if posts and path == UPLOAD_PATH:
            response = JSONResponse([await self.uploads.receive(request, _session(request))])
        elif reads and path.startswith(PHOTO_PATH):
            response = self._photo(request, path.removeprefix(PHOTO_PATH))
        elif reads and path == PROGRESS_PATH:  # without a number: the page says "Uploading"
            response = Response(media_type="text/event-stream")
        else:
            raise RefusedError(404, NOTHING)
        return await response(request.scope, request.receive, send)

    async def _pass(self, request: Request, send: Send, body: bytes | None = None) -> None:
        """Hands a request to Gradio, with this body if there is one."""
        headers = MutableHeaders(raw=list(request.scope["headers"]))
        del headers["x-gradio-server"]  # it would be taken for the page's own address
        receive = request.receive
        if body is not None:
            del headers["transfer-encoding"]
            headers.update({"content-length": str(len(body)), "content-type": "application/json"})
            messages = [{"type": "http.request", "body": body, "more_body": False}]

            async def receive():
                return messages.pop() if messages else await request.receive()

        await self.app({**request.scope, "headers": headers.raw}, receive, send)

    async def _question(self, request: Request, asks: bool) -> bytes:
        """Reads a question, or that one is given up; leaves in it only photos of its sender."""
        data = b""
        async for chunk in request.stream():
            data += chunk
            if len(data) > QUESTION_BYTES:
                raise RefusedError(413, NO_QUESTION)
        try:
            asked = parse_json(data)
            items = asked.pop("data", [])
            body: dict[str, Any] = {
                name: value for name, value in asked.items() if isinstance(value, str | int)
            }
            if asks and len(items) != self.input_counts[body.get("fn_index", 0)]:
                raise ValueError
        except (ValueError, LookupError, TypeError, AttributeError):
            raise RefusedError(400, NO_QUESTION) from None
        if asks:
            body["data"] = [self._own_photo(item, _session(request)) for item in items]
        return json.dumps(body).encode()

    def _own_photo(self, item: object, session: str) -> dict | None:
        """What Gradio is told of a photo: its name if it is this session's, else none."""
        if item is None:
            return None  # taken away
        name = item.get("path") if isinstance(item, dict) else None
        return {"path": name if self.uploads.find(name, session) else ""}

    def _photo(self, request: Request, name: str) -> Response:
        """A photo as it came, which the page shows beside its answer."""
        upload = self.uploads.find(name, _session(request))
        if upload is None:
            raise RefusedError(404, NOTHING)
        kind = mimetypes.guess_type(f"photo{upload.suffix}")[0] or "application/octet-stream"
        headers = {"Content-Length": str(upload.size), "Cache-Control": "no-store"}
        return StreamingResponse(upload.chunks(), media_type=kind, headers=headers)


def _session(request: Request) -> str:
    """The browser session of a request; "" for a program that keeps no cookies."""
    found = _SESSION.search(request.headers.get("cookie", ""))
    return found[1] if found else ""


def _harden(headers: MutableHeaders, request: Request) -> None:
    """Closes an answer to other pages, and gives a new browser its session."""
    for name in {name for name in headers if name.startswith("access-control-")}:
        del headers[name]
    headers.update(HEADERS | CONTENT)
    if request.scope["path"] == "/" and not _session(request):
        cookie = f"{COOKIE}={secrets.token_urlsafe(32)}; HttpOnly; SameSite=Strict; Path=/"
        headers.append("Set-Cookie", cookie)
