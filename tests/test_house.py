"""The house: a new data set, network or rule is one file; the list of commands is whole."""

import csv
import importlib
import json
import shutil
import subprocess
import sys

import cv2
import pytest

from imdb_wiki import __main__ as house
from imdb_wiki.__main__ import COMMANDS
from imdb_wiki.datasets import DATASETS
from imdb_wiki.registry import found_in
from tests.conftest import REPOSITORY
from tests.preparation.originals import photo
from tests.shared import assert_one_line, ran

DATASET = '''
"""Photos named by gender and age, such as `male-34.jpg`."""

import numpy as np
import pandas as pd

from imdb_wiki.datasets.dataset import Dataset, Table
from imdb_wiki.labels import GENDER_NAMES


def read_rows(photos, options):
    table = pd.DataFrame({"source": photos.all_names()})
    parts = table["source"].str.extract(r"^(?P<gender>[a-z]+)-(?P<age>[0-9]+)")
    table["age"] = parts["age"].astype(float)
    table["gender"] = parts["gender"].map(GENDER_NAMES.index).astype(float)
    return Table(table.assign(identity="", face_score=np.nan, second_face_score=np.nan), [])


TOY = Dataset(name="toy", help="photos of toys", read=read_rows, lists_folder=True)
'''

NETWORK = '''
"""The mean colour decides."""

from imdb_wiki.networks.heads import with_heads
from imdb_wiki.networks.network import Network


def build(image_size, dropout, **_):
    import keras

    image = keras.Input((image_size, image_size, 3), name="image")
    features = keras.layers.GlobalAveragePooling2D()(image)
    return with_heads(image, features, dropout, "toy_network")


TOY = Network("toy_network", "a toy", least_image_side_pixels=1, build=build)
'''

RULE = """

@rule("too_wise")
def _too_wise(table: pd.DataFrame, settings: Settings):
    return table["age"] == 99, table["age"]
"""


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of the code with one file more in two rooms, and one function more in a third."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(REPOSITORY / "imdb_wiki", folder / "imdb_wiki")
    shutil.copy(REPOSITORY / "imdb_wiki_preparation.py", folder)
    (folder / "imdb_wiki" / "datasets" / "toy.py").write_text(DATASET)
    (folder / "imdb_wiki" / "networks" / "toy.py").write_text(NETWORK)
    with (folder / "imdb_wiki" / "preparation" / "rules.py").open("a") as rules:
        rules.write(RULE)
    (folder / "toys").mkdir()
    for number in range(40):
        path = folder / "toys" / f"{('female', 'male')[number % 2]}-{60 + number}.jpg"
        cv2.imwrite(str(path), photo(number))
    return folder


def run(folder, *arguments) -> str:
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_data_set_a_rule_and_a_network_are_one_file_each(extended):
    assert "toy: photos of toys" in " ".join(
        run(extended, "imdb_wiki_preparation.py", "--help").split()
    )
    prepare = ["imdb_wiki_preparation.py", "--dataset", "toy", "--photo_dir", "toys"]
    run(extended, *prepare, "--output_dir", "data", "--img_size", 32, "--workers", 1)
    report = json.loads((extended / "data" / "report.json").read_text())
    assert report["kept"] == 39 and report["rejected"]["too_wise"] == 1
    with (extended / "data" / "rejects.csv").open() as rows:
        assert list(csv.DictReader(rows)) == [
            {"source": "male-99.jpg", "rule": "too_wise", "detail": "99"}
        ]
    assert "toy_network: a toy" in " ".join(run(extended, "-m", "imdb_wiki", "train", "-h").split())
    train = ["-m", "imdb_wiki", "train", "data", "--run_dir", "run", "--network", "toy_network"]
    sizes = ["--image_size", 16, "--source_size", 16, "--epochs", 1, "--batch_size", 16]
    run(extended, *train, *sizes)
    assert (extended / "run" / "model.keras").is_file()


@pytest.mark.parametrize("name", ["train", "evaluate", "predict"])
def test_a_batch_has_the_same_bounds_in_every_command(name):
    main = importlib.import_module(COMMANDS[name].module).main
    for wrong in ("0", "65537"):
        done = ran(main, "--batch_size", wrong)
        assert_one_line(done, f"--batch_size: {wrong} is not from 1 to 65536")


def test_two_files_cannot_define_one_name(tmp_path, monkeypatch):
    (tmp_path / "toys").mkdir()
    (tmp_path / "toys" / "__init__.py").touch()
    for name in ("one", "other"):
        (tmp_path / "toys" / f"{name}.py").write_text(DATASET)
    monkeypatch.syspath_prepend(tmp_path)
    kind = type(next(iter(DATASETS.values())))
    with pytest.raises(ValueError, match="two files define 'toy'"):
        found_in("toys", kind)


def test_the_commands_are_listed_and_each_has_help():
    listed = run(REPOSITORY, "-m", "imdb_wiki")
    for name, command in COMMANDS.items():
        assert f"  {name} " in listed and command.summary in listed
    assert listed == run(REPOSITORY, "-m", "imdb_wiki", "--help")
    assert "usage: python -m imdb_wiki card" in run(REPOSITORY, "-m", "imdb_wiki", "card", "-h")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_calls_itself_as_it_was_called(name, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(REPOSITORY / "imdb_wiki" / "__main__.py"), name])

    def of_house(arguments):
        house.run(name, arguments)

    assert ran(of_house, "-h").stdout.startswith(f"usage: python -m imdb_wiki {name} ")
    line = assert_one_line(ran(of_house, "--no_such_option"))
    assert line.startswith(f"python -m imdb_wiki {name}: ")


@pytest.mark.parametrize("script", ["imdb_wiki_preparation", "imdb_wiki_predict"])
def test_a_script_calls_itself_by_its_files_name(script, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(REPOSITORY / f"{script}.py")])
    main = importlib.import_module(script).main
    assert ran(main, "-h").stdout.startswith(f"usage: {script}.py ")


def test_a_command_that_is_none_is_one_line():
    command = [sys.executable, "-m", "imdb_wiki", "dance"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert_one_line(done, "no command 'dance', only prepare")


@pytest.mark.parametrize(
    ("older", "name"),
    [
        ("compact_training", "train"),
        ("evaluation", "evaluate"),
        ("export", "export"),
        ("shipping", "ship"),
        ("model_card", "card"),
        ("demo", "page"),
    ],
)
def test_older_names_of_commands_still_work(older, name):
    said = run(REPOSITORY, "-m", f"imdb_wiki.{older}", "--help")
    assert f"python -m imdb_wiki {name}" in said
