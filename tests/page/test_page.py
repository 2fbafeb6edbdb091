import http.client
import io
import json
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from imdb_wiki.faces.detection import Box
from imdb_wiki.faces.framing import Framing
from imdb_wiki.models.files import save_model
from imdb_wiki.networks.compact import compact_cnn
from imdb_wiki.page import command as demo
from imdb_wiki.page.answers import SHOWN_FACES, curve_svg, faces_html, photo_html
from imdb_wiki.page.uploads import NO_ROOM, Upload, Uploads
from imdb_wiki.prediction.faces import Face, Predictor
from tests.browser import opened_browser, wait_until
from tests.page.process import API, KEPT_SECONDS, running_page, send
from tests.shared import ONE_BLOCK, assert_one_line, ran

FACE = Face(0, Box(10, 10, 60, 70), 0.99, 41.6, 30.2, 52.7, "male", 0.93, np.full(101, 1 / 101))


def certain(images):
    """Says the same of every face."""
    count = len(images)
    shares = np.zeros((count, 101))
    shares[:, 33] = 1
    genders = np.tile([0.8, 0.2], (count, 1))
    return {
        "age_years": np.full((count, 1), 33.0), "gender": genders, "age_distribution": shares
    }  # fmt: skip


MODEL = Predictor(certain, 32, Framing(), {"factor": 4.0, "floor_years": 1.0, "coverage": 0.9})


@pytest.fixture(scope="module")
def photos(astronaut, tmp_path_factory) -> Path:
    """A folder of what people may send."""
    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(astronaut).save(folder / "astronaut.png")
    Image.fromarray(skimage.data.coffee()).save(folder / "coffee.jpg")
    (folder / "notes.txt").write_text("no photo")
    (folder / "notes.jpg").write_text("no photo, whatever its name says")
    return folder


def sent(path: Path) -> Upload:
    """A photo as the page holds it."""
    return Upload(io.BytesIO(path.read_bytes()), path.suffix, "")


def test_without_a_model_the_included_one_answers():
    assert demo.parse_arguments([]).model.is_file()


def test_a_photo_is_answered_with_boxes_and_a_card_a_face(photos):
    drawn, said = demo.answer(sent(photos / "astronaut.png"), MODEL)
    assert 'alt="the photo with 1 face marked"' in drawn
    assert said.count('<article class="face">') == 1
    assert "<b>33 years</b>" in said
    assert "90% interval: 29–37" in said  # 33 ± 4 (0 + 1)
    assert "female, 80%" in said


def test_a_photo_without_a_face_is_shown_with_a_sentence(photos):
    drawn, said = demo.answer(sent(photos / "coffee.jpg"), MODEL)
    assert "no face marked" in drawn
    assert "No face was found" in said


def test_what_is_no_photo_is_said_in_a_sentence(photos):
    drawn, said = demo.answer(sent(photos / "notes.jpg"), MODEL)
    assert drawn == ""
    assert "This file cannot be read as a photo: not an image." in said


def test_a_photo_that_is_not_there_is_said_in_a_sentence():
    drawn, said = demo.answer(None, MODEL)
    assert drawn == ""
    assert "This photo is no longer here" in said


def test_the_curve_shows_distribution_interval_and_answer():
    shares = np.zeros(101)
    shares[40] = 1
    svg = curve_svg(replace(FACE, age_distribution=shares))
    ((_, heights),) = re.findall(r'<polyline class="(line)" points="([^"]+)"', svg)
    points = [tuple(map(float, point.split(","))) for point in heights.split()]
    assert len(points) == 101
    assert min(points, key=lambda point: point[1])[0] == 40  # y counts downwards
    assert 'class="band" x="30.2" y="0" width="22.5"' in svg
    assert 'class="answer" x1="41.6"' in svg
    assert "band" not in curve_svg(replace(FACE, age_low_years=None))


def test_results_need_neither_interval_nor_distribution():
    image = np.zeros((100, 80, 3), "uint8")
    bare = replace(FACE, age_low_years=None, age_high_years=None, age_distribution=None)
    said = faces_html(image, [bare], None)
    assert "<b>42 years</b>" in said
    assert "interval" not in said
    assert "<svg" not in said


