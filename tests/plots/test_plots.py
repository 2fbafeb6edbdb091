import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from imdb_wiki import plots
from imdb_wiki.evaluation import evaluate as evaluation
from imdb_wiki.evaluation import figures as evaluation_plots
from imdb_wiki.evaluation.groups import by_group
from imdb_wiki.networks.two_branch import two_branch_cnn
from imdb_wiki.pipeline import read_split
from imdb_wiki.plots import diagrams
from imdb_wiki.preparation.report import report_figure
from imdb_wiki.preparation.rules import rule_names
from tests.conftest import REPOSITORY
from tests.plots.looking import assert_readable, contrast_with_white, drawn_texts, rendered
from tests.prepared import write_prepared


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
    tables = by_group(frames["train"], predicted(frames["train"]), train_frame=frames["train"])
    faces = np.stack([plots.read_image(path) for path in frames["train"]["path"][:3]])
    likely = np.exp(-np.square(np.arange(101) - 40) / 50)
    yield plots.face_grid(frames["train"], rows=2, columns=3)
    yield plots.augmented_faces(faces, np.stack([faces] * 2), ["12 years"] * 3)
    yield plots.answered_face(faces[0], ["answered: 40", "label: 42"], likely, (32, 48), 42)
    yield plots.answered_face(faces[0], ["answered: 40 years, female 92%", "a long line " * 9])
    yield plots.age_histogram(frames)
    yield plots.gender_balance(frames)
    yield plots.rows_by_rule({"no_face": 18_016, "low_score": 0, "bad_age": 49}, kept=38_138)
    yield plots.training_curves(HISTORY, median_age_mae_years=13.1)
    yield from evaluation_plots.all_figures(table, tables).values()
    yield diagrams.network_diagram(two_branch_cnn(32))
    yield diagrams.process_diagram()


def test_each_picture_shows_something_can_be_read_and_saved(frames, table, tmp_path):
    for number, figure in enumerate(figures(frames, table)):
        assert isinstance(figure, Figure)
        image = assert_readable(figure)
        assert image.shape[1] <= 1000, "wider than a page"
        assert (image < 250).any(axis=-1).mean() > 0.01, f"figure {number} is empty"
    path = tmp_path / "new" / "last.png"
    plots.save(figure, path)
    assert plots.read_image(path).shape == image.shape


def test_the_process_names_places_that_there_are():
    texts = diagrams.process_diagram().axes[0].texts
    places = [t.get_text() for t in texts if t.get_fontweight() == "bold"]
    assert len(places) == 10  # the script, the notebook and four steps of each
    for place in places:
        room = REPOSITORY if place.startswith("imdb_wiki_") else REPOSITORY / "imdb_wiki"
        assert (room / place).exists(), place


def people(ages, genders, folders=("data/sample",)):
    """Rows as `read_split` gives them, with answers that are 3 years too high."""
    count = len(ages)
    frame = pd.DataFrame({"age": ages, "gender": genders})
    names = [f"{age}_{gender}_{n % 5}_{n:017}.jpg" for n, (age, gender) in
             enumerate(zip(ages, genders, strict=True))]  # fmt: skip
    frame["source"] = names
    frame["folder"] = [folders[number % len(folders)] for number in range(count)]
    male = np.where(np.arange(count) % 7 == 3, 0.4, 0.9 * frame["gender"] + 0.05)
    answers = {"age_years": frame["age"] + 3.0, "gender": np.stack([1 - male, male], axis=1)}
    return frame, answers


random = np.random.default_rng(0)
LONG_FOLDERS = (
    "/home/student/projects/faces/prepared/utkface_aligned_and_cropped_to_144_pixels_with_seed_0",
    "/home/student/projects/faces/prepared/utkface_aligned_and_cropped_to_144_pixels_with_seed_1",
    "/home/student/projects/faces/prepared/wiki",
)
DATA = {
    "one face": people([0], [0]),
    "men only": people([*range(20, 70)], [1] * 50),
    "first and last age": people([0, 100] * 10, [0, 1, 1, 0] * 5),
    "three folders": people([*range(101)] * 4, [0, 1] * 202, LONG_FOLDERS),
    "thousands": people(random.integers(0, 101, 4000), random.integers(0, 2, 4000)),
}


