"""A server on this machine that misbehaves as it is told, for tests of the download."""

import contextlib
import functools
import http.server
import os
import tarfile
import threading
import time

from imdb_wiki.preparation.download import download


def archive(size: int) -> bytes:
    """A .tar of that many bytes."""
    member = tarfile.TarInfo("imdb_crop/a.jpg")
    member.size = size - 3 * tarfile.BLOCKSIZE
    header = member.tobuf(tarfile.USTAR_FORMAT)
    return header + os.urandom(member.size) + bytes(2 * tarfile.BLOCKSIZE)


CONTENT = archive(3_000_000)
QUICKLY = (0.01,) * 3
quickly = functools.partial(download, pauses_seconds=QUICKLY)


class Server:
    """Serves one file; each request takes the next of the `plans`, the last one for ever.

    A plan is a status, or says what is other than usual: `headers`; how many `bytes` are sent
    before the connection is cut; the `pause` in seconds after each 100,000; an event to wait for
    `halfway`; what is sent in an `endless` answer.
    """

    def __init__(self, plans, content=CONTENT, etag='"one"', ranges=True):
        self.plans, self.content, self.etag, self.ranges = list(plans), content, etag, ranges
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/imdb_crop.tar"

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    def answer(self, handler):
        plan = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        self.requests.append(dict(handler.headers))
        if isinstance(plan, int):  # a status
            handler.send_error(plan)
            return
        start = 0
        asked = handler.headers.get("Range")
        same = handler.headers.get("If-Range") in (None, self.etag)
        if asked and self.ranges and same:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start and start >= len(self.content):
            handler.send_response(416)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        body = self.content[start:]
        handler.send_response(206 if start else 200)
        headers = {"Content-Length": len(body), "ETag": self.etag}
        if start:
            last = len(self.content) - 1
            headers["Content-Range"] = f"bytes {start}-{last}/{len(self.content)}"
        headers |= plan.get("headers", {})
        for name, value in headers.items():
            if value is not None:
                last = start + len(body) - 1
                handler.send_header(name, str(value).format(start=start, last=last))
        if not isinstance(headers["Content-Length"], int):
            handler.close_connection = True
        handler.end_headers()
        if "endless" in plan:
            with contextlib.suppress(OSError):
                while True:
                    handler.wfile.write(plan["endless"](self.content))
                    time.sleep(plan.get("pause", 0))
            return
        for at in range(0, min(plan.get("bytes", len(body)), len(body)), 100_000):
            if "halfway" in plan and at >= len(body) / 2:
                plan["halfway"].wait(60)
            with contextlib.suppress(ConnectionError):  # who asked for it may have been killed
                handler.wfile.write(body[at : min(at + 100_000, plan.get("bytes", len(body)))])
            time.sleep(plan.get("pause", 0))
        if "bytes" in plan:
            handler.close_connection = True


WHOLE = {}


def starts(server):
    """Where each request began."""
    ranges = [request.get("Range", "bytes=0-") for request in server.requests]
    return [int(text.removeprefix("bytes=").removesuffix("-")) for text in ranges]


CHUNKED = {"Content-Length": None, "Transfer-Encoding": "chunked"}


def in_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
