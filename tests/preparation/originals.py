"""Small folders in the original's layout, for tests: a real imdb.mat and real JPEGs."""

import datetime
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy.io import savemat


def serial_day(year: int, month: int, day: int) -> int:
    """MATLAB's number of a date."""
    return datetime.date(year, month, day).toordinal() + 366


def photo(row: int, height: int = 60, width: int = 60) -> np.ndarray:
    """A picture that differs from row to row, also after compression."""
    rng = np.random.default_rng(row)
    small = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def good_row(row: int, person: int) -> dict:
    """A row that every rule passes: 1 July 1980 to 2010, so 30 years."""
    return {
        "dob": serial_day(1980, 7, 1),
        "photo_taken": 2010,
        "full_path": f"{person % 100:02d}/nm{person:07d}_rm{row}_1980-7-1_2010.jpg",
        "gender": float(person % 2),
        "name": f"Person {person}",
        "face_score": 3.0,
        "second_face_score": np.nan,
        "celeb_id": float(person),
    }


def struct_of(rows: list[dict], struct_name: str = "imdb") -> dict:
    """The struct's fields with the original's types and shapes."""

    def cell(values):
        column = np.empty((1, len(values)), dtype=object)
        column[0] = values
        return column

    columns = {name: [row[name] for row in rows] for name in rows[0]}
    people = int(np.nanmax(columns["celeb_id"])) if rows else 0
    struct = {
        "dob": np.array([columns["dob"]], dtype=np.int32),
        "photo_taken": np.array([columns["photo_taken"]], dtype=np.uint16),
        "full_path": cell(columns["full_path"]),
        "gender": np.array([columns["gender"]], dtype=np.float64),
        "name": cell(columns["name"]),
        "face_location": cell([np.array([[1.0, 1.0, 60.0, 60.0]])] * len(rows)),
        "face_score": np.array([columns["face_score"]], dtype=np.float64),
        "second_face_score": np.array([columns["second_face_score"]], dtype=np.float64),
    }
    if struct_name == "imdb":
        struct["celeb_names"] = cell([f"Person {person + 1}" for person in range(people)])
        struct["celeb_id"] = np.array([columns["celeb_id"]], dtype=np.float64)
    return struct


def write_original(folder: Path, rows: list[dict], struct_name: str = "imdb") -> Path:
    """Writes the .mat and a photo for each row whose path stays in the folder; returns the .mat."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(rows):
        path = folder / row["full_path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), photo(number))
    mat_path = folder / f"{struct_name}.mat"
    savemat(mat_path, {struct_name: struct_of(rows, struct_name)}, do_compression=True)
    return mat_path


def people(count: int, photos_each: int = 3) -> list[dict]:
    """Rows of several people with several photos each."""
    return [
        good_row(person * photos_each + photo_number, person)
        for person in range(1, count + 1)
        for photo_number in range(photos_each)
    ]


def read_splits(output_dir: Path) -> pd.DataFrame:
    """The rows of a prepared folder with three splits, and which split each is in."""
    frames = {name: pd.read_csv(output_dir / f"{name}.csv") for name in ("train", "val", "test")}
    return pd.concat(frames, names=["split"]).reset_index("split")
