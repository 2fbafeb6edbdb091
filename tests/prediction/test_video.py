"""The command on videos: what it answers, draws and writes."""

import csv
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from imdb_wiki.faces import detection
from imdb_wiki.models.intervals import age_interval
from imdb_wiki.prediction import drawn_video, faces
from imdb_wiki.prediction.output import COLUMNS
from imdb_wiki.prediction.video_output import VIDEO_COLUMNS
from tests.prediction import films
from tests.prediction.films import (
    BLUE,
    RED,
    film,
    find_squares,
    frame,
    read_film,
    rows_of,
    walk,
)
from tests.shared import files_of_at_most


@pytest.fixture
def predicted(predicted_on_films):
    return predicted_on_films


def test_each_person_is_one_line_one_row_and_one_element(run):
    film(Path("a.mp4"), walk(50))
    code, (title, first, second), errors = run("a.mp4", "--csv", "a.csv", "--json", "a.json")
    assert (code, errors) == (0, [])
    assert title.split() == [
        *("video", "person", "from", "s", "to", "s", "frames", "age", "90%", "interval", "gender")
    ]
    assert first.split() == ["a.mp4", "1", "0.0", "1.9", "16", "30.0", "28–32", "female", "90%"]
    assert second.split() == ["a.mp4", "2", "0.0", "1.9", "16", "60.0", "58–62", "male", "80%"]
    red, blue = rows_of("a.csv")
    assert (red["source"], red["track"], red["frames"], red["error"]) == ("a.mp4", "1", "16", "")
    assert (red["first_second"], red["last_second"]) == ("0.0", "1.88")
    assert (red["age_low_years"], red["age_high_years"]) == ("28.0", "32.0")
    assert (blue["gender"], blue["gender_probability"]) == ("male", "0.8")
    best = 25 * float(red["best_second"])  # its frame
    assert float(red["left"]) == pytest.approx(10 + 4 * best, abs=2)
    assert float(red["top"]) == pytest.approx(30, abs=2)
    (video,) = json.loads(Path("a.json").read_text())
    assert (video["video"], video["frames"], video["seconds"]) == ("a.mp4", 50, 2.0)
    assert (video["width"], video["height"], video["error"]) == (320, 240, None)
    for row, person in zip((red, blue), video["faces"], strict=True):
        assert {name: row[name] for name in person} == {n: str(v) for n, v in person.items()}


def test_the_interval_is_that_of_the_mean_distribution(run, monkeypatch):
    spread = np.zeros(101)
    spread[[20, 40]] = 0.5, 0.5
    searches = iter([30.0, 20.0, 40.0])
    single = {20: np.eye(101)[20], 40: np.eye(101)[40], 30: spread}

    def answer(images):
        age = next(searches)
        gender = np.array([[0.7, 0.3]])
        return {
            "age_years": np.array([[age]]),
            "gender": gender,
            "age_distribution": single[age][None],
        }

    model = faces.Predictor(answer, 32, films.PREDICTOR.framing, films.CONSTANTS)
    monkeypatch.setattr(faces, "load_predictor", lambda path, margin: model)
    film(Path("a.mp4"), [frame((RED, 50, 50))] * 3)
    run("a.mp4", "--csv", "a.csv", "--search_rate", 25)
    (row,) = rows_of("a.csv")
    low, high = age_interval(np.array([30.0]), spread[None], films.CONSTANTS)
    assert (row["age_years"], row["frames"]) == ("30.0", "3")
    assert float(row["age_low_years"]) == pytest.approx(low[0], abs=0.05)
    assert float(row["age_high_years"]) == pytest.approx(high[0], abs=0.05)


@pytest.mark.parametrize(("fps", "size"), [(25, (640, 480)), (29.97, (640, 480)), (60, (641, 481))])
def test_the_drawn_video_has_the_frames_the_speed_and_the_size_of_the_other(run, fps, size):
    images = [frame((RED, 40 + 2 * k, 60), size=size) for k in range(40)]
    film(Path("a.avi"), images, fps=fps, kind="MJPG")
    code, _, errors = run("a.avi", "--output_dir", "drawn")
    assert (code, errors) == (0, [])
    assert [path.name for path in Path("drawn").iterdir()] == ["a.mp4"]
    drawn, drawn_fps = read_film(Path("drawn", "a.mp4"))
    assert (len(drawn), drawn_fps) == (40, pytest.approx(fps, abs=0.01))
    assert drawn[0].shape == (480, 640, 3)
    for k in range(0, 40, 3):  # the box goes with the face, between two searches too
        changed = cv2.absdiff(drawn[k], images[k][:480, :640]).max(axis=2) > 90
        columns = np.nonzero(changed[75:90].any(axis=0))[0]
        assert columns.min() == pytest.approx(40 + 2 * k, abs=4)
        assert columns.max() == pytest.approx(80 + 2 * k, abs=4)
        assert changed[:, :250].sum() == changed.sum()  # and its label


