"""Damaged .mat files and images, invented by hypothesis.

A small deterministic slice runs always, a long random campaign by `make test-all`. What has failed
is kept in `failing_examples`: whole files that are always tried, and what the campaigns found,
which the next campaign tries first.
"""

import contextlib
import io
import multiprocessing
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase
from PIL import Image
from scipy.io import savemat

from imdb_wiki.datasets.matlab import table_of_mat
from imdb_wiki.errors import InputError
from imdb_wiki.images.headers import UnreadableImageError
from imdb_wiki.images.pixels import decode, square
from imdb_wiki.images.reading import MissingPhotoError, read_bytes
from imdb_wiki.preparation.crop_names import crop_names
from imdb_wiki.preparation.photos import open_photos
from imdb_wiki.preparation.rules import first_broken_rule
from imdb_wiki.preparation.settings import Settings
from tests.conftest import run_preparation
from tests.preparation.originals import people, photo, struct_of
from tests.shared import assert_one_line

KEPT_DIR = Path(__file__).parent / "failing_examples"
KEPT = DirectoryBasedExampleDatabase(KEPT_DIR / "campaigns")
SLICE = settings(
    max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
CAMPAIGN = settings(
    max_examples=20_000, database=KEPT, deadline=None, suppress_health_check=list(HealthCheck)
)


def mat_bytes(compressed: bool) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, {"imdb": struct_of(people(3, 2))}, do_compression=compressed)
    return buffer.getvalue()


def image_bytes(image_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo(1, 40, 50)).save(buffer, image_format, **options)
    return buffer.getvalue()


class CrashedError(Exception):
    """The process apart has ended."""


def answer_calls(connection) -> None:
    """Answers one call after the other, in a process apart."""
    while True:
        work, arguments = connection.recv()
        try:
            answer = work(*arguments), None
        except Exception as error:  # whatever it is, it is the call's answer
            answer = None, error
        connection.send(answer)


class Reader:
    """A process apart that stays for the next call, and is replaced when it has crashed."""

    connection = None

    def call(self, work, *arguments):
        if self.connection is None:
            context = multiprocessing.get_context("spawn")
            self.connection, others = context.Pipe()
            context.Process(target=answer_calls, args=(others,), daemon=True).start()
            others.close()  # so that its end is noticed here
        try:
            self.connection.send((work, arguments))
            if not self.connection.poll(300):  # its start alone is slow on a busy machine
                raise TimeoutError("no answer")
            value, error = self.connection.recv()
        except (EOFError, OSError) as error:
            self.connection = None
            raise CrashedError from error
        if error is not None:
            raise error
        return value


