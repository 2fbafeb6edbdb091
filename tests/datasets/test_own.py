"""Own photos: with a CSV file as people write it, or in folders named by their labels."""

import re

import cv2
import pandas as pd
import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.split_tables import read_split
from tests.conftest import run_preparation
from tests.preparation.originals import photo
from tests.shared import assert_one_line

pytestmark = pytest.mark.usefixtures("in_this_process")

HEADER = "file,age,gender,person\n"
ROWS = ["a.jpg,34,f,Ann", "b.jpg,20-29,male,Bob", "c.jpg,,m,", "sub/d.jpg,61.5,,Ann"]


@pytest.fixture
def folder(tmp_path):
    names = ["a.jpg", "b.jpg", "c.jpg", "sub/d.jpg", *(f"{n}.jpg" for n in range(10))]
    for number, name in enumerate(names):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".jpg", photo(number))[1])
    return tmp_path


def prepare(folder, text, *arguments, encoding="utf-8"):
    path = folder / "faces.csv"
    path.write_bytes(text.encode(encoding))
    given = ["--dataset", "csv", "--db_path", path, "--photo_dir", folder / "photos"]
    shares = ["--split_ratio", 0.5, "--test_ratio", 0]
    return run_preparation(*given, *shares, "--output_dir", folder / "out", *arguments)


def rows_of(folder):
    frames = [read_split(folder / "out", split, incomplete=True) for split in ("train", "val")]
    return pd.concat(frames).set_index("source")


def test_a_csv_with_ranges_and_missing_labels(folder):
    done = prepare(folder, HEADER + "\n".join(ROWS))
    assert done.returncode == 0, done.stderr
    rows = rows_of(folder)
    assert rows["age_low"].fillna(-1).to_dict() == {
        "a.jpg": 34, "b.jpg": 20, "c.jpg": -1, "sub/d.jpg": 61,
    }  # fmt: skip
    assert rows["age_high"].fillna(-1)["b.jpg"] == 29
    assert rows["gender"].fillna(-1).to_dict() == {
        "a.jpg": 0, "b.jpg": 1, "c.jpg": 1, "sub/d.jpg": -1,
    }  # fmt: skip
    assert "'f' as female (1)" in done.stdout and "'m' as male (1)" in done.stdout
    assert "2 exact, 1 ranges, 1 without" in done.stdout


def test_who_reads_ages_meets_no_empty_one_unprepared(folder):
    prepare(folder, HEADER + "\n".join(ROWS))
    splits = ("train", "val")
    for split in splits:
        rows = read_split(folder / "out", split, incomplete=True)
        if rows[["age", "gender"]].isna().any(axis=None):
            with pytest.raises(InputError, match=rf"{split}\.csv, line \d+: (age|gender) is empty"):
                read_split(folder / "out", split)


