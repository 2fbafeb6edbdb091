"""The command with a small, untrained model, or with coloured squares that stand for faces."""

import keras
import pytest
from PIL import Image

import imdb_wiki_predict
from imdb_wiki.models.files import save_model
from imdb_wiki.networks.compact import compact_cnn
from imdb_wiki.prediction import faces as prediction
from tests.prediction import films
from tests.shared import assert_one_line, ran, write_description


@pytest.fixture(scope="session")
def model_path(tmp_path_factory):
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("model") / "compact.keras"
    save_model(compact_cnn(32, stem_filters=4, stage_filters=(8,), stage_blocks=(1,)), path)
    write_description(path.with_suffix(".json"))
    return path


@pytest.fixture(scope="session")
def portrait(astronaut) -> Image.Image:
    return Image.fromarray(astronaut)


@pytest.fixture(scope="session")
def loaded_model(model_path):
    return prediction.load_predictor(model_path)


@pytest.fixture
def predicted(model_path, loaded_model, monkeypatch):
    """Runs the command with the small model, unless another is named."""
    load_predictor = prediction.load_predictor

    def load(path, margin):  # the same model once for all tests: it takes a second
        return loaded_model if path == model_path else load_predictor(path, margin)

    monkeypatch.setattr(prediction, "load_predictor", load)

    return lambda *arguments, model=model_path: ran(
        imdb_wiki_predict.main, *arguments, "--model", model
    )


@pytest.fixture
def predicted_on_films(tmp_path, monkeypatch):
    """Runs the command in an empty folder; instead of `predicted`, where films are answered."""
    films.put_in(monkeypatch.setattr)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: ran(imdb_wiki_predict.main, *arguments)


@pytest.fixture
def run(predicted):
    """Runs the command; returns exit code, lines of output and of errors."""

    def run(*arguments, **options):
        done = predicted(*arguments, **options)
        return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()

    return run


@pytest.fixture
def refused(predicted):
    """Runs the command on wrong input, of which nothing is answered; returns its line."""

    def refused(*arguments, **options):
        done = predicted(*arguments, **options)
        assert done.stdout == ""
        return assert_one_line(done)

    return refused
