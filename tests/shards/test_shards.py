"""Faces in shards: written, killed, continued, read back as one data set."""

import io
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from functools import partial

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

pytest.importorskip("webdataset", reason="WebDataset is not installed: see requirements-shards.txt")

from imdb_wiki.errors import InputError
from imdb_wiki.files import part_of
from imdb_wiki.pipeline import make_dataset, read_split
from imdb_wiki.shards.command import main
from imdb_wiki.shards.reading import named_broken_shards, shard_batches
from tests.conftest import REPOSITORY
from tests.prepared import take_labels_away, write_prepared
from tests.shared import LEAST_COMPACT, assert_one_line, ran


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("prepared")
    counts = {"train": 60, "val": 23, "test": 7}
    return [write_prepared(place / name, counts, seed=seed) for seed, name in enumerate("ab")]


@pytest.fixture(scope="module")
def shards(folders, tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("shards") / "new"
    done = ran(main, *folders, "--output_dir", output_dir, "--faces_per_shard", 25)
    assert done.returncode == 0, done.stderr
    assert "train: 120 faces in 5 shards" in done.stdout
    return output_dir


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def faces_of(batches):
    """Every face as bytes that say its image, its labels and what they count."""
    found = []
    for parts in batches.as_numpy_iterator():
        images, *labels = parts
        columns = [values for part in labels for _, values in sorted(part.items())]
        for number, image in enumerate(images):
            found.append(image.tobytes() + b"".join(c[number].tobytes() for c in columns))
    return found


def test_a_shard_has_each_faces_crop_and_labels(folders, shards):
    frame = read_split(folders, "val")
    by_source = {(row.source, row.age): row for row in frame.itertuples()}
    found = 0
    for path in sorted(shards.glob("val-*.tar")):
        with tarfile.open(path) as tar:
            names = tar.getnames()
            assert names == sorted(names)
            for name in names[::2]:
                row = json.load(tar.extractfile(name.replace(".jpg", ".json")))
                expected = by_source[(row["source"], row["age"])]
                assert (row["gender"], row["identity"]) == (expected.gender, expected.identity)
                crops = {(folder / "crop" / row["filename"]).read_bytes() for folder in folders}
                assert tar.extractfile(name).read() in crops
                found += 1
    assert found == len(frame) == 46


def test_the_same_faces_make_the_same_bytes(folders, shards, tmp_path):
    arguments = ("--output_dir", tmp_path / "again", "--faces_per_shard", 25)
    assert ran(main, *folders, *arguments).returncode == 0
    assert contents(tmp_path / "again") == contents(shards)
    moment = (shards / "train-000000.tar").stat().st_mtime_ns
    assert ran(main, *folders, "--output_dir", shards, "--faces_per_shard", 25).returncode == 0
    assert (shards / "train-000000.tar").stat().st_mtime_ns == moment  # nothing was left to do


@pytest.mark.parametrize("labels", ["all", "some"])
def test_read_back_they_are_the_prepared_folder(tmp_path, labels):
    folder = write_prepared(tmp_path / "prepared", {"train": 40, "val": 9})
    if labels == "some":
        take_labels_away(folder)
    arguments = ("--output_dir", tmp_path / "shards", "--faces_per_shard", 7)
    assert ran(main, folder, *arguments).returncode == 0
    frame = read_split(folder, "train", incomplete=True)
    expected = make_dataset(frame, 24, 16)
    batches = shard_batches(tmp_path / "shards", "train", 24, 16)
    assert len(batches) == len(expected) == 3
    for one, other in zip(batches.element_spec, expected.element_spec, strict=True):
        assert str(one) == str(other)
    found = faces_of(batches)
    assert sorted(found) == sorted(faces_of(expected))
    assert faces_of(batches) == found  # where nothing is shuffled, in one order
    of_training = shard_batches(tmp_path / "shards", "train", 24, 16, training=True)
    assert sorted(faces_of(of_training)) == sorted(found)


def test_training_shuffles_well_through_a_small_buffer(tmp_path):
    count = 600
    folder = write_prepared(tmp_path / "prepared", {"train": count, "val": 2}, image_size=8)
    table = (folder / "train.csv").read_text().splitlines()
    table[1:] = sorted(table[1:], key=lambda line: int(line.split(",")[1]))  # by age
    (folder / "train.csv").write_text("\n".join(table) + "\n")
    arguments = ("--output_dir", tmp_path / "shards", "--faces_per_shard", 50)
    assert ran(main, folder, *arguments).returncode == 0
    read = partial(shard_batches, tmp_path / "shards", "train", 8, 50, training=True)
    batches = read(seed=3, buffer_faces=20)

    def ages(batches):
        return [labels["age_years"][:, 0] for _, labels in batches.as_numpy_iterator()]

    first, second = ages(batches), ages(batches)
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))
    assert sorted(np.concatenate(first)) == sorted(np.concatenate(second))
    again = read(seed=3, buffer_faces=20)
    assert np.array_equal(first, ages(again)) and np.array_equal(second, ages(again))
    # Ages are drawn between 0 and 100: a mean of 50 has a standard deviation of 4.1 years. Not
    # dealt at random, the batches would have the means 4, 12, 21 ...
    means = np.array([batch.mean() for batch in first])
    assert np.abs(means - means.mean()).max() < 4 * 4.1
    places = np.arange(count)
    assert abs(np.corrcoef(places, np.concatenate(first))[0, 1]) < 0.15


