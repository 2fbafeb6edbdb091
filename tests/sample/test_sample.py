"""The drawn data set: the original's layout and dirt, and faces that show age and gender."""

import collections
import hashlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
import scipy.io

from imdb_wiki.labels import FEMALE, MALE, age_in_years
from imdb_wiki.sample import draw as sample
from imdb_wiki.sample.people import draw_person, look_of

COUNT = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sample with noise for faces, which takes a tenth of the time."""
    path = tmp_path_factory.mktemp("sample")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "draw_photo", draw_noise)
        assert sample.draw_sample(path, count=COUNT, seed=1) == path / "imdb.mat"
    return path


@pytest.fixture(scope="module")
def imdb(folder):
    return load_struct(folder / "imdb.mat")


@pytest.fixture(scope="module")
def ages(imdb):
    return age_in_years(imdb["dob"][0], imdb["photo_taken"][0])


@pytest.fixture(scope="module")
def files(folder, imdb):
    """Each row's bytes; None where there is no file."""
    paths = [folder / cell[0] for cell in imdb["full_path"][0]]
    return [path.read_bytes() if path.exists() else None for path in paths]


def draw_noise(rng, sitters, side):
    return rng.integers(0, 256, (side, side, 3), np.uint8)


def load_struct(path):
    record = scipy.io.loadmat(path)["imdb"]
    assert record.shape == (1, 1)
    return {name: record[name][0, 0] for name in record.dtype.names}


def all_bytes(path):
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_every_field_has_the_originals_shape_and_type(imdb):
    types = {
        "dob": np.int32,
        "photo_taken": np.uint16,
        "full_path": object,
        "gender": np.float64,
        "name": object,
        "face_location": object,
        "face_score": np.float64,
        "second_face_score": np.float64,
        "celeb_names": object,
        "celeb_id": np.float64,
    }
    assert list(imdb) == list(types)
    for name, values in imdb.items():
        assert values.dtype == types[name], name
        if name != "celeb_names":
            assert values.shape == (1, COUNT), name
    assert {box.shape for box in imdb["face_location"][0]} == {(1, 4)}
    assert {box.dtype for box in imdb["face_location"][0]} == {np.dtype(np.float64)}


def test_celeb_ids_count_names_from_one(imdb):
    names = [cell[0] for cell in imdb["celeb_names"][0]]
    celeb_ids = imdb["celeb_id"][0].astype(int)
    assert celeb_ids.min() == 1 and celeb_ids.max() == len(names)
    assert [names[k - 1] for k in celeb_ids] == [cell[0] for cell in imdb["name"][0]]
    assert any(not name.isascii() for name in names)


def test_paths_are_the_originals(imdb):
    for cell, year_taken in zip(imdb["full_path"][0], imdb["photo_taken"][0], strict=True):
        sub_folder, file_name = cell[0].split("/")
        person, photo, born, taken = file_name.removesuffix(".jpg").split("_")
        assert person[:2] == "nm" and len(person) == 9 and person[-2:] == sub_folder
        assert photo[:2] == "rm" and photo[2:].isdigit()
        assert len(born.split("-")) == 3 and int(taken) == year_taken
    assert len({cell[0] for cell in imdb["full_path"][0]}) == COUNT


def test_people_repeat_and_keep_gender_and_birthday(imdb):
    photos = collections.Counter(imdb["celeb_id"][0])
    assert np.median(list(photos.values())) >= 4 and max(photos.values()) <= 10
    for celeb_id in photos:
        own = imdb["celeb_id"][0] == celeb_id
        gender = imdb["gender"][0][own]
        assert len(set(gender[~np.isnan(gender)])) <= 1
        born = imdb["dob"][0][own]
        assert len(set(born[born > 366])) <= 1


def test_every_oddity_of_a_row_occurs(imdb, ages):
    numbers = {name: imdb[name][0] for name in ("dob", "gender", "face_score", "second_face_score")}
    assert (numbers["face_score"] == -np.inf).sum() >= 3
    assert ((numbers["face_score"] > -np.inf) & (numbers["face_score"] < 1)).sum() >= 3
    assert (~np.isnan(numbers["second_face_score"])).sum() >= 3
    assert np.isnan(numbers["gender"]).sum() >= 3
    assert (ages < 0).sum() >= 3 and (ages > 110).sum() >= 3
    assert all((numbers["dob"] == serial).sum() >= 3 for serial in (0, 1, 366))
    assert sum("-00-00_" in cell[0] for cell in imdb["full_path"][0]) >= 3


