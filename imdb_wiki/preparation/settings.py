"""All that a preparation is told: the arguments of its command, each said here and nowhere else."""

import argparse
import hashlib
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from imdb_wiki.command import number, one_of, whole_number
from imdb_wiki.datasets import DATASETS, Dataset
from imdb_wiki.datasets.label_texts import gender_codes
from imdb_wiki.errors import InputError
from imdb_wiki.options import REQUIRED, option, read_options, switch
from imdb_wiki.preparation.archives import is_archive_name
from imdb_wiki.preparation.journal import NOT_KNOWN
from imdb_wiki.registry import help_of

_FOLDERS, _DOWNLOAD = "input and output", "download"
_COLUMNS, _LABELS = "columns of --dataset csv", "labels in CSV files"
_CROPS, _SPLITS, _MACHINE = "rules and crops", "splits", "machine"


def sha256_digest(text: str) -> str:
    """An option's kind: a SHA-256 digest in hexadecimal digits."""
    digest = text.strip().lower()
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"{text} is not 64 hexadecimal digits")
    return digest


@dataclass(frozen=True)
class Settings:
    """What the command line says; the field names are its arguments.

    Raises:
        InputError: A value is out of its range, or two do not go together.
    """

    output_dir: Path = option(
        REQUIRED, Path, "DIR", "the folder for the result; a new or an empty one", _FOLDERS
    )
    dataset: str = option(
        "imdb",
        one_of(*DATASETS),
        "NAME",
        f"what the input is; {help_of(DATASETS)}",
        _FOLDERS,
    )
    db_path: Path | None = option(
        None,
        Path,
        "FILE",
        "the labels: a .mat, or for --dataset csv a CSV file (default: imdb_crop/imdb.mat or "
        "wiki_crop/wiki.mat; of an archive, its own)",
        _FOLDERS,
    )
    photo_dir: Path | None = option(
        None,
        Path,
        "PATH",
        "the photos: a folder; a .tar, .tar.gz or .zip, which is not unpacked; or a folder of "
        "several .tar or .zip "
        "(default: the folder of --db_path)",
        _FOLDERS,
    )
    overwrite: bool = option(
        False,
        switch,
        "",
        "replace the preparation in --output_dir, which stays until all new crops are made",
        _FOLDERS,
    )
    file_column: str = option(
        "file", str, "NAME", "the photo's path in --photo_dir; must be there", _COLUMNS
    )
    age_column: str = option(
        "age", str, "NAME", "the age: 34, 34.5, a range such as 20-29, 60+, or empty", _COLUMNS
    )
    gender_column: str = option(
        "gender", str, "NAME", "the gender: female or male, f or m, or empty", _COLUMNS
    )
    person_column: str = option(
        "person", str, "NAME", "who it is: no person gets into two splits", _COLUMNS
    )
    gender_codes: str | None = option(
        None,
        gender_codes,
        "CODES",
        "what other genders mean, such as 0=female,1=male (default: none; numbers are refused)",
        _LABELS,
        is_text=True,
    )
    download: bool = option(
        False,
        switch,
        "",
        "fetch the archive of imdb (7 GB) or wiki (1 GB) first, into --photo_dir or the current "
        "folder; a --photo_dir that ends as archives do, such as in .tar, is the file itself; a "
        "broken transfer is continued",
        _DOWNLOAD,
    )
    url: str | None = option(
        None,
        str,
        "URL",
        "where to fetch it from (default: the data set's own page)",
        _DOWNLOAD,
        is_text=True,
    )
    sha256: str | None = option(
        None,
        sha256_digest,
        "DIGEST",
        "what the archive must be, 64 hexadecimal digits (default: not checked; the data set's "
        "page names none)",
        _DOWNLOAD,
        is_text=True,
    )
    min_score: float = option(
        1.0,
        number(),
        "SCORE",
        "the least face score that is kept; the detector's, mostly from 0 to 7",
        _CROPS,
    )
    faces: str = option(
        "given",
        one_of("given", "detect"),
        "given|detect",
        "given: a crop shows its whole photo; detect: the labelled face (the one nearest to the "
        "photo's middle, or to its box in --db_path) is searched, turned upright and cut out",
        _CROPS,
    )
    img_size: int = option(
        200, whole_number(8, 4096), "PIXELS", "the side of the square crops", _CROPS
    )
    jpeg_quality: int = option(
        95,
        whole_number(1, 100),
        "QUALITY",
        "the quality of the crops' JPEGs, from 1 to 100",
        _CROPS,
    )
    split_ratio: float = option(
        0.7,
        number(0, 1, above=True, below=True),
        "SHARE",
        "the share of the images that is for training",
        _SPLITS,
    )
    test_ratio: float = option(
        0.15,
        number(0, 1, below=True),
        "SHARE",
        "the share of the images that is for the test, 0 for no test; validation is the rest",
        _SPLITS,
    )
    split_by: str = option(
        "identity",
        one_of("identity", "image", "official"),
        "identity|image|official",
        "identity: no person is in two splits; image: only no picture is; official: as the data "
        "set deals its photos",
        _SPLITS,
    )
    split_file: Path | None = option(
        None,
        Path,
        "FILE",
        "a list of the photos of val and test, which decides instead of shares and seed; or a CSV "
        "of all photos with the columns file and split, as authors publish them (default: none)",
        _SPLITS,
    )
    seed: int = option(
        0,
        whole_number(0, 2**32 - 1),
        "SEED",
        "the seed of the splits, and of the sample's drawings",
        _SPLITS,
    )
    workers: int = option(
        os.cpu_count() or 1,
        whole_number(1, 1024),
        "PROCESSES",
        "how many processes make crops; the result is the same with any number",
        _MACHINE,
    )
    cluster: str | None = option(
        None,
        str,
        "ADDRESS",
        "the scheduler of a Dask cluster that makes the crops, such as tcp://10.0.0.1:8786; the "
        "result is the same (default: processes of this machine)",
        _MACHINE,
        is_text=True,
    )

    def __post_init__(self):
        """Refuses what does not go together, and fills in what follows from the rest."""
        read_options(self)
        for wrong, message in self._contradictions():
            if wrong:
                raise InputError(message)
        self._fill_in_paths()

    @property
    def source(self) -> Dataset:
        """The data set that is named."""
        return DATASETS[self.dataset]

    def _contradictions(self):
        """What may not be together, each with the sentence that says so."""
        rest = 1 - self.split_ratio - self.test_ratio
        yield (
            rest < 1e-9,  # 1 − 0.7 − 0.3 in floats is a little off
            f"arguments --split_ratio {self.split_ratio:g} and --test_ratio {self.test_ratio:g} "
            "leave no images for validation",
        )
        yield (
            self.photo_dir is None and not (self.source.is_drawn or self.source.labels_name),
            f"argument --photo_dir: needed with --dataset {self.dataset}, it is its folder",
        )
        yield (
            self.source.needs_db_path and self.db_path is None,
            f"argument --db_path: needed with --dataset {self.dataset}, it is the file of labels",
        )
        yield (
            self.source.is_drawn and self.photo_dir is not None,
            f"argument --photo_dir: not with --dataset {self.dataset}, which is drawn",
        )
        for field in fields(self):
            name = field.name
            takers = [kind.name for kind in DATASETS.values() if name in _own_options(kind)]
            is_given = getattr(self, name) != field.default
            yield (
                takers and is_given and self.dataset not in takers,
                f"argument --{name}: only with --dataset {' or '.join(takers)}",
            )
        for name in ("url", "sha256"):
            yield getattr(self, name) and not self.download, f"argument --{name}: needs --download"

    def _fill_in_paths(self) -> None:
        """Says where things are that were not named."""

        def fill_in(name: str, path: Path) -> None:
            object.__setattr__(self, name, path)

        if self.download:
            wanted = self.photo_dir or Path()
            # A file that is there is the archive, whatever its name says.
            if not (wanted.is_file() or (is_archive_name(wanted.name) and not wanted.is_dir())):
                fill_in("photo_dir", wanted / f"{self.dataset}_crop.tar")
        photos_in_folder = self.photo_dir is None or self.photo_dir.is_dir()
        if self.source.labels_name and photos_in_folder:  # an archive brings its .mat along
            db_path = self.db_path or Path(f"{self.dataset}_crop", self.source.labels_name)
            fill_in("db_path", db_path)
            fill_in("photo_dir", self.photo_dir or db_path.parent)
        if self.cluster:  # its nodes are in folders of their own
            fill_in("output_dir", self.output_dir.absolute())
            if self.photo_dir:
                fill_in("photo_dir", self.photo_dir.absolute())

    def deciding(self) -> dict[str, Any]:
        """The arguments that decide the result, as JSON values; another number of workers cannot.

        Files of labels count by their content, the .mat not by where it lies.
        """
        others = ("output_dir", "overwrite", "download", "url", "sha256", "workers", "cluster")
        by_content = ("db_path", "photo_dir", "split_file")
        values = {
            name: value for name, value in vars(self).items() if name not in (*others, *by_content)
        }
        values["split_file_blake2b"] = self.split_file and _file_digest(self.split_file)
        values["photo_dir"] = str(self.photo_dir.resolve()) if self.photo_dir else None
        values["archive_bytes"] = values["db_blake2b"] = None
        if self.photo_dir and self.photo_dir.is_file():
            values["archive_bytes"] = self.photo_dir.stat().st_size
        elif self.photo_dir and not self.photo_dir.exists():
            values["archive_bytes"] = NOT_KNOWN  # what is finished needs no archive any more
        if self.db_path:
            values["db_blake2b"] = _file_digest(self.db_path)
        values["label_files_blake2b"] = self._label_files_digest()
        return values

    def _label_files_digest(self) -> str | None:
        """Of the data set's files beside the photos; those in an archive count by its size."""
        if not self.source.label_files or not self.photo_dir or self.photo_dir.is_file():
            return None
        if not self.photo_dir.is_dir():
            return NOT_KNOWN
        paths = [self.photo_dir / name for name in self.source.label_files]
        digests = [f"{path.name} {_file_digest(path)}" for path in paths if path.is_file()]
        return hashlib.blake2b("\n".join(digests).encode(), digest_size=16).hexdigest()


def deciding_by_default() -> dict[str, Any]:
    """What arguments were in a preparation by a version that did not have them yet."""
    options = {field.name: field.default for field in fields(Settings)}
    return options | {"label_files_blake2b": NOT_KNOWN}


def _own_options(dataset: Dataset) -> set[str]:
    """The options that a data set takes and not every other does."""
    own = {"db_path": dataset.labels_name, "download": dataset.archive_url}
    return {*dataset.label_options, *(name for name, needed in own.items() if needed)}


def _file_digest(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
    return digest.hexdigest()
