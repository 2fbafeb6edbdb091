"""The download against a real server on this machine that misbehaves."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time

import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.preparation import download as download_module
from imdb_wiki.preparation.download import download
from tests.conftest import REPOSITORY, run_preparation
from tests.preparation.originals import people, write_original
from tests.preparation.waiting import wait_for, wait_for_process
from tests.shared import assert_one_line


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


CHUNK = 1 << 16  # what may be lost of what came before a break


def starts(server):
    """Where each request began."""
    ranges = [request.get("Range", "bytes=0-") for request in server.requests]
    return [int(text.removeprefix("bytes=").removesuffix("-")) for text in ranges]


def test_a_file_is_fetched_whole(tmp_path):
    with Server([WHOLE]) as server:
        quickly(server.url, tmp_path / "a.tar")
    assert (tmp_path / "a.tar").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_what_is_there_is_not_fetched_again(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"mine")
    with Server([WHOLE]) as server:
        quickly(server.url, tmp_path / "a.tar")
        assert server.requests == []
    assert (tmp_path / "a.tar").read_bytes() == b"mine"


def test_a_cut_connection_is_continued_where_it_stopped(tmp_path):
    with Server([{"bytes": 1_000_000}, {"bytes": 700_000}, WHOLE]) as server:
        quickly(server.url, tmp_path / "a.tar")
        first, second, third = starts(server)
        assert first == 0
        assert 1_000_000 - CHUNK <= second <= 1_000_000
        assert second + 700_000 - CHUNK <= third <= second + 700_000
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_a_later_call_continues(tmp_path):
    with Server([{"bytes": 1_200_000}, 503]) as server:
        with pytest.raises(InputError, match=r"503.*continues later"):
            quickly(server.url, tmp_path / "a.tar")
        assert not (tmp_path / "a.tar").exists()
        server.plans = [WHOLE]
        quickly(server.url, tmp_path / "a.tar")
        assert 1_200_000 - CHUNK <= starts(server)[-1] <= 1_200_000
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_is_read_from_the_beginning(tmp_path):
    with Server([{"bytes": 1_000_000}, WHOLE], ranges=False) as server:
        quickly(server.url, tmp_path / "a.tar")
        assert starts(server)[1] > 0
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_a_file_that_changes_in_between_is_read_from_the_beginning(tmp_path, heeds_if_range):
    other = archive(len(CONTENT))
    with Server([{"bytes": 1_000_000}, 503]) as server:
        with pytest.raises(InputError):
            quickly(server.url, tmp_path / "a.tar")
        server.plans, server.content = [WHOLE], other
        server.etag = '"two"'
        if not heeds_if_range:  # it sends the rest of the other file
            server.answer = lambda handler: (
                handler.headers.__delitem__("If-Range"),
                Server.answer(server, handler),
            )
        quickly(server.url, tmp_path / "a.tar")
    assert (tmp_path / "a.tar").read_bytes() == other


def test_a_file_that_has_become_shorter_is_read_from_the_beginning(tmp_path):
    with Server([{"bytes": 2_000_000}, 503], etag=None) as server:
        with pytest.raises(InputError):
            quickly(server.url, tmp_path / "a.tar")
        server.plans, server.content = [WHOLE], CONTENT[:500_000]
        quickly(server.url, tmp_path / "a.tar")
    assert (tmp_path / "a.tar").read_bytes() == CONTENT[:500_000]


@pytest.mark.parametrize("etag", [None, 'W/"one"'])
def test_without_a_mark_of_its_version_no_file_is_spliced_of_two(tmp_path, etag):
    other = archive(len(CONTENT))
    with Server([{"bytes": 1_000_000}, 503], etag=etag) as server:
        with pytest.raises(InputError):
            quickly(server.url, tmp_path / "a.tar")
        server.plans, server.content = [WHOLE], other
        quickly(server.url, tmp_path / "a.tar")
        assert starts(server)[-1] == 0
    assert (tmp_path / "a.tar").read_bytes() == other


def test_a_date_is_a_mark_of_a_version_too(tmp_path):
    dated = {"headers": {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}}
    with Server([dated | {"bytes": 1_000_000}, dated], etag=None) as server:
        quickly(server.url, tmp_path / "a.tar")
        assert starts(server)[-1] > 0
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


ODD_RANGES = {
    "digits of another script": {"Content-Range": "bytes {start}-{last}/²²²"},
    "more digits than a number has": {"Content-Range": "bytes {start}-{last}/" + "9" * 5_000},
    "an unknown length": {"Content-Range": "bytes {start}-{last}/*"},
    "no range": {"Content-Range": None},
    "another start": {"Content-Range": "bytes 5-{last}/3000000"},
    "an end behind the file's": {"Content-Range": "bytes {start}-3000009/3000000"},
    "another unit": {"Content-Range": "lines {start}-{last}/3000000"},
    "a length that is no number": {"Content-Length": "²²"},
    "a length that contradicts": {"Content-Length": 2_000_010},
    "another mark": {"ETag": '"two"'},
    "no mark": {"ETag": None},
}


@pytest.mark.parametrize("odd", ODD_RANGES)
def test_a_rest_that_does_not_fit_is_not_taken(tmp_path, odd):
    plans = [{"bytes": 1_000_000}, {"headers": ODD_RANGES[odd]}, WHOLE]
    with Server(plans) as server:
        quickly(server.url, tmp_path / "a.tar")
        assert starts(server)[-1] == 0 or odd == "a length that is no number"
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_a_rest_that_nobody_asked_for_is_not_taken(tmp_path):
    with Server([WHOLE, WHOLE]) as server:
        server.answer = lambda handler: (
            handler.headers.add_header("Range", "bytes=1000-") if not server.requests else None,
            Server.answer(server, handler),
        )
        quickly(server.url, tmp_path / "a.tar")
        assert len(server.requests) == 2
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


CHUNKED = {"Content-Length": None, "Transfer-Encoding": "chunked"}


def in_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def test_a_rest_longer_than_its_range_is_not_taken(tmp_path):
    longer = {"headers": CHUNKED, "endless": lambda content: in_chunk(content[:100_000])}
    with Server([{"bytes": 1_000_000}, longer, WHOLE]) as server:
        quickly(server.url, tmp_path / "a.tar")
        assert starts(server)[-1] == 0
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


@pytest.mark.parametrize("plan", [{}, {"headers": CHUNKED}])
def test_a_server_that_sends_next_to_nothing_is_given_up(tmp_path, plan):
    one_byte = in_chunk if plan else bytes
    slow = plan | {"endless": lambda content: one_byte(content[:1]), "pause": 0.02}
    with Server([slow]) as server:
        start = time.monotonic()
        with pytest.raises(InputError, match="sends next to nothing; the same command continues"):
            quickly(server.url, tmp_path / "a.tar", stall_seconds=0.3)
        assert time.monotonic() - start < 60
        assert len(server.requests) == 1 + len(QUICKLY)


def test_a_server_that_pauses_for_less_is_waited_for(tmp_path):
    with Server([{"pause": 0.05}], content=CONTENT[:1_000_000]) as server:
        quickly(server.url, tmp_path / "a.tar", stall_seconds=0.3)
        assert len(server.requests) == 1


def test_an_endless_answer_ends_at_a_cap(tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "_MOST_BYTES", 5_000_000)
    endless = {"headers": CHUNKED, "endless": lambda content: in_chunk(content[:500_000])}
    said = "sends more than 5,000,000 bytes"
    with Server([endless]) as server, pytest.raises(InputError, match=said):
        quickly(server.url, tmp_path / "a.tar")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("says_length", [True, False])
def test_the_disk_is_not_filled_up(tmp_path, monkeypatch, says_length):
    usage = shutil.disk_usage(tmp_path)._replace(free=download_module._SPARE_BYTES + 1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    endless = {"headers": CHUNKED, "endless": lambda content: in_chunk(content[:500_000])}
    said = "the archive has 0.0 GB, and only 0.0 GB are free"
    with (
        Server([WHOLE if says_length else endless]) as server,
        pytest.raises(InputError, match=said if says_length else "more than 1,000,000 bytes"),
    ):
        quickly(server.url, tmp_path / "a.tar")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_what_was_not_asked_to_be_packed_is_not_unpacked(tmp_path, encoding):
    packed = gzip.compress(CONTENT[:100_000], mtime=0)
    with Server([{"headers": {"Content-Encoding": encoding}}], content=packed) as server:
        quickly(server.url, tmp_path / "a.tar")
        assert server.requests[0]["Accept-Encoding"] == "identity"
    assert (tmp_path / "a.tar").read_bytes() == packed


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>Not found</html>", "a web page"),
        (b"<!DOCTYPE html>".ljust(2_000_000), "a web page"),
        (b"quota exceeded, try again tomorrow", "neither a .tar nor a .zip"),
        (b"", "an empty file"),
    ],
)
def test_a_page_is_no_archive_and_is_not_kept(tmp_path, content, said):
    with Server([WHOLE], content=content) as server:
        with pytest.raises(InputError, match=rf"crop\.tar: the server sends {said}; --url names"):
            quickly(server.url, tmp_path / "a.tar")
        assert list(tmp_path.iterdir()) == []
        server.content = CONTENT
        quickly(server.url, tmp_path / "a.tar")
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_a_digest_is_checked_before_the_file_gets_its_name(tmp_path):
    right, wrong = hashlib.sha256(CONTENT).hexdigest(), "0" * 64
    with Server([WHOLE]) as server:
        for _ in range(2):  # what has come is kept, lest the digest was mistyped
            with pytest.raises(
                InputError, match=rf"a\.tar\.part: has the SHA-256 {right}, not 000"
            ):
                quickly(server.url, tmp_path / "a.tar", wrong)
        assert not (tmp_path / "a.tar").exists()
        quickly(server.url, tmp_path / "a.tar", right.upper())
        assert starts(server) == [0, len(CONTENT), len(CONTENT)]
    quickly("http://127.0.0.1:9/", tmp_path / "a.tar", right)  # is there
    with pytest.raises(InputError, match=rf"a\.tar: has the SHA-256 {right}, not 000"):
        quickly("http://127.0.0.1:9/", tmp_path / "a.tar", wrong)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_a_redirection_is_followed_and_its_own_content_not_read(tmp_path):
    with Server([WHOLE]) as target, Server([WHOLE]) as server:

        def send_elsewhere(handler):
            handler.send_response(302)
            handler.send_header("Location", "/again" if handler.path != "/again" else target.url)
            handler.send_header("Content-Length", str(10**15))
            handler.end_headers()
            handler.close_connection = True

        server.answer = send_elsewhere
        quickly(server.url, tmp_path / "a.tar")
        server.answer = lambda handler: (
            handler.send_response(302),
            handler.send_header("Location", handler.path),
            handler.send_header("Content-Length", "0"),
            handler.end_headers(),
        )
        with pytest.raises(InputError, match="from place to place"):
            quickly(server.url, tmp_path / "b.tar")
        for place in ("/\xff\xfe.tar", "http://[bad/x.tar"):
            server.answer = lambda handler, place=place: (
                handler.send_response(302),
                handler.send_header("Location", place),
                handler.send_header("Content-Length", "0"),
                handler.end_headers(),
            )
            with pytest.raises(InputError, match="a place that is no address"):
                quickly(server.url, tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_two_runs_do_not_fetch_one_file_at_a_time(tmp_path):
    refused = threading.Event()
    with Server([{"halfway": refused}]) as server:
        whole = (server.url, tmp_path / "a.tar")
        first = threading.Thread(target=quickly, args=whole, daemon=True)
        first.start()
        wait_for((tmp_path / "a.tar.part.json").exists, first.is_alive)
        with pytest.raises(InputError, match="another run is fetching it now"):
            quickly(server.url, tmp_path / "a.tar")
        refused.set()
        first.join(60)
        assert not first.is_alive()
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_a_full_disk_is_said_with_the_files_name(tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "_SPARE_BYTES", -(10**15))
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small file system can be mounted by root only")
    try:
        with Server([WHOLE]) as server:
            with pytest.raises(OSError, match="No space left") as full:
                quickly(server.url, tmp_path / "a.tar")
            assert full.value.filename == str(tmp_path / "a.tar.part")
            subprocess.run(["mount", "-o", "remount,size=9m", str(tmp_path)], check=True)
            quickly(server.url, tmp_path / "a.tar")
            assert starts(server)[-1] > 0
        assert (tmp_path / "a.tar").read_bytes() == CONTENT
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_missing_file_is_said_at_once(tmp_path):
    with Server([404]) as server:
        with pytest.raises(InputError, match="404"):
            quickly(server.url, tmp_path / "a.tar")
        assert len(server.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_say_the_length_is_refused(tmp_path):
    with (
        Server([{"headers": {"Content-Length": None}}]) as server,
        pytest.raises(InputError, match="does not say where the file ends"),
    ):
        quickly(server.url, tmp_path / "a.tar")
    assert list(tmp_path.iterdir()) == []


def test_the_bar_shows_bytes_speed_and_time_left(tmp_path, capsys):
    with Server([{"pause": 0.05}]) as server:
        quickly(server.url, tmp_path / "a.tar")
    bars = capsys.readouterr().err.split("\r")
    # Such as: a.tar:  50%|█████     | 1.43M/2.86M [00:00<00:00, 1.90MB/s]
    assert any(re.search(r"M/2\.86M \[\d\d:\d\d<\d\d:\d\d, .*B/s\]", bar) for bar in bars)


def test_a_busy_server_is_asked_again(tmp_path):
    with Server([503, 503, WHOLE]) as server:
        quickly(server.url, tmp_path / "a.tar")
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_no_server_is_said(tmp_path):
    with Server([WHOLE]) as server:
        url = server.url
    with pytest.raises(InputError, match="the connection broke"):
        quickly(url, tmp_path / "a.tar")


def test_what_is_no_address_is_said_at_once(tmp_path):
    for url in ("imdb_crop.tar", "htp://example.org/imdb_crop.tar", "http://"):
        with pytest.raises(InputError, match="not an address"):
            download(url, tmp_path / "a.tar")


def test_a_server_that_always_begins_anew_is_given_up(tmp_path):
    with Server([{"bytes": 900_000}, {"bytes": 800_000}], ranges=False) as server:
        with pytest.raises(InputError, match="the connection broke"):
            quickly(server.url, tmp_path / "a.tar")
        assert len(server.requests) <= 6


def test_the_script_downloads_and_prepares_from_the_archive(tmp_path, in_this_process):
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
    assert_one_line(other, "img_size was 32, is 40")
    assert not (tmp_path / "wiki_crop.tar.part").exists()


def test_a_killed_download_continues(tmp_path):
    code = "import sys, pathlib, imdb_wiki.preparation.download as d\n"
    code += "d.download(sys.argv[1], pathlib.Path(sys.argv[2]))"
    killed = threading.Event()
    with Server([{"halfway": killed}, WHOLE]) as server:
        command = [sys.executable, "-c", code, server.url, str(tmp_path / "a.tar")]
        process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
        partial = tmp_path / "a.tar.part"
        wait_for_process(process, lambda: partial.exists() and partial.stat().st_size >= 1_000_000)
        process.kill()
        process.wait()
        killed.set()
        assert not (tmp_path / "a.tar").exists()
        came = partial.stat().st_size
        quickly(server.url, tmp_path / "a.tar")
        assert starts(server) == [0, came]
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_another_programs_partial_file_is_left_alone(tmp_path):
    partial = tmp_path / "a.tar.part"
    partial.write_bytes(b"a browser's download")
    with pytest.raises(InputError, match=r"a\.tar\.part: is another program's"):
        download("http://127.0.0.1:9/a.tar", tmp_path / "a.tar")
    assert partial.read_bytes() == b"a browser's download"
