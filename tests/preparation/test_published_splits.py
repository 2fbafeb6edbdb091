"""A split that somebody has published: a CSV that names each photo and its split."""

import subprocess
from pathlib import Path

import cv2
import pandas as pd
import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.split_lists import published_splits, read_published_split
from tests.conftest import run_preparation
from tests.preparation.originals import photo, read_splits
from tests.shared import assert_one_line

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        # By the whole path: names are there twice, as FairFace has them.
        ({"a/1.jpg": "train", "b/1.jpg": "test"}, {"a/1.jpg": "train", "b/1.jpg": "test"}),
        ({"a/1.jpg": "train"}, {"a/1.jpg": "train"}),  # the other one is not named
        # By the name alone, as long as it says which photo is meant.
        ({"2.jpg": "val", "1.jpg": "test"}, {"b/2.jpg": "val"}),
        ({"z/2.jpg": "val", "y/2.jpg": "test"}, {}),
        ({"2.jpg": "train", "z/2.jpg": "test"}, {}),
        ({"2.jpg": "train", "b/2.jpg": "test"}, {"b/2.jpg": "test"}),
        # The list counts from a folder further up, or further down.
        ({"x/a/1.jpg": "train", "x/b/1.jpg": "val"}, {"a/1.jpg": "train", "b/1.jpg": "val"}),
        ({"x/a/1.jpg": "train", "y/a/1.jpg": "val"}, {}),
        ({"d/3.jpg": "test"}, {"c/d/3.jpg": "test"}),
        ({}, {}),
    ],
)
def test_photos_are_found_by_their_paths_or_by_what_can_mean_no_other(published, expected):
    sources = ["a/1.jpg", "b/1.jpg", "b/2.jpg", "c/d/3.jpg", "a/1.jpg"]
    found = published_splits(pd.Series(sources, index=range(5, 10)), published)
    assert found.index.tolist() == list(range(5, 10))
    assert found.tolist() == [expected.get(source, "") for source in sources]


def test_a_spreadsheets_list_is_read_and_its_lines_are_the_files_own(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("\ufefffile;split\n\na/1.jpg;train\nb/1.jpg;test\n")
    assert read_published_split(path) == {"a/1.jpg": "train", "b/1.jpg": "test"}
    path.write_text("file,split\n\na/1.jpg,train\nb/1.jpg,probe\n")
    with pytest.raises(InputError, match=r"list\.csv, line 4: the split 'probe' is none of"):
        read_published_split(path)
    with pytest.raises(InputError, match=r"none\.csv: No such file"):
        read_published_split(tmp_path / "none.csv")


@pytest.fixture
def utkfaces(tmp_path) -> tuple[Path, list[str]]:
    """A folder of 40 photos of UTKFace's kind, and their names."""
    (tmp_path / "faces").mkdir()
    names = [f"{n + 21}_{n % 2}_0_{n:017d}.jpg.chip.jpg" for n in range(40)]
    for n, name in enumerate(names):
        cv2.imwrite(str(tmp_path / "faces" / name), photo(n))
    return tmp_path / "faces", names


def prepared_by(table: pd.DataFrame, folder: Path, *arguments) -> subprocess.CompletedProcess:
    table.to_csv(folder.parent / "published.csv", index=False)
    return run_preparation(
        *("--dataset", "utkface", "--photo_dir", folder, "--img_size", 32, *arguments),
        *("--split_file", folder.parent / "published.csv", "--output_dir", folder.parent / "out"),
    )


@pytest.mark.parametrize("has_val", [False, True])
def test_a_published_split_decides_which_photos_there_are(utkfaces, has_val):
    folder, names = utkfaces
    dealt = ["train"] * 20 + ["val" if has_val else "train"] * 4 + ["test"] * 10
    table = pd.DataFrame({"file": names[:34], "split": dealt})
    done = prepared_by(table, folder, "--split_ratio", 0.5, "--test_ratio", 0.25)
    assert done.returncode == 0, done.stderr
    kept = read_splits(folder.parent / "out").set_index("source")["split"]
    assert set(kept.index) == set(names[:34])
    rejected = pd.read_csv(folder.parent / "out/rejects.csv")
    assert rejected["rule"].tolist() == ["not_listed"] * 6
    assert set(kept[names[24:34]]) == {"test"} and (kept == "test").sum() == 10
    if has_val:
        assert kept[names[:34]].tolist() == dealt
    else:  # a third of what is not the test's, as the shares say
        assert (kept == "val").sum() == 8


def test_a_picture_in_both_parts_of_a_published_split_is_in_the_test(utkfaces):
    folder, names = utkfaces
    (folder / names[1]).write_bytes((folder / names[33]).read_bytes())
    renamed = f"54_1_0_{1:017d}.jpg.chip.jpg"  # the labels of the other one
    (folder / names[1]).rename(folder / renamed)
    names[1] = renamed
    table = pd.DataFrame({"file": names, "split": ["train"] * 30 + ["test"] * 10})
    assert prepared_by(table, folder).returncode == 0
    assert read_splits(folder.parent / "out").set_index("source")["split"][renamed] == "test"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.rename(columns={"file": "name"}), "it lacks one of the columns"),
        (lambda table: table.replace("test", "probe"), "line 32: the split 'probe' is none of"),
        (lambda table: table[table["split"] == "train"], "it names no photo for test"),
        (lambda table: pd.concat([table, table.head(1)]), "twice"),
        (lambda table: table.assign(file="x" + table["file"]), "no image is left: not_listed 40"),
    ],
)
def test_what_is_no_published_split_of_these_photos_is_said(utkfaces, change, said):
    folder, names = utkfaces
    table = pd.DataFrame({"file": names, "split": ["train"] * 30 + ["test"] * 10})
    assert_one_line(prepared_by(change(table), folder), said)