def test_of_a_crowd_the_rest_is_counted():
    image = np.zeros((100, 80, 3), "uint8")
    said = faces_html(image, [FACE] * (SHOWN_FACES + 3), 0.9)
    assert said.count("<article") == SHOWN_FACES
    assert "3 more faces" in said
    assert f"{SHOWN_FACES + 3} faces marked" in photo_html(image, [FACE] * (SHOWN_FACES + 3))


def test_a_face_beyond_the_photos_edge_has_a_picture():
    face = replace(FACE, box=Box(-20, 70, 40, 130))
    assert "data:image/jpeg;base64," in faces_html(np.zeros((100, 80, 3), "uint8"), [face], 0.9)


def test_the_page_is_local_and_records_nothing():
    uploads = Uploads(60, 10**6)
    page = demo.build_page(MODEL, uploads)
    demo.build_app(page, uploads, frozenset())
    assert page.analytics_enabled is False
    assert page.run_history is False
    assert "fonts.googleapis" not in page.theme._get_theme_css()
    assert not page.theme._stylesheets


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "70000"], "argument --port: 70000 is not from 0 to 65535"),
        (["--port", "-1"], "argument --port: -1 is not from 0 to 65535"),
        (["--port", "http"], "argument --port: invalid whole number value: 'http'"),
        (["--uploads_mb", "0"], "argument --uploads_mb: 0 is not from 1 to 100000"),
        (["--margin", "nan"], "argument --margin: nan is not from 0 to 2"),
        (["--allow_host", "http://a.example"], "http://a.example is not a name as in"),
        (["--allow_host", "a b"], "a b is not a name as in"),
        (["--allow_host", "*"], "* is not a name as in"),
        (["--mod", "x"], "unrecognized arguments: --mod x"),
    ],
)
def test_a_wrong_value_ends_with_one_line(arguments, said):
    assert_one_line(ran(demo.main, *arguments), said)


