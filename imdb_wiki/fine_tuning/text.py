"""What a fine-tuning has changed, as a person reads it."""

from collections.abc import Iterator

from imdb_wiki.evaluation.comparison import MEASURES


def report_lines(report: dict) -> Iterator[str]:
    """The lines of a report.

    Args:
        report: Of `tune.fine_tune`.
    """
    yield (
        f"trained on {report['train_count']:,} faces for {report['epochs']} epochs; of the old "
        f"weights {report['start_share']:.0%} are kept, which had the lowest loss on the new "
        "validation faces"
    )
    for place, measures in report["changes"].items():
        where = "the new" if place == "new" else f"{place}'s"
        for name, (title, form, difference) in MEASURES.items():
            if name not in measures:
                continue
            change = measures[name]
            ends = " to ".join(difference.format(change[end]) for end in ("low", "high"))
            yield (
                f"on {where} {measures['count']:,} validation faces: {title} "
                f"{form.format(change['before'])} before, {form.format(change['after'])} now "
                f"(95% interval of the difference: {ends})"
            )
    yield from _advice(report)


def _advice(report: dict) -> Iterator[str]:
    """Says when nothing has changed for sure, and what could be done."""
    measures = report["changes"]["new"]
    known = [measures[name] for name in MEASURES if name in measures]
    if report["start_share"] == 1:
        yield (
            f"nothing has changed: {report['train_count']:,} faces are too few to make the network "
            "better for these validation faces; more faces, or another --learning_rate, may"
        )
    elif not any(change["low"] > 0 or change["high"] < 0 for change in known):
        yield (
            "the difference may be chance: an interval that holds 0 says that these faces, "
            f"{report['train_count']:,} to learn from and {report['val_count']:,} to judge by, are "
            "too few to tell"
        )
    if len(report["tasks"]) == 1:
        other = {"age": "gender", "gender": "age"}[report["tasks"][0]]
        yield f"the network has no {other} any more: these faces have no label of it"
