"""The preparation on the real faces: known counts and known fates."""

import subprocess
import sys
import tarfile

import pandas as pd
import pytest

from tests.conftest import REPOSITORY, run_preparation

pytestmark = pytest.mark.realdata


def read_splits(output_dir):
    names = ("train", "val", "test")
    frames = {
        name: pd.read_csv(output_dir / f"{name}.csv", dtype={"identity": str}) for name in names
    }
    return pd.concat(frames, names=["split"]).reset_index("split")


def test_wiki_gives_the_known_counts(real_dir, tmp_path):
    done = run_preparation(
        *("--dataset", "wiki", "--photo_dir", real_dir / "wiki_crop_64.tar"),
        *("--output_dir", tmp_path / "out", "--img_size", 64, "--workers", 2),
    )
    assert done.returncode == 0, done.stderr
    rejects = pd.read_csv(tmp_path / "out/rejects.csv")
    assert rejects["rule"].value_counts().to_dict() == {
        "no_face": 18_016,
        "low_score": 1_319,
        "second_face": 4_070,
        "no_gender": 736,
        "bad_age": 49,
        "missing_file": 7_644,
        "contradicting_duplicate": 18,
    }
    kept = read_splits(tmp_path / "out")
    assert len(kept) == 30_494 - 18
    named = kept.dropna(subset="identity")
    assert named.groupby("identity")["split"].nunique().max() == 1
    shares = kept["split"].value_counts(normalize=True)[["train", "val", "test"]]
    assert shares.tolist() == pytest.approx([0.7, 0.15, 0.15], abs=0.01)


# What the folder's maker calls a fate, as the rule that must have met it.
RULE_OF_FATE = {"keep": "", "corrupt_file": "unreadable_image", "empty_file": "unreadable_image"}


@pytest.fixture(scope="module")
def utkface_dir(real_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("utkface")
    with tarfile.open(real_dir / "utkface_train.tar") as archive:
        archive.extractall(folder, filter="data")
    return folder / "UTKFace"


def test_identical_utkface_files_are_in_one_split_or_contradict(utkface_dir, tmp_path):
    done = run_preparation(
        *("--dataset", "utkface", "--photo_dir", utkface_dir),
        *("--output_dir", tmp_path / "out", "--img_size", 64, "--workers", 2),
        *("--split_file", REPOSITORY / "models/compact_split.json"),
    )
    assert done.returncode == 0, done.stderr
    assert "by image" in done.stdout
    kept = read_splits(tmp_path / "out").set_index("source")
    # The shipped weights' splits; near-identical pictures of listed ones that are found at one
    # size of the crops and not at another go with them.
    sizes = kept["split"].value_counts()
    assert sizes[["val", "test"]].tolist() == pytest.approx([1495, 1494], abs=5)
    rejects = pd.read_csv(tmp_path / "out/rejects.csv").set_index("source")
    names = sorted(path.name for path in utkface_dir.iterdir())
    assert sorted([*kept.index, *rejects.index]) == names
    contents = pd.Series({name: hash((utkface_dir / name).read_bytes()) for name in names})
    groups = contents.groupby(contents).groups.values()
    identical = [list(members) for members in groups if len(members) > 1]
    assert len(identical) == 239
    contradicting = rejects.index[rejects["rule"] == "contradicting_duplicate"]
    assert len(contradicting) == 282
    for members in identical:
        together = kept.index.intersection(members)
        assert kept.loc[together, "split"].nunique() <= 1
        ages = {name.split("_")[0] for name in together}
        assert len(ages) <= 1


def test_every_row_of_a_made_imdb_crop_meets_its_fate(real_dir, utkface_dir, tmp_path):
    make = [sys.executable, real_dir / "make_imdb_crop.py", utkface_dir, tmp_path / "imdb_crop"]
    subprocess.run([*make, "--limit", "3000"], check=True, capture_output=True)
    done = run_preparation(
        *("--db_path", tmp_path / "imdb_crop/imdb.mat", "--output_dir", tmp_path / "out"),
        *("--img_size", 64),
    )
    assert done.returncode == 0, done.stderr
    truth = pd.read_csv(tmp_path / "imdb_crop/truth.csv").set_index("full_path")
    kept = read_splits(tmp_path / "out").set_index("source")
    rejects = pd.read_csv(tmp_path / "out/rejects.csv").set_index("source")
    rule = pd.concat([rejects["rule"], pd.Series("", index=kept.index)])
    expected = truth["fate"].replace(RULE_OF_FATE)
    rule = rule[expected.index]
    # UTKFace holds identical files with contradicting ages; their maker calls them `keep`.
    contradicting = rule == "contradicting_duplicate"
    assert rule[~contradicting].tolist() == expected[~contradicting].tolist()
    assert (expected[contradicting] == "").all()
    digests = pd.Series(
        {
            source: (tmp_path / "imdb_crop" / source).read_bytes()
            for source in rule[contradicting].index
        }
    )
    ages_of_file = truth["age"][contradicting].groupby(digests).nunique()
    genders_of_file = truth["gender"][contradicting].groupby(digests).nunique()
    assert ((ages_of_file > 1) | (genders_of_file > 1)).all()
    assert kept["age"].tolist() == truth["age"][kept.index].tolist()
    assert kept["gender"].tolist() == truth["gender"][kept.index].tolist()
    assert kept.groupby("identity")["split"].nunique().max() == 1
