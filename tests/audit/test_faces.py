"""Which faces are read, and which of them a model has learnt from: those are refused."""

import json
import shutil

import pandas as pd
import pytest

from imdb_wiki.audit.command import main
from imdb_wiki.audit.faces import read_faces, refuse_known
from imdb_wiki.errors import InputError
from imdb_wiki.evaluation.metrics import people_of
from imdb_wiki.pipeline import read_split
from imdb_wiki.split_lists import write_split_list
from imdb_wiki.split_tables import write_linked_folder
from tests.prepared import write_prepared
from tests.shared import assert_one_line, ran

FIELDS = {"name": "m", "training": {"data": ["some_faces"]}}


@pytest.fixture
def its_model(prepared_dir, model, tmp_path):
    """A model with the list of the faces that it has not learnt from."""
    path = shutil.copy(model, tmp_path / "m.keras")
    frames = {split: read_split(prepared_dir, split) for split in ("train", "val", "test")}
    write_split_list(tmp_path / "m_split.json", frames)
    return path


def refuse(path, folder, *splits):
    refuse_known(path, read_faces([str(folder)], splits))


def test_faces_that_a_model_was_trained_on_are_refused(prepared_dir, its_model, tmp_path):
    command = [prepared_dir, "--output_dir", tmp_path / "o", "--model", its_model]
    line = assert_one_line(ran(main, *command), "60 of the 120 faces")
    assert "--splits test val" in line and "--folds 5" in line
    line = assert_one_line(ran(main, *command, "--splits", "train"), "60 of the 60 faces")
    assert "audit all with --folds 5" in line
    assert ran(main, *command, "--splits", "val", "test").returncode == 0
    (tmp_path / "m_split.json").unlink()  # in a training's folder its recipe says it
    (tmp_path / "recipe.json").write_text(json.dumps({"data": [str(prepared_dir)]}))
    assert_one_line(ran(main, *command), "may have learnt from")


@pytest.mark.parametrize("form", ["{}/", "./{}", "{}//", "{}/crop/.."])
def test_training_faces_are_refused_however_their_folder_is_written(
    form, prepared_dir, its_model, monkeypatch
):
    monkeypatch.chdir(prepared_dir.parent)
    folder = form.format(prepared_dir.name)
    with pytest.raises(InputError, match="60 of the 120 faces"):
        refuse_known(its_model, read_faces([folder]))


def test_faces_of_a_data_set_that_it_has_not_met_are_accepted(prepared_dir, its_model, tmp_path):
    other = write_prepared(tmp_path / "other", {"train": 60, "val": 20})
    for splits in ([], ["train"], ["val", "train"]):
        refuse(its_model, other, *splits)
    # The same as a folder of links, with train and val only, as a benchmark makes it.
    frames = {split: read_split(other, split, incomplete=True) for split in ("train", "val")}
    write_linked_folder(tmp_path / "linked", frames)
    refuse(its_model, tmp_path / "linked", "train")
    # What is not audited may be broken.
    (other / "val.csv").write_text("filename,age,gender\n")
    refuse(its_model, other, "train")


def test_held_out_faces_are_accepted_wherever_they_are(prepared_dir, its_model, tmp_path):
    frames = {split: read_split(prepared_dir, split, incomplete=True) for split in ("val", "test")}
    write_linked_folder(tmp_path / "linked", {"train": frames["test"], "val": frames["val"]})
    refuse(its_model, tmp_path / "linked")
    train = read_split(prepared_dir, "train", incomplete=True)
    write_linked_folder(tmp_path / "linked", {"train": train, "val": frames["val"]})
    with pytest.raises(InputError, match="60 of the 60 faces"):
        refuse(its_model, tmp_path / "linked", "train")


def test_training_faces_alone_are_known_by_what_their_folder_was_called(its_model, tmp_path):
    folder = write_prepared(tmp_path / "some_faces", {"train": 60})
    refuse(its_model, folder)  # nothing tells
    (tmp_path / "m.json").write_text(json.dumps(FIELDS))
    with pytest.raises(InputError, match="60 of the 60 faces"):
        refuse(its_model, folder)
    refuse(its_model, shutil.copytree(folder, tmp_path / "others"))
    # Other splits, of which none is listed, tell that it is another data set of the same name.
    shutil.copy(folder / "train.csv", folder / "val.csv")
    refuse(its_model, folder)
    (folder / "val.csv").unlink()
    (tmp_path / "m.json").write_text(json.dumps({"name": "m"}))
    refuse(its_model, folder)
    (tmp_path / "m.recipe.json").write_text(json.dumps({"data": {"some_faces": "data/x"}}))
    with pytest.raises(InputError, match="60 of the 60 faces"):
        refuse(its_model, folder)


def test_own_faces_without_names_are_known_by_their_folder_alone(its_model, tmp_path):
    folder = write_prepared(tmp_path / "some_faces", {"train": 60, "val": 20})
    for split in ("train", "val"):
        table = pd.read_csv(folder / f"{split}.csv").drop(columns="source")
        table.to_csv(folder / f"{split}.csv", index=False)
    refuse(its_model, folder)
    (tmp_path / "m.json").write_text(json.dumps(FIELDS))
    with pytest.raises(InputError, match="60 of the 80 faces"):
        refuse(its_model, folder)


def test_faces_of_folders_without_identities_are_people_of_their_own(prepared_dir, tmp_path):
    own = write_prepared(tmp_path / "own", {"train": 60})
    table = pd.read_csv(own / "train.csv").drop(columns=["identity", "source"])
    table.to_csv(own / "train.csv", index=False)
    faces = read_faces([str(prepared_dir), str(own)])
    assert len(set(people_of(faces))) == 120 + 60
    assert (faces["source"][120:] == "").all()


def test_a_folder_named_twice_is_refused_and_a_split_named_twice_is_read_once(prepared_dir):
    for again in (f"{prepared_dir}/", f"{prepared_dir}/../{prepared_dir.name}"):
        with pytest.raises(InputError, match="is named twice among the prepared folders"):
            read_faces([str(prepared_dir), again])
    once = read_faces([str(prepared_dir)], ["val", "test"])
    pd.testing.assert_frame_equal(read_faces([str(prepared_dir)], ["val", "test", "val"]), once)
