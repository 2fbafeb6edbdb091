"""What the page gives away, and to whom: a real server, plain HTTP and a real browser."""

import io
import json
import os
import signal
import socket
from pathlib import Path
from urllib.parse import quote

import gradio
import pytest
from PIL import Image

from imdb_wiki.page import uploads as demo_uploads
from imdb_wiki.page.guard import READ_FOLDERS
from imdb_wiki.page.hosts import known_hosts
from tests.browser import foreign_page, opened_browser, wait_until
from tests.page.foreign import ATTACK
from tests.page.process import API, KEPT_SECONDS, chunked, running_page, send
from tests.shared import status_of_request

GONE = "This photo is no longer here. Please send it again."
UPLOADS_MB = 6


def png(size: int = 64, colour: int = 90) -> bytes:
    """A plain picture."""
    file = io.BytesIO()
    Image.new("RGB", (size, size), (colour, colour, colour)).save(file, "png")
    return file.getvalue()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    options = ("--uploads_mb", UPLOADS_MB, "--allow_host", "Page.example")
    with running_page(tmp_path_factory.mktemp("page"), *options) as running:
        yield running


def status_of(page, request: str) -> int:
    return status_of_request(page.host, request)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET / HTTP/1.1\nHost: HOST", 200),
        ("GET / HTTP/1.1\nHost: evil.example", 421),
        ("GET / HTTP/1.1\nHost: evil.example:7860", 421),
        ("GET / HTTP/1.1\nHost: 127.0.0.1", 421),  # port 80
        ("GET / HTTP/1.1\nHost: 127.0.0.1:1", 421),
        ("GET / HTTP/1.1\nHost: HOST.evil.example", 421),
        ("GET / HTTP/1.1\nHost: user@HOST", 421),
        ("GET / HTTP/1.1\nHost: HOST, evil.example", 421),
        ("GET / HTTP/1.1\nHost: HOST\nHost: evil.example", 400),
        ("GET / HTTP/1.1\nHost: HOST\nX-Forwarded-Host: evil.example", 421),
        ("GET / HTTP/1.1\nHost: HOST\nX-Forwarded-Host: HOST, evil.example", 421),
        ("GET / HTTP/1.1\nX-Nothing: 1", 400),
        ("GET / HTTP/1.0\nX-Nothing: 1", 421),
        ("GET http://evil.example/ HTTP/1.1\nHost: HOST", 404),
        ("GET http://HOST/ HTTP/1.1\nHost: evil.example", 421),
        (f"POST {API}/upload HTTP/1.1\nHost: evil.example", 421),
        (f"GET {API}/queue/data?session_hash=x HTTP/1.1\nHost: evil.example", 421),
        (f"GET {API}/heartbeat/x HTTP/1.1\nHost: evil.example", 421),
        ("GET /assets/nothing.js HTTP/1.1\nHost: evil.example", 421),
    ],
)
def test_only_the_names_it_was_started_for_are_answered(page, request_, status):
    assert status_of(page, request_) == status


# Names without "::": by it pytest-xdist tells files apart, and would start a second page.
@pytest.mark.parametrize(
    "name", ["localhost", "LocalHost", "[::1]"], ids=["localhost", "upper case", "IPv6"]
)
def test_the_machines_own_names_are_answered(page, name):
    port = page.host.split(":")[1]
    assert status_of(page, f"GET / HTTP/1.1\nHost: {name}:{port}") == 200


def test_a_name_in_front_of_it_is_answered_where_it_is_allowed(page):
    origin = "\nOrigin: https://page.example"
    for told in ("Host: page.example", "Host: HOST\nX-Forwarded-Host: page.example"):
        assert status_of(page, f"GET / HTTP/1.1\n{told}{origin}") == 200
        assert status_of(page, f"GET / HTTP/1.1\n{told}\nOrigin: https://x.page.example") == 403


