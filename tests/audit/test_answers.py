"""Answers of a model: kept in parts, gone on with after a kill, refused if they are of another."""

import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from imdb_wiki.audit import answers
from imdb_wiki.audit.command import main
from imdb_wiki.audit.faces import read_faces
from imdb_wiki.errors import InputError
from imdb_wiki.models.files import save_model
from tests.audit.conftest import tiny_cnn
from tests.conftest import REPOSITORY
from tests.shared import assert_one_line, ran

# The third of three parts begins, and is never finished.
KILLED = """
import sys, time
from imdb_wiki.audit import answers, command
predict, calls = answers.predict, []
def slow(*arguments, **keywords):
    calls.append(0)
    if len(calls) == 3:
        print("the third part", flush=True)
        time.sleep(600)
    return predict(*arguments, **keywords)
answers.predict, answers._PART_FACES, answers._BATCH_SIZE = slow, 48, 8
sys.exit(command.main())
"""


GENDERS = ("female", "male")


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of 48 faces, of 120; and what is predicted of them, with how it is said."""
    predicted, predict = [], answers.predict

    def noted(model, frame, *arguments, what, **keywords):
        predicted.append((what, list(frame["filename"])))
        return predict(model, frame, *arguments, what=what, **keywords)

    monkeypatch.setattr(answers, "predict", noted)
    monkeypatch.setattr(answers, "_PART_FACES", 48)
    monkeypatch.setattr(answers, "_BATCH_SIZE", 8)
    return predicted


@pytest.fixture
def command(prepared_dir, model, tmp_path):
    return [prepared_dir, "--model", model, "--output_dir", tmp_path / "o"]


def test_a_killed_audit_by_a_model_goes_on(command, small_parts, monkeypatch, tmp_path):
    place = tmp_path / "o/answers"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, *map(str, command)],
        cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert any(line == "the third part\n" for line in process.stdout)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert sorted(path.name for path in place.iterdir()) == ["0.npz", "1.npz", "answers.json"]
    assert not (tmp_path / "o/suspects.csv").exists()
    kept = (place / "1.npz").read_bytes()
    done = ran(main, *command)
    assert done.returncode == 0, done.stderr
    names = [f"test/{gender}/{n:03}.jpg" for n in range(6, 30) for gender in (GENDERS[n % 2],)]
    assert small_parts == [("predicting, part 3 of 3", names)]
    assert (place / "1.npz").read_bytes() == kept
    # The same as of all faces at once; and a second call predicts nothing.
    monkeypatch.setattr(answers, "_PART_FACES", 10_240)
    whole = [*command[:-1], tmp_path / "whole"]
    assert ran(main, *whole).returncode == 0
    assert small_parts[1][0] == "predicting" and len(small_parts[1][1]) == 120
    assert ran(main, *whole).returncode == 0 and len(small_parts) == 2
    tables = [pd.read_csv(tmp_path / name / "suspects.csv") for name in ("o", "whole")]
    pd.testing.assert_frame_equal(*tables)


def test_answers_of_another_model_or_other_faces_are_refused(command, small_parts, tmp_path):
    assert ran(main, *command).returncode == 0
    other = tmp_path / "other.keras"
    save_model(tiny_cnn(16), other)
    done = ran(main, *command, "--model", other)
    assert_one_line(done, "the audit there differs in model_digest: name another folder")
    done = ran(main, *command, "--splits", "train")
    assert_one_line(done, "the audit there differs in data_digest, images_digest: name another")
    assert len(small_parts) == 3


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("answers.json", b"mine", "is not an audit's: name another folder"),
        ("answers.json", b"[1]", "is not an audit's: name another folder"),
        ("answers.json", None, "is not an audit's: name another folder"),
        ("0.npz", b"mine", "0.npz is damaged: remove it"),
        ("0.npz", b"", "0.npz is damaged: remove it"),
        ("0.npz", 200, "0.npz is damaged: remove it"),
        ("2.npz", "0.npz", "2.npz does not answer 24 faces: remove it"),
    ],
)
def test_what_is_no_answer_is_named(name, content, said, prepared_dir, monkeypatch, tmp_path):
    frame, predicted = read_faces([str(prepared_dir)]), []

    def fake(model, some, *_, **__):
        predicted.append(len(some))
        return {"age_years": np.arange(len(some), dtype="float32")}

    monkeypatch.setattr(answers, "predict", fake)
    monkeypatch.setattr(answers, "_PART_FACES", 48)

    def answered():
        return answers.answers_of_model(None, tmp_path / "m.keras", frame, tmp_path)["age_years"]

    expected = [*range(48), *range(48), *range(24)]
    assert list(answered()) == expected and predicted == [48, 48, 24]
    path = tmp_path / "answers" / name
    if content is None:
        path.unlink()
    elif isinstance(content, int):
        path.write_bytes(path.read_bytes()[:content])
    else:
        other = content if isinstance(content, bytes) else (path.parent / content).read_bytes()
        path.write_bytes(other)
    with pytest.raises(InputError, match=said):
        answered()
    if name.endswith(".npz"):
        path.unlink()
        assert list(answered()) == expected and len(predicted) == 4


def test_ctrl_c_says_that_the_same_command_goes_on(command, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(answers, "predict", stopped)
    said = "stopped; the same command goes on after the last whole part of the answers"
    assert_one_line(ran(main, *command), said, code=130)


def test_half_a_note_of_a_killed_audit_is_no_other_audit(tmp_path):
    place = tmp_path / "answers"
    place.mkdir()
    (place / "answers.json.imdb_wiki.part").write_text('{"mod')
    assert answers.what_is_noted(place / "answers.json", {"a": 1}) is None
