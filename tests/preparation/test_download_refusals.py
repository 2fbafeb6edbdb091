"""What a download does not take or gives up, against a real server that misbehaves."""

import gzip
import hashlib
import os
import shutil
import subprocess
import time

import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.preparation import download as download_module
from imdb_wiki.preparation.download import download
from tests.preparation.servers import (
    CHUNKED,
    CONTENT,
    QUICKLY,
    WHOLE,
    Server,
    in_chunk,
    quickly,
    starts,
)


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


def test_another_programs_partial_file_is_left_alone(tmp_path):
    partial = tmp_path / "a.tar.part"
    partial.write_bytes(b"a browser's download")
    with pytest.raises(InputError, match=r"a\.tar\.part: is another program's"):
        download("http://127.0.0.1:9/a.tar", tmp_path / "a.tar")
    assert partial.read_bytes() == b"a browser's download"
