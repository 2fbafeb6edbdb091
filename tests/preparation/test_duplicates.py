import cv2
import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from imdb_wiki.preparation.duplicates import (
    MAX_DISTANCE_BITS,
    contradicting,
    joined,
    near_pairs,
    same_picture_pairs,
)
from imdb_wiki.preparation.hashes import perceptual_hashes
from tests.conftest import run_preparation
from tests.preparation.originals import people, photo, write_original
from tests.shared import assert_one_line


def test_only_contradicting_files_are_contradicting():
    kept = pd.DataFrame(
        {
            "digest": ["a", "a", "b", "b", "c", "d", "d"],
            "age": [30, 31, 40, 40, 50, 60, 60],
            "gender": [0, 0, 1, 1, 0, 0, 1],
            "rule": "",
        }
    )
    assert contradicting(kept).tolist() == [True, True, False, False, False, True, True]


def test_near_pairs_are_those_of_the_quadratic_search():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 300, dtype=np.uint64)
    for bits in range(1, 8):  # neighbours at every distance
        changed = hashes[:40].copy()
        for row, value in enumerate(changed):
            for bit in rng.choice(64, bits, replace=False):
                value ^= np.uint64(1) << np.uint64(bit)
            changed[row] = value
        hashes = np.concatenate([hashes, changed])
    hashes = np.unique(hashes)
    distance = np.bitwise_count(hashes[:, None] ^ hashes[None])
    expected = np.argwhere(np.triu(distance <= MAX_DISTANCE_BITS, 1))
    assert len(expected) > 100
    found = [pair for part in near_pairs(hashes) for pair in part.tolist()]
    assert sorted(found) == expected.tolist()  # each once


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_hashes_are_no_trouble(count):
    parts = near_pairs(np.arange(count, dtype=np.uint64))
    assert [pair for part in parts for pair in part.tolist()] == [[0, 1]][: count - 1]


def test_groups_are_joined_along_links():
    groups = np.array([5, 5, 7, 8, 9, 9])
    result = joined(groups, [np.array([[1, 2]]), np.array([[2, 3]])])
    assert result[0] == result[1] == result[2] == result[3] != result[4] == result[5]


