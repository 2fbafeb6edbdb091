"""The download against a real server on this machine that misbehaves."""

import http.server
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time

import pytest

from imdb_wiki.download import download
from imdb_wiki.errors import InputError
from tests.conftest import REPOSITORY, run_preparation
from tests.originals import people, write_original

CONTENT = os.urandom(3_000_000)
QUICKLY = (0.01,) * 3


class Server:
    """Serves one file; each request takes the next of the `plans`, the last one for ever."""

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
        if start:
            last = len(self.content) - 1
            handler.send_header("Content-Range", f"bytes {start}-{last}/{len(self.content)}")
        if plan.get("says_length", True):
            handler.send_header("Content-Length", str(len(body)))
        else:
            handler.close_connection = True
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.end_headers()
        for at in range(0, min(plan.get("bytes", len(body)), len(body)), 100_000):
            handler.wfile.write(body[at : min(at + 100_000, plan.get("bytes", len(body)))])
            time.sleep(plan.get("pause", 0))
        if "bytes" in plan:
            handler.close_connection = True


WHOLE = {}


CHUNK = 1 << 16  # what may be lost of what came before a break


def starts(server):
    """Where each request began."""
    ranges = [request.get("Range", "bytes=0-") for request in server.requests]
    return [int(text.removeprefix("bytes=").removesuffix("-")) for text in ranges]


def test_a_file_is_fetched_whole(tmp_path):
    with Server([WHOLE]) as server:
        download(server.url, tmp_path / "a.tar", QUICKLY)
    assert (tmp_path / "a.tar").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_what_is_there_is_not_fetched_again(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"mine")
    with Server([WHOLE]) as server:
        download(server.url, tmp_path / "a.tar", QUICKLY)
        assert server.requests == []
    assert (tmp_path / "a.tar").read_bytes() == b"mine"


@pytest.mark.parametrize("etag", ['"one"', None])
def test_a_cut_connection_is_continued_where_it_stopped(tmp_path, etag):
    with Server([{"bytes": 1_000_000}, {"bytes": 700_000}, WHOLE], etag=etag) as server:
        download(server.url, tmp_path / "a.tar", QUICKLY)
        first, second, third = starts(server)
        assert first == 0
        assert 1_000_000 - CHUNK <= second <= 1_000_000
        assert second + 700_000 - CHUNK <= third <= second + 700_000
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_a_later_call_continues(tmp_path):
    with Server([{"bytes": 1_200_000}, 503]) as server:
        with pytest.raises(InputError, match=r"503.*continues later"):
            download(server.url, tmp_path / "a.tar", QUICKLY)
        assert not (tmp_path / "a.tar").exists()
        server.plans = [WHOLE]
        download(server.url, tmp_path / "a.tar", QUICKLY)
        assert 1_200_000 - CHUNK <= starts(server)[-1] <= 1_200_000
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_is_read_from_the_beginning(tmp_path):
    with Server([{"bytes": 1_000_000}, WHOLE], ranges=False) as server:
        download(server.url, tmp_path / "a.tar", QUICKLY)
        assert starts(server)[1] > 0
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_a_file_that_changes_in_between_is_read_from_the_beginning(tmp_path, heeds_if_range):
    other = os.urandom(len(CONTENT))
    with Server([{"bytes": 1_000_000}, 503]) as server:
        with pytest.raises(InputError):
            download(server.url, tmp_path / "a.tar", QUICKLY)
        server.plans, server.content = [WHOLE], other
        server.etag = '"two"'
        if not heeds_if_range:  # it sends the rest of the other file
            server.answer = lambda handler: (
                handler.headers.__delitem__("If-Range"),
                Server.answer(server, handler),
            )
        download(server.url, tmp_path / "a.tar", QUICKLY)
    assert (tmp_path / "a.tar").read_bytes() == other


def test_a_file_that_has_become_shorter_is_read_from_the_beginning(tmp_path):
    with Server([{"bytes": 2_000_000}, 503], etag=None) as server:
        with pytest.raises(InputError):
            download(server.url, tmp_path / "a.tar", QUICKLY)
        server.plans, server.content = [WHOLE], CONTENT[:500_000]
        download(server.url, tmp_path / "a.tar", QUICKLY)
    assert (tmp_path / "a.tar").read_bytes() == CONTENT[:500_000]


