"""Which faces a list names: those of its folders, wherever these are now, and of no others."""

from pathlib import Path

import pandas as pd
import pytest

from imdb_wiki.audit.worst import suspects_in
from imdb_wiki.errors import InputError
from imdb_wiki.split_tables import read_split
from tests.prepared import write_prepared


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Two prepared folders, each of ten training faces with the same names and sources."""
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        write_prepared(Path(name))


def listing(*named: tuple[str, int], without=(), **columns) -> Path:
    """Writes a list of training faces, each by its folder and number."""
    faces = read_split("b", "train")
    table = faces.loc[[number for _, number in named], ["filename"]].assign(
        source=[f"00/{number}.jpg" for _, number in named],
        folder=[folder for folder, _ in named],
        wrong_probability=[number / 10 for _, number in named],
    )
    table.drop(columns=list(without)).assign(**columns).to_csv("list.csv", index=False)
    return Path("list.csv")


def gone(folders, path) -> dict[str, list[int]]:
    """Which faces of each folder a list leaves out, by their number."""
    every, kept = read_split(folders, "train"), read_split(folders, "train", left_out=path)
    left = every[~every["path"].isin(kept["path"])]
    numbers = left["filename"].str.extract(r"(\d+)\.jpg")[0].astype(int)
    return {name: list(numbers[left["folder"] == name]) for name in every["folder"].unique()}


def drop_sources():
    for path in (Path("a/train.csv"), Path("b/train.csv")):
        pd.read_csv(path).drop(columns="source").to_csv(path, index=False)


@pytest.mark.parametrize("form", ["a", "a/", "./a", "b/../a", "{}/a"])
@pytest.mark.parametrize("has_sources", [True, False])
def test_a_folders_list_takes_no_face_of_another_one(form, has_sources, tmp_path):
    if not has_sources:
        drop_sources()
    path = listing((form.format(tmp_path), 3))
    assert gone(["a", "b"], path) == {"a": [3], "b": []}
    assert gone(["b", f"{tmp_path}/a"], path) == {"b": [], f"{tmp_path}/a": [3]}


def test_an_audits_table_is_told_by_folders_as_a_list_is():
    path = listing(("a", 3), ("b", 4))
    path.rename("suspects.csv")
    found = suspects_in(read_split(["b", "a"], "train"), ".")
    assert list(zip(found["folder"], found["wrong_probability"], strict=True)) == [
        ("a", 0.3),
        ("b", 0.4),
    ]
    assert list(found.index) == [13, 4]
    assert list(suspects_in(read_split("b", "train"), ".").index) == [4]


def test_a_list_that_a_spreadsheet_saved_is_read():
    path = listing(("a", 1), ("a", 2))
    text = path.read_text().replace("0.1", "0@1").replace("0.2", "0@2")
    path.write_bytes(text.replace(",", ";").replace("@", ",").encode("utf-16"))
    assert gone("a", path) == {"a": [1, 2]}
    path.rename("suspects.csv")
    assert list(suspects_in(read_split("a", "train"), ".")["wrong_probability"]) == [0.1, 0.2]


def test_the_list_of_several_folders_serves_each_of_them():
    path = listing(("a", 3), ("b", 3), ("b", 4))
    assert gone(["a", "b"], path) == {"a": [3], "b": [3, 4]}
    assert gone(["a"], path) == {"a": [3]}
    path = listing(("a", 3), ("b", 3), filename=["val/female/000.jpg", "train/male/003.jpg"])
    assert gone(["a"], path) == {"a": []}  # it is of this folder, if of none of this split's faces


def test_the_list_of_a_folder_that_was_moved_or_prepared_in_another_way_is_taken():
    assert gone(["a"], listing(("data/elsewhere", 3))) == {"a": [3]}
    assert gone(["a"], listing(("b", 3))) == {"a": [3]}  # the same photos, cut out in another way
    path = listing(("a", 3), ("b", 5))
    Path("a").rename("moved")
    assert gone(["moved", "b"], path) == {"moved": [3], "b": [5]}


@pytest.mark.parametrize(
    ("named", "without", "read", "said"),
    [
        ([("gone", 3)], [], ["a", "b"], r"which train/male/003.jpg it means, that of a or of b"),
        ([("", 3)], ["folder"], ["a", "b"], r"list.csv does not tell which .* say it in its col"),
        ([("x", 3), ("y", 3)], [], ["a"], r"that of /\S*/x or of /\S*/y: say it in its column"),
    ],
)
def test_a_list_that_does_not_tell_which_face_it_means_is_refused(named, without, read, said):
    with pytest.raises(InputError, match=said):
        read_split(read, "train", left_out=listing(*named, without=without))


@pytest.mark.parametrize("filename", ["train/male/003.jpg", "3.jpg"])
@pytest.mark.parametrize("without", [["source"], []])
def test_without_sources_a_list_of_another_folder_is_refused(filename, without):
    if not without:  # then the folders lack them
        drop_sources()
    with pytest.raises(InputError, match=r"list\.csv is a list of other folders"):
        read_split("b", "train", left_out=listing(("a", 3), without=without, filename=filename))
    path = listing(("", 3), without=["folder", "source"])
    assert gone(["b"], path) == {"b": [3]}  # a list of one's own, of names alone
