"""Who may ask the review, and what it never gives: a real server and plain HTTP."""

import http.client
import json
import os
import socket

import pandas as pd
import pytest

from imdb_wiki.review import command
from imdb_wiki.review.crops import Crops
from tests.review.audited import suspects_of, write_audit
from tests.review.process import JSON, review_here
from tests.shared import assert_one_line, ran, status_of_request

SECRET = b"\x89PNG\r\n\x1a\n a secret"  # an image by its start, so that only its place protects it


def hostile(tmp_path) -> list[str]:
    """Names in a table of suspects that lead out of the crop folder, or to no image."""
    prepared = tmp_path / "prepared"
    crops = prepared / "crop"
    for place in (tmp_path, prepared, tmp_path / "prepared" / "crop_other"):
        place.mkdir(exist_ok=True)
        (place / "secret.png").write_bytes(SECRET)
    (crops / "link.png").symlink_to(tmp_path / "secret.png")
    (crops / "folder").symlink_to(tmp_path)
    (crops / "loop.png").symlink_to(crops / "loop.png")
    (crops / "text.jpg").write_text("no image")
    (crops / "big.png").write_bytes(SECRET)
    os.truncate(crops / "big.png", 50_000_000)
    os.mkfifo(crops / "pipe.jpg")
    return [
        "../../secret.png", "../secret.png", "../crop_other/secret.png", "train/../../secret.png",
        str(tmp_path / "secret.png"), "link.png", "folder/secret.png", "loop.png", "text.jpg",
        "big.png", "pipe.jpg", "train", ".", "..", "/etc/passwd", "gone.jpg", "a" * 5000,
        "..\\..\\secret.png", "%2e%2e/%2e%2e/secret.png", "file:///etc/passwd", "/dev/zero",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_audit(tmp_path_factory.mktemp("audit"))
    few = suspects_of(folder / "prepared")
    names = hostile(folder)
    bad = few.head(1).loc[[0] * len(names)].assign(filename=names, wrong_probability=0)
    pd.concat([few, bad]).to_csv(folder / "suspects.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def review(folder):
    with review_here(folder) as running:
        yield running


def test_only_images_within_the_crop_folder_are_shown(review, folder):
    table = review.get("/start")["table"]
    count = len(pd.read_csv(folder / "suspects.csv"))
    for row in range(count):
        status, body = review.ask("GET", f"/image/{row}?table={table}")
        assert b"secret" not in body
        (face,) = review.get(f"/faces?table={table}&rows={row}")
        name = dict(face["about"])["file"]
        if name in set(suspects_of(folder / "prepared")["filename"]):
            assert (status, body) == (200, (folder / "prepared" / "crop" / name).read_bytes())
        else:
            assert (status, body) == (404, b"This image is missing.\n"), name


def test_a_folder_is_found_from_where_the_audit_was_started(folder, monkeypatch):
    monkeypatch.chdir(folder)
    crops = Crops(["prepared"])
    name = suspects_of(folder / "prepared")["filename"][0]
    data, kind = crops.read("prepared", name)
    assert data == (folder / "prepared" / "crop" / name).read_bytes()
    assert kind == "image/jpeg"


def test_a_crop_folder_on_another_disk_is_followed_there_and_no_further(tmp_path):
    prepared = write_audit(tmp_path / "audit") / "prepared"
    (prepared / "crop").rename(tmp_path / "disk")
    (prepared / "crop").symlink_to(tmp_path / "disk")
    (tmp_path / "secret.png").write_bytes(SECRET)
    crops = Crops([str(prepared)])
    assert crops.read(str(prepared), suspects_of(prepared)["filename"][0])
    assert crops.read(str(prepared), "../secret.png") is None


@pytest.mark.parametrize(
    "path",
    [
        *("/image/-1", "/image/999", "/image/x", "/image/", "/image/0/../../secret.png"),
        *("/image/..%2f..%2fsecret.png", "/faces", "/faces?rows=", "/faces?rows=0,999"),
        *("/faces?rows=" + ",".join("0" * 301), "/../suspects.csv", "/suspects.csv", "/app.py"),
        *("/decisions.csv", "/gate.py", "/static/x", "/changes", "/docs", "/openapi.json"),
    ],
)
def test_nothing_else_is_there(review, path):
    table = review.get("/start")["table"]
    status, body = review.ask("GET", f"{path}{'&' if '?' in path else '?'}table={table}")
    assert status in (400, 404), body
    assert b"secret" not in body and b"import" not in body


def status_of(review, request: str, body: str = "") -> int:
    length = f"\nContent-Length: {len(body)}" if body else ""
    return status_of_request(review.host, f"{request}{length}", body)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET / HTTP/1.1\nHost: HOST", 200),
        ("GET / HTTP/1.1\nHost: evil.example", 421),
        ("GET /start HTTP/1.1\nHost: evil.example:7861", 421),
        ("GET /image/0 HTTP/1.1\nHost: HOST.evil.example", 421),
        ("GET /start HTTP/1.1\nHost: HOST\nHost: evil.example", 400),
        ("GET /start HTTP/1.1\nHost: HOST\nX-Forwarded-Host: evil.example", 421),
        ("GET http://evil.example/start HTTP/1.1\nHost: HOST", 404),
        ("GET /start HTTP/1.0\nX-Nothing: 1", 421),
        ("GET /start HTTP/1.1\nHost: HOST\nOrigin: http://evil.example", 403),
        ("GET /start HTTP/1.1\nHost: HOST\nSec-Fetch-Site: cross-site", 403),
        ("GET /image/0 HTTP/1.1\nHost: HOST\nSec-Fetch-Site: same-site", 403),
        ("POST / HTTP/1.1\nHost: HOST", 405),
        ("GET /decisions HTTP/1.1\nHost: HOST", 405),
    ],
)
def test_only_the_page_itself_is_answered_under_its_own_name(review, request_, status):
    assert status_of(review, request_) == status


