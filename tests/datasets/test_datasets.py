import io
import struct
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.io
from scipy.io import loadmat, savemat

from imdb_wiki.datasets import matlab, utkface
from imdb_wiki.datasets.mat_fields import with_fields
from imdb_wiki.datasets.matlab import NUMBER_FIELDS, read_rows, table_of_mat
from imdb_wiki.datasets.utkface import table_of_utkface
from imdb_wiki.errors import InputError
from imdb_wiki.parallel import CrashError, run_apart
from imdb_wiki.preparation.photos import PhotoFolder
from tests.preparation.originals import good_row, people, struct_of, write_original


def labels_in(path: Path | None) -> SimpleNamespace:
    """What a command line says about reading labels."""
    return SimpleNamespace(db_path=path)


def test_imdb_becomes_one_table(tmp_path):
    rows = [good_row(0, 1), good_row(1, 2) | {"celeb_id": np.nan}]
    table = read(write_original(tmp_path, rows))
    assert table["source"].tolist() == [row["full_path"] for row in rows]
    assert table["age"].tolist() == [30, 30]
    assert table["gender"].tolist() == [1, 0]
    assert table["identity"].tolist() == ["1", ""]
    assert table["second_face_score"].isna().all()


def test_in_wiki_a_person_is_a_name_and_an_empty_name_nobodys(tmp_path):
    rows = [good_row(0, 1), good_row(1, 2) | {"name": ""}, good_row(2, 3) | {"name": "Åsa Öst"}]
    table = read(write_original(tmp_path, rows, "wiki"), "wiki")
    assert table["identity"].tolist() == ["Person 1", "", "Åsa Öst"]


@pytest.mark.parametrize("compressed", [True, False])
def test_a_mat_with_fewer_fields_holds_the_same_in_those(compressed):
    whole, wanted = io.BytesIO(), ["full_path", "dob", "second_face_score"]
    savemat(whole, {"imdb": struct_of(people(3, 2))}, do_compression=compressed)
    smaller = with_fields(whole.getvalue(), wanted)
    before, after = (loadmat(io.BytesIO(mat))["imdb"] for mat in (whole.getvalue(), smaller))
    assert set(after.dtype.names) == set(wanted)
    for name in wanted:
        np.testing.assert_array_equal(before[name][0, 0], after[name][0, 0])


def test_a_mat_that_is_unlike_the_originals_is_left_to_scipy():
    struct = struct_of(people(3, 2))
    two_structs, cut = io.BytesIO(), io.BytesIO()
    savemat(two_structs, {"imdb": struct, "wiki": struct}, do_compression=True)
    savemat(cut, {"imdb": struct}, do_compression=True)
    for mat in (two_structs.getvalue(), cut.getvalue()[:-9], b"", b"\0" * 300):
        assert with_fields(mat, ["dob"]) is mat
    assert with_fields(cut.getvalue(), ["no_such_field"]) == cut.getvalue()


def test_utkface_genders_are_turned_to_this_data_sets():
    table = table_of_utkface(["sub/26_0_1_2017.jpg.chip.jpg", "3_1_1_2017.jpg.chip.jpg"])
    assert table["gender"].tolist() == [1, 0]  # UTKFace: 0 male, 1 female
    assert table["age"].tolist() == [26, 3]
    assert table["identity"].tolist() == ["", ""]


def read(path, struct_name="imdb"):
    return table_of_mat(path.read_bytes(), path, struct_name)


def change(tmp_path, **fields):
    """An imdb.mat with some fields replaced, or removed where the value is None."""
    struct = struct_of(people(2)) | fields
    path = tmp_path / "imdb.mat"
    savemat(path, {"imdb": {name: v for name, v in struct.items() if v is not None}})
    return path


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"dob": None}, "has no field dob"),
        ({"celeb_id": None}, "has no field celeb_id"),
        ({"gender": np.zeros((1, 5))}, "gender 5"),
        ({"dob": np.array([["x"] * 6], dtype=object)}, "'dob' holds object"),
        ({"face_score": np.ones((1, 6), dtype=complex)}, "'face_score' holds complex"),
    ],
)
def test_wrong_fields_are_named(tmp_path, fields, said):
    with pytest.raises(InputError, match=said):
        read(change(tmp_path, **fields))


