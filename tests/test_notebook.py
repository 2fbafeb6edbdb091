"""The notebook is clean in git, its constants are literals, and it runs from end to end."""

import ast
import json

import nbformat
import pandas as pd
import papermill
import pytest

from tests.conftest import REPOSITORY
from tests.prepared import write_prepared

NOTEBOOK = REPOSITORY / "imdb_wiki_gpu.ipynb"
HEADINGS = [
    *("Set-up and device", "Constants", "Look at the data", "Pipeline", "Network"),
    *("Training", "Evaluation", "The compact network", "Use"),
]


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_committed_without_outputs(notebook):
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_its_headings_are_in_order(notebook):
    lines = [
        line for c in notebook.cells if c.cell_type == "markdown" for line in c.source.split("\n")
    ]
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == HEADINGS


def test_one_cell_of_constants_holds_literals_each_with_unit_or_reason(notebook):
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    source = tagged[0].source
    for statement in ast.parse(source).body:
        assert isinstance(statement, ast.Assign)
        ast.literal_eval(statement.value)
    lines = list(filter(None, source.splitlines()))
    assert [line for line in lines if "  # " not in line] == []


def test_it_runs_from_end_to_end(tmp_path):
    for number in range(2):  # two folders, pooled
        counts = {"train": 24, "val": 10, "test": 11}
        folder = write_prepared(tmp_path / f"prepared{number}", counts, seed=number)
        (folder / "rejects.csv").write_text("source,rule,detail\n00/a.jpg,no_face,\n")
    papermill.execute_notebook(
        NOTEBOOK,
        tmp_path / "executed.ipynb",
        {
            "PREPARED_DIRS": [str(tmp_path / "prepared0"), str(tmp_path / "prepared1")],
            "RUN_DIR": str(tmp_path / "run"),
            "RESULTS_CSV": str(tmp_path / "results.csv"),
            "IMAGE_SIZE": 32,
            "BATCH_SIZE": 16,
            "EPOCHS": 2,
            "COMPACT_MODEL": "",
            "COMPACT_EPOCHS": 1,
            "COMPACT_IMAGE_SIZE": 32,
        },
        cwd=REPOSITORY,
        progress_bar=False,
        kernel_name="python3",
    )
    run_dir = tmp_path / "run"
    assert (run_dir / "model.keras").is_file()
    assert len(pd.read_csv(run_dir / "history.csv")) == 2
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert metrics["count"] == 22
    assert {"age_mae_years", "median_age_mae_years", "age_cs5"} <= metrics.keys()
    assert {"gender_accuracy", "majority_accuracy", "gender_cross_entropy"} <= metrics.keys()
    assert len(list((run_dir / "figures").glob("*.png"))) >= 9
    compact = json.loads((run_dir / "compact_evaluation" / "metrics.json").read_text())
    assert compact["count"] == 22 and "age_interval_coverage" in compact
    results = pd.read_csv(tmp_path / "results.csv")
    assert results["age_mae_years"].tolist() == [round(metrics["age_mae_years"], 4)]
    assert results["train_count"].tolist() == [48]