def test_no_other_page_can_decide(review, folder):
    start = review.get("/start")
    body = json.dumps({**start, "decisions": [[0, "wrong"]]})
    post = "POST /decisions HTTP/1.1\nHost: HOST\n"
    for headers, status in [
        ("Content-Type: application/json\nOrigin: http://evil.example", 403),
        ("Content-Type: application/json\nOrigin: null", 403),
        ("Content-Type: application/json\nOrigin: http://127.0.0.1:1", 403),
        ("Content-Type: application/json\nSec-Fetch-Site: cross-site", 403),
        ("Content-Type: text/plain\nOrigin: http://HOST", 415),
        ("Content-Type: application/x-www-form-urlencoded", 415),
        ("X-Nothing: 1", 415),
    ]:
        assert status_of(review, post + headers, body) == status
    assert not (folder / "decisions.csv").exists()


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("", 400),
        ("[" * 5000, 400),
        ("[]", 400),
        ('{"decisions": 1}', 400),
        ('{"decisions": [[0, "wrong"]]}', 409),
        ('{"decisions": [[0, "wrong"]], "table": "of another audit"}', 409),
        ('{"decisions": [[0]], "table": "TABLE"}', 400),
        ('{"decisions": [[0, "perhaps"]], "table": "TABLE"}', 400),
        ('{"decisions": [[0, ["wrong"]]], "table": "TABLE"}', 400),
        ('{"decisions": [[999, "wrong"]], "table": "TABLE"}', 404),
        ('{"decisions": [[-1, "wrong"]], "table": "TABLE"}', 404),
        ('{"decisions": [[null, "wrong"]], "table": "TABLE"}', 404),
        ('{"decisions": [[0, "wrong"]], "table": "TABLE"}', 400),
        ('{"table": "TABLE", "decisions": [' + ",".join(['[0, "wrong"]'] * 301) + "]}", 404),
        (" " * 70_000, 413),
    ],
    ids=range(15),
)
def test_what_is_no_decision_is_refused(review, folder, told, status):
    table = review.get("/start")["table"]
    answer = review.ask("POST", "/decisions", told.replace("TABLE", table), JSON)
    assert answer[0] == status, answer[1]
    assert not (folder / "decisions.csv").exists()


def test_the_browser_is_told_to_load_nothing_from_elsewhere_and_to_keep_nothing(review):
    connection = http.client.HTTPConnection(review.host)
    for path in ("/", "/page.js", "/start", "/image/0", "/nothing"):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'; script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "set-cookie" not in answer.headers
    connection.close()


def test_it_listens_at_this_machine_alone(review):
    with socket.socket() as other:
        other.settimeout(2)
        assert other.connect_ex(("127.0.0.2", review.port)) != 0


def test_a_taken_port_is_one_line(review, folder):
    done = ran(command.main, folder, "--port", review.port)
    assert_one_line(done, f"--host 127.0.0.1 --port {review.port}: Address already in use")
