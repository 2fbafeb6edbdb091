"""The script as a person runs it, on small folders in the original's layout."""

import json
import subprocess
from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from imdb_wiki.preparation.crop_names import crop_names
from imdb_wiki.split_lists import write_split_list
from tests.conftest import REPOSITORY, preparation_command, run_preparation
from tests.preparation.originals import (
    good_row,
    people,
    photo,
    read_splits,
    struct_of,
    write_original,
)
from tests.shared import assert_one_line

# `prepared` is the work of the script itself and of two workers; the others need none.
pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> tuple[Path, list[dict]]:
    """Twenty people with six photos each and one row for each way of being left out."""
    folder = tmp_path_factory.mktemp("prepared")
    broken = [
        {"face_score": -np.inf},
        {"face_score": 0.5},
        {"second_face_score": 2.0},
        {"gender": np.nan},
        {"photo_taken": 1950},
        {"full_path": "00/missing.jpg"},
        {"full_path": "00/empty.jpg"},
        {"full_path": "../outside.jpg"},
    ]
    rows = people(20, 6)
    rows += [good_row(200 + n, 21 + n) | changes for n, changes in enumerate(broken)]
    mat_path = write_original(folder / "imdb_crop", rows)
    (folder / "imdb_crop/00/missing.jpg").unlink()
    (folder / "imdb_crop/00/empty.jpg").write_bytes(b"")
    arguments = ("--db_path", mat_path, "--output_dir", folder / "out", "--img_size", 48)
    command = preparation_command(*arguments, "--workers", 2)
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line and "%|" not in line]
    assert said == []  # nothing but the progress bars
    return folder, rows


def test_every_row_is_in_a_split_or_rejected_with_its_rule(prepared):
    folder, rows = prepared
    kept, rejects = read_splits(folder / "out"), pd.read_csv(folder / "out/rejects.csv")
    assert sorted([*kept["source"], *rejects["source"]]) == sorted(r["full_path"] for r in rows)
    assert rejects["rule"].tolist() == [
        *("no_face", "low_score", "second_face", "no_gender", "bad_age"),
        *("missing_file", "unreadable_image", "missing_file"),
    ]


def test_csvs_have_the_contracts_columns(prepared):
    for name in ("train", "val", "test"):
        columns = pd.read_csv(prepared[0] / f"out/{name}.csv").columns.tolist()
        assert columns == ["filename", "age", "gender", "identity", "face_score", "source"]
    rejects = pd.read_csv(prepared[0] / "out/rejects.csv")
    assert rejects.columns.tolist() == ["source", "rule", "detail"]


def test_no_person_is_in_two_splits_and_shares_hold(prepared):
    kept = read_splits(prepared[0] / "out")
    assert kept.groupby("identity")["split"].nunique().max() == 1
    shares = kept["split"].value_counts(normalize=True)
    assert shares[["train", "val", "test"]].tolist() == pytest.approx([0.7, 0.15, 0.15], abs=0.01)


def test_crops_are_the_photos_in_their_class_folders(prepared):
    folder, rows = prepared
    kept = read_splits(folder / "out")
    assert kept["age"].eq(30).all()
    row_of_source = {row["full_path"]: number for number, row in enumerate(rows)}
    for crop in kept.itertuples():
        split, gender_name, _ = crop.filename.split("/")
        assert (split, gender_name) == (crop.split, ("female", "male")[crop.gender])
        assert crop.gender == rows[row_of_source[crop.source]]["gender"]
        image = cv2.imread(str(folder / "out/crop" / crop.filename))
        source = cv2.imread(str(folder / "imdb_crop" / crop.source))
        expected = cv2.resize(source, (48, 48), interpolation=cv2.INTER_AREA)
        assert cv2.PSNR(image, expected) > 30
    written = [p for p in (folder / "out/crop").rglob("*") if p.is_file()]
    assert len(written) == len(kept)


def test_keras_reads_the_class_folders_as_0_female_1_male(prepared):
    dataset = keras.utils.image_dataset_from_directory(
        prepared[0] / "out/crop/train", image_size=(48, 48), verbose=False
    )
    assert dataset.class_names == ["female", "male"]


