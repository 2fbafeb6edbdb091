"""What a preparation is told: where its input is, and which arguments make it another one."""

from pathlib import Path

import pytest

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
