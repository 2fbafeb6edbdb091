"""The download against a real server on this machine: whole, or continued where it broke."""

import re
import subprocess
import sys
import tarfile
import threading

import pytest

from imdb_wiki.errors import InputError
from tests.conftest import REPOSITORY, run_preparation
from tests.preparation.originals import people, write_original
from tests.preparation.servers import (
    CHUNKED,
    CONTENT,
    WHOLE,
    Server,
    archive,
    in_chunk,
    quickly,
    starts,
)
from tests.preparation.waiting import wait_for, wait_for_process
from tests.shared import assert_one_line

CHUNK = 1 << 16  # what may be lost of what came before a break


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


def test_a_rest_longer_than_its_range_is_not_taken(tmp_path):
    longer = {"headers": CHUNKED, "endless": lambda content: in_chunk(content[:100_000])}
    with Server([{"bytes": 1_000_000}, longer, WHOLE]) as server:
        quickly(server.url, tmp_path / "a.tar")
        assert starts(server)[-1] == 0
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


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