def test_dates_may_be_doubles_and_odd(tmp_path):
    dob = np.array([[7.2e5, np.nan, np.inf, -np.inf, 1e300, 0.0]])
    table = read(change(tmp_path, dob=dob))
    assert table["age"].notna().tolist() == [True, *[False] * 5]


def test_cells_that_hold_no_text_become_empty(tmp_path):
    paths = np.empty((1, 6), dtype=object)
    paths[0] = ["a.jpg", np.zeros((2, 2)), np.array([]), "", "é.jpg", np.array([["x"]])]
    table = read(change(tmp_path, full_path=paths))
    assert table["source"].tolist() == ["a.jpg", "", "", "", "é.jpg", "x"]


@pytest.mark.parametrize(("inside", "wanted"), [("imdb", "wiki"), ("wiki", "imdb")])
def test_the_option_for_the_other_data_set_is_named(tmp_path, inside, wanted):
    path = write_original(tmp_path, [good_row(0, 1)], inside)
    said = f"no struct '{wanted}', but '{inside}': add --dataset {inside}"
    with pytest.raises(InputError, match=said):
        read(path, wanted)


def compressed_zeros(count: int) -> bytes:
    """The start of a MATLAB file that unpacks to a matrix of `count` bytes."""
    flags = struct.pack("<IIII", 6, 8, 6, 0)  # a matrix of doubles
    shape = struct.pack("<IIii", 5, 8, 1, count // 8)
    name = struct.pack("<II4s4x", 1, 4, b"imdb")
    head = struct.pack("<II", 14, 48 + 8 + count) + flags + shape + name
    packer = zlib.compressobj(1)
    packed = packer.compress(head + struct.pack("<II", 9, count))
    packed += b"".join(packer.compress(bytes(1 << 20)) for _ in range(count >> 20))
    packed += packer.flush()
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H2s", 0x0100, b"IM")
    return header + struct.pack("<II", 15, len(packed)) + packed


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limit")
def test_a_mat_that_unpacks_to_more_memory_than_is_allowed_is_said():
    path, few, many = Path("imdb.mat"), compressed_zeros(1 << 20), compressed_zeros(200 << 20)
    for mat, said in ((few, "holds no struct"), (many, "takes more than 4 GB of memory")):
        with pytest.raises(InputError, match=rf"imdb\.mat: {said}"):
            run_apart(table_of_mat, mat, path, "imdb", max_memory_bytes=100 << 20)


def test_another_struct_is_said(tmp_path):
    savemat(tmp_path / "imdb.mat", {"other": {"dob": 1}})
    with pytest.raises(InputError, match="no struct 'imdb'"):
        read(tmp_path / "imdb.mat")


def test_a_variable_that_is_no_struct_is_said(tmp_path):
    savemat(tmp_path / "imdb.mat", {"imdb": np.ones(3)})
    with pytest.raises(InputError, match="no struct 'imdb'"):
        read(tmp_path / "imdb.mat")


def test_matlab_7_3_is_said(tmp_path):
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    (tmp_path / "imdb.mat").write_bytes(header.ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(600))
    with pytest.raises(InputError, match=r"7\.3 \(HDF5\)"):
        read(tmp_path / "imdb.mat")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89HDF\r\n\x1a\n" + bytes(600)])
def test_what_is_no_mat_file_is_said(tmp_path, content):
    (tmp_path / "imdb.mat").write_bytes(content)
    with pytest.raises(InputError, match=r"imdb\.mat"):
        read(tmp_path / "imdb.mat")


@pytest.fixture
def run_here(monkeypatch):
    """Reads in this process; what memory the reader may take is noted."""
    allowed = []

    def run(work, *arguments, max_memory_bytes):
        allowed.append(max_memory_bytes)
        return work(*arguments)

    monkeypatch.setattr(matlab, "run_apart", run)
    return allowed


def test_the_mat_that_is_named_goes_before_the_one_beside_the_photos(tmp_path, run_here):
    write_original(tmp_path / "wiki_crop", [good_row(0, 1)], "wiki")
    named = write_original(tmp_path / "elsewhere", [good_row(1, 2), good_row(2, 2)], "wiki")
    photos = PhotoFolder(tmp_path / "wiki_crop")
    beside, other = (read_rows("wiki", photos, labels_in(path)) for path in (None, named))
    assert beside.rows["identity"].tolist() == ["Person 1"]
    assert other.rows["identity"].tolist() == ["Person 2", "Person 2"]
    assert beside.passed_over == other.passed_over == []
    assert run_here == [4_000_000_000] * 2


@pytest.mark.parametrize("is_named", [True, False])
def test_errors_of_a_mat_name_the_file(tmp_path, run_here, is_named):
    path = write_original(tmp_path, [good_row(0, 1)], "wiki")
    path = path.rename(tmp_path / "imdb.mat")
    with pytest.raises(InputError, match=rf"^{path}: holds no struct 'imdb', but 'wiki'"):
        read_rows("imdb", PhotoFolder(tmp_path), labels_in(path if is_named else None))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CrashError(), r"not a readable MATLAB file \(the reader crashed\)"),
        (MemoryError(), "takes more than 4 GB of memory to read"),
    ],
)
def test_a_reader_that_ends_is_said_in_one_line(tmp_path, monkeypatch, error, said):
    def end(*_, **__):
        raise error

    monkeypatch.setattr(matlab, "run_apart", end)
    path = write_original(tmp_path, [good_row(0, 1)])
    with pytest.raises(InputError, match=f"^{path}: {said}"):
        read_rows("imdb", PhotoFolder(tmp_path), labels_in(None))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("bad header\nand more"), r"not a readable MATLAB file \(bad header\)$"),
        (KeyError(), r"not a readable MATLAB file \(KeyError\)$"),
        (MemoryError(), "takes more than 4 GB of memory to read"),
    ],
)
def test_what_scipy_says_of_damaged_bytes_becomes_one_line(tmp_path, monkeypatch, error, said):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(scipy.io, "loadmat", fail)
    with pytest.raises(InputError, match=rf"^{tmp_path}/imdb\.mat: {said}"):
        table_of_mat(b"", tmp_path / "imdb.mat", "imdb")


