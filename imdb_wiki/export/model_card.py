"""Fills a model card's tables from evaluations, so that no number is copied by hand.

    python -m imdb_wiki card models/README.md UTKFace=runs/utkface/metrics.json

Between `<!-- overall -->`, `<!-- gender -->` or `<!-- UTKFace by_age_decade -->` and `<!-- end -->`
stands the table of that name, of all evaluations or of one; the rest of the card stays as it is.
"""

import re
from pathlib import Path

from imdb_wiki.command import OneLineParser, says_errors_in_one_line
from imdb_wiki.errors import InputError
from imdb_wiki.files import parse_json, write_whole

_PLACE = re.compile(r"<!-- (?P<name>[^>]+?) -->\r?\n(?P<content>.*?)<!-- end -->", re.DOTALL)
_YEARS, _SIGNED, _SHARE, _WIDTH, _SMALL = "{:.2f}", "{:+.2f}", "{:.1%}", "{:.1f}", "{:.3f}"
# The title of a column, which of the metrics is in it, and how it is written; those with an
# interval have its ends in metrics of their own.
_AGE_AND_GENDER = (
    ("age error, years (95% interval)", "age_mae_years", _YEARS),
    ("median's", "median_age_mae_years", _YEARS),
    ("bias, years", "age_bias_years", _SIGNED),
    ("within 5 years", "age_cs5", _SHARE),
    ("90% interval holds", "age_interval_coverage", _SHARE),
    ("its width, years", "age_interval_width_years", _WIDTH),
    ("age in its range (95% interval)", "age_bin_accuracy", _SHARE),
    ("most frequent range's", "majority_bin_accuracy", _SHARE),
    ("in it or the next", "age_bin_one_off", _SHARE),
    ("gender right (95% interval)", "gender_accuracy", _SHARE),
    ("majority's", "majority_accuracy", _SHARE),
)
_GENDER = (
    ("balanced accuracy", "gender_balanced_accuracy", _SHARE),
    ("majority's", "majority_balanced_accuracy", _SHARE),
    ("cross-entropy", "gender_cross_entropy", _SMALL),
    ("that of the shares", "frequency_cross_entropy", _SMALL),
    ("calibration error", "gender_calibration_error", _SMALL),
)


def filled_card(card: str, evaluations: dict[str, dict]) -> str:
    """Writes the tables into a card.

    Args:
        card: Markdown with places for tables.
        evaluations: The content of `metrics.json` by name.

    Returns:
        The card with every place filled.

    Raises:
        InputError: A place asks for what no evaluation holds.
    """

    def table(place: re.Match) -> str:
        name = place["name"]
        if "<!--" in place["content"]:  # its end was forgotten: all up to the next would be lost
            raise InputError(f"the card's place {name} has no <!-- end -->")
        if name in ("overall", "gender"):
            rows, columns = evaluations, _AGE_AND_GENDER if name == "overall" else _GENDER
        else:
            evaluation, _, group = name.rpartition(" ")
            try:
                rows, columns = evaluations[evaluation][group], _AGE_AND_GENDER
            except KeyError as error:
                raise InputError(f"the card asks for {name}, and there is no {error}") from error
            if not isinstance(rows, dict):
                raise InputError(f"the card asks for {name}, which is no table")
        measured = [one for one in rows.values() if isinstance(one, dict)]
        has_ranges = any("age_bin_accuracy" in one for one in measured)
        columns = [column for column in columns if has_ranges or "_bin_" not in column[1]]
        titles = ["faces", "count", *(title for title, _, _ in columns)]
        lines = [titles, ["---"] * len(titles)]
        for label, metrics in rows.items():
            if not isinstance(metrics, dict) or "count" not in metrics:
                raise InputError(f"the card asks for {name}, and {label} has no count")
            cells = (_cell(metrics, metric, form) for _, metric, form in columns)
            lines.append([label, f"{metrics['count']:,.0f}", *cells])
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        filled = f"<!-- {name} -->\n\n{text}\n\n<!-- end -->"
        return filled.replace("\n", "\r\n") if "-->\r\n" in place[0] else filled

    return _PLACE.sub(table, card)


def _cell(metrics: dict, metric: str, form: str) -> str:
    value, low, high = (metrics.get(metric + end) for end in ("", "_low", "_high"))
    if value is None:
        return ""
    interval = "" if low is None else f" ({form.format(low)}–{form.format(high)})"
    return form.format(value) + interval


def _read_evaluation(path: Path) -> dict:
    try:
        evaluation = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(evaluation, dict) or "train_count" not in evaluation:
        raise InputError(f"{path} is no evaluation: it has no train_count")
    return evaluation


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code, 2 for wrong input."""
    parser = OneLineParser(prog="python -m imdb_wiki card", description=__doc__.splitlines()[0])
    parser.add_argument(
        "card", type=Path, metavar="CARD", help="a Markdown file with places for tables"
    )
    parser.add_argument(
        "evaluations",
        nargs="+",
        metavar="NAME=FILE",
        help="a metrics.json of the command evaluate, and what the card calls it",
    )
    options = parser.parse_args(arguments)
    evaluations = {}
    for argument in options.evaluations:
        name, equals, path = argument.partition("=")
        if not equals:
            raise InputError(f"{argument!r} is not NAME=FILE")
        if name in evaluations:
            raise InputError(f"two evaluations are called {name!r}")
        evaluations[name] = _read_evaluation(Path(path))
    try:
        card = options.card.read_bytes().decode()  # with its line ends
    except UnicodeDecodeError as error:
        raise InputError(f"{options.card} is not UTF-8: {error.reason}") from error
    write_whole(options.card, filled_card(card, evaluations))
    print(f"{options.card}: {len(_PLACE.findall(card))} tables")
    return 0