def test_several_folders_mix_in_every_batch(tmp_path):
    folders = []
    for number, name in enumerate("ab"):
        prepared = write_prepared(tmp_path / name, {"train": 600, "val": 2}, image_size=8)
        table = pd.read_csv(prepared / "train.csv").assign(age=number)
        table.to_csv(prepared / "train.csv", index=False)
        folders.append(tmp_path / f"shards {name}")
        arguments = ("--output_dir", folders[-1], "--faces_per_shard", 100)
        assert ran(main, prepared, *arguments).returncode == 0
    batches = shard_batches(folders, "train", 8, 50, training=True, buffer_faces=100)
    shares = [labels["age_years"].mean() for _, labels in batches.as_numpy_iterator()]
    # Of 50 faces by chance: a standard deviation of 0.07.
    assert all(abs(share - 0.5) < 0.3 for share in shares[:18]), shares


def test_a_damaged_shard_is_written_again(folders, shards, tmp_path):
    copy = shutil.copytree(shards, tmp_path / "copy")
    cut(copy)
    (copy / "train-000001.tar").unlink()
    assert ran(main, *folders, "--output_dir", copy, "--faces_per_shard", 25).returncode == 0
    assert contents(copy) == contents(shards)


def test_a_run_that_was_stopped_at_its_first_moment_goes_on(folders, shards, tmp_path):
    (tmp_path / "new").mkdir()
    part_of(tmp_path / "new" / "shards.json").write_text("{")
    (tmp_path / "new" / ".lock").touch()
    arguments = ("--output_dir", tmp_path / "new", "--faces_per_shard", 25)
    assert ran(main, *folders, *arguments).returncode == 0
    assert contents(tmp_path / "new") == contents(shards)


def test_a_network_trains_on_them(shards):
    import keras

    from imdb_wiki.networks.compact import compact_cnn
    from imdb_wiki.training import Recipe
    from imdb_wiki.training.compact.age_labels import with_targets
    from imdb_wiki.training.compact.train import compile_compact

    recipe = Recipe(image_size=32, source_size=32, epochs=2, warm_up_epochs=1)
    network = compact_cnn(32, **LEAST_COMPACT)
    compile_compact(network, recipe, 8)
    batches = shard_batches(shards, "train", 32, 16, training=True)
    batches = batches.map(lambda images, labels: (images, with_targets(labels, recipe)))
    losses = network.fit(batches, epochs=2, shuffle=False, verbose=0).history["loss"]
    assert losses[1] < losses[0]
    assert keras.tree.flatten(network.evaluate(batches, verbose=0))[0] > 0


