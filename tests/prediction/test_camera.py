"""A camera, a window and Ctrl-C: what ends a video early."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from imdb_wiki.prediction import answering, footage
from tests.conftest import REPOSITORY
from tests.prediction.films import RED, Capture, film, frame, read_film, rows_of, walk
from tests.shared import assert_one_line, ended


@pytest.fixture
def predicted(predicted_on_films):
    return predicted_on_films


@pytest.fixture
def camera(monkeypatch):
    """Puts in a camera that gives these pictures, 20 a second by its own clock."""
    video_capture = cv2.VideoCapture

    def put_in(images):
        clock = iter(k / 20 for k in range(10**9))
        monkeypatch.setattr(footage.time, "monotonic", lambda: next(clock))
        capture = Capture(images)
        monkeypatch.setattr(
            cv2, "VideoCapture", lambda *of: capture if of == (0,) else video_capture(*of)
        )
        return capture

    return put_in


@pytest.mark.parametrize(("limit", "count"), [(("--frames", 40), 40), (("--seconds", 1.5), 31)])
def test_a_camera_without_end_is_ended_by_a_limit(run, camera, limit, count):
    def endless():
        while True:
            yield frame((RED, 50, 50), size=(640, 480))[..., ::-1].copy()

    capture = camera(endless())
    code, lines, errors = run("--camera", 0, *limit, "--csv", "a.csv", "--output_dir", "drawn")
    assert (code, errors, len(lines)) == (0, [], 2)
    (row,) = rows_of("a.csv")
    assert (row["source"], row["age_years"]) == ("camera 0", "30.0")
    assert capture.released
    drawn, fps = read_film(Path("drawn/camera 0.mp4"))
    seconds = (count - 1) / 20  # between the first picture and the last
    assert len(drawn) / fps == pytest.approx(seconds, abs=0.2)  # at the speed of the day


def test_a_camera_that_ends_is_said(run, camera):
    camera([frame((RED, 50, 50))[..., ::-1].copy()] * 30)
    code, lines, _ = run("--camera", 0)
    assert (code, len(lines)) == (0, 3)
    assert lines[-1].startswith("camera 0  the camera ended after 1.")


def test_no_camera_is_one_line(refused):
    assert "camera 99: there is no such camera" in refused("--camera", 99, "--output_dir", "drawn")


def test_without_a_screen_show_says_so_and_the_rest_goes_on(run, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    film(Path("a.mp4"), walk(20))
    code, lines, (error,) = run("a.mp4", "--show")
    assert (code, len(lines)) == (0, 3)
    assert error.startswith("--show: there is no window: ")


def test_a_window_that_is_closed_ends_the_video(run, monkeypatch):
    class Window:
        def __init__(self, title):
            self.is_open, self.shown = True, []

        def show(self, image):
            self.shown.append(image)
            self.is_open = len(self.shown) < 9

        def close(self):
            self.is_open = False

    monkeypatch.setattr(answering, "Window", Window)
    film(Path("a.mp4"), walk(50))
    code, lines, errors = run("a.mp4", "--show", "--json", "a.json")
    assert (code, len(lines), errors) == (0, 3, [])
    (video,) = json.loads(Path("a.json").read_text())
    assert video["frames"] < 15


def test_ctrl_c_ends_a_video_with_everything_written(tmp_path):
    film(tmp_path / "a.mp4", walk(50) * 60)  # a cut every two seconds, for two minutes
    command = [sys.executable, "-m", "tests.prediction.films", tmp_path / "a.mp4"]
    begun = subprocess.Popen(
        [*command, "--csv", tmp_path / "a.csv", "--output_dir", tmp_path / "drawn"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    partial = tmp_path / "drawn" / "a.mp4.imdb_wiki.part.mp4"
    while not (partial.exists() and partial.stat().st_size > 100_000):
        assert begun.poll() is None
        time.sleep(0.05)
    begun.send_signal(signal.SIGINT)
    done = ended(begun)
    assert assert_one_line(done, code=130) == "stopped; what was answered is written"
    rows = rows_of(tmp_path / "a.csv")
    assert len(done.stdout.splitlines()) == 1 + len(rows)
    assert {row["age_years"] for row in rows} == {"30.0", "60.0"}
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["a.mp4"]
    drawn, fps = read_film(tmp_path / "drawn" / "a.mp4")
    assert 10 < len(drawn) < 3000
    assert max(float(row["last_second"]) for row in rows) <= len(drawn) / fps
