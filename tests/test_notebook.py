"""The notebook is clean in git, every constant can be set, and what it shows is what one sees."""

import ast
import base64
import io
import json
import re
from pathlib import Path
from typing import NamedTuple

import nbclient
import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from PIL import Image

from tests.conftest import REPOSITORY
from tests.documents import notebook_constants
from tests.prepared import take_labels_away, write_prepared
from tests.shared import ONE_BLOCK

NOTEBOOK = REPOSITORY / "imdb_wiki_gpu.ipynb"
CONSTANTS = notebook_constants(NOTEBOOK)
# Pictures in the order in which they are shown.
DATA_FIGURES = ["faces", "ages", "gender_balance", "rows_by_rule", "augmentation", "network"]
EVALUATION_FIGURES = [
    *("predicted_against_true", "error_by_group", "cumulative_score"),
    *("reliability", "best_and_worst_faces", "gender_confusion"),
]


# The notebook has no constants for the compact network's size.
TINY_NETWORK = f"""from functools import partial
from imdb_wiki.networks import compact
compact.compact_cnn = partial(compact.compact_cnn, **{ONE_BLOCK})"""


class Executed(NamedTuple):
    """What a kernel has run: the cells with their outputs, each time."""

    first: list
    second: list
    age: list  # for the age alone
    age_dir: Path


SUSPECTS = 4  # training faces of each folder whose labels the audit suspects


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_committed_without_outputs(notebook):
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def constants_cell(notebook) -> int:
    tagged = [
        number
        for number, cell in enumerate(notebook.cells)
        if "parameters" in cell.metadata.get("tags", [])
    ]
    assert len(tagged) == 1
    return tagged[0]


def test_papermill_finds_every_constant_that_can_be_set():
    found = papermill.inspect_notebook(str(NOTEBOOK))
    defaults = {name: ast.literal_eval(about["default"]) for name, about in found.items()}
    assert defaults == CONSTANTS


