import numpy as np
import pytest
import skimage.data

from imdb_wiki.faces.detection import Box
from imdb_wiki.labels import AGES_YEARS
from imdb_wiki.prediction.faces import Face
from imdb_wiki.prediction.tracks import CutFinder, Follower

CONSTANTS = {"factor": 2.0, "floor_years": 1.0}
SEARCH_SECONDS = 0.125


def face(left, top=100, age=30.0, side=50, female=0.9, distribution=None, score=0.99):
    likelier = ("female", female) if female >= 0.5 else ("male", 1 - female)
    box = Box(left, top, left + side, top + side)
    return Face(0, box, score, age, None, None, *likelier, distribution)


def followed(*searches, constants=None, step=SEARCH_SECONDS):
    """Follows lists of faces, one a search; None is a cut."""
    follower, second = Follower(constants), 0.0
    for faces in searches:
        if faces is None:
            follower.cut()
            continue
        follower.update(faces, second)
        second += step
    return follower.answers()


def test_a_face_that_moves_is_one_person_whose_answer_is_the_mean():
    ages = (20, 30, 40, 50)
    distributions = [(age == AGES_YEARS).astype("float32") for age in ages]
    (answer,) = followed(
        *([face(10 * n, age=ages[n], distribution=distributions[n])] for n in range(4)),
        constants=CONSTANTS,
    )
    assert (answer.track, answer.frames) == (1, 4)
    assert (answer.first_second, answer.last_second) == (0, 3 * SEARCH_SECONDS)
    assert answer.face.age_years == 35
    spread = np.sqrt((15**2 + 5**2 + 5**2 + 15**2) / 4)  # of the mean distribution
    assert answer.face.age_low_years == pytest.approx(35 - 2 * (spread + 1))
    assert answer.face.age_high_years == pytest.approx(35 + 2 * (spread + 1))
    assert answer.face.age_distribution.sum() == pytest.approx(1)


def test_the_gender_is_that_of_the_mean_probability():
    (answer,) = followed(*([face(0, female=female)] for female in (0.6, 0.6, 0.1)))
    assert answer.face.gender == "male"
    assert answer.face.gender_probability == pytest.approx(1 - (0.6 + 0.6 + 0.1) / 3)


def test_without_a_distribution_there_is_no_interval():
    (answer,) = followed(*[[face(0)]] * 3, constants=CONSTANTS)
    assert (answer.face.age_low_years, answer.face.age_distribution) == (None, None)


def test_the_box_is_that_of_the_largest_and_surest_face():
    (answer,) = followed([face(0)], [face(2, side=60)], [face(4, side=60, score=0.91)], [face(6)])
    assert answer.face.box == Box(2, 100, 62, 160)
    assert answer.best_second == SEARCH_SECONDS


def ages(answers):
    return [round(answer.face.age_years, 3) for answer in answers]


@pytest.mark.parametrize("step", [8, 15, 23])
def test_two_who_pass_each_other_stay_two(step):
    searches = [
        [face(step * n, age=20), face(20 * step - step * n, top=110, age=60)] for n in range(21)
    ]
    answers = followed(*(sorted(faces, key=lambda one: one.box) for faces in searches))
    assert ages(answers) == [20, 60]
    assert [answer.frames for answer in answers] == [21, 21]


def test_who_is_hidden_by_a_passer_by_is_found_again():
    searches = []
    for n in range(20):
        passing, standing = face(20 * n, age=20), face(200, age=60)
        searches.append([passing] if 8 <= n <= 12 else [passing, standing])
    answers = followed(*searches)
    assert ages(answers) == [20, 60]
    assert [answer.frames for answer in answers] == [20, 15]


@pytest.mark.parametrize(("missed", "count"), [(7, 1), (8, 2), (40, 2)])
def test_a_face_may_be_out_of_sight_for_a_second(missed, count):
    answers = followed(*[[face(0)]] * 4, *[[]] * missed, *[[face(3)]] * 4)
    assert len(answers) == count
    assert [answer.track for answer in answers] == list(range(1, count + 1))


def test_a_lost_face_is_looked_for_where_it_was_heading():
    answers = followed(*([face(20 * n)] if n not in (6, 7, 8) else [] for n in range(16)))
    assert [answer.frames for answer in answers] == [13]


def test_a_picture_every_two_seconds_is_enough():
    assert len(followed(*[[face(0)]] * 4, step=2)) == 1


def test_a_face_elsewhere_is_another_person():
    assert len(followed(*[[face(0)]] * 4, *[[face(200)]] * 4)) == 2


def test_after_a_cut_the_same_place_is_another_person():
    assert ages(followed(*[[face(0, age=20)]] * 4, None, *[[face(0, age=60)]] * 4)) == [20, 60]


def test_what_is_found_twice_only_is_no_person():
    assert len(followed(*[[face(0)]] * 5, *[[face(0), face(200)]] * 2, [face(0)])) == 1
    assert len(followed(*[[face(0)]] * 5, *[[face(0), face(200)]] * 3, [face(0)])) == 2


def test_of_a_video_of_one_picture_its_faces_count():
    assert len(followed([face(0), face(200)])) == 2
    assert followed([]) == followed() == []


def shifted(photo, share):
    pixels = round(share * photo.shape[1])
    return photo[:, pixels : pixels - photo.shape[1] // 4]


def test_a_cut_is_told_from_a_flash_and_from_a_moving_camera(astronaut):
    cat = skimage.data.cat()
    bright = np.clip(astronaut * 1.6 + 40, 0, 255).astype("uint8")
    black = np.zeros_like(astronaut)
    for pictures, wanted in (
        ([astronaut, cat, cat, astronaut], [False, True, False, True]),
        ([astronaut, bright, astronaut], [False, False, False]),
        ([shifted(astronaut, share) for share in (0, 0.02, 0.04)], [False, False, False]),
        ([astronaut, black, black, cat], [False, True, False, True]),
    ):
        finder = CutFinder()
        assert [finder.is_cut(picture) for picture in pictures] == wanted
