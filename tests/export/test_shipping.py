"""From a training's folder to files that others use, and whose files they may replace."""

import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from imdb_wiki.export import shipping
from imdb_wiki.export.shipping import main, ship
from imdb_wiki.models.files import save_model
from imdb_wiki.networks.compact import compact_cnn
from imdb_wiki.pipeline import read_split
from imdb_wiki.split_lists import listed_name_digests, read_split_list
from tests.prepared import write_prepared
from tests.shared import LEAST_COMPACT, assert_one_line, files_of_at_most, ran


def tiny_cnn(side: int):
    return compact_cnn(side, **LEAST_COMPACT)


@pytest.fixture(scope="module")
def prepared_dir(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("shipped") / "faces"
    return str(write_prepared(folder, {"train": 8, "val": 8, "test": 8}, image_size=48))


@pytest.fixture
def trained(prepared_dir, tmp_path) -> Path:
    """The folder of a training, as far as shipping needs it."""
    save_model(tiny_cnn(48), tmp_path / "run" / "model.keras")
    recipe = {"data": [prepared_dir], "seed": 7}
    (tmp_path / "run" / "recipe.json").write_text(json.dumps(recipe))
    return tmp_path / "run"


def test_a_shipped_network_brings_what_its_user_must_know(prepared_dir, trained, tmp_path):
    network = keras.saving.load_model(trained / "model.keras")
    output = tmp_path / "models" / "small"
    description = ship(trained, [prepared_dir], output, coverage=0.5)
    assert json.loads(output.with_suffix(".json").read_text()) == description
    assert description["framing"]["padding"] == "edge"
    assert description["image_size"] == 48
    assert description["training"] == {"data": ["faces"], "seed": 7}
    assert description["age_interval"]["count"] == 8
    assert str(tmp_path) not in json.dumps(description)  # no path of this machine
    listed = read_split_list(tmp_path / "models/small_split.json")
    for split in ("val", "test"):
        assert listed[split] == set(listed_name_digests(read_split(prepared_dir, split)["source"]))
    # Another process, without this repository: Keras alone loads it.
    code = (
        "import sys, keras, numpy as np; m = keras.saving.load_model(sys.argv[1])\n"
        "print(float(m.predict(np.full((1, 48, 48, 3), 128.0), verbose=0)['age_years'][0, 0]))"
    )
    command = [sys.executable, "-c", code, str(output.with_suffix(".keras"))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    image = np.full((1, 48, 48, 3), 128.0)
    expected = network.predict(image, verbose=0)["age_years"][0, 0]
    assert float(done.stdout) == pytest.approx(expected, rel=1e-4), done.stderr
    # Eight faces cannot promise 90%.
    done = ran(main, trained, prepared_dir, "--output", output)
    assert_one_line(done, "8 faces are too few for a coverage of 0.9")


def test_a_version_in_the_name_is_no_ending(prepared_dir, trained, tmp_path):
    models = tmp_path / "models"
    ship(trained, [prepared_dir], models / "compact", coverage=0.5)
    before = {path: path.read_bytes() for path in models.iterdir()}
    ship(trained, [prepared_dir], models / "compact.v2", coverage=0.5)
    assert {path: path.read_bytes() for path in before} == before
    names = {
        path.name.removeprefix("compact.v2") for path in models.iterdir() if path not in before
    }
    assert names == {".keras", ".json", "_split.json"}
    assert json.loads((models / "compact.v2.json").read_text())["name"] == "compact.v2"
    ship(trained, [prepared_dir], models / "compact", coverage=0.6)  # an earlier result is replaced
    assert json.loads((models / "compact.json").read_text())["age_interval"]["coverage"] == 0.6


@pytest.mark.parametrize("ending", [".keras", ".json", "_split.json"])
def test_a_file_that_shipping_did_not_write_stays(prepared_dir, trained, tmp_path, ending):
    (tmp_path / f"mine{ending}").write_text('{"my": "precious"}')
    for output in (tmp_path / "mine", tmp_path / "mine.keras"):
        done = ran(main, trained, prepared_dir, "--output", output)
        assert_one_line(done, f"mine{ending} exists and is not an earlier")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([f"mine{ending}", "run"])


def test_what_cannot_be_shipped_is_said_before_tensorflow_starts(
    prepared_dir, trained, tmp_path, monkeypatch
):
    monkeypatch.setattr(shipping, "start_tensorflow", lambda: pytest.fail("it was started"))
    output = str(tmp_path / "small")
    for arguments, said in (
        ([str(tmp_path), prepared_dir, "--output", output], "no such file: .*model.keras"),
        ([str(trained), "absent", "--output", output], "no such file: absent/val.csv"),
        ([str(trained), prepared_dir, "--output", str(tmp_path)], "is a folder: give a name in it"),
    ):
        assert_one_line(ran(main, *arguments), re.compile(said))
    for content in ("[" * 100_000, "{}", '{"data": [1]}', "[]", "no JSON"):
        (trained / "recipe.json").write_text(content)
        done = ran(main, trained, prepared_dir, "--output", output)
        assert_one_line(done, "recipe.json is not a recipe")


def test_a_network_whose_answers_are_nan_is_not_shipped(prepared_dir, trained, tmp_path):
    network = tiny_cnn(48)
    network.set_weights([weights * np.nan for weights in network.get_weights()])
    save_model(network, trained / "model.keras")
    done = ran(main, trained, prepared_dir, "--output", tmp_path / "nan")
    assert_one_line(done, "model.keras answers NaN")


def test_on_a_full_disk_all_older_files_stay(prepared_dir, trained, tmp_path):
    models = tmp_path / "models"
    ship(trained, [prepared_dir], models / "small", coverage=0.5)
    before = {path: path.read_bytes() for path in models.iterdir()}
    for room in (0, len(before[models / "small_split.json"]), len(before[models / "small.keras"])):
        with files_of_at_most(room - 1 if room else 0), pytest.raises(OSError) as error:
            ship(trained, [prepared_dir], models / "small", coverage=0.6)
        assert error.value.filename == str(models / "small.keras")
        assert {path: path.read_bytes() for path in models.iterdir()} == before


def test_another_trainings_model_is_not_replaced(trained, prepared_dir, tmp_path):
    other = tmp_path / "other" / "model.keras"
    other.parent.mkdir()
    other.write_bytes((trained / "model.keras").read_bytes())
    before = other.read_bytes()
    done = ran(main, trained, prepared_dir, "--output", other.with_suffix(""))
    assert_one_line(done, "model without its .json")
    assert other.read_bytes() == before