def test_known_hosts_are_those_it_listens_at_and_those_it_is_given():
    loopback = {"127.0.0.1:7860", "localhost:7860", "[::1]:7860"}
    assert known_hosts(["127.0.0.1", "127.0.0.1"], 7860) == loopback
    assert known_hosts(["::1"], 7860) == loopback
    assert known_hosts(["Box", "10.0.0.5"], 7860) == {"box:7860", "10.0.0.5:7860"}
    assert known_hosts(["0.0.0.0"], 7860) == loopback | {"0.0.0.0:7860"}
    assert known_hosts(["::ffff:10.0.0.5", "fe80::1%eth0"], 1) == {"10.0.0.5:1", "[fe80::1]:1"}
    assert known_hosts(["10.0.0.5"], 80) == {"10.0.0.5", "10.0.0.5:80"}
    given = known_hosts(["10.0.0.5"], 7860, ["Page.example", "a.example:8443"])
    assert given == {"10.0.0.5:7860", "page.example", "page.example:7860", "a.example:8443"}


ROUTES = [
    ("GET", "/"),
    ("GET", "/config"),
    ("GET", "/assets/nothing.js"),
    ("GET", f"{API}/queue/data?session_hash=x"),
    ("GET", f"{API}/heartbeat/x"),
    ("GET", f"{API}/file=x"),
    ("GET", f"{API}/upload_progress?upload_id=x"),
    ("POST", f"{API}/upload"),
    ("POST", f"{API}/queue/join"),
    ("POST", f"{API}/call/answer"),
    ("POST", f"{API}/cancel"),
    ("OPTIONS", f"{API}/upload"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_other_pages_are_refused_everywhere(page, method, path):
    port = page.host.split(":")[1]
    origins = ["http://evil.example", f"http://evil.example:{port}", "null", "http://127.0.0.1:1"]
    for origin in [
        *origins,
        "http://127.0.0.1",
        f"ftp://{page.host}",
        f"{page.address}.evil.example",
    ]:
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        lines = "".join(f"\n{name}: {value}" for name, value in asked.items())
        assert status_of(page, f"{method} {path} HTTP/1.1\nHost: HOST{lines}") == 403, origin
    own = page.address
    twice = f"\nOrigin: {own}\nOrigin: http://evil.example"
    assert status_of(page, f"{method} {path} HTTP/1.1\nHost: HOST{twice}") == 403
    for site in ("cross-site", "same-site"):  # a picture, form or script, which has no origin
        told = f"\nSec-Fetch-Site: {site}\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: image"
        assert status_of(page, f"{method} {path} HTTP/1.1\nHost: HOST{told}") == 403


def test_a_foreign_upload_is_refused_and_takes_no_room(page):
    for _ in range(3):
        refused = page.upload(bytes(4_000_000), Origin="http://evil.example")
        assert refused.status == 403
    assert page.held_mb() == 0


def test_a_link_from_elsewhere_leads_to_the_page_and_no_further(page):
    told = "\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document"
    assert status_of(page, f"GET / HTTP/1.1\nHost: HOST{told}") == 200
    assert status_of(page, f"GET /config HTTP/1.1\nHost: HOST{told}") == 403
    framed = told.replace("document", "iframe")
    assert status_of(page, f"GET / HTTP/1.1\nHost: HOST{framed}") == 403
    assert "frame-ancestors 'none'" in page.ask("GET", "/").headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        *("/docs", "/openapi.json", "/monitoring", "/login", "/svelte/x", "//config", "/config/x"),
        *(f"{API}/{name}" for name in ("proxy=http://127.0.0.1/", "file/etc/passwd", "runs")),
        *(
            f"{API}/{name}"
            for name in ("stream/a/b/1/playlist-file", "startup-events", "vibe-code")
        ),
        *(f"/assets/{name}" for name in ("../../index.html", "..%2f..%2findex.html", "..%5cx")),
        *("/static//etc/passwd", f"/static/../gradio_api/file={os.sep}etc/passwd"),
    ],
)
def test_what_the_page_does_not_need_is_not_there(page, path):
    answers = [page.ask("GET", path), page.ask("POST", path, "{}")]
    assert {(a.status, a.body) for a in answers} == {(404, b"There is nothing here.\n")}


def test_every_file_of_the_page_has_a_name_that_passes():
    folder = Path(gradio.__file__).parent / "templates" / "frontend"
    files = [path for name in ("assets", "static") for path in (folder / name).rglob("*.*")]
    assert len(files) > 100
    names = [f"/{path.relative_to(folder).as_posix()}" for path in files]
    assert [name for name in names if not READ_FOLDERS.fullmatch(name)] == []


