"""The review in a process of its own, as a person starts it, or in this one; HTTP to it."""

import contextlib
import csv
import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imdb_wiki.audit.decisions import Decisions
from imdb_wiki.audit.suspects import read_suspects
from imdb_wiki.page.hosts import bound_socket
from imdb_wiki.page.serving import server_of
from imdb_wiki.review import command
from tests.browser import wait_until
from tests.conftest import REPOSITORY

JSON = {"Content-Type": "application/json"}


@dataclass
class Running:
    """A running review."""

    address: str
    process: subprocess.Popen | None = None

    @property
    def host(self) -> str:
        """As a browser sends it."""
        return self.address.partition("://")[2]

    @property
    def port(self) -> int:
        return int(self.host.split(":")[1])

    def ask(self, method: str, path: str, body=None, headers=None) -> tuple[int, bytes]:
        """Sends a request; the status and the body of the answer."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()

    def get(self, path: str) -> dict:
        status, body = self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)

    def decide(self, start: dict, *pairs: tuple[int, str]) -> dict:
        """Sends decisions as the page does; `start` is what the page was told at first."""
        told = {name: start[name] for name in ("table", "since", "generation")}
        body = json.dumps({**told, "decisions": pairs})
        status, answer = self.ask("POST", "/decisions", body, JSON)
        assert status == 200, answer
        return json.loads(answer)


@contextlib.contextmanager
def running_review(folder: Path, port: int = 0) -> Iterator[Running]:
    """Starts the review of a folder; it is killed at the end."""
    start = (
        "import sys; "
        "from imdb_wiki.review.command import main; "
        f"sys.exit(main({[str(folder), '--port', str(port)]!r}))"
    )
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    process = subprocess.Popen(
        [sys.executable, "-c", start], cwd=REPOSITORY, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        assert " - Ctrl-C ends it" in line, line + process.communicate()[0]
        running = Running(line.split()[0], process)

        def answers() -> bool:
            with contextlib.suppress(OSError):
                return running.ask("GET", "/")[0] == 200
            return False

        assert wait_until(answers, 20)
        yield running
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def review_here(folder: Path) -> Iterator[Running]:
    """The same in a thread of this process, which starts at once and cannot be killed."""
    decisions = Decisions(folder / "decisions.csv")
    with bound_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        server = server_of(command.application(read_suspects(folder), decisions, port))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        assert wait_until(lambda: server.started, 20)
        yield Running(f"http://127.0.0.1:{port}")
        server.should_exit = True
        thread.join()


def decided(folder: Path) -> dict[tuple[str, str], str]:
    """What decisions.csv says, as somebody else's program would read it: the last row counts."""
    with (folder / "decisions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(None not in row and None not in row.values() for row in rows)
    last = {(row["folder"], row["filename"]): row["decision"] for row in rows}
    return {key: decision for key, decision in last.items() if decision}
