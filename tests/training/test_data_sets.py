"""The benchmark that trains without each data set in turn: which trainings it makes."""

import pytest

from benchmarks.data_sets import variants
from imdb_wiki.training.compact.recipe import Recipe


def test_each_data_set_is_left_out_once_and_all_trainings_have_as_many_steps():
    folders, shares, counts = ["data/a", "data/b", "data/c"], [1.0, 0.5, 1.0], [400, 600, 300]
    found = list(variants(folders, shares, counts, Recipe(epochs=10), 2, "left_out.csv"))
    assert [variant.name for variant in found] == [
        "all, seed 0",
        "all, seed 1",
        "all, without the listed faces",
        "without a",
        "without b",
        "without c",
    ]
    assert [variant.recipe.seed for variant in found] == [0, 1, 0, 0, 0, 0]
    assert [variant.left_out for variant in found] == ["", "", "left_out.csv", "", "", ""]
    for left_out, variant in zip(folders, found[3:], strict=True):
        assert sorted([*variant.folders, left_out]) == folders
    count_of = dict(zip(folders, counts, strict=True))
    for variant in found:
        of_folders = zip(variant.folders, variant.recipe.folder_shares, strict=True)
        shown = sum(share * count_of[folder] for folder, share in of_folders)
        assert shown * variant.recipe.epochs == pytest.approx(10_000, rel=0.05)
