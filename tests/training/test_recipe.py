"""The recipe's numbers: their ranges and what may not be together, on a command line and in Python.

Nothing here imports TensorFlow: what is wrong is said before that takes seconds.
"""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.networks import NETWORKS
from imdb_wiki.training.compact.command import main
from imdb_wiki.training.compact.recipe import Augmentation, Recipe
from tests.conftest import REPOSITORY
from tests.shared import assert_one_line, ran

# For each option values that make no training, and the outermost that do.
WRONG_AND_RIGHT = {
    "network": (["vgg", ""], ["compact_cnn", "convnext_tiny"]),
    "tasks": (["race", "", "age age"], ["age", "gender"]),
    "squeeze": (["2", "True", "-1"], ["0", "1"]),
    "dropout": (["1", "-0.1", "1.5", "nan"], ["0", "0.99"]),
    "start_from": ([], ["a.keras"]),
    "teacher": (["a.keras"], [""]),  # alone it teaches nothing
    "teacher_weight": (["1.1", "-0.1"], ["0"]),
    "gender_teacher_weight": (["1.1", "-0.1"], ["0"]),
    "teacher_views": (["-1", "1.5", "1001"], ["0"]),
    "start_share": (["1.1", "-0.1"], ["0"]),
    "image_size": (["0", "-32", "31", "2049", "64.5"], ["32", "2048"]),
    "first_image_size": (["0", "16", "31", "97"], ["32", "96"]),
    "source_size": (["0", "95", "2049"], ["96", "2048"]),
    "folder_shares": (["0", "1.01", "-1", "nan", "1 1"], ["0.001", "1"]),
    "epochs": (["0", "-1", "10001", "1e3"], ["1", "10000"]),
    "batch_size": (["0", "-8", "65537", "10000000000000000000000"], ["1", "65536"]),
    "norm_batches": (["-1"], ["0", "1000000"]),
    "learning_rate": (["0", "nan", "inf", "-0.001", "2"], ["1e-9", "1"]),
    "warm_up_epochs": (["-1", "42", "inf"], ["0", "41.5"]),
    "cosine": (["yes"], ["0", "1"]),
    "weight_decay": (["-0.1", "nan", "1.1"], ["0", "1"]),
    "average_momentum": (["1", "-0.5", "nan"], ["0", "0.9999"]),
    "label_width_years": (["0", "-2", "nan", "101"], ["0.01", "100"]),
    "age_distribution_weight": (["-1", "nan", "inf"], ["0", "1000"]),
    "age_error_weight": (["-1", "nan"], ["0", "1000"]),
    "gender_weight": (["-1", "nan"], ["0", "1000"]),
    "gender_smoothing": (["1", "-0.1"], ["0", "0.99"]),
    "mixing": (["-0.1", "nan", "101"], ["0", "100"]),
    "seed": (["-1", "20001", "1.5", ""], ["0", "20000"]),
    "mixed_precision": (["True", "2"], ["0", "1"]),
    "flip": (["2", "true"], ["0", "1"]),
    **{name: (["-0.1", "nan", "11"], ["0", "10"]) for name in ("zoom", "aspect", "contrast")},
    "saturation": (["-0.1", "nan", "inf"], ["0", "10"]),
    "rotation_degrees": (["-1", "181", "nan"], ["0", "180"]),
    **{
        name: (["-0.1", "1.1", "nan"], ["0", "1"])
        for name in ("shift", "brightness", "grey_share", "blur_share", "erase_share", "erase_area")
    },
}
OPTIONS = [
    field.name
    for kind in (Recipe, Augmentation)
    for field in dataclasses.fields(kind)
    if field.name != "augmentation"
]


