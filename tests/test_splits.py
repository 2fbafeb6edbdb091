import numpy as np
import pandas as pd
import pytest

from imdb_wiki.splits import person_numbers, split_groups, split_shares


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_two_splits_and_shares_hold_within_a_point(seed):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(900), rng.geometric(0.1, 900))
    rng.shuffle(groups)
    split = split_groups(groups, (0.7, 0.15, 0.15), seed)
    assert pd.DataFrame({"g": groups, "s": split}).groupby("g")["s"].nunique().max() == 1
    assert np.abs(np.bincount(split) / len(groups) - [0.7, 0.15, 0.15]).max() < 0.01


def test_every_split_gets_large_and_small_groups():
    groups = np.repeat(np.arange(400), np.tile([1, 20], 200))
    split = split_groups(groups, (0.7, 0.15, 0.15), 0)
    sizes = np.bincount(groups)[groups]
    for number in range(3):
        share_in_large_groups = (sizes[split == number] == 20).mean()
        assert 0.9 < share_in_large_groups < 1.0  # overall 20 of 21 images


def test_the_seed_decides():
    groups = np.arange(500)
    first, again, other = (split_groups(groups, (0.5, 0.5), seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


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
