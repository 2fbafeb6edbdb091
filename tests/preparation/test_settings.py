"""What a preparation is told: where its input is, and which arguments make it another one."""

import json
from pathlib import Path

import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.preparation.prepare import is_finished
from imdb_wiki.preparation.settings import Settings


@pytest.fixture
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    Path("file").touch()
    Path("folder.tar").mkdir()


@pytest.mark.parametrize(
    ("photo_dir", "archive"),
    [
        (None, "wiki_crop.tar"),
        ("there", "there/wiki_crop.tar"),
        ("new", "new/wiki_crop.tar"),
        ("new/2026.01", "new/2026.01/wiki_crop.tar"),
        ("folder.tar", "folder.tar/wiki_crop.tar"),
        ("new/faces.tar", "new/faces.tar"),
        ("faces.TAR.GZ", "faces.TAR.GZ"),
        ("file", "file"),  # fetched before, and named so by its owner
    ],
)
def test_an_archive_is_fetched_into_a_folder_unless_its_own_name_is_said(
    photo_dir, archive, in_empty_folder
):
    settings = Settings(output_dir="out", dataset="wiki", download=True, photo_dir=photo_dir)
    assert settings.photo_dir == Path(archive)


def settings(folder, **options):
    return Settings(
        output_dir=folder / "out",
        **{"dataset": "csv", "db_path": folder / "faces.csv", "photo_dir": folder} | options,
    )


def prepared_before(folder, how, arguments):
    """Writes what a preparation leaves that is finished, or was killed."""
    (folder / "out/.preparing").mkdir(parents=True)
    if how == "finished":
        (folder / "out/report.json").write_text(json.dumps({"arguments": arguments}))
    else:
        (folder / "out/.preparing/arguments.json").write_text(json.dumps(arguments))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "faces.csv").write_text("file,age\n")
    return tmp_path


HOW = pytest.mark.parametrize("how", ["finished", "killed"])
# Options that came later than the first preparations, which wrote nothing of them.
LATER = {
    "faces": "detect",
    "gender_codes": "0=female,1=male",
    "file_column": "photo",
    "age_column": "years",
    "gender_column": "sex",
    "person_column": "who",
}


@HOW
@pytest.mark.parametrize("name", [*LATER, "img_size"])
def test_an_argument_that_is_no_more_given_makes_another_preparation_too(name, how, folder):
    given, default = settings(folder, **LATER | {"img_size": 64}), settings(folder)
    given = settings(folder, **{name: getattr(given, name)})
    for number, (before, now) in enumerate([(given, default), (default, given)]):
        prepared_before(folder, how, before.deciding())
        assert is_finished(before) == (how == "finished")
        was, told = getattr(before, name), getattr(now, name)
        with pytest.raises(InputError, match=rf"\({name} was {was}, is {told}\); name another"):
            is_finished(now)
        (folder / "out").rename(folder / f"out {number}")


@HOW
def test_what_an_earlier_version_prepared_had_the_defaults_of_later_options(how, folder):
    before = settings(folder).deciding()
    for name in LATER:
        del before[name]
    prepared_before(folder, how, before)
    assert is_finished(settings(folder)) == (how == "finished")
    for name, value in LATER.items():
        with pytest.raises(InputError, match=rf"{name} was .+, is {value}"):
            is_finished(settings(folder, **{name: value}))


@HOW
def test_an_option_that_only_a_later_version_has_makes_another_preparation(how, folder):
    prepared_before(folder, how, settings(folder).deciding() | {"hats": "off"})
    with pytest.raises(InputError, match="hats was off, is None"):
        is_finished(settings(folder))


def test_of_an_archive_that_is_gone_the_size_is_not_compared(folder):
    (folder / "a.tar").write_bytes(b"7 GB")
    prepared_before(folder, "finished", settings(folder, photo_dir=folder / "a.tar").deciding())
    (folder / "a.tar").write_bytes(b"another")
    with pytest.raises(InputError, match="archive_bytes was 4, is 7"):
        is_finished(settings(folder, photo_dir=folder / "a.tar"))
    (folder / "a.tar").unlink()
    assert is_finished(settings(folder, photo_dir=folder / "a.tar"))
