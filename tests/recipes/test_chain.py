"""A chain of trainings from one file: read with all its mistakes, run, killed, continued."""

import json
import re
import shutil
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.models.files import load_model
from imdb_wiki.networks import compact
from imdb_wiki.networks.compact import compact_cnn
from imdb_wiki.pipeline import read_split
from imdb_wiki.prediction import load_predictor
from imdb_wiki.recipes import command
from imdb_wiki.recipes.chain import read_chain
from imdb_wiki.recipes.command import main
from imdb_wiki.training.compact import train as compact_train
from imdb_wiki.training.compact.recipe import Augmentation, Recipe
from imdb_wiki.training.compact.state import digest_of_rows
from tests.conftest import REPOSITORY
from tests.prepared import write_prepared
from tests.shared import LEAST_COMPACT, assert_one_line, ran

SMALL = {
    "image_size": 32,
    "first_image_size": 32,
    "source_size": 32,
    "batch_size": 8,
    "epochs": 2,
    "warm_up_epochs": 1,
    "norm_batches": 1,
}


@pytest.fixture(scope="module", autouse=True)
def tiny_network():
    tiny = partial(compact_cnn, **LEAST_COMPACT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact, "compact_cnn", tiny)
        yield


@pytest.fixture
def content(tmp_path):
    counts = {"train": 16, "val": 10}
    folders = {
        name: str(write_prepared(tmp_path / name, counts, seed=number))
        for number, name in enumerate(["a", "b"])
    }
    second = SMALL | {"start_from": "the step before", "teacher_weight": 0.5, "seed": 1}
    return {
        "about": "for a test",
        "data": folders,
        "steps": [
            {"about": "first", "data": {"a": 1}, **SMALL},
            {"data": {"a": 1, "b": 0.5}, **second, "augmentation": {"flip": False}},
        ],
    }


def written(tmp_path, content):
    path = tmp_path / "chain.json"
    path.write_text(json.dumps(content))
    return path


def test_a_chain_is_read(tmp_path, content):
    chain = read_chain(written(tmp_path, content))
    first, second = chain.steps
    assert chain.calibrate_on == (content["data"]["a"], content["data"]["b"])
    assert first.recipe([]).start_from == ""
    recipe = second.recipe(["x.keras"])
    assert (recipe.start_from, recipe.folder_shares) == ("x.keras", (1, 0.5))
    assert not recipe.augmentation.flip and recipe.augmentation.zoom == 0.15
    only = read_chain(written(tmp_path, content | {"calibrate_on": ["b"]}))
    assert only.calibrate_on == (content["data"]["b"],)


def test_a_step_names_earlier_ones_by_their_numbers(tmp_path, content):
    named = {"start_from": "step 1", "teacher": "the step before", "teacher_weight": 0.5}
    content["steps"].append({"data": {"b": 1}, **SMALL, **named})
    third = read_chain(written(tmp_path, content)).steps[2]
    recipe = third.recipe(["first.keras", "second.keras"])
    assert (recipe.start_from, recipe.teacher) == ("first.keras", "second.keras")