@pytest.mark.parametrize("method", ["run", "api", "call/v2"])
def test_an_answer_is_had_in_one_way_only(page, method):
    assert page.ask("POST", f"{API}/{method}/answer", '{"data": [null]}').status == 404


def test_no_photo_but_those_sent_is_opened_and_all_refusals_read_the_same(page, tmp_path):
    seen = []
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/photo.png"
    there = tmp_path / "photo.png"
    there.write_bytes(png())
    (tmp_path / "link.png").symlink_to(there)
    inside = next(page.places["memory"].iterdir()) / "photo.png"  # as if somebody had put it there
    inside.write_bytes(png())
    (inside.parent / "link.png").symlink_to(there)
    names = [there, tmp_path / "link.png", inside, inside.parent / "link.png", "/etc/passwd"]
    names += [tmp_path, tmp_path / "nothing.png", "/", "photo.png", f"../{there}", url, ""]
    for name in map(str, names):
        for meta in ({}, {"meta": {"_type": "gradio.FileData"}}, {"url": f"file://{name}"}):
            seen.append(page.answer({"path": name, **meta}))
        shown = page.ask("GET", f"{API}/file={quote(name)}")
        assert (shown.status, shown.body) == (404, b"There is nothing here.\n")
    for odd in (str(there), [str(there)], {"url": url}, {"path": [str(there)]}, 5, True, {}):
        seen.append(page.answer(odd))
    assert {drawn for drawn, _ in seen} == {""}
    (said,) = {said for _, said in seen}
    assert GONE in said
    listener.settimeout(0.5)
    with pytest.raises(TimeoutError):  # nothing was fetched
        listener.accept()


def test_a_photo_that_was_sent_is_answered_and_shown(page):
    data = png(colour=123)
    sent = page.upload(data, "me.PNG")
    (name,) = json.loads(sent.body)
    assert name.endswith(".png")
    drawn, said = page.answer({"path": name, "meta": {"_type": "gradio.FileData"}})
    assert 'alt="the photo with no face marked"' in drawn
    assert "No face was found" in said
    shown = page.ask("GET", f"{API}/file={name}")
    assert (shown.status, shown.body) == (200, data)
    assert shown.headers["content-type"] == "image/png"
    for name in ("page.html", "drawing.svg"):  # both may hold scripts
        page_name = json.loads(page.upload(b"<script>", name).body)[0]
        shown = page.ask("GET", f"{API}/file={page_name}")
        assert shown.headers["content-type"] == "application/octet-stream"
        assert shown.headers["x-content-type-options"] == "nosniff"


def test_a_photo_belongs_to_the_session_that_sent_it(page):
    def new_session():
        return page.ask("GET", "/").headers["set-cookie"].partition(";")[0]

    mine, other = new_session(), new_session()
    assert mine != other
    (name,) = json.loads(page.upload(png(), Cookie=mine).body)
    assert "No face" in page.answer({"path": name}, Cookie=f"a=b; {mine}; c=d")[1]
    assert page.ask("GET", f"{API}/file={name}", Cookie=mine).status == 200
    for headers in ({}, {"Cookie": other}, {"Cookie": mine + "x"}, {"Cookie": mine[:-1]}):
        assert GONE in page.answer({"path": name}, **headers)[1]
        assert page.ask("GET", f"{API}/file={name}", **headers).status == 404
    flags = page.ask("GET", "/").headers["set-cookie"]
    assert "HttpOnly" in flags
    assert "SameSite=Strict" in flags
    assert page.ask("GET", "/", Cookie=mine).headers["set-cookie"] is None


@pytest.mark.parametrize(
    "body",
    [
        *("", "{", "[]", "5", "null", '{"data": null}', '{"data": {}}', '{"data": []}'),
        *('{"data": [null, null]}', '{"data": [null], "fn_index": 99}', "[" * 60_000),
        *('{"data": [null], "fn_index": -1}', '{"data": [null], "fn_index": "0"}', "\udcff"),
        '{"data": ["' + "x" * 70_000 + '"]}',
    ],
)
def test_a_broken_question_is_refused_without_a_traceback(page, body):
    data = body.encode("utf-8", "surrogateescape")
    for path in ("call/answer", "queue/join"):
        refused = page.ask("POST", f"{API}/{path}", data, content_type="application/json")
        assert refused.status in (400, 413)
        assert refused.body == b"This is no question that the page asks.\n"


