"""What is read of an audit's table, how it is said, and which faces are left out in the end."""

import csv

import numpy as np
import pandas as pd
import pytest

from imdb_wiki.audit.decisions import Decision, Decisions
from imdb_wiki.audit.suspects import read_suspects
from imdb_wiki.errors import InputError
from imdb_wiki.review import command
from imdb_wiki.review.words import face_words
from tests.review.audited import suspects_of, write_audit
from tests.shared import assert_one_line, files_of_at_most, ran

BARE = {
    "filename": "a.jpg", "source": "00/a.jpg", "age": "34", "gender": "0",
    "wrong_probability": "0.5", "folder": "data",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "label", "short"),
    [
        ({}, "34 years, female", "34 · female"),
        ({"age": "34.0", "gender": "1.0"}, "34 years, male", "34 · male"),
        ({"age": "", "age_low": "30.0", "age_high": "39"}, "30–39 years, female", "30–39 · female"),
        ({"age": "", "age_low": "30", "age_high": "30.0"}, "30 years, female", "30 · female"),
        ({"age": "", "age_low": "", "age_high": ""}, "no age, female", "? · female"),
        ({"age": "", "gender": ""}, "no age, no gender", "? · ?"),
        ({"age": "nan", "gender": "x"}, "nan years, x", "nan · x"),
    ],
)
def test_a_label_is_said_in_words(changes, label, short):
    words = face_words(BARE | changes)
    assert (words["label"], words["short"]) == (label, short)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({}, ""),
        ({"predicted_age_years": "61.2"}, "61 years"),
        (
            {"predicted_age_years": "61.2", "age_low_years": "52.4", "age_high_years": "69.7"},
            "61 years (interval 52–70)",
        ),
        ({"predicted_age_years": "61", "age_low_years": "52"}, "61 years"),
        ({"male_probability": "0.93"}, "male 93%"),
        ({"male_probability": "0.07"}, "female 93%"),
        ({"male_probability": "0.001"}, "female above 99%"),
        ({"predicted_age_years": "61", "male_probability": "0.5"}, "61 years, male 50%"),
        ({"predicted_age_years": "nan", "male_probability": "7"}, ""),
    ],
)
def test_the_networks_answer_is_said_as_far_as_it_is_there(answer, said):
    assert face_words(BARE | answer)["network"] == said


def test_probabilities_are_never_said_as_certain():
    words = face_words(BARE | {"wrong_probability": "1", "wrong_age_probability": "0"})
    assert (words["wrong"], words["parts"]) == ("above 99%", "age: below 1%")
    assert face_words(BARE | {"wrong_probability": ""})["wrong"] == "unknown"
    assert face_words(BARE | {"wrong_gender_probability": "0.424"})["parts"] == "gender: 42%"


def test_suspects_keep_the_order_of_the_table_and_each_face_is_there_once(tmp_path):
    table = suspects_of(write_audit(tmp_path) / "prepared")
    shuffled = table.sample(frac=1, random_state=0)
    again = shuffled.tail(3).assign(wrong_probability=np.nan)
    write_audit(tmp_path, pd.concat([shuffled, again]))
    suspects = read_suspects(tmp_path)
    assert [name for _, name in suspects.keys] == list(shuffled["filename"])
    assert list(suspects.probabilities) == list(shuffled["wrong_probability"])
    assert suspects.face(21)["wrong_probability"] == str(suspects.probabilities[21])


def test_a_table_that_a_spreadsheet_saved_is_read_the_same(tmp_path):
    expected = read_suspects(write_audit(tmp_path))
    table = pd.read_csv(tmp_path / "suspects.csv")
    text = table.to_csv(index=False, sep=";", decimal=",", lineterminator="\r\n")
    (tmp_path / "suspects.csv").write_text(text, encoding="utf-8-sig", newline="")
    suspects = read_suspects(tmp_path)
    assert suspects.keys == expected.keys
    assert list(suspects.probabilities) == list(expected.probabilities)
    assert face_words(suspects.face(3)) == face_words(expected.face(3))


HEADER = "filename,source,age,gender,wrong_probability,folder\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "has no suspects.csv: give the folder of an audit"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (HEADER.encode(), "lists no face"),
        (b"filename,age,gender\na.jpg,3,1\n", "it has no column folder, source, wrong_probability"),
        (b"\x00\x01\x02", "is no CSV table"),
        (b"\xff\xd8\xff\xe0" + bytes(range(1, 256)), "is no table of suspects"),
        (HEADER.encode() + b'a.jpg,"b', "is damaged"),
        (HEADER.encode() + b"a.jpg,b,3,1,0.5,x\na.jpg,b,3,1,0.5,x,y,z\n", "is damaged"),
        (HEADER.encode() + b"a.jpg,b,3,1,0.5,x,y,z\n", "is damaged"),
        (HEADER.encode() + b"a.jpg,b,3,1,high,x\n", "line 2: wrong_probability 'high' is not from"),
        (HEADER.encode() + b"a.jpg,b,3,1,0.5,x\nb.jpg,b,3,1,1.5,x\n", "line 3: wrong_probability"),
        (HEADER.encode() + b"a.jpg,b,3,1,0.5,\n", "line 2: folder '' is empty"),
        (HEADER.encode() + b'"a\nb",b,3,1,0.5,x\n', "has a line break"),
        (HEADER.encode() + b"a.jpg,b,3,1,0.5,gone\n", "the prepared folder gone is not here"),
        (HEADER.encode() + b"a.jpg,b,3,1,0.5,/\n", "/ is no prepared folder"),
    ],
)
def test_a_wrong_table_is_said_in_one_line(tmp_path, content, said):
    if content is not None:
        (tmp_path / "suspects.csv").write_bytes(content)
    assert_one_line(ran(command.main, tmp_path, "--port", 0), said)