@pytest.fixture
def trained(tmp_path, monkeypatch) -> list[Recipe]:
    """The recipes that the command would train folders `a` and `b` with; it trains none."""
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "train.csv").touch()
    recipes = []
    training = type(sys)("imdb_wiki.training.compact.train")
    training.MODEL_FILE = "model.keras"
    training.train_compact = lambda folders, run_dir, recipe, **_: recipes.append(recipe)
    monkeypatch.setitem(sys.modules, "imdb_wiki.training.compact.train", training)
    monkeypatch.setattr("imdb_wiki.training.compact.command.start_tensorflow", lambda **_: None)
    return recipes


def run_command(*arguments: str) -> subprocess.CompletedProcess:
    return ran(main, "a", "--run_dir", "run", *arguments)


def test_each_option_has_its_values_here():
    assert set(WRONG_AND_RIGHT) == set(OPTIONS)


@pytest.mark.parametrize("name", WRONG_AND_RIGHT)
def test_a_number_out_of_its_range_is_one_line_before_anything_else(name, trained):
    wrong, right = WRONG_AND_RIGHT[name]
    for text in wrong:
        said = assert_one_line(run_command(f"--{name}", *text.split(" ")), name)
        assert "lambda" not in said
    assert not trained
    for text in right:
        assert run_command(f"--{name}", text).returncode == 0, text
    assert len(trained) == len(right)


@pytest.mark.parametrize("name", WRONG_AND_RIGHT)
def test_the_same_numbers_are_wrong_in_python(name):
    kind = Augmentation if name in {f.name for f in dataclasses.fields(Augmentation)} else Recipe
    for text in WRONG_AND_RIGHT[name][0]:
        try:
            value = float(text)
        except ValueError:
            value = text
        with pytest.raises(InputError, match=name):
            kind(**{name: (value,) if name == "folder_shares" else value})


@pytest.mark.parametrize("value", [None, "3", [3], True, 3.5, float("nan"), np.array([1, 2])])
def test_what_is_no_whole_number_is_refused_in_python(value):
    with pytest.raises(InputError, match="epochs"):
        Recipe(epochs=value)


@pytest.mark.parametrize("value", [(), 1.0, None, "1", [0.5, "a"]])
def test_what_are_no_shares_is_refused_in_python(value):
    with pytest.raises(InputError, match="folder_shares"):
        Recipe(folder_shares=value)


@pytest.mark.parametrize(
    ("task", "weight"), [("age", "gender_teacher_weight"), ("gender", "teacher_weight")]
)
def test_a_teacher_of_what_is_not_learnt_is_refused(task, weight):
    with pytest.raises(InputError, match=f"{weight} is for"):
        Recipe(tasks=(task,), teacher="a.keras", **{weight: 0.5})


def test_numbers_of_numpy_and_paths_become_what_json_holds():
    recipe = Recipe(
        epochs=np.int64(3),
        dropout=np.float32(0.5),
        squeeze=np.bool_(False),
        start_from=Path("runs", "a.keras"),
        folder_shares=[np.float64(1), 0.5],
        augmentation=Augmentation(zoom=1),
    )
    said = json.loads(json.dumps(dataclasses.asdict(recipe)))
    assert (said["epochs"], said["dropout"], said["squeeze"]) == (3, 0.5, False)
    assert said["start_from"] == str(Path("runs", "a.keras"))
    assert said["folder_shares"] == [1.0, 0.5]
    assert said["augmentation"]["zoom"] == 1.0
    assert recipe == dataclasses.replace(recipe)
    hash(recipe)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image_size": 16}, "image_size is 16: compact_cnn needs 32 pixels or more"),
        ({"image_size": 64, "first_image_size": 80}, "first_image_size, 80, is larger than im"),
        ({"image_size": 128, "source_size": 112}, "source_size, 112, is smaller than image_size"),
        ({"epochs": 2, "warm_up_epochs": 2}, "warm_up_epochs, 2, must be fewer than epochs, 2"),
        ({"teacher_weight": 0.5}, "teacher_weight needs start_from"),
        ({"gender_teacher_weight": 0.5}, "gender_teacher_weight needs start_from or teacher"),
        ({"teacher": "a.keras"}, "teacher needs a teacher_weight or gender_teacher_weight"),
        ({"start_share": 0.5}, "start_share needs start_from"),
        ({"start_from": "a.keras", "teacher_views": 2}, "teacher_views needs a teacher_weight"),
        (
            {"age_distribution_weight": 0, "age_error_weight": 0, "gender_weight": 0},
            "are all 0: nothing is learnt",
        ),
    ],
)
def test_what_may_not_be_together_is_said(changes, said, trained):
    with pytest.raises(InputError, match=said):
        Recipe(**changes)
    arguments = [text for name, value in changes.items() for text in (f"--{name}", str(value))]
    assert_one_line(run_command(*arguments), said)
    assert not trained