def test_the_same_picture_is_found_compressed_anew_or_brighter_and_no_other(tmp_path):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (30, 12, 12, 3), dtype=np.uint8)
    pictures = [cv2.resize(c, (100, 100), interpolation=cv2.INTER_CUBIC) for c in coarse]
    pictures.append(np.clip(pictures[0].astype(float) * 0.8 + 30, 0, 255).astype(np.uint8))
    pictures.append(np.clip(pictures[1] + rng.normal(0, 4, (100, 100, 3)), 0, 255).astype(np.uint8))
    pictures.append(pictures[2])
    pictures += [np.full((100, 100, 3), grey, np.uint8) for grey in (0, 90, 255)]
    qualities = [95] * 32 + [40] + [95] * 3
    names = [f"{n}.jpg" for n in range(len(pictures))]
    for name, picture, quality in zip(names, pictures, qualities, strict=True):
        cv2.imwrite(str(tmp_path / name), picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    cv2.imwrite(str(tmp_path / "36.jpg"), pictures[3])
    names.append("36.jpg")
    jpegs = [(tmp_path / name).read_bytes() for name in names]
    hashes = perceptual_hashes(jpegs)
    greys = [Image.open(tmp_path / name).convert("L") for name in names[:32]]  # flat ones have ties
    assert [f"{value:016x}" for value in hashes[:32]] == [str(imagehash.phash(g)) for g in greys]
    digests = pd.Series([(tmp_path / name).read_bytes().hex() for name in names])
    identical, near = same_picture_pairs(digests, hashes, names, tmp_path)
    assert identical.tolist() == [[3, 36]]
    groups = joined(np.arange(len(names)), [identical, near])
    together = {frozenset(np.flatnonzero(groups == g).tolist()) for g in np.unique(groups)}
    assert {members for members in together if len(members) > 1} == {
        *(frozenset(pair) for pair in ((0, 30), (1, 31), (2, 32), (3, 36))),
        frozenset((33, 34, 35)),  # pictures of nothing
    }


@pytest.mark.parametrize("side", [8, 31, 32, 33, 64, 112, 199, 200, 257, 600])
def test_hashes_are_those_of_imagehash_at_every_size(side, tmp_path):
    rng = np.random.default_rng(side)
    noise = rng.integers(0, 256, (side, side), dtype=np.uint8)
    sharp = np.where(noise > 127, 255, 0).astype(np.uint8)  # scaled, it overshoots black and white
    smooth = cv2.GaussianBlur(noise, (0, 0), side / 16)
    ramp = np.linspace(0, 255, side).astype(np.uint8)[:, np.newaxis].repeat(side, axis=1)
    path = tmp_path / "one.jpg"
    for grey in (noise, sharp, smooth, ramp):
        cv2.imwrite(str(path), cv2.merge([grey, grey[::-1], grey.T]))
        (value,) = perceptual_hashes([path.read_bytes()])
        picture = Image.fromarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
        assert f"{value:016x}" == str(imagehash.phash(picture))


def test_a_picture_under_several_people_is_in_one_split_or_rejected(tmp_path, in_this_process):
    rows = people(40, 1)
    for row in rows:
        row["gender"] = 1.0
    rows[1]["photo_taken"] = 2009  # the same file as row 0's, another age
    mat_path = write_original(tmp_path / "imdb_crop", rows)
    files = [tmp_path / "imdb_crop" / row["full_path"] for row in rows]
    files[1].write_bytes(files[0].read_bytes())
    for n in range(3, 12):  # ten people, one picture
        files[n].write_bytes(files[2].read_bytes())
    for n in range(13, 22):  # and one compressed anew for each
        cv2.imwrite(str(files[n]), photo(12), [cv2.IMWRITE_JPEG_QUALITY, 60 + n])
    run = run_preparation(
        *("--db_path", mat_path, "--output_dir", tmp_path / "out", "--img_size", 48),
        *("--split_ratio", 0.4, "--test_ratio", 0.3),
    )
    assert run.returncode == 0, run.stderr
    rejects = pd.read_csv(tmp_path / "out/rejects.csv")
    assert rejects["rule"].tolist() == ["contradicting_duplicate"] * 2
    assert rejects["source"].tolist() == [rows[0]["full_path"], rows[1]["full_path"]]
    split_of = {}
    for name in ("train", "val", "test"):
        for source in pd.read_csv(tmp_path / f"out/{name}.csv")["source"]:
            split_of[source] = name
    assert len({split_of[row["full_path"]] for row in rows[2:12]}) == 1
    assert len({split_of[row["full_path"]] for row in rows[12:22]}) == 1
    assert len(set(split_of.values())) == 3


def test_when_all_files_contradict_nothing_is_left_and_that_is_said(tmp_path, in_this_process):
    rows = people(1, 1)
    mat_path = write_original(tmp_path / "imdb_crop", [*rows, rows[0] | {"photo_taken": 2001}])
    run = run_preparation("--db_path", mat_path, "--output_dir", tmp_path / "out")
    assert_one_line(run, "no image is left: contradicting_duplicate 2")


def test_one_path_in_two_rows_is_kept_once_or_contradicts(tmp_path, in_this_process):
    rows = people(30, 1)
    again = [dict(rows[0]), rows[1] | {"photo_taken": 2001}]
    mat_path = write_original(tmp_path / "imdb_crop", rows + again)
    run = run_preparation("--db_path", mat_path, "--output_dir", tmp_path / "out", "--img_size", 32)
    assert run.returncode == 0, run.stderr
    rejects = pd.read_csv(tmp_path / "out/rejects.csv", keep_default_na=False)
    assert rejects["rule"].tolist() == [
        *("contradicting_duplicate", "repeated_row", "contradicting_duplicate")
    ]
    kept = pd.concat(pd.read_csv(tmp_path / f"out/{n}.csv") for n in ("train", "val", "test"))
    assert len(kept) == 29
    assert kept["source"].is_unique


def test_rows_that_are_left_out_contradict_nobody():
    rows = [
        ("a", 30, 0, ""),
        ("a", 31, 0, "low_score"),
        ("b", 40, 1, ""),
        ("b", 40, 1, ""),
        ("b", 40, 0, "no_face"),
        ("c", 50, 0, ""),
        ("c", 51, 0, ""),
        ("c", 50, 0, "low_score"),
    ]
    table = pd.DataFrame(rows, columns=["digest", "age", "gender", "rule"], index=range(10, 18))
    found = contradicting(table)
    assert found.index.tolist() == list(range(10, 18))
    assert found.tolist() == [False] * 5 + [True, True, False]


def test_no_pictures_have_no_hashes_and_no_pairs(tmp_path):
    hashes = perceptual_hashes([])
    assert (hashes.shape, hashes.dtype) == ((0,), np.uint64)
    names = ["0.jpg", "1.jpg"]
    for number, name in enumerate(names):
        cv2.imwrite(str(tmp_path / name), photo(number))
    hashes = perceptual_hashes([(tmp_path / name).read_bytes() for name in names])
    identical, near = same_picture_pairs(pd.Series(names), hashes, names, tmp_path)
    assert identical.shape == near.shape == (0, 2)
    assert joined(np.array([3, 7]), [identical, near]).tolist() in ([0, 1], [1, 0])


def test_all_copies_of_a_file_are_one_group(tmp_path):
    numbers = [0, 1, 0, 2, 1, 0]
    names = [f"{row}.jpg" for row in range(6)]
    for number, name in zip(numbers, names, strict=True):
        cv2.imwrite(str(tmp_path / name), photo(number))
    files = [(tmp_path / name).read_bytes() for name in names]
    pairs = same_picture_pairs(pd.Series(numbers), perceptual_hashes(files), names, tmp_path)
    groups = joined(np.arange(6), pairs)
    assert [np.flatnonzero(groups == group).tolist() for group in groups[[0, 1, 3]]] == [
        *([0, 2, 5], [1, 4], [3])
    ]


@pytest.mark.parametrize(("stripes_grey", "is_same"), [(3, True), (12, False)])
@pytest.mark.parametrize("darkest", [5, 180])
def test_pictures_of_one_hash_that_differ_in_their_detail_are_two(
    tmp_path, stripes_grey, is_same, darkest
):
    across = np.linspace(0, np.pi, 64)
    smooth = darkest + 30 + 20 * np.cos(across) + 8 * np.cos(2 * across)[:, None]
    stripes = stripes_grey * np.where(np.arange(64) // 2 % 2, 1, -1)
    names = ["smooth.png", "striped.png"]
    for name, picture in zip(names, (smooth, smooth + stripes), strict=True):
        cv2.imwrite(str(tmp_path / name), picture.round().astype(np.uint8))
    correlation = np.corrcoef(smooth.ravel(), (smooth + stripes).ravel())[0, 1]
    assert (correlation > 0.95) == is_same
    for hashes in (np.zeros(2, np.uint64), np.array([5, 2**63 + 5], np.uint64)):  # alike
        _, near = same_picture_pairs(pd.Series(names), hashes, names, tmp_path)
        assert near.tolist() == ([[0, 1]] if is_same else [])


def test_a_black_picture_has_no_frequencies():
    black = cv2.imencode(".jpg", np.zeros((50, 50, 3), np.uint8))[1].tobytes()
    assert perceptual_hashes([black]).tolist() == [0]