def test_a_writing_is_alone_in_its_folder_and_killed_goes_on_to_the_same_bytes(tmp_path):
    folder = write_prepared(tmp_path / "prepared", {"train": 1500, "val": 2}, image_size=8)
    command = [sys.executable, "-m", "imdb_wiki", "shards", folder, "--faces_per_shard", "5"]

    def start(name):
        arguments = [*map(str, command), "--output_dir", str(tmp_path / name)]
        return subprocess.Popen(arguments, cwd=REPOSITORY, stdout=subprocess.PIPE)

    killed = start("killed")
    for _ in range(3000):
        if len(list((tmp_path / "killed").glob("train-*.tar"))) > 3:
            break
        time.sleep(0.01)
    killed.send_signal(signal.SIGSTOP)  # still at work, however slow the next command is
    before = contents(tmp_path / "killed")
    second = ran(main, folder, "--faces_per_shard", 5, "--output_dir", tmp_path / "killed")
    after = contents(tmp_path / "killed")
    killed.send_signal(signal.SIGKILL)
    assert_one_line(second, "killed: another run is writing shards there now")
    assert after == before
    killed.communicate()
    written = len(list((tmp_path / "killed").glob("train-*.tar")))
    assert 3 < written < 300 and killed.returncode == -signal.SIGKILL
    with pytest.raises(InputError, match="not all written"):
        shard_batches(tmp_path / "killed", "train", 8, 4)
    again, whole = start("killed"), start("whole")
    assert [process.wait() for process in (again, whole)] == [0, 0]
    again.stdout.close(), whole.stdout.close()
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def cut(shards):
    path = shards / "train-000002.tar"
    path.write_bytes(path.read_bytes()[:-512])


def other_index(shards):
    (shards / "shards.json").write_text("[]")


def index_without_a_size(shards):
    index = json.loads((shards / "shards.json").read_text())
    del index["made_of"]["faces_per_shard"]
    (shards / "shards.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, "train-000002.tar has"),
        (lambda shards: (shards / "train-000001.tar").unlink(), "train-000001.tar is missing"),
        (lambda shards: (shards / "shards.json").unlink(), "is no folder of shards"),
        (other_index, "is not what the command shards writes"),
        (index_without_a_size, "is not what the command shards writes"),
    ],
)
def test_damaged_shards_are_named(shards, tmp_path, damage, said):
    copy = shutil.copytree(shards, tmp_path / "copy")
    damage(copy)
    with pytest.raises(InputError, match=said):
        shard_batches(copy, "train", 32, 4)


def changed(name, change):
    """What changes a member of a tar file in place: its header and content, as `change` does."""

    def damage(path):
        with tarfile.open(path) as tar:
            member = tar.getmember(name)
        data = bytearray(path.read_bytes())
        begin, end = member.offset, member.offset_data + member.size
        data[begin:end] = change(data[begin:end], member.offset_data - begin)
        path.write_bytes(data)

    return damage


def cut_content(data, start):
    return data[: start + 20] + bytes(len(data) - start - 20)


def no_gender(data, start):
    text = bytes(data[start:]).replace(b'"gender"', b'"gander"')
    assert text != data[start:]
    return data[:start] + text