def test_defaults_follow_what_was_chosen():
    def sizes_and_warm_up(**chosen):
        recipe = Recipe(**chosen)
        return recipe.first_image_size, recipe.source_size, recipe.warm_up_epochs

    assert sizes_and_warm_up() == (64, 112, 2.0)
    assert sizes_and_warm_up(image_size=48, epochs=1) == (48, 56, 0.5)
    assert sizes_and_warm_up(image_size=128, epochs=3) == (64, 149, 1.5)
    assert sizes_and_warm_up(image_size=2000) == (64, 2048, 2.0)  # the most that is read


def test_the_command_makes_the_recipe_that_it_is_told(trained, capsys):
    assert main(["a", "b", "--run_dir", "x"]) == 0
    assert capsys.readouterr().err == f"trained: {Path('x', 'model.keras')}\n"
    assert main(
        [
            *("a", "b", "--run_dir", "x", "--folder_shares", "1", "0.5", "--epochs", "7"),
            *("--start_from", "a.keras", "--teacher_weight", "0.5", "--cosine", "0", "--zoom", "0"),
        ]
    ) == 0  # fmt: skip
    assert trained == [
        Recipe(folder_shares=(1.0, 1.0)),
        Recipe(
            folder_shares=(1.0, 0.5),
            epochs=7,
            start_from="a.keras",
            teacher_weight=0.5,
            cosine=False,
            augmentation=Augmentation(zoom=0.0),
        ),
    ]


def test_a_folder_that_is_not_prepared_is_said_and_the_run_folder_stays_free(trained):
    said = assert_one_line(ran(main, "a", "bb", "--run_dir", "run"))
    assert said == "error: bb holds no train.csv: prepare it first"
    assert not Path("run").exists() and not trained


def test_ctrl_c_in_a_training_says_how_to_go_on(monkeypatch, trained):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["imdb_wiki.training.compact.train"], "train_compact", stopped)
    said = assert_one_line(run_command(), code=130)
    assert said == "stopped; the same command goes on after the last whole epoch"


def test_wrong_options_are_said_before_tensorflow_is_imported():
    code = (
        "import sys\n"
        "from imdb_wiki.evaluation import command as evaluation\n"
        "from imdb_wiki.export import model_card\n"
        "from imdb_wiki.training.compact import command as compact\n"
        "for main in (compact.main, evaluation.main, model_card.main):\n"
        "    try: main(['--batch_size', '0'])\n"
        "    except SystemExit as ended: print(ended.code)\n"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.stdout == "2\n2\n2\n[]\n", done.stderr
    assert done.stderr.count("\n") == 3


def test_the_least_image_size_is_the_networks_own():
    from imdb_wiki.networks.compact import compact_cnn
    from imdb_wiki.networks.transfer import TRANSFER_BACKBONES, transfer_network

    assert set(NETWORKS) >= {"compact_cnn", "large_cnn", *TRANSFER_BACKBONES}
    least = NETWORKS["compact_cnn"].least_image_side_pixels
    assert compact_cnn(least).input_shape == (None, least, least, 3)
    with pytest.raises(ValueError, match=str(least)):
        compact_cnn(least - 1)
    with pytest.raises(ValueError):
        transfer_network(
            "convnext_tiny", NETWORKS["convnext_tiny"].least_image_side_pixels - 1, weights=None
        )