READER = Reader()
MATS = [mat_bytes(True), mat_bytes(False)]
IMAGES = [
    *(image_bytes(name) for name in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")),
    *(image_bytes("JPEG2000", no_jp2=flag) for flag in (False, True)),
    image_bytes("JPEG", progressive=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
]


@st.composite
def damaged(draw, originals: list[bytes]) -> bytes:
    """One of the files with bytes changed, put in or taken out, perhaps cut."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        piece = draw(st.binary(min_size=1, max_size=8))
        replaced = draw(st.sampled_from([0, len(piece)]))
        data[place : place + replaced] = piece
    if draw(st.booleans()):
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


def read_damaged_mat(data: bytes) -> None:
    try:
        table = READER.call(table_of_mat, data, Path("imdb.mat"), "imdb")
    except InputError as error:
        assert "imdb.mat" in str(error)
        return
    except CrashedError:  # SciPy crashed, in a process apart, as in the preparation
        return
    rules = first_broken_rule(table, Settings(output_dir="out"))
    assert len(rules) == len(table)


def decode_damaged_image(data: bytes) -> None:
    try:
        image = decode(data, 32)
    except UnreadableImageError:
        return
    assert square(image, 32).shape == (32, 32, 3)


NUMBERS = st.floats(width=64) | st.sampled_from([np.inf, -np.inf, np.nan, 0.0, 7e5, 1e300])
TEXTS = st.text(max_size=30) | st.sampled_from(["", "../a.jpg", "/a.jpg", "a\\b.jpg", "é" * 300])


@st.composite
def odd_structs(draw) -> dict:
    """A readable struct with odd values, types and lengths."""
    rows = draw(st.integers(1, 5))
    struct = struct_of(people(1, rows))
    for name in ("dob", "photo_taken", "gender", "face_score", "second_face_score", "celeb_id"):
        values = draw(st.lists(NUMBERS, min_size=rows, max_size=rows))
        kind = draw(st.sampled_from(["f8", "f4", "i4", "u2", "bool", "c16"]))
        with np.errstate(all="ignore"):
            struct[name] = np.array([values]).astype(kind)
    struct["full_path"][0] = draw(st.lists(TEXTS, min_size=rows, max_size=rows))
    if draw(st.booleans()):
        struct[draw(st.sampled_from(sorted(struct)))] = np.zeros((1, draw(st.integers(0, 3))))
    return struct


def read_odd_struct(struct: dict) -> None:
    buffer = io.BytesIO()
    savemat(buffer, {"imdb": struct})
    read_damaged_mat(buffer.getvalue())


def names_are_safe(sources: list[str]) -> None:
    names = crop_names(pd.Series(sources, dtype=str))
    assert names.str.lower().is_unique
    assert names.str.fullmatch(r"[A-Za-z0-9._-]{1,200}\.jpg").all()


def tar_bytes(mode: str, tar_format: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=tar_format) as archive:
        for name in ("a.jpg", "imdb.mat", "é" * 120 + ".jpg"):
            member = tarfile.TarInfo(f"crop/{name}")
            member.size = 700
            archive.addfile(member, io.BytesIO(bytes(700)))
    return buffer.getvalue()


def zip_bytes(compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name in ("a.jpg", "imdb.mat", "é" * 120 + ".jpg"):
            archive.writestr(f"crop/{name}", bytes(700))
    return buffer.getvalue()


ARCHIVES = [
    *(tar_bytes("w", form) for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)),
    *(tar_bytes(f"w:{kind}", tarfile.PAX_FORMAT) for kind in ("gz", "bz2", "xz")),
    *(zip_bytes(compression) for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)),
]


def read_damaged_archive(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file, contextlib.redirect_stderr(io.StringIO()):
        Path(file.name).write_bytes(data)
        try:
            photos = open_photos(Path(file.name))
            photos.mat("imdb.mat")
            table = pd.DataFrame({"source": ["a.jpg"], "crop_name": ["a.jpg"]})
            for job in photos.jobs(table):
                read_bytes(job.photo)
        except (InputError, MissingPhotoError, UnreadableImageError):
            return
        except OSError as error:
            assert error.filename == file.name


CASES = {
    "archive": (damaged(ARCHIVES), read_damaged_archive),
    "mat": (damaged(MATS), read_damaged_mat),
    "struct": (odd_structs(), read_odd_struct),
    "image": (damaged(IMAGES), decode_damaged_image),
    "names": (st.lists(TEXTS, max_size=20), names_are_safe),
}


@pytest.mark.filterwarnings("ignore")  # NumPy's and SciPy's, about what we damaged
@pytest.mark.parametrize("case", CASES)
def test_no_damage_is_more_than_an_error_that_is_said(case):
    strategy, check = CASES[case]
    SLICE(given(strategy)(check))()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_no_damage_in_a_long_campaign_is_more(case):
    strategy, check = CASES[case]
    CAMPAIGN(given(strategy)(check))()


@pytest.mark.parametrize("path", sorted(KEPT_DIR.glob("*.mat")), ids=lambda path: path.name)
def test_a_mat_that_once_crashed_the_reader_is_said(path, tmp_path):
    run = run_preparation("--db_path", path, "--output_dir", tmp_path / "out")
    assert_one_line(run, f"{path.name}: not a readable MATLAB file")


@pytest.mark.parametrize("data", MATS, ids=["compressed", "plain"])
def test_a_mat_cut_anywhere_is_said(data):
    for length in [*range(0, 400, 7), *range(400, len(data) - 1, 61)]:
        with pytest.raises(InputError, match=r"imdb\.mat"):
            table_of_mat(data[:length], Path("imdb.mat"), "imdb")
