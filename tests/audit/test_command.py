"""The command: what it writes, folds, kill and resume, wrong input in one line."""

import json
import os
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest

from imdb_wiki.audit.calibration import evidence_of
from imdb_wiki.audit.command import main
from imdb_wiki.audit.faces import read_faces
from imdb_wiki.audit.folds import folds_of
from imdb_wiki.audit.mixture import audit
from imdb_wiki.evaluation.metrics import people_of
from imdb_wiki.models.files import save_model
from imdb_wiki.pipeline import read_split
from imdb_wiki.training.compact.command import main as train
from tests.audit.conftest import tiny_cnn
from tests.conftest import REPOSITORY
from tests.prepared import take_labels_away, write_prepared
from tests.shared import LEAST_COMPACT, assert_one_line, ran

QUICK = ["--folds", 2, "--epochs", 2, "--image_size", 32]


@pytest.fixture(scope="module")
def audited(prepared_dir, tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("audited") / "out"
    done = ran(main, prepared_dir, "--output_dir", output_dir, *QUICK)
    assert done.returncode == 0, done.stderr
    return done, output_dir


# The first epoch is over and kept; the second one never begins.
KILLED = f"""
import sys, time
from functools import partial
from imdb_wiki.tensorflow_start import start_tensorflow
start_tensorflow()
from imdb_wiki.audit.command import main
from imdb_wiki.networks import compact
from imdb_wiki.training.compact import train
keep_state = train.keep_state
def keep_and_wait(*arguments):
    keep_state(*arguments)
    print("an epoch is kept", flush=True)
    time.sleep(600)
train.keep_state = keep_and_wait
compact.compact_cnn = partial(compact.compact_cnn, **{LEAST_COMPACT})
sys.exit(main())
"""


def answers_of(place, count):
    """What the networks of the folds have answered, put together."""
    parts = np.array(json.loads((place / "folds.json").read_text())["parts"])
    answers = {}
    for fold in range(2):
        for name, values in np.load(place / f"{fold}/answers.npz").items():
            answers.setdefault(name, np.zeros((count, *values.shape[1:]), "float32"))
            answers[name][parts == fold] = values
    return answers


def test_each_face_has_a_row_the_most_suspicious_first(audited, prepared_dir):
    done, output_dir = audited
    table = pd.read_csv(output_dir / "suspects.csv")
    assert list(table)[:5] == ["filename", "source", "age", "gender", "wrong_probability"]
    faces = read_faces([str(prepared_dir)])
    assert sorted(table["filename"]) == sorted(faces["filename"]) and len(table) == 120
    found = audit(evidence_of(faces, answers_of(output_dir / "folds", 120)), people_of(faces))
    order = np.argsort(-found.log_odds, kind="stable")  # not of the probabilities: see `Found`
    assert list(table["filename"]) == list(faces["filename"].iloc[order])
    more = {"folder", "split", "predicted_age_years", "age_low_years", "age_high_years"}
    more |= {"male_probability", "wrong_age_probability", "wrong_gender_probability"}
    assert more < set(table)
    assert (table["age_low_years"] <= table["age_high_years"]).all()
    facts = json.loads((output_dir / "audit.json").read_text())
    assert facts["count"] == 120 and facts["folds"] == 2
    assert facts["wrong_share_low"] <= facts["wrong_share"] <= facts["wrong_share_high"] + 1e-3
    assert facts["counts_above"]["0.5"] == (table["wrong_probability"] >= 0.5).sum()
    assert "120 faces: about" in done.stdout and "network 2 of 2" in done.stdout
    for name in ("most_suspicious", "least_suspicious", "probabilities"):
        assert cv2.imread(str(output_dir / f"{name}.png")).shape[1] == 1000


def test_no_network_answers_a_face_that_it_has_learnt_from(audited, prepared_dir):
    place = audited[1] / "folds"
    parts = np.array(json.loads((place / "folds.json").read_text())["parts"])
    faces = read_faces([str(prepared_dir)])
    for fold in (0, 1):
        taught = read_split(place / f"{fold}" / "data", "train")
        answered = faces[parts == fold]
        assert not set(taught["identity"]) & set(answered["identity"])
        assert len(taught) + len(answered) == len(faces)
        assert len(np.load(place / f"{fold}" / "answers.npz")["age_years"]) == len(answered)


def test_folds_keep_people_and_same_pictures_together(prepared_dir, tmp_path):
    folder = shutil.copytree(prepared_dir, tmp_path / "p")
    table = pd.read_csv(folder / "train.csv")
    for number in range(60):  # pictures that differ, but for two
        noise = np.random.default_rng(number).integers(0, 255, (8, 8, 3), "uint8")
        path = folder / "crop" / table["filename"][number]
        cv2.imwrite(str(path), cv2.resize(noise, (64, 64), interpolation=cv2.INTER_CUBIC))
    shutil.copy(folder / "crop" / table["filename"][0], folder / "crop" / table["filename"][1])
    table.loc[2:9, "identity"] = "one person"
    table.to_csv(folder / "train.csv", index=False)
    faces = read_faces([str(folder)], ["train"])
    parts = folds_of(faces, 4, 0)
    assert parts[0] == parts[1] and len(set(parts[2:10])) == 1
    assert np.bincount(parts, minlength=4).min() >= 8
    assert (folds_of(faces, 4, 0) == parts).all() and (folds_of(faces, 4, 1) != parts).any()


def test_a_second_call_trains_nothing_and_other_settings_are_refused(audited, prepared_dir):
    output_dir = audited[1]
    before = (output_dir / "suspects.csv").read_text()
    (output_dir / "folds/1/answers.npz").unlink()  # as if killed before it was written
    (output_dir / "suspects.csv").unlink()
    command = [prepared_dir, "--output_dir", output_dir, *QUICK]
    done = ran(main, *command)
    assert done.returncode == 0, done.stderr
    assert "network 1 of 2" not in done.stdout and "epoch 1/" not in done.stdout
    assert (output_dir / "suspects.csv").read_text() == before
    done = ran(main, *command, "--seed", 1)
    assert_one_line(done, "the audit there differs in seed")


def test_a_killed_audit_goes_on(prepared_dir, audited, tmp_path):
    command = [sys.executable, "-c", KILLED, str(prepared_dir), "--output_dir", str(tmp_path / "o")]
    command += map(str, QUICK)
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert any(line == "an epoch is kept\n" for line in process.stdout)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (tmp_path / "o/suspects.csv").exists()
    # Killed in the first network; of the second one, which begins anew, the answers will do.
    (tmp_path / "o/folds/1").mkdir()
    shutil.copy(audited[1] / "folds/1/answers.npz", tmp_path / "o/folds/1")
    done = ran(main, *command[3:])
    assert done.returncode == 0, done.stderr
    assert "network 1 of 2" in done.stdout and "epoch 2/2" in done.stdout
    assert "epoch 1/2" not in done.stdout  # which was whole: it is not trained again
    of_both = [pd.read_csv(place / "suspects.csv") for place in (tmp_path / "o", audited[1])]
    pd.testing.assert_frame_equal(*of_both)


def test_a_model_that_has_not_met_the_faces_is_enough(prepared_dir, model, tmp_path):
    done = ran(main, prepared_dir, "--output_dir", tmp_path / "o", "--model", model)
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(tmp_path / "o/suspects.csv")) == 120
    assert "note: the networks err by" in done.stdout  # it has learnt nothing