def test_every_oddity_of_a_file_occurs(files):
    present = [data for data in files if data is not None]
    assert files.count(None) >= 3
    assert present.count(b"") >= 3
    assert sum(data.startswith(b"This") for data in present) >= 3
    jpegs = [data for data in present if data[:2] == b"\xff\xd8"]
    whole = [data for data in jpegs if data[-2:] == b"\xff\xd9"]
    assert len(jpegs) - len(whole) >= 3
    images = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) for data in whole]
    assert sum(image.ndim == 2 for image in images) >= 3
    sides = [image.shape[:2] for image in images]
    assert sum(height > width for height, width in sides) >= 3  # cut at the edge
    assert sum(height < width for height, width in sides) >= 3  # whole photos
    assert len({width for _, width in sides}) > 50
    assert min(map(min, sides)) >= 40  # 60, of which a wide photo has two thirds
    assert max(map(max, sides)) <= 500


def test_some_photos_stand_under_two_people_of_different_ages(imdb, ages, files):
    rows = collections.defaultdict(list)
    for row, data in enumerate(files):
        if data and data[:2] == b"\xff\xd8":
            rows[hashlib.sha256(data).digest()].append(row)
    shared = [pair for pair in rows.values() if len(pair) > 1]
    assert len(shared) >= 3
    for first, second in shared:
        assert imdb["celeb_id"][0, first] != imdb["celeb_id"][0, second]
        assert ages[first] != ages[second]


def test_most_rows_are_faultless_and_ages_spread(imdb, ages):
    good = (imdb["face_score"][0] >= 1) & np.isnan(imdb["second_face_score"][0])
    good &= ~np.isnan(imdb["gender"][0]) & (ages >= 0) & (ages <= 100)
    assert good.sum() > 0.6 * COUNT
    assert 28 < ages[good].mean() < 48 and ages[good].std() > 14
    assert 0.35 < imdb["gender"][0][good].mean() < 0.65


def test_ages_by_the_formula_are_those_drawn(tmp_path, monkeypatch):
    drawn = []

    def fake_photo(rng, sitters, side):
        drawn.append(sitters)
        return np.zeros((side, side, 3), np.uint8)

    monkeypatch.setattr(sample, "draw_photo", fake_photo)
    imdb = load_struct(sample.draw_sample(tmp_path, count=600, seed=5))
    ages = age_in_years(imdb["dob"][0], imdb["photo_taken"][0])
    by_id = collections.defaultdict(collections.Counter)
    for celeb_id, sitters in zip(imdb["celeb_id"][0], drawn, strict=True):
        by_id[celeb_id].update(id(person) for person, _ in sitters[:1])
    # A photo that belongs to somebody else is no case: whose it is, most of the photos tell.
    owner = {celeb_id: people.most_common(1)[0][0] for celeb_id, people in by_id.items()}

    checked = 0
    for row, sitters in enumerate(drawn):
        has_face = imdb["face_score"][0, row] > -np.inf
        assert bool(sitters) == has_face
        two_faces = not np.isnan(imdb["second_face_score"][0, row])
        assert (len(sitters) == 2) == two_faces
        plausible = 0 <= ages[row] <= 100
        if has_face and plausible and id(sitters[0][0]) == owner[imdb["celeb_id"][0, row]]:
            person, age_years = sitters[0]
            assert age_years == ages[row]
            if not np.isnan(imdb["gender"][0, row]):
                assert person.gender == imdb["gender"][0, row]
            checked += 1
    assert checked > 0.88 * len(drawn)


