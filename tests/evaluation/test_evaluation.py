import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.evaluation import command
from imdb_wiki.evaluation import evaluate as evaluation
from imdb_wiki.evaluation import text as metrics_text
from imdb_wiki.evaluation.metrics import score
from imdb_wiki.models.files import load_model, save_model
from imdb_wiki.networks.two_branch import two_branch_cnn
from imdb_wiki.pipeline import read_split
from imdb_wiki.split_lists import warning_of_seen_faces, write_split_list
from tests.conftest import REPOSITORY
from tests.evaluation.test_metrics import FRAME, PREDICTIONS
from tests.prepared import write_noise, write_prepared
from tests.shared import SMALL, assert_one_line, ran


def test_the_table_puts_answers_beside_labels():
    table = evaluation.predictions_table(FRAME, PREDICTIONS)
    assert table["age_error_years"].tolist() == [5, -6, 0, 1]
    assert table["predicted_gender"].tolist() == [0, 0, 1, 1]
    assert table["male_probability"].tolist() == pytest.approx([0.25, 0.5, 0.9, 0.6])


@pytest.fixture(scope="module")
def prepared_dir(tmp_path_factory):
    return write_prepared(tmp_path_factory.mktemp("prepared"), image_size=16)


def reading_network():
    """Answers what the prepared images show: the age is half their green, men are red."""
    image = keras.Input((16, 16, 3), name="image")
    mean = keras.layers.GlobalAveragePooling2D()(image)
    fixed = keras.initializers.Constant
    age = keras.layers.Dense(1, kernel_initializer=fixed(np.array([[0], [0.5], [0]])))(mean)
    gender = keras.layers.Dense(
        2,
        activation="softmax",
        kernel_initializer=fixed(np.array([[-1, 1], [0, 0], [0, 0]]) / 10),
        bias_initializer=fixed(np.array([12.5, -12.5])),  # red 125 is undecided
    )(mean)
    return keras.Model(image, {"age_years": age, "gender": gender})


@pytest.mark.parametrize("batch_size", [1, 3, 7, 64])
def test_each_image_is_counted_once_and_in_order(prepared_dir, batch_size):
    frame = read_split(prepared_dir, "test")  # 7 images
    predictions = evaluation.predict(reading_network(), frame, batch_size)
    assert predictions["age_years"] == pytest.approx(frame["age"].to_numpy(), abs=2)
    assert predictions["gender"].argmax(axis=1).tolist() == frame["gender"].tolist()
    scores = score(frame, predictions, read_split(prepared_dir, "train"))
    assert scores["count"] == 7
    assert scores["age_mae_years"] < 1 < scores["median_age_mae_years"]
    assert scores["gender_accuracy"] == 1


def test_flip_averaging_is_the_mean_for_the_image_and_its_mirror(tmp_path):
    frame = read_split(write_prepared(tmp_path, {"test": 7}, image_size=16), "test")
    for seed, path in enumerate(frame["path"]):
        write_noise(path, 16, 16, seed)
    image = keras.Input((16, 16, 3), name="image")
    left = keras.layers.Cropping2D(((0, 0), (0, 8)))(image)  # mirrored it is the right half
    values = keras.layers.GlobalAveragePooling2D()(left)  # (batch, 3)
    half_network = keras.Model(image, {"age_years": values[:, :1], "gender": values[:, 1:]})
    whole_values = keras.layers.GlobalAveragePooling2D()(image)
    whole_network = keras.Model(
        image, {"age_years": whole_values[:, :1], "gender": whole_values[:, 1:]}
    )
    averaged = evaluation.predict(half_network, frame, batch_size=3, flip_averaging=True)
    expected, plain = (evaluation.predict(n, frame) for n in (whole_network, half_network))
    for name in ("age_years", "gender"):
        assert averaged[name] == pytest.approx(expected[name], rel=1e-4)
        assert averaged[name] != pytest.approx(plain[name], rel=1e-4)


def save_distribution_network(path):
    """A network that answers a distribution of ages, whatever it is worth."""
    image = keras.Input((16, 16, 3), name="image")
    mean = keras.layers.GlobalAveragePooling2D()(image)
    heads = {"age_years": (1, None), "gender": (2, "softmax"), "age_distribution": (101, "softmax")}
    outputs = {
        name: keras.layers.Dense(units, activation, name=name)(mean)
        for name, (units, activation) in heads.items()
    }
    keras.Model(image, outputs).save(path)