def test_a_missing_file_is_said_at_once(tmp_path):
    with Server([404]) as server:
        with pytest.raises(InputError, match="404"):
            download(server.url, tmp_path / "a.tar", QUICKLY)
        assert len(server.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_say_the_length_is_refused(tmp_path):
    with (
        Server([{"says_length": False}]) as server,
        pytest.raises(InputError, match="does not say where the file ends"),
    ):
        download(server.url, tmp_path / "a.tar", QUICKLY)
    assert list(tmp_path.iterdir()) == []


def test_the_bar_shows_bytes_speed_and_time_left(tmp_path, capsys):
    with Server([{"pause": 0.05}]) as server:
        download(server.url, tmp_path / "a.tar", QUICKLY)
    bars = capsys.readouterr().err.split("\r")
    # Such as: a.tar:  50%|█████     | 1.43M/2.86M [00:00<00:00, 1.90MB/s]
    assert any(re.search(r"M/2\.86M \[\d\d:\d\d<\d\d:\d\d, .*B/s\]", bar) for bar in bars)


def test_a_busy_server_is_asked_again(tmp_path):
    with Server([503, 503, WHOLE]) as server:
        download(server.url, tmp_path / "a.tar", QUICKLY)
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_no_server_is_said(tmp_path):
    with Server([WHOLE]) as server:
        url = server.url
    with pytest.raises(InputError, match="the connection broke"):
        download(url, tmp_path / "a.tar", QUICKLY)


def test_what_is_no_address_is_said_at_once(tmp_path):
    for url in ("imdb_crop.tar", "htp://example.org/imdb_crop.tar", "http://"):
        with pytest.raises(InputError, match="not an address"):
            download(url, tmp_path / "a.tar")


def test_a_server_that_always_begins_anew_is_given_up(tmp_path):
    with Server([{"bytes": 900_000}, {"bytes": 800_000}], ranges=False) as server:
        with pytest.raises(InputError, match="the connection broke"):
            download(server.url, tmp_path / "a.tar", QUICKLY)
        assert len(server.requests) <= 6


def test_the_script_downloads_and_prepares_from_the_archive(tmp_path):
    write_original(tmp_path / "wiki_crop", people(20, 1), "wiki")
    with tarfile.open(tmp_path / "served.tar", "w") as archive:
        archive.add(tmp_path / "wiki_crop", "wiki_crop")
    content = (tmp_path / "served.tar").read_bytes()
    with Server([{"bytes": len(content) // 2}, WHOLE], content=content) as server:
        run = run_preparation(
            *("--dataset", "wiki", "--download", "--url", server.url),
            *("--photo_dir", tmp_path / "wiki_crop.tar"),
            *("--output_dir", tmp_path / "out", "--img_size", 32),
        )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "wiki_crop.tar").read_bytes() == content
    assert len(list((tmp_path / "out/crop").rglob("*.jpg"))) == 20
    (tmp_path / "wiki_crop.tar").unlink()  # 7 GB that are needed no more
    arguments = ("--dataset", "wiki", "--photo_dir", tmp_path / "wiki_crop.tar")
    arguments += ("--output_dir", tmp_path / "out", "--download", "--url", "http://127.0.0.1:9/")
    again = run_preparation(*arguments, "--img_size", 32)
    assert again.returncode == 0, again.stderr
    assert "already prepared" in again.stdout
    other = run_preparation(*arguments, "--img_size", 40)  # refused before it is fetched
    assert other.returncode == 2
    assert "img_size was 32, is 40" in other.stderr
    assert not (tmp_path / "wiki_crop.tar.part").exists()


def test_a_killed_download_continues(tmp_path):
    code = "import sys, pathlib, imdb_wiki.download as d\n"
    code += "d.download(sys.argv[1], pathlib.Path(sys.argv[2]))"
    with Server([{"pause": 0.05}, WHOLE]) as server:
        command = [sys.executable, "-c", code, server.url, str(tmp_path / "a.tar")]
        process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
        partial = tmp_path / "a.tar.part"
        while not (partial.exists() and partial.stat().st_size >= 1_000_000):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "a.tar").exists()
        came = partial.stat().st_size
        download(server.url, tmp_path / "a.tar", QUICKLY)
        assert starts(server) == [0, came]
    assert (tmp_path / "a.tar").read_bytes() == CONTENT