@pytest.mark.parametrize("name", [name for name in DATA if name != "three folders"])
def test_charts_can_be_read_whatever_the_data(name):
    frame, answers = DATA[name]
    table = evaluation.predictions_table(frame, answers)
    frames = {"train": frame, "val": frame[:1], "test": frame[:0]}
    for figure in (
        plots.age_histogram(frames),
        plots.gender_balance(frames),
        evaluation_plots.predicted_against_true(table),
        evaluation_plots.cumulative_curve(table),
        evaluation_plots.reliability_diagram(table),
        evaluation_plots.gender_confusion(table),
    ):
        assert_readable(figure)


@pytest.mark.parametrize("name", [name for name in DATA if name != "thousands"])
def test_each_group_has_a_row_that_can_be_read(name):
    frame, answers = DATA[name]
    tables = by_group(frame, answers, train_frame=frame)
    figure = evaluation_plots.error_by_group(tables)
    assert_readable(figure)
    assert figure.bbox.width == 1000
    written = [text.replace("\n", "") for text, _ in drawn_texts(figure)]
    groups = [
        f"{str(group).removeprefix('/home/student/projects/faces/prepared/')}  ({count:,})"
        for table in tables.values() for group, count in table["count"].items()
    ]  # fmt: skip
    assert sorted(text for text in written if text.endswith(")")) == sorted(groups)


def test_a_group_without_an_interval_is_a_hollow_mark_without_whiskers():
    frame, answers = people([30, 31, 45, 80], [0, 0, 0, 1])
    answers["age_years"] += np.array([0, 5, 1, 2])
    tables = {"age_decade": by_group(frame, answers, frame)["age_decade"]}
    figure = evaluation_plots.error_by_group(tables)
    axes = figure.axes[0]
    filled, hollow = axes.containers
    assert filled.lines[0].get_xdata().tolist() == [5.5]  # of 30 and 31: 3 and 8 years
    assert [np.ptp(part[:, 0]) for bar in filled.lines[2] for part in bar.get_segments()] == [5]
    assert hollow.lines[0].get_xdata().tolist() == [4, 5]
    assert hollow.lines[0].get_markerfacecolor() == "white"
    assert not hollow.lines[2]
    assert any("no interval" in text for text, _ in drawn_texts(figure))


@pytest.mark.parametrize("count", [1, 100, 4000])
def test_a_single_face_can_be_seen(count):
    frame, answers = people([80] + [20] * (count - 1), [0] * count)
    answers["age_years"] = np.array([30.5] + [21.0] * (count - 1))
    figure = evaluation_plots.predicted_against_true(evaluation.predictions_table(frame, answers))
    image = rendered(figure)
    axes = figure.axes[0]
    column, row = axes.transData.transform((81, 31)).astype(int)  # cells are two years wide
    assert contrast_with_white(image[len(image) - row, column]) > 2.9


def test_rows_by_rule_says_all_numbers_also_without_any():
    for rejected, kept in (({}, 0), ({"no_face": 0}, 3), ({"no_face": 1_234_567}, 1)):
        figure = plots.rows_by_rule(rejected, kept)
        assert_readable(figure)
        texts = [text for text, _ in drawn_texts(figure)]
        assert any(text.startswith(f"{kept:,} (") for text in texts)


def test_each_original_stands_above_its_versions():
    originals = (
        np.full((3, 8, 8, 3), 10, "uint8") + np.arange(3, dtype="uint8")[:, None, None, None]
    )
    versions = np.stack([originals[:, :6, :6] + 100, originals[:, :6, :6] + 200])
    figure = plots.augmented_faces(originals, versions, ["one", "two", "three"])
    assert_readable(figure)
    shown = [int(axes.images[0].get_array()[0, 0, 0]) for axes in figure.axes]
    assert shown == [10, 11, 12, 110, 111, 112, 210, 211, 212]
    assert [axes.get_title(loc="center") for axes in figure.axes[:3]] == ["one", "two", "three"]
    with pytest.raises(ValueError, match="is not"):
        plots.augmented_faces(originals, versions[:, :2])


def test_a_face_is_shown_beside_its_answer():
    image = np.full((16, 16, 3), 80, "uint8")
    lines = ["answered: 98 years", "label: 100 years"]
    figure = plots.answered_face(image, lines, np.eye(101)[98], (91.5, 104), 100)
    assert_readable(figure)
    texts = [text for text, _ in drawn_texts(figure)]
    assert "\n".join(lines) in texts
    curve = figure.axes[2]
    area = curve.collections[0].get_paths()[0].vertices[:, 0]
    assert (area.min(), area.max()) == (91.5, 100)
    plain = plots.answered_face(image, lines)
    assert len(plain.axes) == 2
    assert "\n".join(lines) in [text for text, _ in drawn_texts(plain)]