def test_a_wrong_folder_or_option_is_said_in_one_line(tmp_path):
    assert_one_line(ran(command.main, tmp_path / "gone"), "give the folder of an audit")
    assert_one_line(ran(command.main), "required: DIR")
    (tmp_path / "suspects.csv").mkdir()
    assert_one_line(ran(command.main, tmp_path), "suspects.csv: Is a directory")
    for wrong in ("1.1", "-0.1", "nan", "much"):
        assert_one_line(ran(command.main, tmp_path, f"--write_left_out={wrong}"), wrong)


@pytest.fixture
def audit(tmp_path):
    return write_audit(tmp_path)


def left_out(folder) -> list[dict]:
    with (folder / "left_out.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def decide(folder, *pairs: tuple[int, str]):
    suspects = read_suspects(folder)
    log = Decisions(folder / "decisions.csv")
    log.add(Decision(suspects.keys[row], suspects.face(row)["source"], name) for row, name in pairs)
    return suspects


def test_decisions_count_above_the_networks_probability(audit):
    # Of 22 faces the first three have 0.9 or more.
    suspects = decide(audit, (0, "right"), (1, "unsure"), (10, "wrong"), (20, "not_a_face"))
    done = ran(command.main, audit, "--write_left_out", 0.89)
    assert done.returncode == 0, done.stderr
    said = "4 of 22 faces are left out: 1 decided wrong, 1 decided not a face, 2 probably wrong"
    assert f"left_out.csv: {said}\n" in done.stdout
    rows = left_out(audit)
    assert list(rows[0]) == ["folder", "filename", "source", "wrong_probability", "reason"]
    assert [(row["filename"], row["reason"]) for row in rows] == [
        (suspects.keys[1][1], "probably_wrong"),
        (suspects.keys[2][1], "probably_wrong"),
        (suspects.keys[10][1], "decided_wrong"),
        (suspects.keys[20][1], "decided_not_a_face"),
    ]
    assert rows[0]["folder"] == str(audit / "prepared")
    assert rows[0]["source"] == suspects.face(1)["source"]
    assert float(rows[2]["wrong_probability"]) == suspects.probabilities[10]


def test_without_a_probability_the_decisions_alone_count(audit):
    table = suspects_of(audit / "prepared")
    table.loc[:4, "wrong_probability"] = 1.0  # rounded, of 0.9999996
    write_audit(audit, table)
    suspects = decide(audit, (0, "right"), (1, "unsure"), (10, "wrong"), (20, "not_a_face"))
    assert ran(command.main, audit, "--write_left_out").returncode == 0
    assert [row["filename"] for row in left_out(audit)] == [suspects.keys[n][1] for n in (10, 20)]
    assert ran(command.main, audit, "--write_left_out", 1).returncode == 0
    assert len(left_out(audit)) == 4 + 2


def test_a_decision_that_is_changed_or_taken_back_counts_as_it_is_now(audit):
    decide(audit, (10, "wrong"), (11, "wrong"), (12, "right"))
    suspects = decide(audit, (10, "right"), (11, ""), (12, "wrong"))
    assert ran(command.main, audit, "--write_left_out", 1).returncode == 0
    assert [row["filename"] for row in left_out(audit)] == [suspects.keys[12][1]]


def test_a_face_that_a_later_audit_does_not_list_stays_left_out(audit):
    suspects = decide(audit, (21, "wrong"), (20, "right"))
    write_audit(audit, suspects_of(audit / "prepared").head(5))
    assert ran(command.main, audit, "--write_left_out", 1).returncode == 0
    (row,) = left_out(audit)
    assert (row["filename"], row["wrong_probability"]) == (suspects.keys[21][1], "")


def test_without_decisions_the_probability_alone_counts_and_no_folder_is_needed(audit):
    suspects = read_suspects(audit)
    (audit / "prepared").rename(audit / "elsewhere")
    assert ran(command.main, audit, "--write_left_out", 0.5).returncode == 0
    assert len(left_out(audit)) == (suspects.probabilities >= 0.5).sum()
    assert not (audit / "decisions.csv").exists()


def test_somebody_elses_list_and_a_full_disk_are_said_in_one_line(audit):
    (audit / "left_out.csv").write_text("name\nmine\n")
    said = "left_out.csv exists and is not an earlier list of faces to leave out"
    assert_one_line(ran(command.main, audit, "--write_left_out", 0.5), said)
    assert (audit / "left_out.csv").read_text() == "name\nmine\n"
    (audit / "left_out.csv").unlink()
    with files_of_at_most(100):
        assert_one_line(ran(command.main, audit, "--write_left_out", 0.5), "left_out.csv: File too")
    assert not (audit / "left_out.csv").exists()


def test_a_wrong_table_of_decisions_is_said_in_one_line(audit):
    for content, said in [
        ("name\nmine\n", "is no table of decisions"),
        ("mine", "is no table of decisions"),
        ("folder,filename,source,decision,time\na,b,c,perhaps,d\n", "is damaged in line 2"),
        ("folder,filename,source,decision,time\na,b\na,b,c,right,d\n", "is damaged in line 2"),
    ]:
        (audit / "decisions.csv").write_text(content)
        line = assert_one_line(ran(command.main, audit, "--write_left_out", 0.5), said)
        assert "decisions.csv" in line
        with pytest.raises(InputError, match=said):
            Decisions(audit / "decisions.csv")
        assert (audit / "decisions.csv").read_text() == content