def test_each_patience_can_run_out():
    patience = CONSTANTS["EARLY_STOPPING_PATIENCE"]
    assert CONSTANTS["LEARNING_RATE_PATIENCE"] < patience < CONSTANTS["EPOCHS"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Two prepared folders, and the constants that make a run of seconds of them."""
    folder = tmp_path_factory.mktemp("notebook")
    for number in range(2):
        counts = {"train": 24, "val": 12, "test": 11}
        prepared = write_prepared(folder / f"prepared{number}", counts, seed=number)
        (prepared / "rejects.csv").write_text("source,rule,detail\n00/a.jpg,no_face,\n")
    # Both folders have the same names: each row is a face of its own folder.
    audited = [
        pd.read_csv(folder / name / "train.csv").assign(folder=str(folder / name))
        for name in ("prepared0", "prepared1")
    ]
    probabilities = np.where(np.arange(len(audited[0])) < SUSPECTS, 0.95, 0.01)
    said = {"wrong_probability": [*probabilities, *probabilities], "predicted_age_years": 30.5}
    (folder / "audit").mkdir()
    pd.concat(audited).assign(**said).to_csv(folder / "audit/suspects.csv", index=False)
    return folder, {
        "PREPARED_DIRS": [str(folder / "prepared0"), str(folder / "prepared1")],
        "RUN_DIR": str(folder / "run"),
        "RESULTS_CSV": str(folder / "results.csv"),
        "IMAGE_SIZE": 32,
        "AGE_FILTERS": [4],
        "AGE_LAST_FILTERS": [8],
        "GENDER_FILTERS": [4],
        "DENSE_UNITS": 8,
        "EPOCHS": 2,
        "EARLY_STOPPING_PATIENCE": 2,
        "COMPACT_MODEL": "",
        "COMPACT_EPOCHS": 1,
        "COMPACT_IMAGE_SIZE": 32,
    }


def with_constants(chosen: dict):
    """The notebook as papermill runs it, but for the size of the compact network."""
    chosen_notebook = parameterize_notebook(load_notebook_node(str(NOTEBOOK)), chosen)
    chosen_notebook.cells.insert(
        constants_cell(chosen_notebook), nbformat.v4.new_code_cell(TINY_NETWORK)
    )
    return chosen_notebook


def execute(cells) -> None:
    client = nbclient.NotebookClient(
        cells, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(REPOSITORY)}}
    )
    client.execute()


def one_task(task: str, small, folder) -> dict:
    """Constants of a network for one task, on faces of which some labels are missing."""
    counts = {"train": 24, "val": 36, "test": 11}
    return small[1] | {
        "TASKS": [task],
        "PREPARED_DIRS": str(take_labels_away(write_prepared(folder / "some", counts))),
        "RUN_DIR": str(folder / "run"),
        "RESULTS_CSV": str(folder / "results.csv"),
    }


@pytest.fixture(scope="module")
def executed(notebook, small, tmp_path_factory):
    """Run as papermill runs it; then edited twice, and run again from the constants cell."""
    folder, chosen = small
    edited = {"SEED": 1, "READ_TEST_SPLIT": True, "COMPACT_MODEL": "models/compact.keras"}
    edited["AUDIT_DIR"] = str(folder / "audit")
    parts = [with_constants(chosen).cells]
    age_dir = tmp_path_factory.mktemp("age")
    for name, constants in {
        "again": {**chosen, **edited},
        "age": one_task("age", small, age_dir),
    }.items():
        whole = with_constants(constants)
        parts.append(whole.cells[constants_cell(whole) :])
        for number, cell in enumerate(parts[-1]):
            cell["id"] = f"{name}-{number}"
    cells = [cell for part in parts for cell in part]
    all_parts = nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)
    execute(all_parts)
    nbformat.write(all_parts, folder / "executed.ipynb")
    return Executed(*parts, age_dir)


def outputs_of(cells) -> list:
    return [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]


def pictures(cells) -> list[np.ndarray]:
    data = (output.get("data", {}).get("image/png") for output in outputs_of(cells))
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))) for png in data if png]


def text_of(cells) -> str:
    outputs = outputs_of(cells)
    streams = "".join(output.text for output in outputs if output.output_type == "stream")
    return streams + "\n".join(
        output.data.get("text/plain", "") for output in outputs if "data" in output
    )


def test_each_figure_is_shown_as_a_picture(executed, small):
    first, second, *_ = executed
    # Validation shows all figures of an evaluation, the compact network one, the test split all.
    shown = len(DATA_FIGURES) + len(["training_curves", "use", "compact"]) + len(EVALUATION_FIGURES)
    assert len(pictures(first)) == shown
    assert len(pictures(second)) == shown + len(["suspects"]) + len(EVALUATION_FIGURES)
    for picture in pictures(first) + pictures(second):
        assert picture.shape[1] >= 300
        assert len(np.unique(picture)) > 2, "an empty picture"
    assert "<Figure" not in text_of(first + second)
    kept = {path.stem for path in (small[0] / "run" / "figures").glob("*.png")}
    assert kept == {*DATA_FIGURES, "training_curves", "use"}
    for folder in ("run/validation", "run/compact_validation", "run-2", "run-2/validation"):
        files = {path.stem for path in (small[0] / folder / "figures").glob("*.png")}
        assert files >= set(EVALUATION_FIGURES)


def test_no_cell_writes_to_standard_error(executed):
    outputs = outputs_of([*executed.first, *executed.second, *executed.age])
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    assert "no GPU found" in text_of(executed[0]) or "computing on" in text_of(executed[0])


def test_progress_is_stored_as_one_line_an_epoch(executed):
    for cells in executed[:3]:
        (training,) = (c for c in cells if "history = training.train(" in c.source)
        lines = [line for line in text_of([training]).splitlines() if line]
        assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]


def test_an_edited_run_has_a_folder_and_rows_of_its_own(executed, small):
    folder, chosen = small
    for name in ("run", "run-2"):
        assert (folder / name / "model.keras").is_file()
        assert len(pd.read_csv(folder / name / "history.csv")) == 2
        assert len(list((folder / name / "logs").glob("*/*"))) == 2  # training and validation
    table = pd.read_csv(folder / "results.csv")
    assert table["split"].tolist() == ["val", "val", "test"]
    assert [path.rsplit("/", 1)[-1] for path in table["run_dir"]] == ["run", "run-2", "run-2"]
    assert table["seed"].tolist() == [0, 1, 1]
    assert table["train_count"].tolist() == [48] * 3
    assert table["count"].tolist() == [24, 24, 22]
    assert table["time"].notna().all()
    row = table.iloc[0]
    for name, value in {**CONSTANTS, **chosen}.items():
        # What was measured under the same name goes first: EPOCHS, and how many epochs there were.
        set_apart = row.get(f"{name.lower()}_set")
        written = row[name.lower()] if pd.isna(set_apart) else set_apart
        assert str(written) == str(value) or (value == "" and pd.isna(written)), name


def test_the_test_split_is_read_when_asked_and_counted(executed, small):
    folder = small[0]
    assert not (folder / "run" / "metrics.json").exists()
    assert "not read: set READ_TEST_SPLIT = True" in text_of(executed[0])
    metrics = json.loads((folder / "run-2" / "metrics.json").read_text())
    assert metrics["count"] == 22
    assert {"age_mae_years", "median_age_mae_years", "age_cs5"} <= metrics.keys()
    assert {"gender_accuracy", "majority_accuracy", "gender_cross_entropy"} <= metrics.keys()
    for number in range(2):
        assert len(pd.read_csv(folder / f"prepared{number}" / "test_reads.csv")) == 1
    assert text_of(executed[1]).count("has been read once, now") == 2
    validation = json.loads((folder / "run" / "validation" / "metrics.json").read_text())
    assert validation["count"] == 24


def test_the_compact_network_is_trained_or_taken(executed, small):
    trained = json.loads((small[0] / "run" / "compact_validation" / "metrics.json").read_text())
    assert trained["count"] == 24 and "age_interval_coverage" in trained
    assert (small[0] / "run" / "compact" / "model.keras").is_file()
    assert not (small[0] / "run-2" / "compact").exists()


def test_an_audits_suspects_are_shown_and_left_out_of_a_second_training(executed, small):
    first, second = (text_of(cells) for cells in executed[:2])
    assert "no audit: AUDIT_DIR names none" in first
    assert not (small[0] / "run/without_suspects").exists()
    assert f"{2 * SUSPECTS} of 48 training faces are suspects" in second
    assert (small[0] / "run-2/figures/suspects.png").is_file()
    history = pd.read_csv(small[0] / "run-2/without_suspects/history.csv")
    assert len(history) == 2
    # Another training than the first, and both beside each other.
    assert history["loss"][0] != pd.read_csv(small[0] / "run-2/history.csv")["loss"][0]
    assert re.search(r"all training faces +without suspects +difference", second)
    assert re.search(r"age error +\d+\.\d\d years +\d+\.\d\d years +[+-]", second)


@pytest.mark.long
def test_the_gender_alone_ranges_and_missing_labels_run_through(small, tmp_path):
    notebook = with_constants(one_task("gender", small, tmp_path))
    execute(notebook)
    assert_about("gender", notebook.cells, tmp_path)


def test_the_age_alone_ranges_and_missing_labels_run_through(executed):
    assert_about("age", executed.age, executed.age_dir)


def assert_about(task: str, cells: list, folder: Path) -> None:
    """What was shown and kept is about one task."""
    shown = text_of(cells)
    (answered,) = re.findall(r"answered: (.*)", shown)
    assert ("years" in answered) == (task == "age") and ("male" in answered) == (task == "gender")
    of_task = {
        "age": {"predicted_against_true", "age_ranges", "cumulative_score"},
        "gender": {"reliability", "gender_confusion"},
    }
    kept = {path.stem for path in (folder / "run/validation/figures").glob("*.png")}
    assert kept >= of_task[task] | {"error_by_group", "best_and_worst_faces"}
    assert not kept & of_task[{"age": "gender", "gender": "age"}[task]]
    measured = {"age": "age_bin_accuracy", "gender": "gender_accuracy"}
    table = pd.read_csv(folder / "results.csv")
    assert [name for name, column in measured.items() if column in table] == [task]


def test_another_working_folder_is_said(tmp_path):
    """The kernel starts elsewhere, so it cannot find the modules: it says which folder it needs."""
    cells = nbformat.read(NOTEBOOK, as_version=4)
    cells.cells = cells.cells[:3]
    nbformat.write(cells, tmp_path / "setup.ipynb")
    with pytest.raises(papermill.PapermillExecutionError, match="repository's folder"):
        papermill.execute_notebook(
            tmp_path / "setup.ipynb",
            tmp_path / "out.ipynb",
            cwd=tmp_path,
            progress_bar=False,
            kernel_name="python3",
        )