def test_the_page_tells_nothing_of_its_machine(page):
    for path in ("/", "/config", f"{API}/info", "/theme.css"):
        told = page.ask("GET", path)
        assert told.status == 200
        for place in (*page.places.values(), Path.home(), Path(demo_uploads.__file__).parents[1]):
            assert str(place).encode() not in told.body
    assert "server" not in page.ask("GET", "/").headers


def test_all_photos_together_have_a_limit_and_their_room_returns(page):
    assert wait_until(lambda: page.held_mb() == 0, 4 * KEPT_SECONDS)
    form = "multipart/form-data; boundary=m"
    too_large = bytes(UPLOADS_MB * 10**6 + 1)
    for refused in (
        page.upload(too_large),
        page.ask("POST", f"{API}/upload", chunked(too_large), content_type=form),
    ):
        assert refused.status == 413
        assert refused.body == b"This file is too large: at most 6 MB.\n"
    statuses = [page.upload(bytes(2_500_000)).status for _ in range(2)]
    assert statuses == [200, 200]
    for refused in (
        page.upload(bytes(2_500_000)),
        page.ask("POST", f"{API}/upload", chunked(bytes(2_500_000)), content_type=form),
    ):
        assert refused.status == 507
        assert refused.body.decode() == f"{demo_uploads.NO_ROOM}\n"
    assert 4.9 < page.held_mb() < 5.1
    (folder,) = page.places["memory"].iterdir()
    assert not [path for path in folder.rglob("*") if path.stat().st_size > 10_000]  # no names
    assert wait_until(lambda: page.held_mb() == 0, 4 * KEPT_SECONDS)


def test_an_upload_that_breaks_off_leaves_nothing(page):
    assert wait_until(lambda: page.held_mb() == 0, 4 * KEPT_SECONDS)
    host, port = page.host.split(":")
    head = (
        f"POST {API}/upload HTTP/1.1\r\nHost: {page.host}\r\nContent-Length: 5000000\r\n"
        "Content-Type: multipart/form-data; boundary=m\r\n\r\n"
        '--m\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    )
    for _ in range(4):  # more than there is room for, were it not given back
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head.encode() + bytes(4_000_000))
            assert wait_until(lambda: page.held_mb() > 3, 20)
        assert wait_until(lambda: page.held_mb() == 0, 20)
    assert page.upload(bytes(5_000_000)).status == 200


def test_browser_a_foreign_page_gets_nothing_and_the_own_one_works(page, tmp_path):
    assert wait_until(lambda: page.held_mb() == 0, 4 * KEPT_SECONDS)
    (tmp_path / "photo.png").write_bytes(png())
    with foreign_page("<body>") as address, opened_browser() as browser:
        tab = browser.new_page()
        tab.goto(address)
        got = tab.evaluate(ATTACK, page.address)
        # What a page sends blindly tells it nothing; that it was refused shows below.
        assert got.pop("blind") in ("refused", "opaque0")
        assert set(got.values()) == {"refused"}, got
        assert page.held_mb() == 0
        port = page.host.split(":")[1]
        rebound = tab.goto(f"http://evil.example:{port}/")  # a name of theirs that leads here
        assert rebound.status == 421
        assert "does not answer under this name" in tab.inner_text("body")
        tab.set_content(f'<a href="{page.address}">a link</a>')
        tab.click("a")
        tab.wait_for_selector("#photo input[type=file]", state="attached", timeout=60_000)
        assert "No face was found" in send(tab, tmp_path / "photo.png")
        assert tab.locator("#drawn img.photo").count() == 1


def test_ctrl_c_ends_in_one_line_and_leaves_nothing(page):
    page.upload(bytes(2_000_000))
    page.process.send_signal(signal.SIGINT)
    output, _ = page.process.communicate(timeout=30)
    assert output == "stopped\n"
    assert page.process.returncode == 130
    assert list(page.places["memory"].iterdir()) == []