def test_ranges_and_missing_labels_are_audited(model, tmp_path):
    folder = take_labels_away(write_prepared(tmp_path / "p", {"train": 81, "val": 39}))
    done = ran(main, folder, "--output_dir", tmp_path / "o", "--model", model)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "o/suspects.csv")
    assert len(table) == 120 and table["age"].isna().sum() == 80
    assert table["wrong_age_probability"].isna().equals(table["age_low"].isna())
    unlabelled = table["age_low"].isna() & table["gender"].isna()
    assert table["wrong_probability"].isna().equals(unlabelled)


def test_a_model_that_answers_none_of_the_labels_is_refused(tmp_path):
    folder = write_prepared(tmp_path / "p", {"train": 60})
    table = pd.read_csv(folder / "train.csv").assign(age="", age_low="", age_high="")
    table.to_csv(folder / "train.csv", index=False)
    path = tmp_path / "ages.keras"
    save_model(tiny_cnn(16, tasks=("age",)), path)
    done = ran(main, folder, "--output_dir", tmp_path / "o", "--model", path)
    said = "ages.keras answers no gender; no face has a label of its age: it is not audited"
    assert_one_line(done, said)
    assert not (tmp_path / "o").exists()


def test_a_training_takes_the_list_and_says_it(prepared_dir, tmp_path):
    rows = read_split(prepared_dir, "train")
    listed = rows[["filename", "source"]].head(9).assign(wrong_probability=1)
    listed.to_csv(tmp_path / "l.csv")
    command = [prepared_dir, "--run_dir", tmp_path / "run", "--image_size", 32, "--epochs", 1]
    done = ran(train, *command, "--left_out", tmp_path / "l.csv")
    assert done.returncode == 0, done.stderr
    recipe = json.loads((tmp_path / "run/recipe.json").read_text())
    assert recipe["left_out"] == str(tmp_path / "l.csv")
    assert_one_line(ran(train, *command), "the prepared folders have changed")
    listed.assign(filename="train/x").to_csv(tmp_path / "o.csv")
    done = ran(train, *command, "--left_out", tmp_path / "o.csv")
    assert_one_line(done, "is a list of other folders")