def test_a_killed_chain_goes_on_to_the_same_network(tmp_path, content):
    path = written(tmp_path, content)
    output = tmp_path / "models/small.keras"  # with the ending or without it
    done = ran(main, path, "--run_dir", tmp_path / "whole", "--output", output)
    assert done.returncode == 0, done.stderr
    assert "step 2 of 2" in done.stderr
    assert load_predictor(tmp_path / "models/small.keras").age_interval is not None

    # Of the first step nothing is left to do; the second one is stopped after its first epoch.
    shutil.copytree(tmp_path / "whole/step-1", tmp_path / "killed/step-1")
    kept = compact_train.keep_state

    def stop(*arguments):
        kept(*arguments)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact_train, "keep_state", stop)
        arguments = (path, "--run_dir", tmp_path / "killed", "--output", tmp_path / "models/again")
        assert ran(main, *arguments).returncode == 130
    assert ran(main, *arguments).returncode == 0
    networks = (load_model(tmp_path / f"models/{name}.keras") for name in ("small", "again"))
    weights = (network.get_weights() for network in networks)
    assert all((one == other).all() for one, other in zip(*weights, strict=True))
    histories = [
        pd.read_csv(tmp_path / name / "step-2/history.csv").drop(columns="seconds")
        for name in ("whole", "killed")
    ]
    assert histories[0].equals(histories[1])
    content["steps"][0]["learning_rate"] = 0.1
    written(tmp_path, content)
    assert_one_line(ran(main, *arguments), "differs in learning_rate")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stepz": []}, "stepz is not known"),
        ({"steps": []}, "it has no steps"),
        ({"steps": [{"data": {"c": 1}}]}, "no folder is called 'c'"),
        ({"steps": [{"data": []}]}, "step 1: data is not the share"),
        ({"steps": [{"data": {"a": 2}}]}, "step 1: folder_shares"),
        ({"steps": [{"data": {"a": "all"}}]}, "step 1: folder_shares"),
        ({"steps": [{"data": {"a": 1}, "epoch": 3}]}, "step 1: epoch is not known"),
        ({"steps": [{"data": {"a": 1}, "epochs": 0}]}, "step 1: epochs"),
        (
            {"steps": [{"data": {"a": 1}, "start_from": "the step before"}]},
            "none of the steps before",
        ),
        (
            {"steps": [{"data": {"a": 1}, "teacher": "the step before", "teacher_weight": 1}]},
            "none of the steps before",
        ),
        (
            {"steps": [{"data": {"a": 1}}, {"data": {"a": 1}, "start_from": "step 2"}]},
            "step 2: start_from: 'step 2' names none of the steps before",
        ),
        ({"steps": [{"data": {"a": 1}, "start_from": "step 0"}]}, "'step 0' names none"),
        ({"steps": [{"data": {"a": 1}, "augmentation": {"flop": 1}}]}, "flop is not known"),
        ({"steps": [{"data": {"a": 1}, "left_out": ""}]}, "step 1: left_out: '' is not the path"),
        ({"steps": [{"data": {"a": 1}, "augmentation": 3}]}, "augmentation is not"),
        ({"data": {}}, "data is not a list"),
        ({"data": {"a": 3}}, "data is not a list"),
        ({"calibrate_on": ["z"]}, "no folder is called 'z'"),
        ({"calibrate_on": "a"}, "calibrate_on names no folders"),
        ({"calibrate_on": ["a", "a"]}, "a is named twice"),
        ({"data": {"a": "x", "b": "x"}}, "step 2: x is named twice"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line(tmp_path, content, change, said):
    path = written(tmp_path, content | change)
    assert_one_line(ran(main, path, "--run_dir", "r", "--output", "o"), said)


# Values of each of JSON's types, and two that are no number that a computer holds.
OF_ALL_TYPES = (
    *([], ["a"], [["a"]], [None], {}, {"a": [1]}, {"a": None}),
    *("a", None, True, -3, 0.123, float("inf"), 10**400),
)


def wrong_values(field) -> list:
    """Those of `OF_ALL_TYPES` that a field of a recipe cannot be."""
    types = {str: [str], bool: [bool], int: [], float: [float]}.get(field.type, [])
    is_right = [type(value) in types and value != float("inf") for value in OF_ALL_TYPES]
    return [
        value
        for value, right in zip(OF_ALL_TYPES, is_right, strict=True)
        if not right and not (value is None and field.default is None)
    ]


IN_STEPS = [field for field in fields(Recipe) if field.name != "folder_shares"]


@pytest.mark.parametrize("field", IN_STEPS, ids=lambda field: field.name)
def test_a_recipes_field_of_another_type_is_one_line(tmp_path, field):
    for value in wrong_values(field):
        if field.name == "augmentation" and value == {}:
            continue  # it changes nothing
        step = {"data": {"a": 1}, field.name: value}
        path = written(tmp_path, {"data": {"a": "a"}, "steps": [step]})
        line = assert_one_line(ran(main, path, "--run_dir", "r", "--output", "o"), "step 1: ")
        assert field.name in line or "a is not known" in line, value


@pytest.mark.parametrize("field", fields(Augmentation), ids=lambda field: field.name)
def test_an_augmentations_field_of_another_type_is_one_line(tmp_path, field):
    for value in wrong_values(field):
        step = {"data": {"a": 1}, "augmentation": {field.name: value}}
        path = written(tmp_path, {"data": {"a": "a"}, "steps": [step]})
        said = f"step 1: {field.name}: "
        assert_one_line(ran(main, path, "--run_dir", "r", "--output", "o"), said)


@pytest.mark.parametrize(
    ("place", "right", "said"),
    [
        (["data"], [], "data is not a list|no folder is called"),
        (["data", "a"], ["a"], "data is not a list"),
        (["steps"], [], "it has no steps|step 1: data is not"),
        (["steps", 0], [], "step 1: data is not"),
        (["steps", 0, "data"], [], "step 1: (data is not|folder_shares)"),
        (["steps", 0, "data", "a"], [0.123], "step 1: folder_shares"),
        (["steps", 0, "left_out"], ["a"], "step 1: left_out"),
        (["calibrate_on"], [["a"]], "calibrate_on names no folders|no folder is called"),
        (["calibrate_on", 0], ["a"], "no folder is called"),
    ],
)
def test_a_part_of_the_chain_of_another_type_is_one_line(tmp_path, place, right, said):
    for value in OF_ALL_TYPES:
        if value in right:
            continue
        content = {"data": {"a": "a"}, "steps": [{"data": {"a": 1}}], "calibrate_on": ["a"]}
        at = content
        for key in place[:-1]:
            at = at[key]
        at[place[-1]] = value
        path = written(tmp_path, content)
        done = ran(main, path, "--run_dir", "r", "--output", "o")
        assert_one_line(done, re.compile(said))


@pytest.mark.parametrize("text", ["", "[]", "{", "\0"])
def test_what_is_no_chain_is_one_line(tmp_path, text):
    path = tmp_path / "chain.json"
    path.write_text(text)
    assert_one_line(ran(main, path, "--run_dir", "r", "--output", "o"), "chain.json")
    with pytest.raises(InputError):
        read_chain(tmp_path / "absent.json")


def test_a_folder_that_is_not_prepared_is_said_before_anything(tmp_path, content, monkeypatch):
    monkeypatch.setattr(command, "start_tensorflow", lambda **_: pytest.fail("too late"))
    (tmp_path / "b/val.csv").unlink()
    path = written(tmp_path, content)
    assert_one_line(ran(main, path, "--run_dir", "r", "--output", "o"), "no val split: ")


@pytest.mark.parametrize("name", ["start_from", "teacher"])
def test_a_network_that_is_not_there_is_said_before_anything(tmp_path, content, monkeypatch, name):
    monkeypatch.setattr(command, "start_tensorflow", lambda **_: pytest.fail("too late"))
    content["steps"][1] |= {"start_from": "step 1", name: "the step befor"}
    done = ran(main, written(tmp_path, content), "--run_dir", "r", "--output", "o")
    assert_one_line(done, f"step 2: {name}: 'the step befor' is no file")


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_damaged_table_of_a_later_step_is_said_before_anything(
    tmp_path, content, monkeypatch, split
):
    monkeypatch.setattr(command, "start_tensorflow", lambda **_: pytest.fail("too late"))
    write_prepared(tmp_path / "a", {"test": 3})
    write_prepared(tmp_path / "b", {"test": 3})
    table = tmp_path / f"b/{split}.csv"
    table.write_text(table.read_text().replace(",gender", ",sex", 1))
    done = ran(main, written(tmp_path, content), "--run_dir", "r", "--output", "o")
    assert_one_line(done, f"{table} lacks the column gender")


def test_a_list_that_cannot_be_used_is_said_before_anything(tmp_path, content, monkeypatch):
    monkeypatch.setattr(command, "start_tensorflow", lambda **_: pytest.fail("too late"))
    listed = tmp_path / "left_out.csv"
    content["steps"][1]["left_out"] = str(listed)
    arguments = (written(tmp_path, content), "--run_dir", "r", "--output", "o")
    assert_one_line(ran(main, *arguments), f"{listed}: No such file")
    listed.write_text("day,distance_km\n")
    assert_one_line(ran(main, *arguments), f"{listed} is no list of faces to leave out")
    listed.write_text("filename,wrong_probability\ntrain/male/other.jpg,0.9\n")
    assert_one_line(ran(main, *arguments), f"{listed} is a list of other folders")


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (".", "is a folder: give a name in it"),
        ("mine", "mine.json exists and is not an earlier model's .json"),
        ("mine.keras", "mine.json exists and is not an earlier model's .json"),
        ("mine.json/new", "mine.json is no folder"),
    ],
)
def test_an_output_that_is_taken_is_said_before_the_first_step(
    tmp_path, content, monkeypatch, output, said
):
    monkeypatch.setattr(compact_train, "train_compact", lambda *_: pytest.fail("too late"))
    (tmp_path / "mine.json").write_text('{"my": "precious"}')
    path = written(tmp_path, content)
    done = ran(main, path, "--run_dir", tmp_path / "run", "--output", tmp_path / output)
    assert_one_line(done, said)
    assert not (tmp_path / "run").exists()


