"""Which of several faces is the labelled one; with a detector that answers what a test says."""

import numpy as np
import pytest

from imdb_wiki.faces import choosing
from imdb_wiki.faces.choosing import NoChipError, labelled_chip, labelled_face
from imdb_wiki.faces.detection import Box, Detection, detect_faces
from imdb_wiki.faces.framing import Chip, Framing

PHOTO = np.zeros((400, 600, 3), "uint8")  # its middle is at (300, 200)


def face(middle_x, middle_y, side):
    half = side / 2
    box = Box(middle_x - half, middle_y - half, middle_x + half, middle_y + half)
    return Detection(box, 0.99, Chip(*box[:2], side))


@pytest.fixture
def found(monkeypatch):
    faces = []
    monkeypatch.setattr(choosing, "detect_faces", lambda image: sorted(faces))
    return faces


def chosen(found, faces, box=None):
    found[:] = faces
    return labelled_chip(PHOTO, box).side


def test_the_face_nearest_to_the_middle_is_the_labelled_one(found):
    assert chosen(found, [face(40, 40, 61)]) == 61  # however far, if it is the only one
    assert chosen(found, [face(500, 200, 90), face(310, 210, 80)]) == 80
    assert chosen(found, [face(310, 210, 80), face(500, 200, 90)]) == 80
    assert chosen(found, [face(310, 200, 80), face(330, 200, 39)]) == 80  # the other is small


@pytest.mark.parametrize("box", [None, Box(0, 0, 600, 400)])
def test_without_a_clear_one_the_photo_is_left_out(found, box):
    pair = [face(260, 200, 80), face(345, 200, 80)]
    with pytest.raises(NoChipError, match="several_faces: 2, and it is not clear"):
        chosen(found, pair, box)
    with pytest.raises(NoChipError, match="face_not_found"):
        chosen(found, [], box)


def test_the_border_of_what_is_clear(found):
    first = face(300, 200, 80)
    assert chosen(found, [first, face(341, 200, 79)]) == 80  # farther by more than half a side
    with pytest.raises(NoChipError):
        chosen(found, [first, face(340, 200, 79)])
    assert chosen(found, [first, face(340, 200, 39)]) == 80  # less than half as large
    with pytest.raises(NoChipError):
        chosen(found, [first, face(340, 200, 40)])


def test_a_labelled_box_decides_and_no_face_outside_of_it_is_taken(found):
    faces = [face(300, 200, 80), face(520, 100, 60)]
    assert chosen(found, faces, Box(490, 70, 550, 130)) == 60
    assert chosen(found, faces, Box(260, 160, 340, 240)) == 80
    with pytest.raises(NoChipError, match="face_not_found: none near the labelled box"):
        chosen(found, faces, Box(0, 300, 60, 360))
    assert chosen(found, faces, Box(520, 70, 580, 130)) == 60  # 30 pixels off, half of its side
    with pytest.raises(NoChipError):
        chosen(found, faces, Box(521, 70, 581, 130))


def test_the_crop_is_what_the_network_gets_in_use(astronaut):
    crop = labelled_face(astronaut[..., ::-1], 128)
    (there,) = detect_faces(astronaut)
    assert (crop[..., ::-1] == Framing().crop(astronaut, there.chip, 128)).all()
