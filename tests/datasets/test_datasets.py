import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from imdb_wiki.datasets.mat_fields import with_fields
from imdb_wiki.datasets.matlab import table_of_mat
from imdb_wiki.datasets.utkface import table_of_utkface
from imdb_wiki.errors import InputError
from imdb_wiki.parallel import run_apart
from tests.preparation.originals import good_row, people, struct_of, write_original


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