@pytest.mark.parametrize("task", ["age", "gender"])
def test_a_network_for_one_task_draws_no_other_answer(run, monkeypatch, task):
    outputs = {"age": ("age_years", "age_distribution"), "gender": ("gender",)}[task]
    constants = films.CONSTANTS if task == "age" else None
    model = faces.Predictor(
        lambda images: {name: films.answer(images)[name] for name in outputs},
        *(32, films.PREDICTOR.framing, constants),
    )
    monkeypatch.setattr(faces, "load_predictor", lambda path, margin: model)
    texts, draw = set(), drawn_video.draw_faces
    monkeypatch.setattr(
        drawn_video, "draw_faces", lambda *of: texts.update(map(tuple, of[2])) or draw(*of)
    )
    film(Path("a.mp4"), [frame((RED, 100, 100), size=(640, 480))] * 5)
    code, lines, errors = run("a.mp4", "--output_dir", "drawn", "--csv", "a.csv")
    assert (code, errors) == (0, []) and "None" not in lines[1]
    assert texts == {("1: 30 years (28–32)",) if task == "age" else ("1: female 90%",)}
    (row,) = rows_of("a.csv")
    assert (row["age_years"], row["gender"]) == (("30.0", "") if task == "age" else ("", "female"))
    assert len(read_film(Path("drawn/a.mp4"))[0]) == 5


def test_faces_are_searched_for_eight_times_a_second_whatever_the_rate(run, monkeypatch):
    for fps, count in ((25, 8), (60, 8), (5, 5)):
        searched = []
        monkeypatch.setattr(
            faces, "detect_faces", lambda image, to=searched: to.append(1) or find_squares(image)
        )
        film(Path("a.mp4"), [frame((RED, 50, 50))] * fps, fps=fps)
        assert run("a.mp4", "--csv", "-")[0] == 0
        assert len(searched) == count


def test_a_cut_makes_nobody_the_same(run):
    scenes = [frame((RED, 100, 100), ground=1)] * 20 + [frame((BLUE, 100, 100), ground=2)] * 20
    film(Path("a.mp4"), scenes)
    assert run("a.mp4", "--csv", "a.csv")[0] == 0
    red, blue = rows_of("a.csv")
    assert (red["age_years"], red["last_second"]) == ("30.0", "0.76")
    assert (blue["age_years"], blue["first_second"]) == ("60.0", "0.8")  # searched at the cut


def test_photos_and_videos_are_answered_in_the_order_they_are_given(run):
    photo = frame((BLUE, 50, 50))
    cv2.imwrite("b.png", photo[..., ::-1])
    film(Path("a.mp4"), walk(20))
    film(Path("c.mp4"), [frame()] * 5)
    code, lines, errors = run(
        *("a.mp4", "b.png", "c.mp4", "gone.mp4", "--output_dir", "drawn"),
        *("--csv", "a.csv", "--json", "a.json"),
    )
    assert (code, errors) == (0, [])
    assert [line.split()[0] for line in lines] == [
        *("video", "a.mp4", "a.mp4", "photo", "b.png", "video", "c.mp4", "gone.mp4")
    ]
    assert lines[-2].endswith("  no face found")
    assert lines[-1].endswith("  no such file")
    rows = rows_of("a.csv")
    assert [(row["source"], row["track"], row["error"]) for row in rows] == [
        *(("a.mp4", "1", ""), ("a.mp4", "2", ""), ("b.png", "", "")),
        *(("c.mp4", "", "no face found"), ("gone.mp4", "", "no such file")),
    ]
    assert rows[2]["age_years"] == "60.0"
    listed = json.loads(Path("a.json").read_text())
    assert [one["photo"] or one["video"] for one in listed] == [
        *("a.mp4", "b.png", "c.mp4", "gone.mp4")
    ]
    assert sorted(path.name for path in Path("drawn").iterdir()) == ["a.mp4", "b.jpg", "c.mp4"]


def test_of_a_folder_photos_only_are_answered_as_without_videos(run):
    Path("mixed").mkdir()
    cv2.imwrite("mixed/b.png", frame((BLUE, 50, 50)))
    film(Path("mixed/a.mp4"), walk(20))
    code, lines, errors = run("mixed", "--csv", "a.csv")
    assert (code, len(lines), errors) == (0, 2, [])
    assert [row["photo"] for row in rows_of("a.csv", COLUMNS)] == ["b.png"]


def test_a_video_that_is_none_ends_with_one_line(refused):
    Path("a.mp4").write_text("no video")
    error = refused("a.mp4", "--csv", "a.csv", "--output_dir", "drawn")
    assert error == "error: a.mp4: not a video, or cut before its end"
    assert not Path("a.csv").exists()


