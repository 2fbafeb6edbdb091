"""What is tried is read from texts, and everything wrong with them is one line."""

import pytest

from imdb_wiki.sweep.command import main
from imdb_wiki.sweep.notebook import read_notebook
from imdb_wiki.sweep.space import Range, read_space
from tests.conftest import REPOSITORY
from tests.documents import notebook_constants
from tests.shared import assert_one_line, ran

NOTEBOOK = read_notebook()


def test_the_notebook_is_cut_after_its_training_and_gives_its_constants():
    assert NOTEBOOK.constants == notebook_constants(REPOSITORY / "imdb_wiki_gpu.ipynb")
    assert "history = training.train(" in "".join(NOTEBOOK.cut["cells"][-1]["source"])
    after = {name for name in NOTEBOOK.constants if name.startswith("COMPACT_")}
    assert set(NOTEBOOK.constants) - NOTEBOOK.deciding == {
        *after,
        *("RESULTS_CSV", "READ_TEST_SPLIT", "AUDIT_DIR", "AUDIT_PROBABILITY"),
    }


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("BATCH_SIZE=16,32", [16, 32]),
        ("SEED=0..3", [0, 1, 2, 3]),
        ("AGE_LOSS=mae,huber", ["mae", "huber"]),
        ("FLIP=true,False", [True, False]),
        ("ZOOM=0,0.1", [0.0, 0.1]),
        ("AGE_FILTERS=[8,16],[16,32]", [[8, 16], [16, 32]]),
        ("TASKS=['age'],[age, gender]", [["age"], ["age", "gender"]]),
    ],
)
def test_lists_and_ranges_are_read_as_the_notebook_has_its_values(text, values):
    (varied,) = read_space([text], [], NOTEBOOK.constants, NOTEBOOK.deciding).varied.values()
    assert list(varied.values()) == values
    assert [type(one) for one in varied.values()] == list(map(type, values))


def test_a_range_of_a_power_of_ten_is_tried_by_magnitude():
    assert Range(1e-4, 1e-2).is_log and Range(8, 512).is_log
    assert not Range(0.0, 0.5).is_log and not Range(-1.0, 10.0).is_log
    assert not Range(16, 64).is_log


class Suggests:
    """A trial of Optuna's that suggests one number."""

    def __init__(self, value):
        self.value = value

    def suggest_float(self, *_, **__):
        return self.value


@pytest.mark.parametrize(
    ("tried", "value", "used"),
    [
        (Range(1e-4, 1e-2), 0.00123456, 0.00123),
        (Range(0.0, 0.5), 0.123456, 0.1235),
        (Range(0.12342, 0.9), 0.1234201, 0.12342),  # never outside of the range
        (Range(1.00001, 1.00002), 1.0000143201, 1.00001432),
    ],
)
def test_numbers_have_the_digits_that_count(tried, value, used):
    assert tried.suggested(Suggests(value), "ZOOM") == pytest.approx(used, abs=1e-9)


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        ("LEARNIN_RATE=1e-4..1e-2", "do you mean LEARNING_RATE?"),
        ("learning_rate=1e-4..1e-2", "do you mean LEARNING_RATE?"),
        ("XYZ=1,2", "there are PREPARED_DIRS, "),
        ("LEARNING_RATE", "is not NAME=VALUE"),
        ("LEARNING_RATE =1,2", "is not NAME=VALUE"),
        ("32", "is not NAME=VALUE"),
        ("=1,2", "is not NAME=VALUE"),
        ("LEARNING_RATE=", "has no value"),
        ("LEARNING_RATE=1e-2..1e-4", "from a smaller to a larger"),
        ("LEARNING_RATE=1..1", "from a smaller to a larger"),
        ("LEARNING_RATE=1e-4..", "is not a range from..to"),
        ("LEARNING_RATE=1e-4...1e-2", "is not a range from..to"),
        ("LEARNING_RATE=0..1..2", "is not a range from..to"),
        ("EPOCHS=1..3,5", "is not a range from..to"),
        ("LEARNING_RATE=0..inf", '"inf" is not a number'),
        ("LEARNING_RATE=nan,1", '"nan" is not a number'),
        ("LEARNING_RATE=-1e308..1e308", "too wide"),
        ("LEARNING_RATE=0,001,0,01", "0.0 is there twice"),
        ("LEARNING_RATE=1e-4-1e-2", "is not a number"),
        ("LEARNING_RATE=1e-3", "--set LEARNING_RATE=1e-3"),
        ("BATCH_SIZE=16.5,32", '"16.5" is not a whole number'),
        ("BATCH_SIZE=16.0..64", "is not a whole number"),
        ("BATCH_SIZE=16,,32", "has an empty value"),
        ("BATCH_SIZE=16,32,", "has an empty value"),
        ("BATCH_SIZE=16;32", "is not a whole number"),
        ("BATCH_SIZE=16,32,16", "16 is there twice"),
        ("BATCH_SIZE=[16,32]", "is not a whole number"),
        ("SEED=0,99999999999999999999999", "is not a whole number"),
        ("FLIP=yes,no", '"yes" is not True or False'),
        ("FLIP=0..1", "of numbers only"),
        ("AGE_LOSS=a..b", "of numbers only"),
        ("AGE_FILTERS=16,32,64", "is not a list in brackets, as [16,32,64] is"),
        ("AGE_FILTERS=[16,32],[64", "a bracket too many or too few"),
        ("AGE_FILTERS=[16,32],[]", "an empty list"),
        ("AGE_FILTERS=[16,x],[8]", '"x" is not a whole number'),
        ("AGE_FILTERS=[[16],[8]]", "a bracket too many or too few"),
        ("READ_TEST_SPLIT=True,False", "never reads the test split"),
        ("PREPARED_DIRS=a,b", "the command's own arguments"),
        ("RUN_DIR=a,b", "the command's own arguments"),
        ("COMPACT_EPOCHS=1,2", "only after the training"),
        ("AGE_LOSS_WEIGHT=0.1,0.2", "--measure takes val_age_years_mae"),
        ("AGE_LOSS=mae,huber", "changes what val_loss adds up"),
    ],
)
def test_what_people_write_wrong_is_one_line_before_anything_runs(vary, said, tmp_path):
    done = ran(main, "nowhere", "--run_dir", tmp_path / "run", "--vary", vary)
    assert_one_line(done, said)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("fixed", "said"),
    [
        (["EPOCHS=1,2"], "--set takes one value"),
        (["EPOCHS=1..2"], "--set takes one value"),
        (["SEED=1"], "SEED is given twice"),
        (["EPOCHS=1", "EPOCHS=2"], "EPOCHS is given twice"),
        (["READ_TEST_SPLIT=True"], "never reads the test split"),
        (["TASKS=[gender]", "--measure", "val_age_years_mae"], "there is no val_age_years_mae"),
        (["EPOCHS=1", "--measure", "test_loss"], "invalid choice"),
        (["EPOCHS=1", "--trials", "0"], "--trials"),
    ],
)
def test_what_is_set_wrong_is_one_line(fixed, said, tmp_path):
    assert_one_line(
        ran(main, "x", "--run_dir", tmp_path, "--vary", "SEED=0,1", "--set", *fixed), said
    )