def test_a_step_is_trained_without_the_listed_faces(tmp_path, content):
    listed = tmp_path / "left_out.csv"
    listed.write_text("filename,wrong_probability\ntrain/female/000.jpg,0.9\n")
    content["steps"] = [{"data": {"a": 1}, **SMALL, "left_out": str(listed)}]
    arguments = (written(tmp_path, content), "--run_dir", tmp_path / "run", "--output")
    assert ran(main, *arguments, tmp_path / "small").returncode == 0
    recipe = json.loads((tmp_path / "run/step-1/recipe.json").read_text())
    assert recipe["left_out"] == str(listed)
    rows = (read_split(content["data"]["a"], name) for name in ("train", "val"))
    without = [frame[frame["filename"] != "train/female/000.jpg"] for frame in rows]
    assert [len(frame) for frame in without] == [15, 10]
    assert recipe["data_digest"] == digest_of_rows(*without)
    # It is finished; another list would be another training.
    done = ran(main, *arguments, tmp_path / "again")
    assert (done.returncode, "step 1 of 1" in done.stderr) == (0, False)
    listed.write_text("filename,wrong_probability\ntrain/male/001.jpg,0.9\n")
    assert_one_line(ran(main, *arguments, tmp_path / "other"), "prepared folders have changed")


@pytest.mark.parametrize("path", sorted((REPOSITORY / "models").glob("*.recipe.json")), ids=str)
def test_each_chain_of_the_repository_can_be_read(path):
    assert all(step.options["epochs"] > 0 for step in read_chain(path).steps)


@pytest.mark.parametrize(
    ("name", "epochs"), [("compact", [42, 28, 32, 16, 8, 14, 18, 12]), ("open", [24])]
)
def test_an_included_networks_chain_ends_with_the_training_that_its_description_records(
    name, epochs
):
    chain = read_chain(REPOSITORY / f"models/{name}.recipe.json")
    said = json.loads((REPOSITORY / f"models/{name}.json").read_text())["training"]
    before = [f"step {number}.keras" for number in range(1, len(chain.steps))]
    recipe = json.loads(json.dumps(asdict(chain.steps[-1].recipe(before))))
    others = {"start_from", "teacher"}  # paths of their time
    assert {key: said[key] for key in recipe.keys() - others} == {
        key: recipe[key] for key in recipe.keys() - others
    }
    assert [Path(folder).name for folder in chain.steps[-1].folders] == said["data"]
    assert [step.options["epochs"] for step in chain.steps] == epochs