def test_charts_are_written_with_a_palette_and_faces_without(frames):
    for draw, mode in (
        (lambda: plots.gender_balance(frames), "P"),
        (lambda: plots.face_grid(frames["train"], rows=1), "RGB"),
    ):
        picture = Image.open(io.BytesIO(plots.png_bytes(draw())))
        assert (picture.format, picture.mode) == ("PNG", mode)
        plain = rendered(draw()).astype(int)
        assert np.abs(np.asarray(picture.convert("RGB")) - plain).mean() < 0.1


def test_the_grid_is_no_larger_than_its_faces(frames):
    assert len(plots.face_grid(frames["val"]).axes) == 5
    one = plots.face_grid(frames["val"][:1])
    assert len(one.axes) == 1
    assert_readable(one)


@pytest.mark.parametrize(
    ("genders", "rejected"), [((0, 1), dict.fromkeys(rule_names(), 12_345)), ((1,), {})]
)
def test_the_preparations_figure_can_be_read(frames, genders, rejected):
    parts = [part.assign(split=split) for split, part in list(frames.items())[: len(genders)]]
    kept = pd.concat(parts, ignore_index=True)
    kept = kept[kept["gender"].isin(genders)]
    report = {"splits": list(kept["split"].unique()), "rejected": rejected, "kept": len(kept)}
    figure = report_figure(kept, Path(kept["path"].iloc[0]).parents[2], report)
    assert_readable(figure)
    ages = [int(caption.split(" · ")[0]) for caption in titles(figure)]
    rows = [ages[number : number + 8] for number in range(0, len(ages), 8)]
    assert len(rows) == len(genders)
    assert all(row == sorted(row) for row in rows)


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
        assert marks["best epoch (lowest val_loss)"].tolist() == [2]
        assert marks["validation"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(("epochs", "first_epoch"), [(1, 0), (1, 1), (2, 0), (100, 1)])
def test_epochs_are_whole_numbers_from_one(epochs, first_epoch):
    history = pd.concat([HISTORY[:1]] * epochs, ignore_index=True)
    figure = plots.training_curves(history.assign(epoch=history.index + first_epoch), 13.1)
    assert_readable(figure)
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks and all(tick in range(1, epochs + 1) for tick in ticks)


def test_a_training_whose_loss_is_no_number_has_no_best_epoch():
    history = HISTORY.assign(val_loss=np.nan, val_age_years_mae=np.nan, age_years_mae=np.nan)
    figure = plots.training_curves(history)
    assert_readable(figure)
    assert not any("best" in text for text, _ in drawn_texts(figure))


def test_the_confusion_counts_true_by_predicted(table):
    texts = [text.get_text() for text in evaluation_plots.gender_confusion(table).axes[0].texts]
    pairs = zip(table["gender"], table["predicted_gender"], strict=True)
    counts = [list(pairs := list(pairs)).count(pair) for pair in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert [int(text.split("\n")[1]) for text in texts] == counts


def test_the_diagram_reads_each_layer_from_the_model():
    network = two_branch_cnn(32)
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
    long = "first_of_all_layers_with_a_long_name"
    x = layers.Conv2D(3, 3, padding="same", activation="sigmoid", name=long)(image)
    side = layers.Conv2D(3, 1, name="side")(image)
    x = layers.Add(name="sum")([x, side, image])
    figure = diagrams.network_diagram(keras.Model(image, x))
    assert_readable(figure)
    places = [text.get_position() for text in figure.axes[0].texts]
    assert len(set(places)) == len(places)


def test_plots_need_no_tensorflow():
    code = "import sys, imdb_wiki.plots; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_face_whose_image_is_gone_or_broken_is_drawn_as_missing(tmp_path):
    frame = read_split(write_prepared(tmp_path, {"train": 4}), "train")
    Path(frame["path"][0]).unlink()
    Path(frame["path"][1]).write_bytes(b"no photo")
    cells = plots.face_grid(frame, 1, 4).axes
    said = sorted([len(axes.images), *(text.get_text() for text in axes.texts)] for axes in cells)
    assert said == [[0, "image missing"]] * 2 + [[1]] * 2