@pytest.mark.parametrize("column", ["age", "gender"])
def test_without_one_of_the_labels_the_other_is_audited_and_that_is_said(column, model, tmp_path):
    folder = write_prepared(tmp_path / "p", {"train": 60, "val": 10})
    for path in folder.glob("*.csv"):
        table = pd.read_csv(path)
        ends = {"age_low": table["age"], "age_high": table["age"]}
        ends = dict.fromkeys(ends, "") if column == "age" else ends
        table.assign(**ends, **{column: ""}).to_csv(path, index=False)
    done = ran(main, folder, "--output_dir", tmp_path / "o", "--model", model)
    assert done.returncode == 0, done.stderr
    assert f"no face has a label of its {column}: it is not audited" in done.stdout


def test_the_list_leaves_faces_out(audited, prepared_dir, tmp_path):
    listed = pd.read_csv(audited[1] / "suspects.csv").head(7)
    listed[["folder", "filename", "source", "wrong_probability"]].to_csv(
        tmp_path / "left_out.csv", index=False
    )
    counts = dict.fromkeys(("train", "val", "test"), 0)
    for split in counts:
        rows = read_split(prepared_dir, split, left_out=tmp_path / "left_out.csv")
        assert not set(rows["filename"]) & set(listed["filename"])
        assert list(rows.index) == list(range(len(rows)))
        counts[split] = len(rows)
    assert sum(counts.values()) == 120 - 7


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ten faces", "10 labelled faces are too few"),
        ("one class", "all faces have the same age: it cannot be audited; all faces have the same"),
        ("no folder", "holds no train.csv: prepare it first"),
        ("no model", "no such model"),
        ("both", "--model and --folds: one of them"),
        ("a file is there", "is not an earlier table of suspects"),
        ("into itself", "is a prepared folder"),
        ("few people", "people are too few for 2 folds"),
        ("broken", "not a readable JPEG image"),
    ],
)
def test_what_is_wrong_is_one_line(change, said, model, tmp_path):
    folder = write_prepared(tmp_path / "p", {"train": 10 if change == "ten faces" else 60})
    output_dir, more = tmp_path / "o", ["--model", model]
    table = pd.read_csv(folder / "train.csv")
    if change == "one class":
        table.assign(age=30, gender=1).to_csv(folder / "train.csv", index=False)
    elif change == "no folder":
        shutil.rmtree(folder)
    elif change == "no model":
        more = ["--model", tmp_path / "none.keras"]
    elif change == "both":
        more += ["--folds", 2]
    elif change == "a file is there":
        output_dir.mkdir()
        (output_dir / "suspects.csv").write_text("mine")
    elif change == "into itself":
        output_dir = folder
    elif change == "few people":
        table.assign(identity="one").to_csv(folder / "train.csv", index=False)
        more = QUICK
    elif change == "broken":
        (folder / "crop" / table["filename"][5]).write_bytes(b"no photo")
        more = QUICK
    assert_one_line(ran(main, folder, "--output_dir", output_dir, *more), said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("filename,wrong_probability\ntrain/other.jpg,1\n", "is a list of other folders"),
        ("name\nother.jpg\n", "is no list of faces to leave out"),
        ("", "is empty"),
        (None, "No such file"),
        ("all", "leaves no face of the train split"),
    ],
)
def test_a_list_that_is_none_of_this_folder_is_refused(content, said, prepared_dir, tmp_path):
    from imdb_wiki.errors import InputError

    path = tmp_path / "left_out.csv"
    if content == "all":
        rows = read_split(prepared_dir, "train")
        rows[["filename", "source"]].assign(wrong_probability=1).to_csv(path, index=False)
    elif content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=said):
        read_split(prepared_dir, "train", left_out=path)
