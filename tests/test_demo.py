import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Lock

import keras
import numpy as np
import pytest
import skimage.data
from PIL import Image

from imdb_wiki import demo
from imdb_wiki.demo_results import SHOWN_FACES, curve_svg, faces_html, photo_html
from imdb_wiki.detection import Box
from imdb_wiki.framing import Framing
from imdb_wiki.networks import compact_cnn
from imdb_wiki.prediction import Face, Predictor
from imdb_wiki.training import save_model
from tests.conftest import REPOSITORY
from tests.test_prediction import write_card

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    # A camera that shows a test picture, and needs no permission.
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)
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
def photos(tmp_path_factory) -> Path:
    """A folder of what people may send."""
    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(skimage.data.astronaut()).save(folder / "astronaut.png")
    Image.fromarray(skimage.data.coffee()).save(folder / "coffee.jpg")
    (folder / "notes.txt").write_text("no photo")
    (folder / "notes.jpg").write_text("no photo, whatever its name says")
    return folder


def test_a_photo_is_answered_with_boxes_and_a_card_a_face(photos):
    drawn, said = demo.answer(str(photos / "astronaut.png"), MODEL, Lock())
    assert 'alt="the photo with 1 face marked"' in drawn
    assert said.count('<article class="face">') == 1
    assert "<b>33 years</b>" in said
    assert "90% interval: 29–37" in said  # 33 ± 4 (0 + 1)
    assert "female, 80%" in said


def test_a_photo_without_a_face_is_shown_with_a_sentence(photos):
    drawn, said = demo.answer(str(photos / "coffee.jpg"), MODEL, Lock())
    assert "no face marked" in drawn
    assert "No face was found" in said


@pytest.mark.parametrize(("name", "why"), [("notes.jpg", "not an image"), ("gone", "no such file")])
def test_what_is_no_photo_is_said_in_a_sentence(photos, name, why):
    drawn, said = demo.answer(str(photos / name), MODEL, Lock())
    assert drawn == ""
    assert f"This file cannot be read as a photo: {why}." in said


def test_a_photo_that_is_taken_away_takes_its_answer_with_it():
    assert demo.answer(None, MODEL, Lock()) == ("", "")


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
    page = demo.build_page(MODEL)
    assert page.analytics_enabled is False
    assert page.delete_cache == (15, 60)
    options = demo.launch_options("127.0.0.1", 7860)
    assert options["share"] is False
    assert options["run_history"] is False
    assert "fonts.googleapis" not in options["theme"]._get_theme_css()
    assert not options["theme"]._stylesheets


@pytest.mark.parametrize("kind", ["missing", "no model", "no card"])
def test_a_model_that_cannot_be_used_ends_with_one_line(kind, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    path = tmp_path / "model.keras"
    if kind == "no model":
        path.write_text("no model")
    if kind == "no card":
        save_model(compact_cnn(32, 4, stage_filters=(8,), stage_blocks=(1,)), path)
    assert demo.main(["--model", str(path)]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert str(path) in errors


def free_port() -> int:
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


KEPT_SECONDS = 8  # instead of 60, so that the test need not wait so long


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The page as a person starts it; gives its address, its process and its folders."""
    folder = tmp_path_factory.mktemp("server")
    keras.utils.set_random_seed(0)
    model_path = folder / "model" / "compact.keras"
    save_model(compact_cnn(32, 4, stage_filters=(8,), stage_blocks=(1,)), model_path)
    write_card(model_path.with_suffix(".json"))
    places = {name: folder / name for name in ("HOME", "TMPDIR", "memory")}
    for place in places.values():
        place.mkdir()
    port = free_port()
    start = (
        f"import sys; from imdb_wiki import demo; demo.KEPT_SECONDS = {KEPT_SECONDS}; "
        f"demo.MEMORY_DIR = {str(places['memory'])!r}; "
        f"sys.exit(demo.main(['--model', {str(model_path)!r}, '--port', '{port}']))"
    )
    environment = os.environ | {name: str(places[name]) for name in ("HOME", "TMPDIR")}
    process = subprocess.Popen(
        [sys.executable, "-c", start], cwd=REPOSITORY, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(address, timeout=5).close()
                break
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.5)
        yield address, process, places
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.is_file():
        pytest.skip(f"no {CHROMIUM}: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture
def page(server, browser):
    """The page in a browser; whatever it asks from elsewhere, or goes wrong in it, fails."""
    opened = browser.new_page(viewport={"width": 1280, "height": 1000})
    asked, wrong = [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto(server[0])
    opened.wait_for_selector("#photo input[type=file]", state="attached", timeout=60_000)
    yield opened
    opened.close()
    assert not wrong
    assert not [url for url in asked if not url.startswith((server[0], "data:", "blob:"))]


def send(page, path: Path) -> str:
    """Uploads a file; returns what the page then says."""
    page.set_input_files("#photo input[type=file]", path)
    page.wait_for_selector("#said .sentence, #said .faces", timeout=60_000)
    return page.inner_text("#said")


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
def test_twenty_uploads_at_once_are_all_answered_and_nothing_is_kept(server, photos):
    gradio_client = pytest.importorskip("gradio_client")
    address, process, places = server
    same = [photos / "astronaut.png"] * 10  # Gradio gives equal files one path
    names = [*same, *[photos / "coffee.jpg", photos / "notes.jpg"] * 5]

    def ask(path):
        client = gradio_client.Client(
            address, verbose=False, analytics_enabled=False, httpx_kwargs={"timeout": 120}
        )
        return client.predict(gradio_client.handle_file(path), api_name="/answer")[1]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, names))
    assert all("years</b>" in answer for answer in answers[:10])
    assert all("No face was found" in answer for answer in answers[10::2])
    assert all("cannot be read as a photo" in answer for answer in answers[11::2])
    assert process.poll() is None

    def kept():
        files = [path for place in places.values() for path in place.rglob("*") if path.is_file()]
        return [path for path in files if path.suffix != ".json"]  # of Keras and matplotlib

    end = time.monotonic() + 4 * KEPT_SECONDS
    while kept() and time.monotonic() < end:
        time.sleep(0.5)
    assert kept() == []


@pytest.mark.long
def test_the_page_ends_clean(server, photos):
    address, process, places = server
    with urllib.request.urlopen(address) as answer:
        assert answer.status == 200
    assert len(list(places["memory"].iterdir())) == 1
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert list(places["memory"].iterdir()) == []
    assert output.strip() == f"{address} - Ctrl-C ends it"