def test_a_distribution_without_constants_is_calibrated_on_the_validation_split(tmp_path):
    folder = write_prepared(tmp_path / "data", {"train": 4, "val": 12, "test": 7}, image_size=16)
    save_distribution_network(tmp_path / "model.keras")
    arguments = [tmp_path / "model.keras", folder, "--output_dir", tmp_path / "out"]
    assert command.main([str(argument) for argument in arguments]) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["age_interval"]["count"] == 12
    assert "90% age intervals hold" in metrics_text.summary(metrics)
    assert command.main([str(argument) for argument in [*arguments, "--flip_averaging"]]) == 0
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    assert results["count"].tolist() == [7, 7]
    assert results["flip_averaging"].tolist() == [False, True]


def test_listed_faces_neither_score_nor_calibrate(tmp_path):
    counts = {"train": 4, "val": 12, "test": 7}
    folder = write_prepared(tmp_path / "data", counts, image_size=16)
    save_distribution_network(tmp_path / "model.keras")
    listed = [f"{split}/female/{n:03}.jpg" for split in counts for n in (0, 2)]
    rows = "".join(f"{name},0.9\n" for name in listed)
    (tmp_path / "left_out.csv").write_text(f"filename,wrong_probability\n{rows}")
    arguments = (tmp_path / "model.keras", folder, "--output_dir", tmp_path / "out")
    done = ran(command.main, *arguments, "--left_out", tmp_path / "left_out.csv")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["train_count"], metrics["count"]) == (2, 5)
    assert metrics["age_interval"]["count"] == 10


def test_constant_answers_come_from_another_folders_train_split(tmp_path):
    judged = write_prepared(tmp_path / "judged", {"val": 12, "test": 7}, image_size=16)
    large = write_prepared(tmp_path / "large", {"train": 9}, image_size=16)
    for folder, split, first_year in ((judged, "test", 20), (large, "train", 30)):
        path = folder / f"{split}.csv"
        table = pd.read_csv(path).assign(age=None, age_low=first_year, age_high=first_year + 9)
        table.loc[0, ["age_low", "age_high"]] = (40, 49)
        table.to_csv(path, index=False)
    save_distribution_network(tmp_path / "model.keras")
    arguments = (tmp_path / "model.keras", judged, "--output_dir", tmp_path / "out")
    assert_one_line(ran(command.main, *arguments), "no train split")
    done = ran(command.main, *arguments, "--constants_from", large)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["train_count"] == 9
    # Always 30–39: never right, and always in the next range.
    assert (metrics["majority_bin_accuracy"], metrics["majority_bin_one_off"]) == (0, 1)
    (row,) = pd.read_csv(tmp_path / "out" / "results.csv").to_dict("records")
    assert (row["data"], row["constants_from"]) == (str(judged), str(large))
    assert_one_line(
        ran(command.main, *arguments, "--constants_from", tmp_path / "none"),
        f"no train split: {tmp_path / 'none'}/train.csv does not exist",
    )
    two = (tmp_path / "model.keras", judged, large, "--output_dir", tmp_path / "two")
    assert_one_line(ran(command.main, *two, "--constants_from", large), "serves one prepared")
    assert not (tmp_path / "two").exists()


def test_an_image_of_another_size_is_fitted_to_the_network(prepared_dir, tmp_path):
    larger = write_prepared(tmp_path, {"test": 3}, image_size=40)
    frame = read_split([prepared_dir, larger], "test")
    predictions = evaluation.predict(reading_network(), frame)
    assert predictions["age_years"] == pytest.approx(frame["age"].to_numpy(), abs=2)


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    save_model(two_branch_cnn(**SMALL), path)
    return path


@pytest.mark.parametrize(
    "name", ["metrics.json", "predictions.csv", "figures/reliability.png", "results.csv"]
)
def test_the_command_replaces_nobody_elses_file(prepared_dir, model_path, tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("day,distance_km\nMonday,8\n")
    done = ran(command.main, model_path, prepared_dir, "--output_dir", tmp_path)
    assert_one_line(done, str(path))
    assert path.read_text() == "day,distance_km\nMonday,8\n"
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_the_command_writes_metrics_predictions_and_figures(prepared_dir, model_path, tmp_path):
    arguments = (model_path, prepared_dir, "--output_dir", tmp_path, "--batch_size", 3)
    words = [sys.executable, "-m", "imdb_wiki.evaluation", *map(str, arguments)]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "7 images" in done.stdout
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    frame, train_frame = (read_split(prepared_dir, split) for split in ("test", "train"))
    model = keras.saving.load_model(model_path)
    expected = score(frame, evaluation.predict(model, frame), train_frame)
    assert metrics["train_majority_gender"] == expected.pop("train_majority_gender")
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, rel=1e-4)
    assert sum(group["count"] for group in metrics["by_age_decade"].values()) == 7
    table = pd.read_csv(tmp_path / "predictions.csv")
    assert table["filename"].tolist() == frame["filename"].tolist()
    assert table["age_error_years"].abs().mean() == pytest.approx(metrics["age_mae_years"])
    assert len(list((tmp_path / "figures").glob("*.png"))) >= 3


