import json
import re

from imdb_wiki.export.model_card import filled_card, main
from tests.conftest import REPOSITORY
from tests.shared import assert_one_line, ran

METRICS = {
    "count": 1494,
    "age_mae_years": 4.676,
    "age_mae_years_low": 4.441,
    "age_mae_years_high": 4.919,
    "age_bias_years": -0.37,
    "gender_cross_entropy": 0.1571,
    "train_count": 9000,
    "by_age_decade": {"0–9": {"count": 1.0, "age_mae_years": 1.4, "age_mae_years_low": None}},
}
CARD = """# Card

<!-- overall -->

| old | 9.99 |

<!-- end -->

Between.

<!-- Faces of mine by_age_decade -->
<!-- end -->

<!-- gender -->
<!-- end -->
"""


def test_every_place_gets_its_table_and_nothing_else_changes():
    card = filled_card(CARD, {"Faces of mine": METRICS})
    assert "| Faces of mine | 1,494 | 4.68 (4.44–4.92) |  | -0.37 |" in card
    assert "| 0–9 | 1 | 1.40 |" in card
    assert "| 0.157 |" in card
    assert "9.99" not in card
    assert card.startswith("# Card\n\n<!-- overall -->")
    assert "\n\nBetween.\n\n" in card
    assert filled_card(card, {"Faces of mine": METRICS}) == card  # the places are still there


def test_wrong_calls_end_with_one_line_and_exit_code_2(tmp_path):
    (tmp_path / "card.md").write_text(CARD)
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS))
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"count": 3}')
    for evaluation, said in (
        (f"Other={tmp_path}/metrics.json", "Faces of mine by_age_decade"),
        (f"{tmp_path}/metrics.json", "not NAME=FILE"),
        (f"Other={tmp_path}/broken.json", "broken.json is not JSON"),
        (f"Other={tmp_path}/other.json", "other.json is no evaluation"),
        (f"Other={tmp_path}/absent.json", "absent.json"),
    ):
        assert_one_line(ran(main, tmp_path / "card.md", evaluation), said)
        assert (tmp_path / "card.md").read_text() == CARD
    assert main([str(tmp_path / "card.md"), f"Faces of mine={tmp_path}/metrics.json"]) == 0
    assert "4.68" in (tmp_path / "card.md").read_text()


def test_the_shipped_card_can_be_filled_again():
    card = (REPOSITORY / "models/README.md").read_text(encoding="utf-8")
    groups = ("by_age_decade", "by_gender", "by_race", "by_gender_and_decade")
    groups += ("by_age_range", "by_race_and_gender")
    measured = METRICS | {key: {"a group of faces": METRICS} for key in groups}
    names = ("UTKFace", "WIKI 64×64", "All-Age-Faces", "FairFace validation")
    names += ("FairFace validation, faces found",)
    filled = filled_card(card, dict.fromkeys(names, measured))
    # Each data set in two tables; of each its groups.
    assert all(filled.count(f"| {name} | 1,494 |") == 2 for name in names)
    assert filled.count("| a group of faces | 1,494 | 4.68 (4.44–4.92) |") == 10
    assert not re.search(r"\d\d–\d\d \| [\d,]+ \|", filled)  # none of the older rows is left


def test_ranges_have_columns_where_an_evaluation_has_them():
    ranges = {"count": 7, "age_bin_accuracy": 0.5, "majority_bin_accuracy": 0.25}
    card = filled_card("<!-- overall -->\n<!-- end -->", {"Old": METRICS, "New": ranges})
    assert "age in its range" in card and "| 50.0% | 25.0% |" in card
    assert "range" not in filled_card("<!-- overall -->\n<!-- end -->", {"Old": METRICS})
