import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from imdb_wiki import diagrams, evaluation, evaluation_plots, metrics, plots
from imdb_wiki.networks import two_branch_cnn
from imdb_wiki.pipeline import read_split
from tests.prepared import write_prepared
from tests.test_networks import SMALL


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    prepared_dir = write_prepared(tmp_path_factory.mktemp("prepared"), image_size=16)
    return {split: read_split(prepared_dir, split) for split in ("train", "val", "test")}


def predicted(frame, wrong_genders=True):
    random = np.random.default_rng(0)
    male = random.uniform(size=len(frame)) if wrong_genders else frame["gender"].to_numpy()
    ages = frame["age"].to_numpy() + random.normal(0, 8, len(frame))
    return {"age_years": ages, "gender": np.stack([1 - male, male], axis=1)}


@pytest.fixture
def table(frames):
    return evaluation.predictions_table(frames["train"], predicted(frames["train"]))


HISTORY = pd.DataFrame(
    {
        "epoch": [0, 1, 2],
        "val_loss": [3.0, 1.0, 2.0],
        **{
            f"{prefix}{name}": [3.0, 2.0, 2.5]
            for prefix in ("", "val_")
            for name in ("age_years_mae", "gender_cross_entropy", "gender_accuracy")
        },
    }
)


def figures(frames, table):
    tables = metrics.by_group(
        frames["train"], predicted(frames["train"]), train_frame=frames["train"]
    )
    yield plots.face_grid(frames["train"], rows=2, columns=3)
    yield plots.age_histogram(frames)
    yield plots.gender_balance(frames)
    yield plots.rows_by_rule({"no_face": 18_016, "low_score": 0, "bad_age": 49}, kept=38_138)
    yield plots.training_curves(HISTORY, median_age_mae_years=13.1)
    yield evaluation_plots.predicted_against_true(table)
    yield evaluation_plots.error_by_group(tables)
    yield evaluation_plots.best_and_worst_faces(table, count=4)
    yield evaluation_plots.gender_confusion(table)
    yield diagrams.network_diagram(two_branch_cnn(**SMALL))
    yield diagrams.process_diagram()


def test_each_picture_shows_something_and_can_be_saved(frames, table, tmp_path):
    for number, figure in enumerate(figures(frames, table)):
        assert isinstance(figure, Figure)
        path = tmp_path / "new" / f"{number}.png"
        plots.save(figure, path, dpi=60)
        image = plots.read_image(path)
        assert (image < 250).any(axis=-1).mean() > 0.01, f"figure {number} is empty"


def test_styles_do_not_leak(frames):
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.gender_balance(frames)
    assert dict(matplotlib.rcParams) == before


def test_faces_carry_their_own_labels(frames):
    frame = frames["train"]
    figure = plots.face_grid(frame, rows=2, columns=5, seed=1)
    assert len(figure.axes) == 10
    for axes in figure.axes:
        age, gender = axes.get_title(loc="center").split(" · ")
        red, green, _ = axes.images[0].get_array()[8, 8].astype(int)
        assert abs(green - 2 * int(age)) <= 4
        assert gender == ("male" if red > 125 else "female")


def titles(figure):
    return [axes.get_title(loc="center") for axes in figure.axes if axes.images]


def test_best_and_worst_faces_are_the_best_and_the_worst(table):
    captions = titles(evaluation_plots.best_and_worst_faces(table, count=4))
    ages = [abs(int(a) - int(b)) for a, b in (text.split(" → ") for text in captions[:8])]
    errors = sorted(table["age_error_years"].abs())
    assert ages[:4] == pytest.approx(errors[:4], abs=0.6)
    assert ages[4:] == pytest.approx(errors[:-5:-1], abs=0.6)
    assert all("% sure" in text for text in captions[8:])


def test_faces_without_any_wrong_gender_leave_the_row_empty(frames):
    right = predicted(frames["val"], wrong_genders=False)
    table = evaluation.predictions_table(frames["val"], right)
    assert len(titles(evaluation_plots.best_and_worst_faces(table, count=3))) == 6


def test_the_best_epoch_is_marked_counted_from_one():
    for axes in plots.training_curves(HISTORY).axes:
        marks = {line.get_label(): line.get_xdata() for line in axes.lines}
        assert marks["best epoch"].tolist() == [2]
        assert marks["validation"].tolist() == [1, 2, 3]


def test_the_confusion_counts_true_by_predicted(table):
    texts = [text.get_text() for text in evaluation_plots.gender_confusion(table).axes[0].texts]
    pairs = zip(table["gender"], table["predicted_gender"], strict=True)
    counts = [list(pairs := list(pairs)).count(pair) for pair in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert [int(text.split("\n")[1]) for text in texts] == counts


def test_the_diagram_reads_each_layer_from_the_model():
    network = two_branch_cnn(**SMALL)
    parents = diagrams.layer_parents(network)
    assert parents["age_1_conv"] == parents["gender_1_conv"] == ["scaled"]
    assert parents["age_years"] == ["age_dense"]
    assert set(parents) == {layer.name for layer in network.layers}
    texts = [text.get_text() for text in diagrams.network_diagram(network).axes[0].texts]
    for layer in network.layers:
        assert layer.name in texts
        if layer.count_params():
            assert f"{layer.count_params():,}" in texts


def test_a_shortcut_keeps_boxes_apart():
    import keras
    from keras import layers

    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(3, 3, padding="same", name="first")(image)
    side = layers.Conv2D(3, 1, name="side")(image)
    x = layers.Add(name="sum")([x, side, image])
    figure = diagrams.network_diagram(keras.Model(image, x))
    places = [text.get_position() for text in figure.axes[0].texts]
    assert len(set(places)) == len(places)


def test_plots_need_no_tensorflow():
    code = "import sys, imdb_wiki.plots; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
