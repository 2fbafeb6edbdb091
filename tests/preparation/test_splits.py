import json
from hashlib import blake2b

import numpy as np
import pandas as pd
import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.preparation import splits
from imdb_wiki.preparation.splits import listed_splits, person_numbers, split_groups, split_shares
from imdb_wiki.split_lists import (
    is_listed,
    listed_name_digests,
    read_split_list,
    split_list_text,
    text_digests,
    warning_of_seen_faces,
    write_split_list,
)
from tests.conftest import REPOSITORY


def names_of(groups):
    return pd.Series([f"person {group}" for group in groups])


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_two_splits_and_shares_hold_within_a_point(seed):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(900), rng.geometric(0.1, 900))
    rng.shuffle(groups)
    split = split_groups(groups, names_of(groups), (0.7, 0.15, 0.15), seed)
    assert pd.DataFrame({"g": groups, "s": split}).groupby("g")["s"].nunique().max() == 1
    assert np.abs(np.bincount(split) / len(groups) - [0.7, 0.15, 0.15]).max() < 0.01


def test_every_split_gets_large_and_small_groups():
    groups = np.repeat(np.arange(400), np.tile([1, 20], 200))
    split = split_groups(groups, names_of(groups), (0.7, 0.15, 0.15), 0)
    sizes = np.bincount(groups)[groups]
    for number in range(3):
        share_in_large_groups = (sizes[split == number] == 20).mean()
        assert 0.9 < share_in_large_groups < 1.0  # overall 20 of 21 images


def test_the_seed_decides():
    groups = np.arange(500)
    first, again, other = (
        split_groups(groups, names_of(groups), (0.5, 0.5), seed) for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_few_move_where_rows_come_go_or_join():
    shares = (0.84, 0.08, 0.08)
    groups = np.r_[np.arange(3000), np.arange(3000, 3400).repeat(5)]
    names = names_of(groups)
    before = pd.Series(split_groups(groups, names, shares, 0), index=names.index)
    joined = groups.copy()
    joined[[10, 2000, 4000]] = 20  # two more pictures, and a whole person, are found to be one
    joined[groups == groups[4000]] = 20
    order = np.random.default_rng(0).permutation(len(groups))
    fewer = np.flatnonzero(np.random.default_rng(1).random(len(groups)) < 0.9)
    assert (split_groups(joined, names, shares, 0) != before).mean() < 0.01
    assert (split_groups(groups[order], names[order], shares, 0) == before[order]).all()
    moved = split_groups(groups[fewer], names[fewer], shares, 0) != before[fewer]
    assert moved.mean() < 0.03  # dealt anew, 28% would


def test_a_list_deals_its_photos_wherever_they_lie(tmp_path):
    sources = pd.Series([f"{n:02d}/photo of {n:03d}.jpg" for n in range(20)])
    frames = {"val": sources.iloc[:3].to_frame("source"), "test": sources[3:5].to_frame("source")}
    write_split_list(tmp_path / "list.json", frames)
    assert "photo" not in (tmp_path / "list.json").read_text()
    listed = read_split_list(tmp_path / "list.json")
    moved = "elsewhere/" + sources.str.rsplit("/", n=1).str[-1]
    split = listed_splits(np.arange(20), moved, listed)
    assert split.tolist() == [1] * 3 + [2] * 2 + [0] * 15
    # What shows the same picture as a listed face goes with it; test comes before val.
    split = listed_splits(np.array([0, 1, 2, 2, 3, 3, *range(4, 18)]), moved, listed)
    assert split.tolist() == [1, 1, 2, 2, 2, 2] + [0] * 14
    assert split.dtype == np.int64
    assert listed_name_digests(sources).is_unique


def test_photos_of_one_name_in_two_folders_are_two_in_a_list(tmp_path):
    sources = pd.Series(["train/1.jpg", "val/1.jpg", "train/2.jpg", "val/2.jpg"])
    frames = {"val": sources[[0]].to_frame("source"), "test": sources[[3]].to_frame("source")}
    write_split_list(tmp_path / "list.json", frames)
    split = listed_splits(np.arange(4), sources, read_split_list(tmp_path / "list.json"))
    assert split.tolist() == [1, 0, 0, 2]


def test_the_shipped_list_and_older_ones_go_by_file_names():
    shipped = read_split_list(REPOSITORY / "models" / "compact_split.json")
    assert {len(digest) for digest in shipped["test"]} == {12}
    older = {blake2b(b"1.jpg", digest_size=8).hexdigest()[:12]}
    assert is_listed(pd.Series(["val/1.jpg", "val/2.jpg"]), older).tolist() == [True, False]
    name = "10_0_0_20161220222308131.jpg.chip.jpg"
    known = {blake2b(name.encode(), digest_size=8).hexdigest()[:12]}
    assert listed_name_digests(pd.Series([f"UTKFace/{name}"])).tolist() == list(known)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"val": 3, "test": []}'])
