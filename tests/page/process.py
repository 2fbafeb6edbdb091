"""The page in a process of its own, as a person starts it; plain HTTP to it."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import keras

from imdb_wiki.models.files import save_model
from imdb_wiki.networks.compact import compact_cnn
from tests.conftest import REPOSITORY
from tests.shared import ONE_BLOCK, write_description

API = "/gradio_api"
KEPT_SECONDS = 5  # instead of 60, so that the tests need not wait so long
# What is set on other people's machines, and would stop the page or open it.
ENVIRONMENT = {
    **dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy"), "http://127.0.0.1:9"),
    "GRADIO_SERVER_NAME": "0.0.0.0",
    "GRADIO_ALLOWED_PATHS": "/",
    "GRADIO_LOCAL_DEV_MODE": "1",
    "GRADIO_SHARE": "True",
    "GRADIO_SSR_MODE": "True",
    "GRADIO_MCP_SERVER": "True",
}


@dataclass
class Answer:
    """An HTTP response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass
class Page:
    """A running page."""

    address: str
    process: subprocess.Popen
    places: dict[str, Path]  # its HOME, TMPDIR and folder in memory

    @property
    def host(self) -> str:
        """As a browser sends it."""
        return urlsplit(self.address).netloc

    def ask(self, method: str, path: str, body=None, **headers: str) -> Answer:
        """Sends a request; `content_type="x"` is the header Content-Type."""
        connection = http.client.HTTPConnection(self.host, timeout=120)
        with contextlib.closing(connection):
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, names)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def upload(self, data: bytes, name: str = "photo.png", **headers: str) -> Answer:
        """Sends a photo as the browser does."""
        mark = uuid.uuid4().hex
        head = (
            f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        )
        body = b"".join([head.encode(), data, f"\r\n--{mark}--\r\n".encode()])
        kind = f"multipart/form-data; boundary={mark}"
        return self.ask("POST", f"{API}/upload", body, content_type=kind, **headers)

    def answer(self, photo: object, **headers: str) -> list[str]:
        """What the page answers to a photo: drawn and said."""
        asked = self.ask("POST", f"{API}/call/answer", json.dumps({"data": [photo]}), **headers)
        assert asked.status == 200, asked.body
        event = json.loads(asked.body)["event_id"]
        told = self.ask("GET", f"{API}/call/answer/{event}").body.decode()
        assert "event: complete" in told, told[:500]  # after signs of life, if it waits for long
        return json.loads(told.partition("event: complete\ndata: ")[2])

    def memory_mb(self) -> float:
        """What the process takes, without what other processes share."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("RssAnon:")[2].split()[0]) / 1e3

    def held_mb(self) -> float:
        """What its files take, those without a name too."""
        size = 0
        for link in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(self.places["memory"]) in str(link.readlink()):
                    size += link.stat().st_size
        return size / 1e6


@contextlib.contextmanager
def running_page(folder: Path, *arguments: object) -> Iterator[Page]:
    """Starts the page with a small untrained model, at a free port.

    Args:
        folder: For all that it may write.
        arguments: More of the command line.
    """
    keras.utils.set_random_seed(0)
    model_path = folder / "model" / "compact.keras"
    save_model(compact_cnn(32, **ONE_BLOCK), model_path)
    write_description(model_path.with_suffix(".json"))
    places = {name: folder / name for name in ("HOME", "TMPDIR", "memory")}
    for place in places.values():
        place.mkdir()
    given = ["--model", str(model_path), "--port", "0", *map(str, arguments)]
    start = (
        "import sys; "
        f"from imdb_wiki.page import command as page; page.KEPT_SECONDS = {KEPT_SECONDS}; "
        f"page.MEMORY_DIR = {str(places['memory'])!r}; sys.exit(page.main({given!r}))"
    )
    named = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
    environment = named | ENVIRONMENT | {name: str(places[name]) for name in ("HOME", "TMPDIR")}
    process = subprocess.Popen(
        [sys.executable, "-c", start], cwd=REPOSITORY, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        assert " - Ctrl-C ends it" in line, line + process.communicate()[0]
        page = Page(line.split()[0], process, places)
        for _ in range(100):
            with contextlib.suppress(OSError):
                page.ask("GET", "/")
                break
            time.sleep(0.1)
        yield page
    finally:
        process.kill()
        process.wait()


def send(tab, path: Path) -> str:
    """Sends a file in the browser; returns what the page then says."""
    tab.set_input_files("#photo input[type=file]", path)
    tab.wait_for_selector("#said .sentence, #said .faces", timeout=60_000)
    return tab.inner_text("#said")


def chunked(data: bytes):
    """An upload whose length is not told beforehand."""
    yield b'--m\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    for start in range(0, len(data), 100_000):
        yield data[start : start + 100_000]
    yield b"\r\n--m--\r\n"