@pytest.mark.parametrize(
    ("change", "encoding"),
    [
        (lambda text: text, "utf-8-sig"),
        (lambda text: text.replace("\n", "\r\n"), "utf-8"),
        (lambda text: text.replace(",", ";"), "utf-16"),
        (lambda text: text.replace(",", "\t"), "cp1252"),
        (lambda text: text.replace("file,age", "File , AGE"), "utf-8"),
        (lambda text: "\r\n" + text.replace(",", ";"), "utf-8"),
    ],
    ids=["byte order mark", "CRLF", "semicolons", "tabs", "capitals", "empty line first"],
)
def test_a_spreadsheets_ways_are_met(change, encoding, folder):
    plain = [row for row in ROWS if "61.5" not in row]
    done = prepare(folder, change(HEADER + "\n".join(plain)), encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert set(rows_of(folder).index) == {"a.jpg", "b.jpg", "c.jpg"}


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_between_semicolons_or_tabs_a_comma_is_the_decimal_mark(delimiter, folder):
    text = "file,age\n\na.jpg,2@5\n\nb.jpg,34@75\n"  # empty lines are passed over
    done = prepare(folder, text.replace(",", delimiter).replace("@", ","))
    assert done.returncode == 0, done.stderr
    rows = rows_of(folder)
    assert rows["age_low"].to_dict() == rows["age_high"].to_dict() == {"a.jpg": 2, "b.jpg": 34}


def test_exact_and_complete_labels_write_the_columns_of_every_data_set(folder):
    done = prepare(folder, "file,age,gender\na.jpg,34,f\nb.jpg,20,m\n")
    assert done.returncode == 0, done.stderr
    header = (folder / "out" / "train.csv").read_text().split("\n")[0]
    assert header == "filename,age,gender,identity,face_score,source"
    assert len(read_split(folder / "out", "train")) == 1


def test_columns_and_codes_are_named_by_options(folder):
    text = "photo,years,sex\na.jpg,34,0\nb.jpg,20,1\n"
    named = ("--file_column", "photo", "--age_column", "years", "--gender_column", "sex")
    assert_one_line(prepare(folder, text, *named), "--gender_codes")
    done = prepare(folder, text, *named, "--gender_codes", "male")
    assert_one_line(done, "--gender_codes: 'male' is not CODE=female or CODE=male")
    done = prepare(folder, text, *named, "--gender_codes", "0=male,1=female")
    assert done.returncode == 0, done.stderr
    assert rows_of(folder)["gender"].to_dict() == {"a.jpg": 1, "b.jpg": 0}
    assert "'0' as male (1)" in done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no rows"),
        ("file,age\n", "holds no rows"),
        ("name,age\na.jpg,3\n", "has no column 'file', only name, age; --file_column"),
        ("file,years\na.jpg,3\n", "neither a column age nor a column gender, only file, years"),
        ("file,age\na.jpg,03-Sep\n", "line 2: the age '03-Sep' is a date"),
        ("file,age\n\na.jpg,34\n\n,\nb.jpg,03-Sep\n", "line 6: the age '03-Sep' is a date"),
        ('file,age\n"a\n.jpg",34\nb.jpg,03-Sep\n', "line 4: the age '03-Sep' is a date"),
        ('file,age\na.jpg,"2,5"\n', "line 2: the age '2,5' may be a number or a range"),
        ("file,gender\na.jpg,0\nb.jpg,1\n", "whose meaning differs between data sets"),
        ("file,age\n\0\n", "is no CSV table"),
    ],
)
def test_a_csv_that_cannot_be_used_is_one_line(text, said, folder):
    assert_one_line(prepare(folder, text), said, "faces.csv")
    assert not (folder / "out").exists()


def test_each_bad_row_is_rejected_with_its_reason(folder):
    bad = [
        "0.jpg,old,f,", "1.jpg,34,femal,", "2.jpg,,,", "3.jpg,130,m,", "4.jpg,29-20,m,",
        "gone.jpg,30,m,", "../x.jpg,30,m,", ",30,m,",
    ]  # fmt: skip
    done = prepare(folder, HEADER + "\n".join(ROWS + bad))
    assert done.returncode == 0, done.stderr
    rejects = pd.read_csv(folder / "out" / "rejects.csv", dtype=str, keep_default_na=False)
    assert rejects.set_index("source")[["rule", "detail"]].T.to_dict("list") == {
        "0.jpg": ["bad_age", "old"],
        "1.jpg": ["no_gender", "femal"],
        "2.jpg": ["no_label", "neither age nor gender"],
        "3.jpg": ["bad_age", "130"],
        "4.jpg": ["bad_age", "29-20"],
        "gone.jpg": ["missing_file", ""],
        "../x.jpg": ["missing_file", "the path leads out of the photo folder"],
        "": ["missing_file", "the path is empty"],
    }


def test_where_nothing_is_left_the_counts_by_rule_are_said_and_a_retry_is_free(folder):
    done = prepare(folder, HEADER + "0.jpg,old,f,\n1.jpg,x,f,\n2.jpg,130,m,\n")
    assert_one_line(done, "of 3 rows no image is left: bad_age 3 (such as 0.jpg)")
    assert prepare(folder, HEADER + "\n".join(ROWS)).returncode == 0


def test_the_csv_must_be_named(folder):
    done = run_preparation("--dataset", "csv", "--output_dir", folder / "out")
    assert_one_line(done, "--db_path: needed with --dataset csv")