def test_a_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        sample.draw_sample(tmp_path / name, count=12, seed=seed)
    first, again, other = (all_bytes(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert not set(first.values()) & set(other.values())


def test_the_progress_goes_to_stderr(tmp_path, capsys):
    sample.draw_sample(tmp_path, count=2)
    captured = capsys.readouterr()
    assert captured.out == "" and "2/2" in captured.err


@pytest.mark.parametrize("count", [0, -1])
def test_a_sample_has_rows(tmp_path, count):
    with pytest.raises(ValueError, match="count"):
        sample.draw_sample(tmp_path, count=count)


@pytest.mark.parametrize(("side", "age_years"), [(60, 0), (201, 37), (400, 100)])
@pytest.mark.parametrize("gender", [FEMALE, MALE])
def test_a_face_has_its_side_and_the_colours_order(side, age_years, gender):
    faces = [
        sample.draw_face(np.random.default_rng(seed), age_years, gender, side) for seed in range(3)
    ]
    assert all(face.shape == (side, side, 3) and face.dtype == np.uint8 for face in faces)
    middle = slice(round(0.45 * side), round(0.6 * side))
    blue, _, red = np.mean([face[middle, middle].mean((0, 1)) for face in faces], axis=0)
    assert red > blue + 20  # skin, in BGR


def test_a_generators_state_decides_a_face():
    first, again, other = (
        sample.draw_face(np.random.default_rng(seed), 30, FEMALE, 64) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_unknown_gender_is_refused():
    with pytest.raises(ValueError, match="gender"):
        sample.draw_face(np.random.default_rng(0), 30, 2, 64)


@pytest.fixture(scope="module")
def groups():
    """Pictures of 16 people of each age and gender."""
    return {
        (age_years, gender): np.stack(
            [
                sample.draw_face(np.random.default_rng([age_years, seed]), age_years, gender, 100)
                for seed in range(16)
            ]
        ).astype(np.float64)
        for age_years in (6, 25, 85)
        for gender in (FEMALE, MALE)
    }


def separation(first, second):
    """Distance of two groups' means in standard deviations."""
    return (first.mean() - second.mean()) / np.sqrt((first.var() + second.var()) / 2)


@pytest.mark.parametrize("gender", [FEMALE, MALE])
def test_the_old_are_grey_or_bald(groups, gender):
    above_forehead = np.s_[:, 24:30, 40:60]
    young, old = (groups[age, gender][above_forehead].mean((1, 2, 3)) for age in (25, 85))
    assert separation(old, young) > 1.5


@pytest.mark.parametrize("age_years", [6, 25])
def test_womens_and_girls_hair_is_mostly_longer(groups, age_years):
    beside_mouth = np.s_[:, 58:72, np.r_[22:30, 70:78]]
    female, male = (
        groups[age_years, gender][beside_mouth].mean((1, 2, 3)) for gender in (FEMALE, MALE)
    )
    assert separation(male, female) > 0.8


@pytest.mark.parametrize("age_years", [25, 85])
def test_womens_lips_are_mostly_redder(groups, age_years):
    mouth = np.s_[:, 62:70, 42:58]
    red = {g: np.diff(groups[age_years, g][mouth][..., 1:], axis=-1) for g in (FEMALE, MALE)}
    assert separation(*(red[gender].mean((1, 2, 3)) for gender in (FEMALE, MALE))) > 0.8


def test_children_have_large_eyes_low_in_a_round_face():
    rng = np.random.default_rng(0)
    people = [draw_person(rng, gender) for gender in (FEMALE, MALE) for _ in range(50)]
    child, adult = ([look_of(person, age, rng) for person in people] for age in (4, 30))
    for number in ("eye_y", "eye_size", "half_width"):
        young, grown = (np.array([getattr(k, number) for k in looks]) for looks in (child, adult))
        assert separation(young, grown) > 1, number


def test_no_cue_of_gender_decides_alone_but_together_they_do():
    rng = np.random.default_rng(0)
    leans = {
        gender: np.array([list(draw_person(rng, gender).leans.values()) for _ in range(1_000)])
        for gender in (FEMALE, MALE)
    }
    right = ((leans[FEMALE] < 0).mean(0) + (leans[MALE] > 0).mean(0)) / 2
    assert np.all((right > 0.9) & (right < 0.99))
    assert (leans[FEMALE].mean(1) < 0).all() and (leans[MALE].mean(1) > 0).all()


def test_no_cue_of_age_decides_alone():
    rng = np.random.default_rng(0)
    years = np.array(
        [list(look_of(draw_person(rng, MALE), 50, rng).years.values()) for _ in range(1_000)]
    )
    assert np.all(np.abs(years - 50).mean(0) > 2)  # one cue is years off
    assert np.abs(years.mean(1) - 50).mean() < 2  # their mean is less


def test_beards_are_for_men():
    unchanged = {}
    for age_years, gender in ((10, MALE), (40, MALE), (40, FEMALE)):
        rng = np.random.default_rng(2)
        person = replace(draw_person(rng, gender), beard="full")
        shaven = replace(person, beard="none")
        bearded, bare = (
            sample.draw_photo(np.random.default_rng(3), [(who, age_years)], 100)
            for who in (person, shaven)
        )
        unchanged[age_years, gender] = np.array_equal(bearded, bare)
    assert unchanged == {(10, MALE): True, (40, MALE): False, (40, FEMALE): True}
