"""Writing a file touches no other file, also for the moment in which it is written."""

from pathlib import Path

import pytest

from imdb_wiki.files import part_of, write_whole
from imdb_wiki.models.files import save_model
from tests.shared import SMALL


def test_a_file_of_a_browsers_unfinished_download_is_left_alone(tmp_path):
    from imdb_wiki.networks.two_branch import two_branch_cnn

    others = [tmp_path / name for name in ("a.csv.part", "model.keras.part", "partial-model.keras")]
    for path in others:
        path.write_text("a browser's")
    write_whole(tmp_path / "a.csv", "1,2\n")
    save_model(two_branch_cnn(**SMALL), tmp_path / "model.keras")
    assert {path.read_text() for path in others} == {"a browser's"}
    assert {path.name for path in tmp_path.iterdir()} == {
        *("a.csv", "model.keras"),
        *(path.name for path in others),
    }


@pytest.mark.parametrize("letter", ["a", "é", "面"])
def test_a_name_as_long_as_a_file_system_allows_can_be_written(tmp_path, letter):
    name = letter * (255 // len(letter.encode()))
    write_whole(tmp_path / name, "whole")
    assert (tmp_path / name).read_text() == "whole"
    assert len(list(tmp_path.iterdir())) == 1
    assert part_of(Path(name)).name != name