def test_what_is_no_list_is_refused(text, tmp_path):
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(InputError, match=r"list\.json: not a list"):
        read_split_list(tmp_path / "list.json")


def test_missing_identities_never_make_two_people_one():
    numbers = person_numbers(pd.Series(["", "Ann", "", "Bob", "Ann", ""]))
    assert numbers[1] == numbers[4]
    assert len(set(numbers.tolist())) == 5


@pytest.mark.parametrize(
    ("ratios", "names"),
    [((0.7, 0.15), ["train", "val", "test"]), ((0.7, 0.0), ["train", "val"])],
)
def test_validation_is_the_rest(ratios, names):
    shares = split_shares(*ratios)
    assert list(shares) == names
    assert sum(shares.values()) == pytest.approx(1)


def test_a_share_that_is_used_up_by_the_others_is_no_split():
    assert split_shares(0.7, 0.15) == {"train": 0.7, "val": 0.15, "test": 0.15}
    assert split_shares(0.7, 0.3) == {"train": 0.7, "test": 0.3}  # 1 − 0.7 − 0.3 is not quite 0


@pytest.fixture
def in_order(monkeypatch):
    """Deals the groups in the order of their names' digests: here simply the numbers they are."""
    monkeypatch.setattr(splits, "text_digests", lambda names, prefix: names.astype("uint64"))


@pytest.mark.parametrize(
    ("sizes", "shares", "expected"),
    [
        # A group goes where its middle lies; on a border it goes to the former split.
        ([1] * 10, (0.7, 0.15, 0.15), [0, 0, 0, 0, 0, 0, 0, 1, 1, 2]),
        ([1] * 4, (0.5, 0.5), [0, 0, 1, 1]),
        ([1, 1, 1], (0.5, 0.5), [0, 0, 1]),
        # Groups of several rows come first, with the same shares: four of eight, then one of two.
        ([4, 2, 2, 1, 1], (0.5, 0.5), [0, 1, 1, 0, 1]),
        ([1, 2, 2, 4, 1], (0.5, 0.5), [0, 0, 0, 1, 1]),
        # One is too large for its share: those of one row fill the other splits.
        ([8, 1, 1], (0.5, 0.5), [0, 1, 1]),
        ([3], (0.5, 0.5), [0]),
    ],
)
def test_groups_are_dealt_by_hand(in_order, sizes, shares, expected):
    groups = np.repeat(np.arange(len(sizes)) + 5, sizes)
    split = split_groups(groups, pd.Series(groups), shares, seed=0)
    assert split.tolist() == np.repeat(expected, sizes).tolist()


def test_a_groups_place_is_that_of_its_first_name(in_order):
    groups, places = np.array([1, 2, 3, 1, 2, 3]), pd.Series([5, 3, 2, 0, 6, 4])
    # Their first names are 0, 3 and 2: group 1, then 3, then 2.
    assert split_groups(groups, places, (0.5, 0.5), 0).tolist() == [0, 1, 0, 0, 1, 0]


def test_the_order_is_that_of_a_digest_of_seed_and_name():
    names = [f"Åsa {number}" for number in range(40)]
    order = sorted(names, key=lambda n: blake2b(f"7 {n}".encode(), digest_size=8).digest())
    split = split_groups(np.arange(40), pd.Series(names), (0.5, 0.5), 7)
    assert [name for name, number in zip(names, split, strict=True) if number == 0] == [
        name for name in names if name in order[:20]
    ]
    same_name = split_groups(np.arange(40), pd.Series(["nobody"] * 40), (0.5, 0.5), 7)
    assert same_name.tolist() == [0] * 20 + [1] * 20  # by their numbers


