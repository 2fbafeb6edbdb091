"""Public data sets, each from a small folder in its authors' layout."""

import json

import cv2
import pandas as pd
import pytest

from tests.conftest import run_preparation
from tests.preparation.originals import photo
from tests.shared import assert_one_line

pytestmark = pytest.mark.usefixtures("in_this_process")

# Files of text, photos, and what each photo must come to: age_low, age_high, gender, person.
F, M, NONE = 0, 1, ""
LAYOUTS = {
    "fairface": (
        {
            "fairface_label_train.csv": "file,age,gender,race,service_test\n"
            "train/1.jpg,0-2,Male,East Asian,True\ntrain/2.jpg,more than 70,Female,White,False\n",
            "fairface_label_val.csv": "file,age,gender,race,service_test\n"
            "val/1.jpg,20-29,Female,Black,True\n",
        },
        {
            "train/1.jpg": (0, 2, M, NONE),
            "train/2.jpg": (70, 100, F, NONE),
            "val/1.jpg": (20, 29, F, NONE),
        },
    ),
    "all_age_faces": (
        {},
        {
            "original images/00000A02.jpg": (2, 2, F, "00000"),
            "original images/07380A35.jpg": (35, 35, F, "07380"),
            "original images/07381A80.jpg": (80, 80, M, "07381"),
        },
    ),
    "fgnet": (
        {"points/001a02.pts": "68"},
        {
            "images/001A02.JPG": (2, 2, NONE, "001"),
            "images/001A43a.JPG": (43, 43, NONE, "001"),
            "images/082A00.JPG": (0, 0, NONE, "082"),
        },
    ),
    "adience": (
        {
            "fold_0_data.txt": "user_id\toriginal_image\tface_id\tage\tgender\tx\n"
            "30601258@N03\t10399646885_67c7d20df9_o.jpg\t1\t(25, 32)\tf\t0\n"
            "30601258@N03\t10424815813_e94629b1ec_o.jpg\t2\t35\tm\t301\n",
            "fold_4_data.txt": "user_id\toriginal_image\tface_id\tage\tgender\tx\n"
            "7153718@N04\t9733_o.jpg\t9\tNone\tu\t1\n7153718@N04\t9734_o.jpg\t9\t(60, 100)\tu\t1\n",
        },
        {
            "aligned/30601258@N03/landmark_aligned_face.1.10399646885_67c7d20df9_o.jpg": (
                *(25, 32, F),
                "30601258@N03",
            ),
            "aligned/30601258@N03/landmark_aligned_face.2.10424815813_e94629b1ec_o.jpg": (
                *(35, 35, M),
                "30601258@N03",
            ),
            "aligned/7153718@N04/landmark_aligned_face.9.9734_o.jpg": (
                60,
                100,
                NONE,
                "7153718@N04",
            ),
        },
    ),
    "appa_real": (
        {
            "gt_avg_train.csv": "file_name,num_ratings,apparent_age_avg,apparent_age_std,real_age\n"
            "000000.jpg,36,5.05,1.34,4\n000001.jpg,36,20.8,3.8,18\n",
            "allcategories_train.csv": "file,gender,race\n000000.jpg,male,caucasian\n",
            "gt_avg_valid.csv": "file_name,num_ratings,apparent_age_avg,apparent_age_std,real_age\n"
            "004113.jpg,36,31.1,4.2,30\n",
        },
        {
            "train/000000.jpg_face.jpg": (4, 4, M, NONE),
            "train/000001.jpg_face.jpg": (18, 18, NONE, NONE),
            "valid/004113.jpg_face.jpg": (30, 30, NONE, NONE),
        },
    ),
    "agedb": (
        {},
        {
            "0_MariaCallas_35_f.jpg": (35, 35, F, "MariaCallas"),
            "12_Glenn_Ford_90_m.jpg": (90, 90, M, "Glenn_Ford"),
            "13_Glenn_Ford_91_m.jpg": (91, 91, M, "Glenn_Ford"),
        },
    ),
    "morph2": (
        {},
        {
            "Album2/009055_1M54.JPG": (54, 54, M, "009055"),
            "Album2/009055_2M55.JPG": (55, 55, M, "009055"),
            "Album2/312102_0F16.JPG": (16, 16, F, "312102"),
        },
    ),
    "cacd": (
        {},
        {
            "14_Aaron_Johnson_0001.jpg": (14, 14, NONE, "Aaron_Johnson"),
            "15_Aaron_Johnson_0002.jpg": (15, 15, NONE, "Aaron_Johnson"),
            "53_Robin_Williams_0004.jpg": (53, 53, NONE, "Robin_Williams"),
        },
    ),
    "imdb_clean": (
        {
            "imdb_train_new_1024.csv": "filename,age,gender,x_min\n"
            "00/nm0000100_rm1.jpg,52,M,1\n00/nm0000100_rm2.jpg,53,M,1\n",
            "imdb_test_new_1024.csv": "filename,age,gender,x_min\n01/nm0000101_rm1.jpg,50,F,1\n",
        },
        {
            "00/nm0000100_rm1.jpg": (52, 52, M, "nm0000100"),
            "00/nm0000100_rm2.jpg": (53, 53, M, "nm0000100"),
            "01/nm0000101_rm1.jpg": (50, 50, F, "nm0000101"),
        },
    ),
}


