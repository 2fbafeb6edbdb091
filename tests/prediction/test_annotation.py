from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import ImageColor

from imdb_wiki.faces.detection import Box
from imdb_wiki.plots.style import GENDER_COLOURS
from imdb_wiki.prediction import annotation
from imdb_wiki.prediction.annotation import DrawnPhotos, draw_faces, label_of
from imdb_wiki.prediction.faces import Face

# As in the plots: who reads both sees one colour for one label.
ORANGE, BLUE = (ImageColor.getrgb(GENDER_COLOURS[name]) for name in ("female", "male"))


def face(box, gender="female", age_years=31.4, low=24.6, high=40.2, probability=0.98) -> Face:
    return Face(0, Box(*box), 0.99, age_years, low, high, gender, probability)


def test_a_label_says_age_interval_and_gender():
    assert label_of(face((0, 0, 1, 1))) == ["31 years (25–40)", "female 98%"]
    assert label_of(face((0, 0, 1, 1), "male", 5.6, None, None, 0.9999)) == ["6 years", "male 99%"]
    only = replace(face((0, 0, 1, 1)), gender=None, gender_probability=None)
    assert label_of(only) == ["31 years (25–40)"]
    only = replace(face((0, 0, 1, 1)), age_years=None, age_low_years=None, age_high_years=None)
    assert label_of(only) == ["female 98%"]


def coloured(picture: np.ndarray, colour: tuple) -> np.ndarray:
    return np.all(picture == colour, axis=2)


def label_height(picture: np.ndarray, colour: tuple) -> int:
    """Rows of the label's block, in which most of some run of pixels is its colour."""
    return int((coloured(picture, colour).sum(axis=1) > picture.shape[1] * 0.04).sum())


@pytest.mark.parametrize("side", [40, 300, 1000, 4000])
def test_letters_are_readable_at_any_size_of_photo(side):
    photo = np.full((side, side, 3), 128, "uint8")
    picture = draw_faces(photo, [face(np.array((0.4, 0.4, 0.55, 0.6)) * side)])
    height, width = picture.shape[:2]
    assert height == width == max(side, annotation.LEAST_SIDE)
    # Two lines of letters. Shown at 1,000 pixels, they have 14 or more.
    assert label_height(picture, ORANGE) / height > 2 * 0.014


def test_a_small_face_in_a_large_photo_is_labelled_as_readably():
    photo = np.full((3000, 4000, 3), 128, "uint8")
    picture = draw_faces(photo, [face((2000, 1500, 2030, 1540), "male")])
    assert label_height(picture, BLUE) > 2 * 0.014 * 4000


def test_the_box_is_drawn_where_the_face_is_and_the_photo_is_kept():
    photo = np.full((800, 1000, 3), 128, "uint8")
    picture = draw_faces(photo, [face((300, 400, 500, 600))])
    assert photo.min() == photo.max() == 128
    drawn = coloured(picture, ORANGE)
    for row, column in ((500, 300), (500, 500), (400, 400), (600, 400)):
        assert drawn[row - 3 : row + 4, column - 3 : column + 4].any()
    assert not drawn[410:590, 310:490].any()  # the face itself is free
    assert not drawn[610:].any()


@pytest.mark.parametrize(
    "box",
    [(0, 0, 90, 100), (910, 700, 1000, 800), (-40, 300, 60, 420), (0, 0, 1000, 800)],
)
def test_a_label_stays_inside_the_photo(box):
    picture = draw_faces(np.full((800, 1000, 3), 128, "uint8"), [face(box)])
    drawn = coloured(picture, ORANGE)
    rows = np.flatnonzero(drawn.sum(axis=1) > 60)
    columns = np.flatnonzero(drawn.sum(axis=0) > 20)
    assert len(rows) > 20
    assert len(columns) > 60


def test_labels_of_neighbours_do_not_cover_each_other():
    photo = np.full((800, 1000, 3), 128, "uint8")
    faces = [
        face((100 + 100 * number, 300, 190 + 100 * number, 400), "male" if number % 2 else "female")
        for number in range(6)
    ]
    alone = [draw_faces(photo, [one]) for one in faces]
    together = draw_faces(photo, faces)
    for colour, name in ((ORANGE, "female"), (BLUE, "male")):
        wanted = sum(
            coloured(picture, colour).sum()
            for picture, one in zip(alone, faces, strict=True)
            if one.gender == name
        )
        # Hidden labels would lose a third; neighbouring boxes hide some pixels of each other.
        assert coloured(together, colour).sum() > 0.9 * wanted


def test_no_face_leaves_a_photo_as_it_is():
    photo = np.random.default_rng(0).integers(0, 256, (700, 900, 3), dtype="uint8")
    assert np.array_equal(draw_faces(photo, []), photo)


def test_drawn_photos_keep_their_names_inside_the_folder(tmp_path):
    photo = np.full((700, 900, 3), 50, "uint8")
    drawn = DrawnPhotos(tmp_path / "out", [tmp_path / "out" / "taken.jpg"])
    names = ["a/b.png", "a/b.jpg", "../c.png", "/etc/d.jpeg", "taken.png", "no suffix"]
    paths = [drawn.write(name, photo, []) for name in names]
    assert [str(path.relative_to(tmp_path / "out")) for path in paths] == [
        *("a/b.jpg", "a/b-2.jpg", "c.jpg", "d.jpg", "taken-2.jpg", "no suffix.jpg")
    ]
    assert cv2.imread(str(paths[0])).shape == (700, 900, 3)