def test_the_report_counts_what_is_there(prepared):
    folder, rows = prepared
    report = json.loads((folder / "out/report.json").read_text())
    kept = read_splits(folder / "out")
    assert report["rows"] == len(rows)
    assert report["kept"] + sum(report["rejected"].values()) == len(rows)
    assert report["rejected"]["missing_file"] == 2
    for name, counts in report["splits"].items():
        split = kept[kept["split"] == name]
        assert counts["images"] == len(split)
        assert counts["male"] == split["gender"].sum()
        assert counts["mean_age_years"] == 30
    assert (folder / "out/figures/preparation.png").stat().st_size > 10_000
    assert not (folder / "out/.preparing").exists()


def test_the_result_is_the_same_with_any_number_of_workers(prepared, tmp_path):
    folder, _ = prepared
    mat_path = folder / "imdb_crop/imdb.mat"
    arguments = ("--db_path", mat_path, "--output_dir", tmp_path / "out", "--img_size", 48)
    assert run_preparation(*arguments).returncode == 0  # the first had two
    first = sorted(p.relative_to(folder / "out") for p in (folder / "out").rglob("*.*"))
    again = sorted(p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*.*"))
    assert first == again
    for path in first:
        if path.suffix in (".jpg", ".csv"):
            assert (folder / "out" / path).read_bytes() == (tmp_path / "out" / path).read_bytes()


def test_a_finished_preparation_is_left_as_it_is(prepared):
    folder, _ = prepared
    before = (folder / "out/report.json").stat()
    arguments = ("--db_path", folder / "imdb_crop/imdb.mat", "--output_dir", folder / "out")
    again = run_preparation(*arguments, "--img_size", 48, "--workers", 1)
    assert again.returncode == 0
    assert "already prepared" in again.stdout
    assert (folder / "out/report.json").stat().st_mtime_ns == before.st_mtime_ns


def test_without_test_ratio_there_is_no_test(prepared, tmp_path):
    mat_path = prepared[0] / "imdb_crop/imdb.mat"
    arguments = ("--output_dir", tmp_path / "out", "--test_ratio", 0, "--img_size", 32)
    assert run_preparation("--db_path", mat_path, *arguments).returncode == 0
    assert not (tmp_path / "out/test.csv").exists()
    sizes = [len(pd.read_csv(tmp_path / f"out/{name}.csv")) for name in ("train", "val")]
    assert np.array(sizes) / sum(sizes) == pytest.approx([0.7, 0.3], abs=0.01)


def test_utkface_is_split_by_image_and_says_so(tmp_path):
    (tmp_path / "faces").mkdir()
    for n in range(40):
        name = f"{n + 1}_{n % 2}_0_{n:017d}.jpg.chip.jpg"
        cv2.imwrite(str(tmp_path / "faces" / name), photo(n))
    done = run_preparation(
        *("--dataset", "utkface", "--photo_dir", tmp_path / "faces"),
        *("--output_dir", tmp_path / "out", "--img_size", 32),
    )
    assert done.returncode == 0, done.stderr
    assert "by image" in done.stdout
    kept = read_splits(tmp_path / "out")
    assert len(kept) == 40
    utkface_gender = kept["source"].str.split("_").str[1].astype(int)
    assert (kept["gender"] == 1 - utkface_gender).all()


def test_a_list_of_photos_splits_another_folder_of_the_same_photos(tmp_path):
    mat_path = write_original(tmp_path / "imdb_crop", people(20, 3))
    first, second = tmp_path / "first", tmp_path / "second"
    assert run_preparation("--db_path", mat_path, "--output_dir", first).returncode == 0
    frames = {name: pd.read_csv(first / f"{name}.csv") for name in ("val", "test")}
    write_split_list(tmp_path / "list.json", frames)
    done = run_preparation(
        *("--db_path", mat_path, "--output_dir", second, "--img_size", 32, "--seed", 5),
        *("--split_file", tmp_path / "list.json"),
    )
    assert done.returncode == 0, done.stderr
    splits = [read_splits(folder)[["source", "split"]] for folder in (first, second)]
    assert splits[0].to_numpy().tolist() == splits[1].to_numpy().tolist()


def test_crop_names_fit_every_file_system_and_stay_apart():
    names = crop_names(
        pd.Series(
            [
                *("01/a.jpg", "02/a.jpg", "03/A.JPG", "b_12:30:01_2001.jpg", "CON.jpg", ".jpg"),
                *("x" * 400 + ".jpg", "é ö.jpg", "a\\b\\c.jpg", "end. .jpg", "1953-10-00.png"),
            ]
        )
    )
    assert names.str.lower().is_unique
    assert names.str.fullmatch(r"[A-Za-z0-9._-]{1,150}\.jpg").all()
    assert names[0] == "a.jpg"
    assert names[3] == "b_12_30_01_2001.jpg"
    assert not names.str.contains(r"^(?:con|nul)\.", case=False).any()
    assert names[10] == "1953-10-00.jpg"


def test_odd_paths_are_kept_or_rejected_and_nothing_is_written_elsewhere(tmp_path):
    odd = {
        "02/häß lich.jpg": "",
        "back\\slash.jpg": "",  # meant as a folder, on the system where it was written
        "./02/./dots.jpg": "",
        "02/name:with:colons.jpg": "",
        "": "missing_file",
        "/etc/passwd": "missing_file",
        "../outside.jpg": "missing_file",
        "02/../../outside.jpg": "missing_file",
        "C:\\photo.jpg": "missing_file",
        "02": "missing_file",  # a folder
        "x" * 300 + ".jpg": "missing_file",
    }
    rows = people(20, 2)
    rows += [good_row(100 + n, 30 + n) | {"full_path": path} for n, path in enumerate(odd)]
    struct = struct_of(rows)
    crop_dir = tmp_path / "in/imdb_crop"
    write_original(crop_dir, rows[:40])
    savemat(crop_dir / "imdb.mat", {"imdb": struct})
    good = [path for path, rule in odd.items() if not rule]
    for n, path in enumerate([*good, "../outside.jpg"]):
        file = crop_dir / path.replace("\\", "/")
        file.parent.mkdir(exist_ok=True)
        cv2.imencode(".jpg", photo(100 + n))[1].tofile(str(file))
    before = sorted(tmp_path.rglob("*"))
    run = run_preparation(
        "--db_path", crop_dir / "imdb.mat", "--output_dir", tmp_path / "out", "--img_size", 32
    )
    assert run.returncode == 0, run.stderr
    rejects = pd.read_csv(tmp_path / "out/rejects.csv", keep_default_na=False)
    assert dict(zip(rejects["source"], rejects["rule"], strict=True)) == {
        path: rule for path, rule in odd.items() if rule
    }
    assert set(good) <= set(read_splits(tmp_path / "out")["source"])
    after = [path for path in tmp_path.rglob("*") if tmp_path / "out" not in [path, *path.parents]]
    assert sorted(after) == before


WRONG_CALLS = {
    "no such .mat": (["--db_path", "{dir}/absent.mat"], "absent.mat"),
    "not a .mat": (["--db_path", "{dir}/text.mat"], "text.mat"),
    "no such photos": (["--db_path", "{mat}", "--photo_dir", "{dir}/nowhere"], "nowhere"),
    "another struct": (["--db_path", "{mat}", "--dataset", "wiki"], "no struct 'wiki'"),
    "no validation": (["--db_path", "{mat}", "--split_ratio", "0.9"], "--split_ratio"),
    "split above 1": (["--db_path", "{mat}", "--split_ratio", "1.5"], "--split_ratio"),
    "negative test": (["--db_path", "{mat}", "--test_ratio", "-0.1"], "--test_ratio"),
    "too few images": (["--db_path", "{mat}", "--min_score", "3", "--test_ratio", "0.29"], "leave"),
    "no list": (["--db_path", "{mat}", "--split_file", "{dir}/absent.json"], "absent.json"),
    "not a list": (["--db_path", "{mat}", "--split_file", "{dir}/text.mat"], "not a list"),
    "an empty list": (["--db_path", "{mat}", "--split_file", "{dir}/empty.json"], "none for val"),
    "no number": (["--db_path", "{mat}", "--img_size", "big"], "--img_size"),
    "no size": (["--db_path", "{mat}", "--img_size", "0"], "--img_size"),
    "nan score": (["--db_path", "{mat}", "--min_score", "nan"], "--min_score"),
    "utkface without folder": (["--dataset", "utkface"], "--photo_dir"),
    "utkface without images": (["--dataset", "utkface", "--photo_dir", "{dir}/none"], "none"),
}


@pytest.mark.parametrize("wrong", WRONG_CALLS)
def test_wrong_input_ends_with_one_line_and_exit_code_2(wrong, tmp_path):
    arguments, said = WRONG_CALLS[wrong]
    mat_path = write_original(tmp_path / "imdb_crop", people(1, 2))
    (tmp_path / "text.mat").write_text("hello")
    (tmp_path / "empty.json").write_text('{"val": [], "test": []}')
    (tmp_path / "none").mkdir()
    arguments = [text.format(dir=tmp_path, mat=mat_path) for text in arguments]
    done = run_preparation("--output_dir", tmp_path / "out", *arguments)
    assert_one_line(done, said)


def test_another_preparation_in_the_folder_is_refused_with_the_difference(prepared):
    folder, _ = prepared
    mat_path = folder / "imdb_crop/imdb.mat"
    done = run_preparation("--db_path", mat_path, "--output_dir", folder / "out", "--seed", 1)
    assert_one_line(done, "seed was 0, is 1")


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path):
    mat_path = write_original(tmp_path / "imdb_crop", people(10))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("years of work")
    arguments = ("--db_path", mat_path, "--output_dir", tmp_path / "out")
    for options in ((), ("--overwrite",)):
        assert_one_line(run_preparation(*arguments, *options), "name another")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_overwrite_starts_afresh(tmp_path):
    mat_path = write_original(tmp_path / "imdb_crop", people(10))
    arguments = ("--db_path", mat_path, "--output_dir", tmp_path / "out", "--img_size")
    assert run_preparation(*arguments, 32).returncode == 0
    assert run_preparation(*arguments, 40, "--overwrite").returncode == 0
    crops = list((tmp_path / "out/crop").rglob("*.jpg"))
    assert len(crops) == 30
    assert {cv2.imread(str(path)).shape for path in crops} == {(40, 40, 3)}