def write_layout(folder, name):
    texts, photos = LAYOUTS[name]
    for number, path in enumerate(photos):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(cv2.imencode(".jpg", photo(number))[1])
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return photos


def prepared_rows(folder, *arguments):
    done = run_preparation("--photo_dir", folder / "in", "--output_dir", folder / "out", *arguments)
    assert done.returncode == 0, done.stderr
    paths = [folder / "out" / f"{split}.csv" for split in ("train", "val", "test")]
    frames = {
        path.stem: pd.read_csv(path, dtype=str, keep_default_na=False)
        for path in paths
        if path.exists()
    }
    return pd.concat(frames, names=["split"]).reset_index("split")


def test_a_published_split_keeps_people_where_it_has_them_and_says_how_many(tmp_path):
    (tmp_path / "in").mkdir()
    rows = [(n, ("Ann", "Bea")[n % 2], ("train", "train", "val", "test")[n // 2]) for n in range(8)]
    names = [f"{n}_{person}_{30 + n}_f.jpg" for n, person, _ in rows]
    for name in names:
        (tmp_path / "in" / name).write_bytes(cv2.imencode(".jpg", photo(int(name[0])))[1])
    dealt = [split for _, _, split in rows]
    pd.DataFrame({"file": names, "split": dealt}).to_csv(tmp_path / "list.csv", index=False)
    where = ("--photo_dir", tmp_path / "in", "--output_dir", tmp_path / "out")
    split = ("--dataset", "agedb", "--split_file", tmp_path / "list.csv")
    done = run_preparation(*where, *split, "--img_size", 32)
    assert done.returncode == 0, done.stderr
    assert "2 people are in two of the published splits" in done.stdout
    for name in ("train", "val", "test"):
        kept = set(pd.read_csv(tmp_path / "out" / f"{name}.csv")["source"])
        assert kept == {names[n] for n in range(8) if dealt[n] == name}
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["split_by"], report["people_in_two_splits"]) == ("official", 2)


@pytest.mark.parametrize("name", LAYOUTS)
def test_labels_are_read_as_the_data_set_means_them(name, tmp_path):
    wanted = write_layout(tmp_path / "in", name)
    halves = ("--split_ratio", 0.5, "--test_ratio", 0, "--split_by", "image")
    rows = prepared_rows(tmp_path, "--dataset", name, *halves).set_index("source")
    assert set(rows.index) == set(wanted)
    for source, (low, high, gender, person) in wanted.items():
        row = rows.loc[source]
        ends = [row.get(end, row["age"]) for end in ("age_low", "age_high")]
        assert ends == [str(low), str(high)], source
        assert row["age"] == (str(low) if low == high else "")
        assert (row["gender"], row["identity"]) == (str(gender), person)
        folder = {F: "female", M: "male", NONE: "unlabelled"}[gender]
        assert row["filename"].split("/")[1] == folder
        assert (tmp_path / "out" / "crop" / row["filename"]).is_file()


def test_fairface_keeps_its_race_labels_and_its_own_splits(tmp_path):
    write_layout(tmp_path / "in", "fairface")
    arguments = ("--dataset", "fairface", "--split_by", "official")
    rows = prepared_rows(tmp_path, *arguments).set_index("source")
    assert rows["race"].to_dict() == {
        "train/1.jpg": "East Asian",
        "train/2.jpg": "White",
        "val/1.jpg": "Black",
    }
    assert rows["split"].to_dict() == {
        "train/1.jpg": "train",
        "train/2.jpg": "train",
        "val/1.jpg": "val",
    }


def test_a_data_set_without_official_splits_says_so(tmp_path):
    write_layout(tmp_path / "in", "agedb")
    arguments = ["--dataset", "agedb", "--split_by", "official", "--photo_dir", tmp_path / "in"]
    done = run_preparation(*arguments, "--output_dir", tmp_path / "out")
    assert_one_line(done, "agedb has no such splits")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_empty_folder_of_a_data_set_is_one_line(name, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.md").write_text("nothing")
    arguments = [
        "--dataset",
        name,
        "--photo_dir",
        tmp_path / "in",
        "--output_dir",
        tmp_path / "out",
    ]
    assert_one_line(run_preparation(*arguments), "holds n")


def test_a_spreadsheets_dates_in_fairface_are_refused(tmp_path):
    write_layout(tmp_path / "in", "fairface")
    path = tmp_path / "in" / "fairface_label_train.csv"
    path.write_text("\n" + path.read_text().replace("0-2", "03-Sep"))
    arguments = ["--dataset", "fairface", "--photo_dir", tmp_path / "in"]
    done = run_preparation(*arguments, "--output_dir", tmp_path / "out")
    assert_one_line(done, "fairface_label_train.csv, line 3: the age '03-Sep'")


@pytest.mark.parametrize("name", ["fairface", "imdb_clean", "adience", "appa_real"])
def test_numbers_for_genders_in_a_table_mean_what_the_codes_say(name, tmp_path):
    wanted = write_layout(tmp_path / "in", name)
    for path in (tmp_path / "in" / file for file in LAYOUTS[name][0]):
        table = pd.read_csv(path, sep=None, engine="python", dtype=str, keep_default_na=False)
        if "gender" in table:
            words = {"Male": "1", "M": "1", "m": "1", "male": "1", "u": "u"}
            table["gender"] = [words.get(word, "0") for word in table["gender"]]
        table.to_csv(path, index=False, sep="\t" if path.suffix == ".txt" else ",")
    given = ["--dataset", name, "--split_ratio", 0.5, "--test_ratio", 0, "--split_by", "image"]
    where = ["--photo_dir", tmp_path / "in", "--output_dir", tmp_path / "out"]
    assert_one_line(run_preparation(*given, *where), "say it with --gender_codes")
    rows = prepared_rows(tmp_path, *given, "--gender_codes", "0=female,1=male").set_index("source")
    assert rows["gender"].to_dict() == {source: str(row[2]) for source, row in wanted.items()}


@pytest.mark.parametrize(
    ("name", "file", "wrong", "right"),
    [
        ("fairface", "fairface_label_train.csv", "East Asian", "White"),
        ("imdb_clean", "imdb_test_new_1024.csv", "50,F", "51,F"),
        ("adience", "fold_0_data.txt", "(25, 32)", "(38, 43)"),
        ("appa_real", "gt_avg_train.csv", "3.8,18", "3.8,19"),
        ("appa_real", "allcategories_train.csv", "male", "female"),
    ],
)
def test_corrected_labels_beside_the_photos_make_another_preparation(
    name, file, wrong, right, tmp_path
):
    write_layout(tmp_path / "in", name)
    given = ["--dataset", name, "--photo_dir", tmp_path / "in", "--output_dir", tmp_path / "out"]
    given += ["--split_ratio", 0.5, "--test_ratio", 0, "--split_by", "image", "--img_size", 32]
    assert run_preparation(*given).returncode == 0
    assert "already prepared" in run_preparation(*given).stdout
    path = tmp_path / "in" / file
    path.write_text(path.read_text().replace(wrong, right, 1))
    assert_one_line(run_preparation(*given), "label_files_blake2b was", "--overwrite")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    del report["arguments"]["label_files_blake2b"]  # as earlier versions wrote it
    (tmp_path / "out" / "report.json").write_text(json.dumps(report))
    assert "already prepared" in run_preparation(*given).stdout


def test_what_is_prepared_needs_the_files_of_labels_no_more(tmp_path):
    write_layout(tmp_path / "in", "fairface")
    given = ["--dataset", "fairface", "--photo_dir", tmp_path / "in", "--output_dir"]
    given += [tmp_path / "out", "--split_ratio", 0.5, "--test_ratio", 0, "--img_size", 32]
    assert run_preparation(*given).returncode == 0
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    assert "already prepared" in run_preparation(*given).stdout


def test_the_report_of_incomplete_labels_counts_them(tmp_path):
    write_layout(tmp_path / "in", "fgnet")
    prepared_rows(tmp_path, "--dataset", "fgnet", "--split_ratio", 0.5, "--test_ratio", 0)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert sum(split["unlabelled"] for split in report["splits"].values()) == 3
    assert report["mean_age_years"] == 15