def test_a_mat_is_read_up_to_its_greatest_size(tmp_path, monkeypatch):
    monkeypatch.setattr(matlab, "MAX_MAT_BYTES", 1000)
    path = tmp_path / "imdb.mat"
    path.write_bytes(b"a" * 1000)
    assert matlab.read_mat(path) == b"a" * 1000
    path.write_bytes(b"a" * 1001)
    with pytest.raises(InputError, match=rf"^{path}: has more than 1,000 bytes"):
        matlab.read_mat(path)


@pytest.mark.parametrize("variable", [np.ones(3), np.array([(1,), (2,)], dtype=[("dob", object)])])
def test_of_a_variable_that_is_not_one_struct_no_option_is_named(tmp_path, variable):
    savemat(tmp_path / "imdb.mat", {"imdb": variable})
    with pytest.raises(InputError, match=r"imdb\.mat: holds no struct 'imdb'$"):
        read(tmp_path / "imdb.mat")


def test_a_missing_struct_is_said_though_its_file_cannot_be_listed(tmp_path, monkeypatch):
    def fail(*_):
        raise ValueError("damaged")

    savemat(tmp_path / "imdb.mat", {"wiki": {"dob": 1}})
    monkeypatch.setattr(scipy.io, "whosmat", fail)
    with pytest.raises(InputError, match=r"imdb\.mat: holds no struct 'imdb'$"):
        read(tmp_path / "imdb.mat")


def test_all_missing_fields_and_unequal_lengths_are_named(tmp_path):
    path = change(tmp_path, dob=None, gender=None)
    with pytest.raises(InputError, match=rf"^{path}: struct 'imdb' has no field dob, gender$"):
        read(path)
    path = change(tmp_path, gender=np.zeros((1, 5)))
    lengths = "dob 6, photo_taken 6, gender 5, face_score 6, second_face_score 6, full_path 6"
    with pytest.raises(InputError, match=rf"^{path}: .*lengths \({lengths}, celeb_id 6\)$"):
        read(path)
    savemat(path, {"imdb": {name: np.zeros((1, 0)) for name in struct_of(people(1))}})
    with pytest.raises(InputError, match=rf"^{path}: struct 'imdb' has no rows$"):
        read(path)