def another_name(data, start):
    header = tarfile.TarInfo("000000000028.txt")
    header.size = len(data) - start
    return header.tobuf() + data[start:]


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("000000000028.jpg", cut_content, "{} is not a readable JPEG image"),
        ("000000000028.json", cut_content, "{} has not the labels of a face"),
        ("000000000028.json", no_gender, "{} has not the labels of a face"),
        ("000000000028.jpg", another_name, "{} is missing"),
        ("000000000028.json", another_name, "{} is missing"),
        ("000000000028.json", lambda data, _: b"?" * len(data), "damaged where {} should begin"),
        ("000000000025.jpg", lambda data, _: b"?" * len(data), "damaged where {} should begin"),
    ],
)
def test_what_is_damaged_in_a_shard_is_named(shards, tmp_path, name, change, said):
    copy = shutil.copytree(shards, tmp_path / "copy")
    changed(name, change)(copy / "train-000001.tar")
    batches = shard_batches(copy, "train", 32, 50, training=True)
    with pytest.raises(InputError) as error, named_broken_shards(copy, "train"):
        list(batches)
    what, how = str(error.value).split("; ")
    assert what == f"{copy / 'train-000001.tar'}: {said.format(name)}"
    assert how == "remove this shard, and the command shards writes it again"


def test_another_error_than_a_shards_stays(shards):
    with pytest.raises(tf.errors.InvalidArgumentError), named_broken_shards(shards, "val"):
        tf.io.decode_jpeg(b"of something else")


def test_a_split_that_is_not_there_is_named(tmp_path):
    folder = write_prepared(tmp_path / "prepared", {"train": 4, "val": 2})
    assert ran(main, folder, "--output_dir", tmp_path / "shards").returncode == 0
    with pytest.raises(InputError, match="no test split, only train, val"):
        shard_batches(tmp_path / "shards", "test", 32, 4)
    with pytest.raises(InputError, match="no folder of shards was given"):
        shard_batches([], "train", 32, 4)


def test_wrong_input_is_one_line(folders, shards, tmp_path):
    assert_one_line(ran(main, tmp_path, "--output_dir", tmp_path / "x"), "no train split")
    assert_one_line(
        ran(main, *folders, "--output_dir", shards), "other shards (faces per shard differ)"
    )
    assert_one_line(
        ran(main, folders[0], "--output_dir", shards, "--faces_per_shard", 25),
        "other shards (rows differ)",
    )
    assert_one_line(ran(main, *folders, "--output_dir", folders[0]), "holds something else")
    larger = write_prepared(tmp_path / "a", {"train": 4, "val": 2}, image_size=16)
    assert ran(main, larger, "--output_dir", tmp_path / "of_16").returncode == 0
    write_prepared(tmp_path / "a", {"train": 4, "val": 2}, image_size=24)  # the same rows
    said = ran(main, larger, "--output_dir", tmp_path / "of_16")
    assert_one_line(said, "other shards (images differ)")
    broken = write_prepared(tmp_path / "broken", {"train": 4, "val": 2})
    (broken / "crop/train/female/000.jpg").write_bytes(b"\xff\xd8 half")
    output = ("--output_dir", tmp_path / "shards")
    assert_one_line(ran(main, broken, *output), "not a readable JPEG image")
    (broken / "crop/train/female/000.jpg").unlink()
    assert_one_line(ran(main, broken, *output), "000.jpg")
    assert not list((tmp_path / "shards").glob("*.tar"))


def test_without_the_package_one_line_says_what_to_install(folders, shards, tmp_path, monkeypatch):
    for name in ("webdataset", "webdataset.filters", "webdataset.tariterators"):
        monkeypatch.setitem(sys.modules, name, None)
    output = ("--output_dir", tmp_path / "shards")
    assert_one_line(ran(main, *folders, *output), "pip install -r requirements-shards.txt")
    assert not (tmp_path / "shards").exists()
    with pytest.raises(InputError, match="requirements-shards"):
        shard_batches(shards, "train", 32, 4)


def test_any_tar_reader_finds_the_images(shards):
    """What others read them with: no package of this project."""
    with tarfile.open(shards / "test-000000.tar") as tar:
        image = tar.extractfile("000000000000.jpg").read()
    from PIL import Image

    assert Image.open(io.BytesIO(image)).size == (32, 32)
