from hashlib import blake2b

import numpy as np
import pandas as pd
import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.preparation.splits import listed_splits, person_numbers, split_groups, split_shares
from imdb_wiki.split_lists import is_listed, listed_name_digests, read_split_list, write_split_list
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