def test_people_and_scores_are_those_of_the_mat(tmp_path):
    rows = [
        good_row(0, 7) | {"face_score": -np.inf},
        good_row(1, 8) | {"second_face_score": 1.5},
    ]
    table = read(write_original(tmp_path, rows))
    assert table["identity"].tolist() == ["7", "8"]
    assert table["face_score"].tolist() == [-np.inf, 3]
    assert table["second_face_score"].tolist() == [pytest.approx(np.nan, nan_ok=True), 1.5]
    assert table.columns.tolist() == [
        *("source", "age", "gender", "identity", "face_score", "second_face_score")
    ]


def test_a_number_that_is_not_finite_is_nobody(tmp_path):
    celeb_id = np.array([[1.0, np.nan, np.inf, -np.inf, 0.0, 2.0]])
    assert read(change(tmp_path, celeb_id=celeb_id))["identity"].tolist() == [
        *("1", "", "", "", "0", "2")
    ]


def test_names_in_wiki_lose_the_blanks_around_them(tmp_path):
    rows = [good_row(0, 1) | {"name": "  Ann Lee "}, good_row(1, 2) | {"name": " "}]
    assert read(write_original(tmp_path, rows, "wiki"), "wiki")["identity"].tolist() == [
        *("Ann Lee", "")
    ]


def test_paths_may_be_a_table_of_letters_and_numbers_are_none(tmp_path):
    letters = np.array([f"{number}.jpg" for number in range(6)])
    assert read(change(tmp_path, full_path=letters))["source"].tolist() == letters.tolist()
    numbers = np.ones((1, 6))
    assert read(change(tmp_path, full_path=numbers))["source"].tolist() == [""] * 6


def test_of_several_texts_in_a_cell_the_first_counts(tmp_path):
    paths = np.empty((1, 6), dtype=object)
    paths[0] = [np.array(["first.jpg", "other.jpg"]), *("b.jpg",) * 5]
    assert read(change(tmp_path, full_path=paths))["source"][0] == "first.jpg"


def test_utkfaces_rows_are_its_photos_and_other_files_are_passed_over(tmp_path):
    for name in ("26_0_1_2017.jpg", "sub/3_1_1_2017.jpg.chip.jpg", "notes.txt", "sub/list.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    rows, passed_over, _ = utkface.read_rows(PhotoFolder(tmp_path), labels_in(None))
    assert rows["source"].tolist() == ["26_0_1_2017.jpg", "sub/3_1_1_2017.jpg.chip.jpg"]
    assert rows["age"].tolist() == [26, 3]
    assert passed_over == ["notes.txt", "sub/list.csv"]


def test_a_folder_without_photos_is_said(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=f"^{tmp_path}: holds no images$"):
        utkface.read_rows(PhotoFolder(tmp_path), labels_in(None))


def test_utkfaces_table_has_the_columns_of_every_table():
    table = table_of_utkface(["26_0_1_2017.jpg", "nobody.jpg"])
    assert table["bad_name"].tolist() == [False, True]
    assert table["age"].tolist() == [26, pytest.approx(np.nan, nan_ok=True)]
    assert table["gender"].tolist() == [1, pytest.approx(np.nan, nan_ok=True)]
    numbers = table[["age", "gender", "face_score", "second_face_score"]]
    assert (numbers.dtypes == np.float64).all()
    assert numbers[["face_score", "second_face_score"]].isna().all(axis=None)


def test_the_race_is_that_of_utkfaces_own_names():
    names = ["1_0_0_20170110220546902.jpg", "1_1_4_20170110220546902.jpg.chip.jpg"]
    others = ["1_0_0_2017011022054690.jpg", "1_0_0_201701102205469021.jpg", "photo.jpg"]
    races = utkface.race_of(pd.Series([f"UTKFace/{name}" for name in [*names, *others]]))
    assert races[:2].tolist() == ["White", "Others"]
    assert races[2:].isna().all()


@pytest.mark.parametrize("field", [*NUMBER_FIELDS, "celeb_id"])
def test_a_field_that_holds_no_numbers_is_named_with_its_file(tmp_path, field):
    path = change(tmp_path, **{field: np.array([["x"] * 6], dtype=object)})
    with pytest.raises(InputError, match=f"^{path}: field '{field}' holds object, not numbers$"):
        read(path)