WITH_CODES = "adience or appa_real or csv or fairface or imdb_clean"


@pytest.mark.parametrize(
    ("option", "value", "takers"),
    [
        *((f"--{role}_column", "other", "csv") for role in ("file", "age", "gender", "person")),
        ("--gender_codes", "0=female,1=male", WITH_CODES),
        ("--db_path", "faces.csv", "csv or imdb or wiki"),
        ("--download", None, "imdb or wiki"),
    ],
)
def test_an_option_that_a_data_set_does_not_read_is_refused(option, value, takers, folder):
    given = ["--dataset", "folders", "--photo_dir", folder / "photos", "--output_dir"]
    done = run_preparation(*given, folder / "out", option, *([value] if value else []))
    assert_one_line(done, re.compile(f"argument {option}: only with --dataset {takers};"))


def test_identical_photos_with_ranges_that_share_no_age_contradict(folder):
    same = (folder / "photos" / "0.jpg").read_bytes()
    for name in ("1.jpg", "2.jpg"):
        (folder / "photos" / name).write_bytes(same)
    rows = ["0.jpg,20-29,f,", "1.jpg,25,f,", "2.jpg,,f,"]
    assert prepare(folder, HEADER + "\n".join([*ROWS, *rows])).returncode == 0
    assert {"0.jpg", "1.jpg", "2.jpg"} < set(rows_of(folder).index)
    rows[1] = "1.jpg,35,f,"
    done = prepare(folder, HEADER + "\n".join([*ROWS, *rows]), "--overwrite")
    assert done.returncode == 0, done.stderr
    assert not {"0.jpg", "1.jpg", "2.jpg"} & set(rows_of(folder).index)


def test_folders_say_gender_age_or_both(tmp_path):
    wanted = {
        "female/a.jpg": (-1, -1, 0),
        "Men/30/b.jpg": (30, 30, 1),
        "20-29/girls/c.jpg": (20, 29, 0),
        "60+/d.jpg": (60, 100, -1),
    }
    for number, name in enumerate([*wanted, "other/e.jpg"]):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".jpg", photo(number))[1])
    given = ["--dataset", "folders", "--photo_dir", tmp_path / "in", "--split_ratio", 0.5]
    done = run_preparation(*given, "--test_ratio", 0, "--output_dir", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path).fillna(-1)
    found = {
        source: tuple(row[["age_low", "age_high", "gender"]].astype(int))
        for source, row in rows.iterrows()
    }
    assert found == wanted
    assert "no_label" in (tmp_path / "out" / "rejects.csv").read_text()


def test_folders_that_say_nothing_are_one_line(tmp_path):
    (tmp_path / "in" / "holidays").mkdir(parents=True)
    (tmp_path / "in" / "holidays" / "a.jpg").write_bytes(b"x")
    given = ["--dataset", "folders", "--photo_dir", tmp_path / "in"]
    done = run_preparation(*given, "--output_dir", tmp_path / "out")
    assert_one_line(done, "no folder in it is named by a gender or an age")


def test_a_folder_whose_name_may_be_a_number_or_a_range_is_one_line(tmp_path):
    (tmp_path / "in" / "female" / "2,5").mkdir(parents=True)
    (tmp_path / "in" / "female" / "2,5" / "a.jpg").write_bytes(b"x")
    given = ["--dataset", "folders", "--photo_dir", tmp_path / "in"]
    done = run_preparation(*given, "--output_dir", tmp_path / "out")
    assert_one_line(done, "a folder's name, '2,5', may be a number or a range: write 2.5 or 2-5")


def test_a_folder_named_by_a_date_says_no_age_and_is_no_error(tmp_path):
    for number, name in enumerate(["female/2021-05-03/a.jpg", "male/b.jpg"]):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".jpg", photo(number))[1])
    given = ["--dataset", "folders", "--photo_dir", tmp_path / "in", "--split_ratio", 0.5]
    done = run_preparation(*given, "--test_ratio", 0, "--output_dir", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path)
    assert rows["age_low"].isna().all() and sorted(rows["gender"]) == [0, 1]
