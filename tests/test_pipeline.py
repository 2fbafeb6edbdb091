import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from imdb_wiki.errors import InputError
from imdb_wiki.evaluation.metrics import people_of
from imdb_wiki.pipeline import decode, make_dataset, named_broken_images, read_split
from imdb_wiki.split_tables import write_linked_folder
from tests.prepared import take_labels_away, write_noise, write_prepared


@pytest.fixture
def prepared_dir(tmp_path):
    return write_prepared(tmp_path / "prepared")


def test_reads_one_folder_or_several(prepared_dir, tmp_path):
    other = write_prepared(tmp_path / "other", {"train": 3}, seed=1)
    one = read_split(prepared_dir, "train")
    both = read_split([prepared_dir, other], "train")
    assert (len(one), len(both)) == (10, 13)
    assert both.index.tolist() == list(range(13))
    assert all(tf.io.gfile.exists(path) for path in both["path"])
    assert both["path"].iloc[-1] == str(other / "crop" / both["filename"].iloc[-1])


def test_what_one_of_several_folders_lacks_is_empty_in_its_rows(prepared_dir, tmp_path):
    own = write_prepared(tmp_path / "own", seed=1)
    table = pd.read_csv(own / "train.csv")
    table.drop(columns=["identity", "source"]).to_csv(own / "train.csv", index=False)
    full = pd.read_csv(prepared_dir / "train.csv").assign(weight=0.5)
    weighted = write_prepared(tmp_path / "weighted")
    full.to_csv(weighted / "train.csv", index=False)
    frame = read_split([weighted, own], "train")
    assert (frame["identity"][10:] == "").all() and (frame["source"][10:] == "").all()
    assert frame["weight"].tolist() == [0.5] * 10 + [1.0] * 10
    assert len(set(people_of(frame))) == 20  # none of them is the same person
    listed = pd.DataFrame({"filename": frame["filename"][[12]], "source": ""})
    listed.assign(wrong_probability=1).to_csv(tmp_path / "list.csv", index=False)
    kept = read_split([weighted, own], "train", left_out=tmp_path / "list.csv")
    assert len(kept) == 19 and set(kept["path"]) == set(frame["path"].drop(12))


def test_a_person_called_na_keeps_the_name(prepared_dir):
    csv_path = prepared_dir / "train.csv"
    csv_path.write_text(csv_path.read_text().replace("person 3,2.5", "NA,"))
    frame = read_split(prepared_dir, "train")
    assert frame["identity"].iloc[3] == "NA"
    assert np.isnan(frame["face_score"].iloc[3])


def test_a_missing_split_is_named(prepared_dir):
    (prepared_dir / "test.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"no test split: .*test\.csv"):
        read_split(prepared_dir, "test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("filename,age,gender\n", "no rows"),
        ("filename,age\na.jpg,3\n", "lacks the column gender"),
        ("filename,age,gender\na.jpg,3,1\nb.jpg,101,1\n", "line 3: age is '101'"),
        ("filename,age,gender\na.jpg,-1,1\n", "age is '-1'"),
        ("filename,age,gender\na.jpg,3.5,1\n", "age is '3.5'"),
        ("filename,age,gender\na.jpg,,1\n", "age is ''"),
        ("filename,age,gender\na.jpg,3,2\n", "gender is '2', not a whole number from 0 to 1"),
        ("filename,age,gender\na.jpg,3,male\n", "gender is 'male'"),
    ],
)
def test_a_wrong_csv_is_named_with_what_is_wrong(tmp_path, text, message):
    (tmp_path / "val.csv").write_text(text)
    with pytest.raises(InputError, match=message) as raised:
        read_split(tmp_path, "val")
    assert "val.csv" in str(raised.value)


@pytest.mark.parametrize("side", [40, 24, 16, 13])
def test_pixels_are_those_of_opencv_eagerly_and_in_a_pipeline(tmp_path, side):
    path = tmp_path / "noise.jpg"
    expected = write_noise(path, 40, 40).astype(int)
    if side != 40:
        expected = cv2.resize(
            expected.astype("uint8"), (side, side), interpolation=cv2.INTER_AREA
        ).astype(int)
    eager = decode(tf.constant(str(path)), side).numpy()
    piped = next(iter(tf.data.Dataset.from_tensors(str(path)).map(lambda p: decode(p, side))))
    assert eager.dtype == np.uint8
    assert eager.tolist() == piped.numpy().tolist()
    # Without scaling nothing is rounded, and nothing may differ.
    assert np.abs(eager.astype(int) - expected).max() <= (0 if side == 40 else 1)


