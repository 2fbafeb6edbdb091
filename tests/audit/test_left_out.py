"""left_out.csv beside the suspects: by the threshold, by decisions, never an older one."""

import json

import pandas as pd
import pytest

from imdb_wiki.audit import answers, suspects_in
from imdb_wiki.audit.command import main
from imdb_wiki.audit.decisions import Decision, Decisions
from imdb_wiki.audit.suspects import read_suspects
from imdb_wiki.pipeline import read_split
from imdb_wiki.review import command as review
from imdb_wiki.review.words import face_words
from tests.shared import assert_one_line, ran


@pytest.fixture
def command(prepared_dir, model, tmp_path):
    return [prepared_dir, "--output_dir", tmp_path / "o", "--model", model]


@pytest.fixture
def audited(command, tmp_path):
    done = ran(main, *command)
    assert done.returncode == 0, done.stderr
    assert "is removed" not in done.stdout
    return tmp_path / "o"


def decide(folder, decisions):
    suspects = read_suspects(folder)
    log = Decisions(folder / "decisions.csv")
    log.add(
        Decision(suspects.keys[row], suspects.face(row)["source"], name)
        for row, name in decisions.items()
    )
    return suspects


def left_out(folder) -> dict[str, str]:
    table = pd.read_csv(folder / "left_out.csv")
    return dict(zip(table["filename"], table["reason"], strict=True))


def test_the_list_holds_the_faces_from_the_threshold_on(audited, command):
    table = pd.read_csv(audited / "suspects.csv")
    for share in (0.2, 0.6):
        limit = table["wrong_probability"].quantile(1 - share)
        assert ran(main, *command, "--left_out", limit).returncode == 0
        expected = table[table["wrong_probability"] >= limit]
        assert 0.1 * len(table) < len(expected) < 0.9 * len(table)
        listed = pd.read_csv(audited / "left_out.csv")
        columns = ["folder", "filename", "source", "wrong_probability"]
        assert list(listed) == [*columns, "reason"]
        assert listed[columns].equals(expected[columns].reset_index(drop=True))
        assert set(listed["reason"]) == {"probably_wrong"}


def test_the_list_follows_a_persons_decisions_as_the_reviews_does(audited, command):
    suspects = decide(audited, {0: "right", 1: "unsure", 118: "wrong", 119: "not_a_face"})
    limit = suspects.probabilities.max() * 0.999999
    assert ran(review.main, audited, "--write_left_out", limit).returncode == 0
    expected = (audited / "left_out.csv").read_text()
    (audited / "left_out.csv").unlink()
    assert ran(main, *command, "--left_out", limit).returncode == 0
    assert (audited / "left_out.csv").read_text() == expected
    rows = left_out(audited)
    names = [name for _, name in suspects.keys]
    assert names[0] not in rows
    assert (rows[names[118]], rows[names[119]]) == ("decided_wrong", "decided_not_a_face")


def test_an_older_list_does_not_stay_beside_new_suspects(audited, command):
    assert ran(review.main, audited, "--write_left_out", 0).returncode == 0
    done = ran(main, *command)
    assert done.returncode == 0, done.stderr
    assert "note: the left_out.csv of the audit before is removed" in done.stdout
    assert not (audited / "left_out.csv").exists()
    (audited / "left_out.csv").write_text("name\nmine\n")
    assert_one_line(ran(main, *command), "is not an earlier list of faces to leave out")
    assert (audited / "left_out.csv").read_text() == "name\nmine\n"


def test_a_crop_that_is_gone_stops_no_audit_whose_answers_are_kept(
    audited, command, prepared_dir, monkeypatch
):
    # The answers hold while the images that are looked at are the same: of many, that is some.
    about = json.loads((audited / "answers/answers.json").read_text())
    monkeypatch.setattr(answers, "digest_of_images", lambda *_: about["images_digest"])
    before = pd.read_csv(audited / "suspects.csv")
    path = prepared_dir / "crop" / before["filename"][0]
    kept = path.read_bytes()
    try:
        path.unlink()
        done = ran(main, *command, "--left_out", 0.001)
    finally:
        path.write_bytes(kept)
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(audited / "suspects.csv").equals(before)
    assert (audited / "left_out.csv").exists()


def test_damaged_decisions_are_named_before_anything_is_computed(command, tmp_path):
    (tmp_path / "o").mkdir()
    (tmp_path / "o/decisions.csv").write_text("name\nmine\n")
    assert_one_line(ran(main, *command), "is no table of decisions")
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["decisions.csv"]


def test_the_notebook_takes_the_decisions(audited, prepared_dir):
    frame = read_split(prepared_dir, "train")
    before = suspects_in(frame, audited)
    names = [name for _, name in read_suspects(audited).keys]
    rows = [names.index(name) for name in before["filename"]]
    decide(audited, {rows[0]: "right", rows[1]: "wrong", rows[2]: "unsure", rows[3]: "not_a_face"})
    after = suspects_in(frame, audited)
    assert list(after.index) == list(before.index[1:])
    assert list(after["wrong_probability"][:3]) == [1, before["wrong_probability"].iloc[2], 1]
    assert after["wrong_probability"][3:].equals(before["wrong_probability"][4:])


def test_the_review_reads_what_an_audit_writes(audited):
    suspects = read_suspects(audited)
    assert len(suspects) == 120
    table = pd.read_csv(audited / "suspects.csv")
    for row in (0, 60, 119):
        words, said = face_words(suspects.face(row)), table.iloc[row]
        gender = "male" if said["male_probability"] >= 0.5 else "female"
        ends = [round(said[f"age_{end}_years"]) for end in ("low", "high")]
        answer = f"{said['predicted_age_years']:.0f} years (interval {ends[0]}–{ends[1]}), {gender}"
        assert words["network"].startswith(answer)
        assert words["label"].startswith(f"{said['age']} years")
        assert words["parts"] and ["split", said["split"]] in words["about"]