@pytest.mark.parametrize("kind", ["taken", "no such name", "not of this machine", "empty"])
def test_where_it_cannot_listen_is_said_in_one_line(kind, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        hosts = {"no such name": "x.invalid", "not of this machine": "192.0.2.1", "empty": ""}
        host = hosts.get(kind, "127.0.0.1")
        assert_one_line(ran(demo.main, "--host", host, "--port", port), f"error: --host {host}")


@pytest.mark.parametrize("kind", ["missing", "no model", "no description"])
def test_a_model_that_cannot_be_used_ends_with_one_line(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    path = tmp_path / "model.keras"
    if kind == "no model":
        path.write_text("no model")
    if kind == "no description":
        save_model(compact_cnn(32, **ONE_BLOCK), path)
    assert_one_line(ran(demo.main, "--model", path), str(path))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_page(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    with opened_browser() as opened:
        yield opened


@pytest.fixture
def page(server, browser):
    """The page in a browser; whatever it asks from elsewhere, or goes wrong in it, fails."""
    opened = browser.new_page(viewport={"width": 1280, "height": 1000})
    asked, wrong = [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    opened.goto(server.address)
    opened.wait_for_selector("#photo input[type=file]", state="attached", timeout=60_000)
    yield opened
    opened.close()
    assert not wrong
    assert not [url for url in asked if not url.startswith((server.address, "data:", "blob:"))]


@pytest.mark.long
def test_browser_shows_the_astronauts_face_with_a_plausible_answer(page, photos, tmp_path):
    assert "For research only" in page.inner_text("body")
    said = send(page, photos / "astronaut.png")
    assert page.locator("#said article.face").count() == 1
    age, low, high = map(int, re.search(r"(\d+) years\s+90% interval: (\d+)–(\d+)", said).groups())
    assert 0 <= low <= age <= high <= 100
    assert re.search(r"(female|male), (5\d|[6-9]\d)%", said)
    assert page.locator("#said svg.curve polyline").count() == 1
    photo = page.locator("#drawn img.photo")
    assert photo.get_attribute("alt") == "the photo with 1 face marked"
    assert photo.evaluate("image => image.complete && image.naturalWidth") == 640
    page.screenshot(path=tmp_path / "page.png")  # to look at, where the test's folder is kept


@pytest.mark.long
def test_browser_shows_a_sentence_for_what_is_no_photo_or_has_no_face(page, photos):
    assert "cannot be read as a photo: not an image" in send(page, photos / "notes.jpg")
    page.click("#photo button[aria-label='Remove Image']")
    page.wait_for_selector("#said .sentence", state="detached")
    # A text file by its name is stopped by the page itself.
    page.set_input_files("#photo input[type=file]", photos / "notes.txt")
    page.wait_for_selector("text=/invalid file type/i", timeout=20_000)
    assert "No face was found" in send(page, photos / "coffee.jpg")
    assert page.locator("#said article.face").count() == 0
    page.click("#photo button[aria-label='Remove Image']")
    page.wait_for_selector("#said .sentence", state="detached")
    assert "years" in send(page, photos / "astronaut.png")  # the page goes on


@pytest.mark.long
def test_browser_takes_a_photo_with_the_camera(page):
    page.click("#photo button[aria-label='Capture from camera']")
    page.click("text=Click to Access Webcam")
    page.wait_for_function("document.querySelector('#photo video')?.videoWidth > 0")
    page.click("#photo button[aria-label='capture photo']")
    page.wait_for_selector("#said .sentence", timeout=60_000)
    assert "No face was found" in page.inner_text("#said")  # in Chromium's test picture
    assert page.locator("#drawn img.photo").count() == 1


@pytest.mark.long
def test_browser_tells_the_place_in_the_queue(page, server, photos):
    photo = {"path": json.loads(server.upload((photos / "astronaut.png").read_bytes()).body)[0]}
    with ThreadPoolExecutor(12) as pool:
        others = [pool.submit(server.answer, photo) for _ in range(12)]
        page.set_input_files("#photo input[type=file]", photos / "astronaut.png")
        place = page.wait_for_selector("#said .progress-text:has-text('queue')", timeout=20_000)
        assert re.search(r"queue: \d+/\d+ \|", place.inner_text())
        page.wait_for_selector("#said .faces", timeout=60_000)
        assert all("years" in other.result()[1] for other in others)


@pytest.mark.long
def test_twenty_uploads_at_once_are_all_answered_and_nothing_is_kept(server, photos):
    gradio_client = pytest.importorskip("gradio_client")
    same = [photos / "astronaut.png"] * 10
    names = [*same, *[photos / "coffee.jpg", photos / "notes.jpg"] * 5]

    def ask(path):
        client = gradio_client.Client(
            server.address, verbose=False, analytics_enabled=False, httpx_kwargs={"timeout": 120}
        )
        return client.predict(gradio_client.handle_file(path), api_name="/answer")[1]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, names))
    assert all("years</b>" in answer for answer in answers[:10])
    assert all("No face was found" in answer for answer in answers[10::2])
    assert all("cannot be read as a photo" in answer for answer in answers[11::2])
    assert server.process.poll() is None

    def kept():
        places = server.places.values()
        files = [path for place in places for path in place.rglob("*") if path.is_file()]
        # Keras and matplotlib write .json of their own.
        return [path for path in files if path.suffix != ".json"] or server.held_mb()

    assert wait_until(lambda: not kept(), 4 * KEPT_SECONDS), kept()


def photo_of(astronaut: np.ndarray, megapixels: int, number: int, suffix: str) -> bytes:
    """A photo with a face, each with other noise."""
    side = int((megapixels * 1e6) ** 0.5)
    image = cv2.resize(astronaut[..., ::-1], (side, side))
    image += np.random.default_rng(number).integers(0, 8, image.shape, dtype=np.uint8)
    return cv2.imencode(suffix, image)[1].tobytes()


@pytest.mark.long
@pytest.mark.parametrize(
    ("count", "megapixels", "suffix", "most_refused"),
    [(60, 12, ".jpg", 0), (16, 33, ".bmp", 12)],  # 99 MB each
)
def test_under_load_memory_is_bounded_and_returns(
    server, astronaut, capsys, count, megapixels, suffix, most_refused
):
    photos = [photo_of(astronaut, megapixels, number, suffix) for number in range(count)]
    server.answer({"path": json.loads(server.upload(photos[0], f"a{suffix}").body)[0]})
    assert wait_until(lambda: server.held_mb() == 0, 4 * KEPT_SECONDS)
    before = server.memory_mb()
    most = {"memory": 0.0, "held": 0.0}
    over = threading.Event()

    def watch():
        while not over.wait(0.05):
            most["memory"] = max(most["memory"], server.memory_mb())
            most["held"] = max(most["held"], server.held_mb())

    def ask(photo):
        start = time.monotonic()
        sent = server.upload(photo, f"a{suffix}")
        if sent.status != 200:
            return sent.body.decode(), 0
        said = server.answer({"path": json.loads(sent.body)[0]})[1]
        return said, time.monotonic() - start

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(ask, photos))
    returned = wait_until(lambda: server.held_mb() == 0, 4 * KEPT_SECONDS)
    over.set()
    watcher.join()
    after = server.memory_mb()
    refused = [said for said, _ in answers if "years</b>" not in said]
    seconds = sorted(seconds for _, seconds in answers if seconds)
    with capsys.disabled():
        print(
            f"\n{count} photos of {len(photos[0]) / 1e6:.0f} MB at once: {len(seconds)} answered, "
            f"after {seconds[len(seconds) // 2]:.0f} s (median), {len(refused)} refused; the "
            f"process {before:.0f} MB before, {most['memory']:.0f} at most, {after:.0f} after; "
            f"photos {most['held']:.0f} MB at most, {server.held_mb():.0f} after"
        )
    assert len(refused) <= most_refused
    assert set(refused) <= {f"{NO_ROOM}\n"}
    assert most["held"] <= demo.UPLOADS_MB
    assert returned
    assert most["memory"] < before + 1500
    assert after < before + 300


@pytest.mark.long
def test_photos_of_people_who_leave_the_queue_are_freed(server):
    data = photo_of(12, 0, ".jpg")
    leaving = []
    for _ in range(40):
        photo = {"path": json.loads(server.upload(data, "a.jpg").body)[0]}
        asked = server.ask("POST", f"{API}/call/answer", json.dumps({"data": [photo]}))
        event = json.loads(asked.body)["event_id"]
        leaving.append(http.client.HTTPConnection(server.host, timeout=60))
        leaving[-1].request("GET", f"{API}/call/answer/{event}")
    for connection in leaving:
        connection.close()
    start = time.monotonic()
    assert "years" in server.answer({"path": json.loads(server.upload(data, "a.jpg").body)[0]})[1]
    assert time.monotonic() - start < 20  # and did not wait for 40 answers
    assert wait_until(lambda: server.held_mb() == 0, 4 * KEPT_SECONDS)


@pytest.mark.long
def test_answers_that_nobody_fetches_are_forgotten(server, photos):
    data = (photos / "astronaut.png").read_bytes()
    before = server.memory_mb()
    for _ in range(20):
        photo = {"path": json.loads(server.upload(data).body)[0]}
        for _ in range(10):
            asked = server.ask("POST", f"{API}/call/answer", json.dumps({"data": [photo]}))
            if asked.status == 503:  # the queue is full
                time.sleep(1)
    assert wait_until(lambda: server.held_mb() == 0, 60)
    time.sleep(3 * KEPT_SECONDS)
    assert server.memory_mb() < before + 100


@pytest.mark.long
def test_the_page_ends_clean(server):
    memory = server.places["memory"]
    assert server.ask("GET", "/").status == 200
    assert len(list(memory.iterdir())) == 1
    listening = http.client.HTTPConnection(server.host, timeout=60)
    listening.request("GET", f"{API}/heartbeat/x")  # as an open page does
    assert listening.getresponse().status == 200
    server.process.send_signal(signal.SIGTERM)
    output, _ = server.process.communicate(timeout=30)
    assert server.process.returncode == 0
    assert list(memory.iterdir()) == []
    assert output == ""  # but for the line at its start
