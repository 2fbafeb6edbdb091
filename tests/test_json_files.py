"""Damaged JSON is a ValueError, whoever reads it."""

import pytest

from imdb_wiki.errors import InputError
from imdb_wiki.export.model_card import main as model_card
from imdb_wiki.files import parse_json
from imdb_wiki.models.description import read_description
from imdb_wiki.results.runs import read_json, training_facts
from imdb_wiki.split_lists import read_split_list
from tests.shared import assert_one_line, ran

NESTED = pytest.param("[" * 200_000, id="nested")


@pytest.mark.parametrize("content", ["", "{", NESTED, b"\xff"])
def test_damage_is_a_value_error(content):
    with pytest.raises(ValueError):
        parse_json(content)


@pytest.mark.parametrize("content", [NESTED, "[]", "7", "not JSON"])
@pytest.mark.parametrize("read", [read_json, read_split_list, read_description])
def test_each_reader_says_it_in_one_line(tmp_path, read, content):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"a\.json") as told:
        read(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", ["[]", '{"training": 7}', NESTED])
def test_a_models_json_that_is_none_is_said_in_one_line(tmp_path, content):
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(InputError, match=r"m\.json"):
        training_facts(tmp_path / "m.keras")


@pytest.mark.parametrize(
    "card, metrics",
    [
        (
            b"Caf\xe9\n<!-- overall -->\n<!-- end -->\n",
            '{"age_mae_years": 8, "count": 3, "train_count": 9}',
        ),
        (b"<!-- A count -->\n<!-- end -->\n", '{"count": 3, "train_count": 9}'),
        (b"<!-- overall -->\n<!-- end -->\n", '{"train_count": 8}'),
        (b"<!-- overall -->\n<!-- end -->\n", '{"age_mae_years": {}}'),
        (
            b"<!-- overall -->\nprose\n<!-- gender -->\nold\n<!-- end -->\n",
            '{"age_mae_years": 8}',
        ),
    ],
)
def test_a_card_or_an_evaluation_that_is_none_leaves_the_card_as_it_was(tmp_path, card, metrics):
    path, evaluation = tmp_path / "c.md", tmp_path / "m.json"
    path.write_bytes(card)
    evaluation.write_text(metrics)
    assert_one_line(ran(model_card, path, f"A={evaluation}"))
    assert path.read_bytes() == card


def test_a_card_keeps_its_line_ends_and_each_name_is_given_once(tmp_path):
    path, evaluation = tmp_path / "c.md", tmp_path / "m.json"
    path.write_bytes(b"Intro\r\n<!-- overall -->\r\n<!-- end -->\r\nTail\r\n")
    evaluation.write_text('{"age_mae_years": 8, "count": 3, "train_count": 9}')
    assert model_card([str(path), f"A={evaluation}"]) == 0
    filled = path.read_bytes()
    assert filled.count(b"\r\n") == filled.count(b"\n") > 6
    assert_one_line(ran(model_card, path, f"A={evaluation}", f"A={evaluation}"))
    assert path.read_bytes() == filled
