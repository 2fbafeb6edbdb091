"""A network for ages or genders alone: shipped, exported and used, with what is absent said."""

import csv
import json
from functools import partial

import numpy as np
import pytest

import imdb_wiki_predict
from imdb_wiki.export import command, shipping
from imdb_wiki.models.exported import load_exported
from imdb_wiki.models.files import load_model
from imdb_wiki.networks import compact
from imdb_wiki.networks.compact import compact_cnn
from imdb_wiki.page.answers import faces_html
from imdb_wiki.prediction import load_predictor, predict_faces
from imdb_wiki.training.compact.recipe import Recipe
from imdb_wiki.training.compact.train import train_compact
from tests.prepared import take_labels_away, write_prepared
from tests.shared import LEAST_COMPACT, ran

QUANTIZED = [("age", "litert"), ("gender", "onnx")]
OUTPUTS = {"age": {"age_years", "age_distribution"}, "gender": {"gender"}}


@pytest.fixture(scope="module", params=["age", "gender"])
def task(request):
    return request.param


@pytest.fixture(scope="module")
def shipped(task, tmp_path_factory):
    """A network for one task, ready for use, and the folder that it was trained on."""
    folder = tmp_path_factory.mktemp(task)
    counts = {"train": 24, "val": 36, "test": 6}
    prepared = str(take_labels_away(write_prepared(folder / "data", counts)))
    recipe = Recipe(
        image_size=32, first_image_size=32, source_size=32, batch_size=8, epochs=1, tasks=(task,)
    )
    tiny = partial(compact_cnn, **LEAST_COMPACT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact, "compact_cnn", tiny)
        train_compact(prepared, folder / "run", recipe, verbose=0)
    done = ran(shipping.main, folder / "run", prepared, "--output", folder / "small")
    assert done.returncode == 0, done.stderr
    assert ("genders only" in done.stdout) == (task == "gender")
    return folder / "small.keras", prepared


def test_what_is_shipped_says_its_task(shipped, task):
    path, _ = shipped
    said = json.loads(path.with_suffix(".json").read_text())
    assert said["tasks"] == [task]
    assert (said["age_interval"] is None) == (task == "gender")
    assert set(load_model(path).output) == OUTPUTS[task]


@pytest.mark.parametrize("to", ["litert", "onnx"])
def test_exports_have_the_same_outputs(shipped, task, tmp_path, to):
    path, prepared = shipped
    # Each task in each form, and each form once with 8 bits: what the one leaves out, both do.
    quantize = ("--quantize", "int8") if (task, to) in QUANTIZED else ()
    output = tmp_path / f"small{'.tflite' if to == 'litert' else '.onnx'}"
    done = ran(
        command.main, path, "--to", to, "--prepared_dir", prepared, "--output", output, *quantize
    )
    assert done.returncode == 0, done.stderr
    exported = load_exported(output)
    assert set(exported.output_names) == OUTPUTS[task]
    (face,) = predict_faces([np.full((32, 32, 3), 99, "uint8")], load_predictor(output), crops=True)
    assert (face.age_years is None) == (task == "gender")
    assert (face.gender is None) == (task == "age")


def test_the_command_and_the_page_leave_out_what_is_absent(shipped, task, tmp_path):
    path, prepared = shipped
    photo = next((tmp_path.parent / prepared).rglob("*.jpg"))
    arguments = [photo, "--crops", "--model", path, "--csv", tmp_path / "faces.csv"]
    done = ran(imdb_wiki_predict.main, *arguments, "--output_dir", tmp_path / "drawn")
    assert done.returncode == 0, done.stderr
    assert "–" in done.stdout.splitlines()[-1] and "None" not in done.stdout
    (row,) = csv.DictReader((tmp_path / "faces.csv").read_text().splitlines())
    assert (row["gender"] in ("female", "male")) == (task == "gender")
    assert (row["age_years"] != "") == (task == "age") and "None" not in row.values()
    assert list((tmp_path / "drawn").iterdir())
    image = np.full((32, 32, 3), 99, "uint8")
    faces = predict_faces([image], load_predictor(path), crops=True)
    shown = faces_html(image, faces, 0.9)
    assert ("years" in shown) == (task == "age")
    assert "None" not in shown