def test_overwrite_never_takes_what_is_read(tmp_path):
    mat_path = write_original(tmp_path / "out/imdb_crop", people(10))
    arguments = ("--db_path", mat_path, "--output_dir", tmp_path / "out", "--img_size", 32)
    for options in ((), ("--overwrite",)):
        assert_one_line(run_preparation(*arguments, *options), "lies in the output folder")
    assert mat_path.exists()


def test_overwriting_with_an_input_that_cannot_be_read_costs_nothing(prepared):
    folder, _ = prepared
    before = sorted((folder / "out").rglob("*"))
    (folder / "broken.mat").write_text("hello")
    arguments = ("--db_path", folder / "broken.mat", "--photo_dir", folder / "imdb_crop")
    run = run_preparation(*arguments, "--output_dir", folder / "out", "--overwrite")
    assert_one_line(run, "broken.mat")
    assert sorted((folder / "out").rglob("*")) == before


def test_a_report_that_is_not_ours_protects_its_folder(tmp_path):
    mat_path = write_original(tmp_path / "imdb_crop", people(10))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/report.json").write_text('{"arguments": {}}')
    run = run_preparation("--db_path", mat_path, "--output_dir", tmp_path / "out", "--overwrite")
    assert_one_line(run, "report.json")
    assert (tmp_path / "out/report.json").read_text() == '{"arguments": {}}'


def test_file_names_that_are_no_utf8_are_no_trouble(tmp_path):
    (tmp_path / "faces").mkdir()
    for n in range(20):
        name = f"{n + 1}_{n % 2}_0_{n:017d}.\udcff.jpg"  # the byte FF
        (tmp_path / "faces" / name).write_bytes(cv2.imencode(".jpg", photo(n))[1])
    command = preparation_command(
        *("--dataset", "utkface", "--photo_dir", tmp_path / "faces"),
        *("--output_dir", tmp_path / "out", "--img_size", 32),
    )
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True)  # a worker gets them, too
    assert run.returncode == 0, run.stderr
    assert len(read_splits(tmp_path / "out")) == 20


def test_a_wrong_input_leaves_the_output_folder_free(tmp_path):
    mat_path = write_original(tmp_path / "imdb_crop", people(10))
    arguments = ("--output_dir", tmp_path / "out", "--img_size", 32)
    wrong = run_preparation("--db_path", mat_path, "--dataset", "wiki", *arguments)
    assert_one_line(wrong, "imdb.mat")
    assert run_preparation("--db_path", mat_path, *arguments).returncode == 0
