"""The gate in front of the review: who is refused, and what no answer lacks."""

import sys

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imdb_wiki.command import first_line
from imdb_wiki.errors import InputError
from imdb_wiki.page.senders import HEADERS, RefusedError, check_sender

CONTENT = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",  # no photo stays in the browser's own folder
}
ADVICE = "It answers as 127.0.0.1 and localhost, with the port that it was started with."


class Gate:
    """The gate, as an ASGI application."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]):
        """Stands in front of a page.

        Args:
            app: The page.
            hosts: Of `hosts.known_hosts`.
        """
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request pass, or refuses it with a sentence."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # a websocket, which the page does not use
            return await send({"type": "websocket.close", "code": 1008})
        started = False

        async def hardened(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers.update(HEADERS | CONTENT)
            await send(message)

        try:
            check_sender(Request(scope), self.hosts, ADVICE)
            return await self.app(scope, receive, hardened)
        except ClientDisconnect:
            return None
        except RefusedError as error:
            refusal = PlainTextResponse(f"{error}\n", error.status)
        except (OSError, InputError) as error:  # the disk is full, the file damaged
            text = error.strerror if isinstance(error, OSError) and error.strerror else f"{error}"
            refusal = PlainTextResponse(f"{text}\n", 500)
        except Exception as error:
            print(f"error: {scope['path']!r}: {first_line(error)}", file=sys.stderr)
            refusal = PlainTextResponse("This went wrong.\n", 500)
        if not started:
            await refusal(scope, receive, hardened)
