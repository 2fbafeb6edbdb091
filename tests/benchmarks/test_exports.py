"""The table of exports: which files are measured."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import exports
from imdb_wiki.errors import InputError
from imdb_wiki.models.files import save_model
from imdb_wiki.networks.two_branch import two_branch_cnn
from imdb_wiki.pipeline import read_split
from tests.prepared import write_prepared
from tests.shared import SMALL


def ways_of(tmp_path, **options):
    """What is measured of a small network; `stale` stands for exports that lie beside it."""
    frame = read_split(write_prepared(tmp_path / "prepared", {"test": 2}, image_size=16), "test")
    save_model(two_branch_cnn(**SMALL, **options), tmp_path / "own.keras")
    for name in ("own.tflite", "own-int8.tflite", "own.onnx", "own-int8.onnx"):
        (tmp_path / name).write_text("stale")
    photos = np.zeros((2, 200, 200, 3), "uint8")
    return exports.our_ways(tmp_path / "own.keras", tmp_path / "prepared", frame, photos)


def test_exports_beside_the_model_are_not_measured(tmp_path, monkeypatch):
    def export(model_path, to, prepared_dir, quantize, output):
        Path(output).write_text(f"new {to} {quantize}")
        return output, ""

    read = []
    monkeypatch.setattr(exports, "export", export)
    monkeypatch.setattr(
        exports, "load_exported", lambda path, threads: read.append(path.read_text())
    )
    ways = ways_of(tmp_path)
    assert [way.name for way in ways] == ["Keras", *exports.FORMS]
    assert read == ["new litert None", "new litert int8", "new onnx None", "new onnx int8"]
    assert (tmp_path / "own.onnx").read_text() == "stale"


@pytest.mark.parametrize(("task", "missing"), [("age", "gender"), ("gender", "age")])
def test_a_network_for_one_task_is_refused(tmp_path, task, missing):
    with pytest.raises(InputError, match=f"own.keras answers no {missing}"):
        ways_of(tmp_path, tasks=[task])