def test_enlarging_is_smooth(tmp_path):
    path = tmp_path / "noise.jpg"
    expected = cv2.resize(write_noise(path, 20, 20), (50, 50), interpolation=cv2.INTER_LINEAR)
    enlarged = decode(tf.constant(str(path)), 50).numpy()
    assert np.abs(enlarged.astype(int) - expected.astype(int)).max() <= 2


def test_a_size_may_be_height_and_width(tmp_path):
    write_noise(tmp_path / "noise.jpg", 40, 40)
    assert decode(tf.constant(str(tmp_path / "noise.jpg")), (10, 20)).shape == (10, 20, 3)


def test_batches_are_uint8_with_labels_and_a_short_last_one(prepared_dir):
    batches = list(make_dataset(read_split(prepared_dir, "train"), 32, 4))
    assert [images.shape[0] for images, _ in batches] == [4, 4, 2]
    images, labels = batches[0]
    assert images.dtype == tf.uint8
    assert images.shape[1:] == (32, 32, 3)
    assert (labels["age_years"].dtype, labels["age_years"].shape) == (tf.float32, (4, 1))
    assert (labels["gender"].dtype, labels["gender"].shape) == (tf.int32, (4, 1))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("devices", [2, 3, 4])
def test_batches_for_several_devices_can_be_shared_equally(prepared_dir, training, devices):
    frame = read_split(prepared_dir, "train").assign(age=range(10))
    for count, batch_size in ((1, 8), (5, 4), (9, 16), (10, 3)):
        data = make_dataset(frame[:count], 8, batch_size, training, devices=devices)
        batches = list(data)
        sizes = {images.shape[0] for images, *_ in batches}
        assert len(batches) == len(data) and len(sizes) == 1 and sizes.pop() % devices == 0
        ages = np.concatenate([labels["age_years"][:, 0] for _, labels, *_ in batches])
        assert set(ages) == set(range(count))
        if not training:
            weights = np.concatenate([weights for *_, weights in batches])
            assert ages[weights > 0].tolist() == list(range(count))
            assert weights.mean() == pytest.approx(1)
    if training:  # which images fill up the last batch is drawn from the seed, too
        epochs = [
            [make_dataset(frame, 8, 3, True, seed, devices) for _ in range(2)] for seed in (1, 2)
        ]
        (first, again), (other, _) = epochs
        assert epoch(first) == epoch(again) != epoch(other)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"batch_size": 0}, "batch_size: 0 is not from 1 to"),
        ({"batch_size": "16"}, "batch_size: '16' is not a whole number"),
        ({"batch_size": 16.0}, "batch_size: 16.0 is not a whole number"),
        ({"image_size": 0}, "image_size: 0 is not from 1 to 2048"),
        ({"image_size": (8, 8, 3)}, "neither a side nor"),
        ({"image_size": None}, "image_size: None is not a whole number"),
        ({"seed": -1}, "seed: -1 is not from 0 to"),
    ],
)
def test_a_number_that_makes_no_batches_is_named(prepared_dir, keywords, message):
    frame = read_split(prepared_dir, "train")
    with pytest.raises(InputError, match=message):
        make_dataset(frame, **{"image_size": 8, "batch_size": 4} | keywords)


def test_no_rows_make_no_batches(prepared_dir):
    with pytest.raises(InputError, match="there are no images"):
        make_dataset(read_split(prepared_dir, "train")[:0], 8, 4)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ([], "no prepared folder was given"),
        (None, "None is neither a prepared folder nor a list"),
        ("twice", "is named twice"),
    ],
)
def test_folders_that_are_none_are_named(prepared_dir, folders, message):
    if folders == "twice":
        folders = [prepared_dir, f"{prepared_dir}/../{prepared_dir.name}"]
    with pytest.raises(InputError, match=message):
        read_split(folders, "train")