def test_a_split_that_the_model_has_partly_learnt_is_said_to_be_one(
    prepared_dir, model_path, tmp_path
):
    own_path, list_path = tmp_path / "own.keras", tmp_path / "own_split.json"
    shutil.copy(model_path, own_path)
    frame = read_split(prepared_dir, "test")
    for left_out in (frame, frame[:0]):  # nothing learnt; nothing that the training knew of
        write_split_list(list_path, {"test": left_out})
        assert warning_of_seen_faces(own_path, frame) == ""
    write_split_list(list_path, {"test": frame[:5]})
    arguments = [own_path, prepared_dir, "--output_dir", tmp_path]
    done = ran(command.main, *arguments)
    assert done.returncode == 0 and "warning: 2 of these 7 faces" in done.stderr
    list_path.write_text("no list")
    assert_one_line(ran(command.main, *arguments), "own_split.json: not a list")


def test_a_missing_model_ends_the_command(prepared_dir, tmp_path):
    arguments = (tmp_path / "no.keras", prepared_dir, "--output_dir", tmp_path)
    assert_one_line(ran(command.main, *arguments), "no such model")


@pytest.mark.parametrize("content", [b"", b"no model", "a zip"])
def test_a_file_that_is_no_model_ends_the_command(prepared_dir, tmp_path, content):
    path = tmp_path / "model.keras"
    if content == "a zip":
        path = Path(shutil.make_archive(str(tmp_path / "model"), "zip", prepared_dir))
        path = path.rename(tmp_path / "model.keras")
    else:
        path.write_bytes(content)
    arguments = (path, prepared_dir, "--output_dir", tmp_path)
    assert_one_line(ran(command.main, *arguments), "not a saved Keras model")


def other_model(kind):
    image = keras.Input((None, None, 3) if kind == "any size" else (16, 16, 3), name="image")
    mean = keras.layers.GlobalAveragePooling2D()(image)
    age, gender = keras.layers.Dense(1)(mean), keras.layers.Dense(2)(mean)
    if kind == "grey image":
        grey = keras.Input((16, 16, 1), name="image")
        return keras.Model(grey, keras.layers.Dense(1)(keras.layers.Flatten()(grey)))
    outputs = {
        "a list": [age, gender],
        "neither": {"age_distribution": keras.layers.Dense(101)(mean)},
        "one probability": {"age_years": age, "gender": keras.layers.Dense(1)(mean)},
        "any size": {"age_years": age, "gender": gender},
    }
    return keras.Model(image, outputs[kind])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("a list", "no dictionary"),
        ("neither", "not age_years"),
        ("one probability", "gender (None, 1)"),
        ("grey image", "not one image"),
        ("any size", "image size"),
    ],
)
def test_a_model_of_another_contract_ends_the_command(prepared_dir, tmp_path, kind, message):
    other_model(kind).save(tmp_path / "other.keras")
    arguments = (tmp_path / "other.keras", prepared_dir, "--output_dir", tmp_path)
    assert_one_line(ran(command.main, *arguments), message)


def test_a_folder_without_the_split_ends_the_command(model_path, tmp_path):
    arguments = (model_path, tmp_path, "--output_dir", tmp_path / "out")
    assert_one_line(ran(command.main, *arguments), "no test split")
    assert not (tmp_path / "out").exists()


def test_a_broken_image_ends_the_command(model_path, tmp_path):
    prepared_dir = write_prepared(tmp_path / "prepared", image_size=16)
    broken = prepared_dir / "crop" / "test" / "male" / "003.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    arguments = (model_path, prepared_dir, "--output_dir", tmp_path / "out")
    assert_one_line(ran(command.main, *arguments), str(broken))


def test_wrong_batch_sizes_end_the_command(model_path, prepared_dir, tmp_path):
    arguments = (model_path, prepared_dir, "--output_dir", tmp_path, "--batch_size", 0)
    assert_one_line(ran(command.main, *arguments), "--batch_size: 0 is not from 1")


def test_load_model_says_what_is_wrong(tmp_path):
    (tmp_path / "text.keras").write_text("no model")
    with pytest.raises(InputError, match=r"text\.keras"):
        load_model(tmp_path / "text.keras")
