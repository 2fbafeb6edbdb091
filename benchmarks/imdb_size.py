"""Writes an archive of IMDB's size, without IMDB, for `preparation.py --archive`.

    python benchmarks/imdb_size.py --photo_dir UTKFace --archive imdb_size/imdb_crop.tar

It has IMDB's layout and about its size: 460,723 rows of 20,284 people in about 7 GB. Each kept row
has a picture of its own: a UTKFace face, cropped, turned and mirrored at random, with side lengths
like the original's. The rules reject the same shares as of WIKI. Writing it takes as long as two
preparations; with `--side 60` all photos are small, which is enough to measure memory.
"""

import io
import os
import sys
import tarfile
from functools import lru_cache, partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import cv2
import numpy as np
import scipy.io
from tqdm import tqdm

from imdb_wiki.command import OneLineParser, says_errors_in_one_line, whole_number
from imdb_wiki.errors import InputError
from imdb_wiki.parallel import in_chunks, run_parallel

ROWS, PEOPLE = 460_723, 20_284  # IMDB's
# Rows that the rules reject of wiki.mat's 62,328: no face, low score, second face, no gender.
REJECTED = {"no_face": 0.289, "low_score": 0.021, "second_face": 0.065, "no_gender": 0.012}


def metadata(rows: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """The fields of imdb.mat, each (rows,), and `rejected`: which rows a rule rejects."""
    people = max(1, rows * PEOPLE // ROWS)
    person = np.sort(random.integers(0, people, rows))  # (rows,)
    birth_year = random.integers(1920, 1995, people)[person]
    rule = random.choice([*REJECTED, ""], rows, p=[*REJECTED.values(), 1 - sum(REJECTED.values())])
    taken = birth_year + random.integers(1, 80, rows)
    score = np.where(rule == "no_face", -np.inf, random.uniform(1, 7, rows))
    paths = [
        f"{p % 100:02}/nm{p:07}_rm{n}_1970-1-1_{t}.jpg"
        for n, (p, t) in enumerate(zip(person, taken, strict=True))
    ]
    names = np.array([f"Person {number}" for number in range(people)], dtype=object)
    locations = np.empty(rows, dtype=object)
    locations[:] = [np.array([[1.0, 1.0, 200.0, 200.0]])] * rows
    return {
        "dob": (birth_year * 365.2425 + 1).astype(np.int32),
        "photo_taken": taken.astype(np.uint16),
        "full_path": np.array(paths, dtype=object),
        "gender": np.where(rule == "no_gender", np.nan, (person % 5 < 3).astype(np.float64)),
        "name": names[person],
        "face_location": locations,
        "face_score": np.where(rule == "low_score", 0.5, score),
        "second_face_score": np.where(rule == "second_face", 2.0, np.nan),
        "celeb_names": names,
        "celeb_id": (person + 1).astype(np.float64),
        "rejected": rule != "",
    }


def changed_face(chip: np.ndarray, random: np.random.Generator, side: int | None = None) -> bytes:
    """A JPEG of a part of the chip, turned and mirrored, at a side length as in the original."""
    side = side or int(np.clip(random.lognormal(np.log(300), 0.5), 60, 900))
    scale = side / (random.uniform(0.6, 1.0) * chip.shape[0])
    turn = cv2.getRotationMatrix2D(
        tuple(chip.shape[0] * random.uniform(0.4, 0.6, 2)), random.uniform(-20, 20), scale
    )
    turn[:, 2] += side / 2 - np.array(chip.shape[:2]) / 2
    face = cv2.warpAffine(chip, turn, (side, side), borderMode=cv2.BORDER_REPLICATE)
    if random.random() < 0.5:
        face = face[:, ::-1]
    return cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


@lru_cache(maxsize=16)
def chip_of(photo: str) -> np.ndarray:
    """A face of UTKFace's; rows that follow each other have the same."""
    face = cv2.imread(photo)
    if face is None:
        raise InputError(f"{photo}: not a readable image")
    return face


def changed_faces(jobs: list[tuple[int, str]], side: int | None) -> list[tuple[int, bytes]]:
    """A face for each row, made of the photo given; the row's number is the seed."""
    return [(row, changed_face(chip_of(p), np.random.default_rng(row), side)) for row, p in jobs]


def write_archive(path: Path, photo_dir: Path, rows: int, side: int | None) -> None:
    """Writes the archive: its .mat, the rejected rows' photos, and those of the rest."""
    fields = metadata(rows, np.random.default_rng(0))
    rejected, names = fields.pop("rejected"), fields["full_path"]
    photos = [str(photo) for photo in sorted(photo_dir.glob("*.jpg"))]
    if not photos:
        raise InputError(f"{photo_dir}: holds no .jpg")
    mat = io.BytesIO()
    struct = {name: values[np.newaxis] for name, values in fields.items()}
    scipy.io.savemat(mat, {"imdb": struct}, do_compression=True)
    unfinished = path.with_name(f"partial-{path.name}")
    with tarfile.open(unfinished, "w") as archive:

        def add(name: str, data: bytes) -> None:
            member = tarfile.TarInfo(f"imdb_crop/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
            # It would keep all of them.
            archive.members = []  # pyrefly: ignore[missing-attribute]  # its types lack the list

        add("imdb.mat", mat.getvalue())
        ((_, never_opened),) = changed_faces([(0, photos[0])], side)
        for name in names[rejected]:
            add(name, never_opened)
        wanted = np.flatnonzero(~rejected).tolist()
        jobs = ((row, photos[row * len(photos) // rows]) for row in wanted)
        with tqdm(total=len(wanted), desc="archive", unit=" photos", mininterval=0.5) as bar:
            work = partial(changed_faces, side=side)
            for faces in run_parallel(work, in_chunks(jobs, 64), os.cpu_count() or 1):
                for row, face in faces:
                    add(names[row], face)
                bar.update(len(faces))
    unfinished.rename(path)


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Writes the archive; returns the exit code."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    add = parser.add_argument_group("files").add_argument
    add("--photo_dir", type=Path, required=True, help="folder of UTKFace's aligned faces")
    add("--archive", type=Path, required=True, help="the .tar to write, about 7 GB")
    add = parser.add_argument_group("size").add_argument
    rows = whole_number(100, 10_000_000)
    add("--rows", type=rows, default=ROWS, metavar="ROWS", help="rows of the .mat")
    side = whole_number(8, 4096)
    add("--side", type=side, metavar="PIXELS", help="of all photos (default: as the original's)")
    options = parser.parse_args(arguments)
    options.archive.parent.mkdir(parents=True, exist_ok=True)
    write_archive(options.archive, options.photo_dir, options.rows, options.side)
    print(f"{options.archive}: {options.archive.stat().st_size / 1e9:.2f} GB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