@pytest.mark.parametrize("training", [False, True])
def test_labels_stay_with_their_images(prepared_dir, training):
    data = make_dataset(read_split(prepared_dir, "train"), 32, 4, training=training)
    for images, labels in data.unbatch():
        red, green, _ = np.asarray(images)[16, 16].astype(int)
        assert abs(green - 2 * float(labels["age_years"][0])) <= 4
        assert (red > 125) == int(labels["gender"][0])


def epoch(dataset):
    return [float(age) for _, labels in dataset for age in labels["age_years"][:, 0]]


def test_shuffling_follows_the_seed_and_differs_each_epoch(tmp_path):
    frame = read_split(write_prepared(tmp_path, {"train": 30}), "train")
    data = make_dataset(frame, 8, 7, training=True, seed=1)
    first, second = epoch(data), epoch(data)
    assert first != second
    assert sorted(first) == sorted(second) == sorted(frame["age"])
    again = make_dataset(frame, 8, 7, training=True, seed=1)
    assert [epoch(again), epoch(again)] == [first, second]
    assert epoch(make_dataset(frame, 8, 7, training=True, seed=2)) != first
    assert epoch(make_dataset(frame, 8, 7)) == frame["age"].tolist()


@pytest.mark.parametrize("damage", ["empty", "half", "no image", "missing"])
def test_a_broken_image_is_named(prepared_dir, damage):
    frame = read_split(prepared_dir, "train")
    broken = prepared_dir / "crop" / frame["filename"][6]
    whole = broken.read_bytes()
    if damage == "missing":
        broken.unlink()
    else:
        broken.write_bytes({"empty": b"", "half": whole[:400], "no image": b"GIF?" * 99}[damage])
    with (
        pytest.raises(InputError, match=r"006\.jpg"),
        named_broken_images(pd.DataFrame({"path": []}), frame),
    ):
        list(make_dataset(frame, 32, 4))


def test_a_folder_whose_name_is_no_utf8_is_read(tmp_path):
    folder = tmp_path / os.fsdecode(b"faces\xff")  # OpenCV cannot write there
    write_prepared(tmp_path / "faces", {"train": 3}, image_size=16).rename(folder)
    frame = read_split(folder, "train")
    with named_broken_images(frame):
        assert sum(len(images) for images, _ in make_dataset(frame, 16, 2)) == 3


def test_a_row_without_a_filename_and_a_folder_as_image_are_named(tmp_path):
    folder = write_prepared(tmp_path, {"train": 3}, image_size=16)
    frame = read_split(folder, "train")
    path = Path(frame["path"][1])
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match=path.name), named_broken_images(frame):
        list(make_dataset(frame, 16, 2))
    table = pd.read_csv(folder / "train.csv")
    table.loc[1, "filename"] = ""
    table.to_csv(folder / "train.csv", index=False)
    with pytest.raises(InputError, match=r"train\.csv, line 3: it has no filename"):
        read_split(folder, "train")


def test_rows_of_several_folders_become_one_whose_crops_are_links(prepared_dir, tmp_path):
    others = [
        take_labels_away(write_prepared(tmp_path / name, {"train": 30, "val": 9}, seed=seed))
        for seed, name in enumerate("ab")
    ]
    before = sorted(tmp_path.rglob("*"))
    linked, same = tmp_path / "linked", ["age", "age_low", "age_high", "gender", "source"]
    linked.mkdir()
    (linked / "crop").symlink_to(prepared_dir / "crop")  # as if another program had made it
    (linked / "test.csv").write_text("of an earlier call\n")
    for folders in (others, [*others[:1], prepared_dir]):
        frames = {split: read_split(folders, split, incomplete=True) for split in ("train", "val")}
        frames["train"] = frames["train"].iloc[::-2]
        write_linked_folder(linked, frames)
        assert {path.stem for path in linked.glob("*.csv")} == set(frames)
        for split, rows in frames.items():
            found = read_split(linked, split, incomplete=True)
            pd.testing.assert_frame_equal(found[same], rows[same].reset_index(drop=True))
            assert all(map(os.path.samefile, found["path"], rows["path"]))
    assert [path for path in sorted(tmp_path.rglob("*")) if linked not in path.parents] == [
        *sorted([*before, linked])
    ]