def test_people_get_numbers_and_nobody_a_new_one():
    numbers = person_numbers(pd.Series(["Bob", "", "Ann", "Bob", ""]))
    assert numbers.dtype == np.int64
    assert numbers[0] == numbers[3]
    assert len(set(numbers.tolist())) == 4


def test_a_digest_is_that_of_the_name_after_the_prefix():
    digests = text_digests(pd.Series(["é", "\ud800"]), b"5 ")  # that is no character
    expected = [b"5 \xc3\xa9", b"5 \xed\xa0\x80"]
    assert digests.dtype == np.uint64
    assert [int(digest).to_bytes(8, "big") for digest in digests] == [
        blake2b(text, digest_size=8).digest() for text in expected
    ]


def test_a_short_file_name_is_listed_with_its_folder():
    digests = listed_name_digests(pd.Series(["a/b/1234567.jpg", "a/b/12345678.jpg"], index=[3, 4]))
    expected = [b"b/1234567.jpg", b"12345678.jpg"]  # 11 and 12 letters
    assert digests.to_dict() == {
        label: blake2b(text, digest_size=8).hexdigest()[:12]
        for label, text in zip((3, 4), expected, strict=True)
    }


def test_a_list_is_sorted_json_without_repeats(tmp_path):
    sources = pd.Series([f"photo of {n:03d}.jpg" for n in (4, 2, 4, 1)])
    text = split_list_text({"test": sources.to_frame("source")})
    digests = sorted(set(listed_name_digests(sources)))
    assert json.loads(text) == {"val": [], "test": digests}
    assert text.endswith("]\n}\n")
    assert len(text.splitlines()) == 3 + 3 + 2  # a photo a line
    (tmp_path / "list.json").write_text(text)
    assert read_split_list(tmp_path / "list.json") == {"val": set(), "test": set(digests)}


def test_rows_without_sources_make_no_list():
    frames = {"val": pd.DataFrame({"source": ["a.jpg"]}), "test": pd.DataFrame({"age": [30]})}
    with pytest.raises(InputError, match="the rows of test lack the column source"):
        split_list_text(frames)


def test_a_list_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match=rf"^{tmp_path}/none\.json: No such file or directory$"):
        read_split_list(tmp_path / "none.json")


FACES = pd.DataFrame({"source": [f"00/photo of {number:03d}.jpg" for number in range(1500)]})


@pytest.fixture
def model_with_list(tmp_path):
    """A model that some faces were kept from: 100 in val, 200 in test."""
    write_split_list(tmp_path / "own_split.json", {"val": FACES[:100], "test": FACES[100:300]})
    return tmp_path / "own.keras"


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (0, 300),  # all were left out of its training
        (0, 50),
        (150, 250),
        (300, 1500),  # none was: another data set
    ],
)
def test_nobody_is_warned_of_faces_that_a_model_cannot_know(model_with_list, first, last):
    assert warning_of_seen_faces(model_with_list, FACES[first:last]) == ""


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (299, 1500, "1,200 of these 1,201 faces"),
        (99, 301, "1 of these 202 faces"),
        (0, 1500, "1,200 of these 1,500 faces"),
    ],
)
def test_faces_that_a_model_may_know_are_counted(model_with_list, first, last, said):
    for path in (model_with_list, str(model_with_list)):
        warning = warning_of_seen_faces(path, FACES[first:last])
        assert warning.startswith(f"{said} are not among those")
        assert f"the training of {model_with_list} left out" in warning
        assert warning.endswith(f"--split_file {model_with_list.parent / 'own_split.json'}")


def test_without_a_list_or_sources_there_is_no_warning(model_with_list):
    assert warning_of_seen_faces(model_with_list.with_name("other.keras"), FACES) == ""
    assert warning_of_seen_faces(model_with_list, FACES.rename(columns={"source": "file"})) == ""
    model_with_list.with_name("own_split.json").write_text("no list")
    with pytest.raises(InputError, match=r"own_split\.json: not a list"):
        warning_of_seen_faces(model_with_list, FACES)