def test_several_of_which_none_can_be_read_is_exit_code_2(run):
    Path("a.mp4").write_text("no video")
    code, lines, errors = run("a.mp4", "b.mov")
    assert (code, len(lines)) == (2, 3)
    assert errors == ["error: none of 2 files can be read"]


def test_of_a_video_that_breaks_off_all_that_was_seen_is_written_and_said(run):
    data = film(Path("a.avi"), walk(50), kind="MJPG").read_bytes()
    Path("a.avi").write_bytes(data[: len(data) // 2])
    code, lines, errors = run("a.avi", "--csv", "a.csv", "--output_dir", "drawn")
    assert (code, errors) == (0, [])
    assert lines[-1].startswith("a.avi  it ends after ")
    assert lines[-1].endswith(" of 2.0 seconds: cut or damaged")
    red, blue, why = rows_of("a.csv")
    assert (red["age_years"], blue["age_years"]) == ("30.0", "60.0")
    assert lines[-1].endswith(why["error"])
    assert 10 < len(read_film(Path("drawn/a.mp4"))[0]) < 40


def test_a_video_of_somebody_else_is_not_written_over(run):
    before = film(Path("a.mp4"), [frame((RED, 50, 50), size=(640, 480))] * 5).read_bytes()
    foreign = film(Path("a-2.mp4"), [frame()] * 3).read_bytes()
    for _ in range(2):  # what an earlier run drew is replaced
        assert run("a.mp4", "--output_dir", ".")[0] == 0
        names = sorted(path.name for path in Path().iterdir())
        assert names == ["a-2.mp4", "a-3.mp4", "a.mp4"]
    assert (Path("a.mp4").read_bytes(), Path("a-2.mp4").read_bytes()) == (before, foreign)
    assert len(read_film(Path("a-3.mp4"))[0]) == 5


def test_the_detector_finds_a_real_face_that_moves(run, monkeypatch, astronaut):
    monkeypatch.setattr(faces, "detect_faces", detection.detect_faces)
    moved = [np.ascontiguousarray(astronaut[:300, 100 - 4 * k : 420 - 4 * k]) for k in range(20)]
    film(Path("a.mp4"), moved)
    assert run("a.mp4", "--csv", "a.csv")[0] == 0
    (row,) = rows_of("a.csv")
    assert row["frames"] == "7"
    best = 25 * float(row["best_second"])
    assert float(row["left"]) == pytest.approx(182 - 100 + 4 * best, abs=11)  # see test_detection
    assert float(row["bottom"]) == pytest.approx(175, abs=11)


@pytest.mark.parametrize("columns", [COLUMNS, (*VIDEO_COLUMNS, "my notes")])
def test_a_table_of_another_kind_is_not_written_over(refused, columns):
    film(Path("a.mp4"), walk(3))
    Path("a.csv").write_text(",".join(columns) + "\n")
    assert "is not an earlier table of persons in videos" in refused("a.mp4", "--csv", "a.csv")


def test_on_a_full_disk_no_video_is_cut_and_the_rest_is_written(run):
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 1), dtype="uint8")
    film(Path("a.mp4"), [np.repeat(noise, 3, axis=2)] * 20)
    with files_of_at_most(20_000):
        code, lines, errors = run("a.mp4", "--csv", "a.csv", "--output_dir", "drawn")
    assert (code, len(lines)) == (2, 2)
    assert errors == ["error: drawn/a.mp4: it could not be written to its end: is the disk full?"]
    assert list(Path("drawn").iterdir()) == []
    assert rows_of("a.csv")[0]["error"] == "no face found"


def test_where_no_video_can_be_written_one_line_says_so(run):
    film(Path("a.mp4"), walk(5))
    Path("drawn/a.mp4").mkdir(parents=True)
    Path("drawn/a-2.mp4.imdb_wiki.part.mp4").mkdir()
    code, lines, errors = run("a.mp4", "--output_dir", "drawn")
    assert (code, len(lines)) == (2, 3)
    assert errors == ["error: drawn/a-2.mp4.imdb_wiki.part.mp4: Is a directory"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--camera", "-1"],
        ["--camera", "front"],
        ["a.mp4", "--seconds", "0"],
        ["a.mp4", "--frames", "0"],
        ["a.mp4", "--search_rate", "0"],
        ["--camera", "0", "--crops"],
        ["a.mp4", "--crops"],
    ],
)
def test_a_wrong_command_line_is_one_line(refused, arguments):
    film(Path("a.mp4"), walk(3))
    refused(*arguments)


def test_answers_can_go_to_the_screen_alone(run):
    film(Path("a.mp4"), walk(20))
    code, lines, errors = run("a.mp4", "--csv", "-")
    assert (code, errors) == (0, [])
    assert len(list(csv.DictReader(io.StringIO("\n".join(lines))))) == 2
