import math
import struct
import wave

import cv2
import numpy as np
import pytest

from imdb_wiki.prediction import footage
from imdb_wiki.prediction.footage import UnreadableVideoError, open_camera, open_video
from tests.prediction.films import BLUE, RED, Capture, film, find_squares, frame, walk


def times_of(video, **limits):
    return [round(frame.second, 6) for frame in video.frames(**limits)]


def test_a_video_gives_its_pictures_and_their_times(tmp_path):
    images = walk(30)
    with open_video(film(tmp_path / "a.mp4", images, fps=12.5)) as video:
        assert (video.width, video.height, video.fps, video.count) == (320, 240, 12.5, 30)
        frames = list(video.frames())
    assert [frame.second for frame in frames] == pytest.approx([k / 12.5 for k in range(30)])
    assert (video.frames_read, video.seconds, video.error) == (30, pytest.approx(2.4), "")
    for given, read in zip(images, frames, strict=True):
        assert read.image.shape == (240, 320, 3)
        assert np.abs(given.astype(int) - read.image).mean() < 8  # RGB, not BGR


def turned(path, quarter_turns):
    """Marks an MP4 as filmed by a camera that lay on its side."""
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 4 + 40
    cos, sin = (
        round(math.cos(quarter_turns * math.pi / 2)),
        round(math.sin(quarter_turns * math.pi / 2)),
    )
    one = 1 << 16
    data[at : at + 36] = struct.pack(
        ">9i", cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 1 << 30
    )
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_rotation_mark_is_honoured(tmp_path, quarter_turns):
    upright = frame((RED, 20, 30), (BLUE, 260, 120))
    filmed = np.rot90(upright, quarter_turns)  # rot90 turns against the clock
    with open_video(turned(film(tmp_path / "a.mp4", [filmed] * 3), quarter_turns)) as video:
        assert (video.width, video.height) == (320, 240)
        (first, *_) = video.frames()
    assert [found.box for found in find_squares(first.image)] == [
        pytest.approx((20, 30, 60, 70), abs=2),
        pytest.approx((260, 120, 300, 160), abs=2),
    ]


def sound(path):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16_000))


def cut_mp4(path):
    data = film(path, walk(30)).read_bytes()
    path.write_bytes(data[: len(data) // 2])  # without the index at its end


def no_frames(path):
    cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (64, 64)).release()


UNREADABLE = {
    "empty": (lambda path: path.write_bytes(b""), "the file is empty"),
    "text": (lambda path: path.write_text("hello\n" * 100), "not a video"),
    "cut": (cut_mp4, "not a video, or cut before its end"),
    "sound": (sound, "not a video"),
    "no frames": (no_frames, "not a video"),
    "folder": (lambda path: path.mkdir(), "a folder, not a video"),
    "gone": (lambda path: None, "no such file"),
    "loop": (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_is_no_video_says_why(tmp_path, kind, capfd):
    make, said = UNREADABLE[kind]
    make(tmp_path / "a.mp4")
    with pytest.raises(UnreadableVideoError, match=said):
        open_video(tmp_path / "a.mp4")
    assert capfd.readouterr() == ("", "")  # FFmpeg's own words stay inside


def test_a_name_that_is_no_utf_8_is_said(tmp_path):
    path = tmp_path / "b\udcff.mp4"
    film(tmp_path / "a.mp4", walk(2)).rename(path)
    with pytest.raises(UnreadableVideoError, match="not UTF-8"):
        open_video(path)


def test_a_name_is_no_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    film(tmp_path / "a.mp4", walk(2)).rename(tmp_path / "concat:b %03d?.mp4")
    with open_video(tmp_path.relative_to(tmp_path) / "concat:b %03d?.mp4") as video:
        assert len(times_of(video)) == 2


@pytest.mark.parametrize(("name", "kind"), [("a.avi", "MJPG"), ("a.mkv", "mp4v")])
def test_of_a_video_that_breaks_off_the_beginning_is_read(tmp_path, name, kind, capfd):
    path = film(tmp_path / name, walk(50), kind=kind)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with open_video(path) as video:
        assert 10 < len(times_of(video)) < 40
    assert video.error == f"it ends after {video.seconds:.1f} of 2.0 seconds: cut or damaged"
    assert capfd.readouterr() == ("", "")


def test_a_decoder_that_fails_ends_the_video():
    video = footage.Footage("a", Capture([frame()] * 5 + [cv2.error("bad")], count=50))
    assert len(times_of(video)) == 5
    assert "cut or damaged" in video.error


def test_limits_end_a_video_and_are_no_damage(tmp_path):
    path = film(tmp_path / "a.mp4", walk(30))
    for limits, count in (
        ({"most_frames": 7}, 7),
        ({"most_seconds": 0.4}, 10),
        ({"most_frames": 20, "most_seconds": 0.4}, 10),
        ({"most_frames": 99}, 30),
    ):
        with open_video(path) as video:
            assert video.frames_expected(*(limits.get(n) for n in ("most_frames", "most_seconds")))
            assert len(times_of(video, **limits)) == count
            assert video.error == ""


def test_uneven_times_are_kept_and_damaged_ones_are_made_good():
    def times(*milliseconds):
        return times_of(footage.Footage("a", Capture([frame()] * len(milliseconds), milliseconds)))

    assert times(500, 540, 900, 910) == [0, 0.04, 0.4, 0.41]
    assert times(0, 0, 0, 0) == [0, 0.04, 0.08, 0.12]  # a format without times
    assert times(0, 40, 20, 60) == [0, 0.04, 0.08, 0.12]  # back, and on
    assert times(0, 40, 9e9, 9e9 + 40) == [0, 0.04, 0.08, 0.12]


@pytest.mark.parametrize("said", [0.0, -1.0, 90_000.0, math.nan])
def test_a_rate_that_cannot_be_is_not_believed(said):
    video = footage.Footage("a", Capture([frame()], fps=said, count=100))
    assert (video.fps, video.count) == (footage.USUAL_FPS, None)


def test_a_camera_keeps_the_time_of_day(monkeypatch):
    clock = iter([5.0, 6.0, 100.0, 100.0, 100.1, 100.4, 101.0])
    monkeypatch.setattr(footage.time, "monotonic", lambda: next(clock))
    capture = Capture([frame()] * 5)
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: capture)
    with open_camera(0) as camera:
        assert (camera.name, camera.count) == ("camera 0", None)
        assert times_of(camera) == [0, 0.1, 0.4, 1.0]
    assert camera.error.startswith("the camera ended after 1.")
    assert capture.released


def test_where_no_camera_is_one_line_says_so(monkeypatch, capfd):
    with pytest.raises(UnreadableVideoError, match="no such camera"):
        open_camera(99)
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: Capture([]))
    with pytest.raises(UnreadableVideoError, match="gives no picture"):
        open_camera(0)
    assert capfd.readouterr() == ("", "")
