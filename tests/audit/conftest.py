"""The least network, faces and a model, for all tests of the audit."""

from functools import partial

import cv2
import numpy as np
import pandas as pd
import pytest

from imdb_wiki.audit import figures
from imdb_wiki.models.files import save_model
from imdb_wiki.networks import compact
from imdb_wiki.networks.compact import compact_cnn
from tests.prepared import write_prepared
from tests.shared import LEAST_COMPACT

tiny_cnn = partial(compact_cnn, **LEAST_COMPACT)


@pytest.fixture(scope="module", autouse=True)
def tiny_network():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact, "compact_cnn", tiny_cnn)
        patch.setattr(figures, "_SHEET_ROWS", 1)  # most of a small audit's time
        yield


def with_patterns(folder):
    """Makes the plain pictures differ: two plain ones are the same picture to the folds."""
    for number, path in enumerate(sorted(folder.glob("crop/*/*/*.jpg"))):
        noise = np.random.default_rng(number).integers(-40, 40, (4, 4, 3))
        pattern = cv2.resize(noise.astype("float32"), (32, 32), interpolation=cv2.INTER_CUBIC)
        picture = np.clip(cv2.imread(str(path)) + pattern, 0, 255).astype("uint8")
        cv2.imwrite(str(path), picture)
    return folder


@pytest.fixture(scope="module")
def prepared_dir(tmp_path_factory):
    counts = {"train": 60, "val": 30, "test": 30}
    folder = with_patterns(write_prepared(tmp_path_factory.mktemp("some"), counts))
    for split in ("train", "val", "test"):  # a person of its own in each split
        path = folder / f"{split}.csv"
        table = pd.read_csv(path)
        names = [f"{split}/{split}-{number:012}.jpg" for number in range(len(table))]
        table.assign(identity=split + table["identity"], source=names).to_csv(path, index=False)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "some.keras"
    save_model(tiny_cnn(16), path)
    return path
