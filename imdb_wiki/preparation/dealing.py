"""Deals the kept rows to the splits: by a list, as published, or by shares."""

import numpy as np
import pandas as pd

from imdb_wiki.errors import InputError
from imdb_wiki.images.names import file_names
from imdb_wiki.labels import SPLIT_NAMES
from imdb_wiki.preparation.report import rejected_text
from imdb_wiki.preparation.settings import Settings
from imdb_wiki.preparation.splits import (
    listed_splits,
    official_splits,
    split_groups,
    split_shares,
)
from imdb_wiki.split_lists import is_listed


class NothingLeftError(InputError):
    """What the rules leave is too little for the splits that are asked for."""


def refuse_other_list(sources: pd.Series, listed: dict[str, set[str]], settings: Settings) -> None:
    """Tells before all crops are made that a list of splits is another data set's."""
    for name in SPLIT_NAMES[1:]:
        if not is_listed(sources, listed[name]).any():
            raise NothingLeftError(
                f"{settings.split_file}: of the photos that it lists there are none for {name}"
            )


def _val_of_train(train: pd.DataFrame, groups: np.ndarray, settings: Settings) -> np.ndarray:
    """Draws val from the train of a published split that has none: 1 for its rows, 0 for others.

    Its share is what it has of train and val otherwise.
    """
    rest = 1 - settings.split_ratio - settings.test_ratio
    share = max(rest, 0) / (settings.split_ratio + max(rest, 0))
    return split_groups(groups, file_names(train["source"]), (1 - share, share), settings.seed)


def is_as_published(listed: dict[str, set[str]] | None, settings: Settings) -> bool:
    """Whether each photo's split is published, by the data set or in a CSV."""
    return listed is None and (settings.split_by == "official" or bool(settings.split_file))


def splits_by_name(
    table: pd.DataFrame,
    kept: pd.DataFrame,
    groups: np.ndarray,
    pictures: np.ndarray,
    by_identity: bool,
    listed: dict[str, set[str]] | None,
    settings: Settings,
) -> np.ndarray:
    """Deals the rows to the splits.

    Args:
        table: All rows.
        kept: Those that no rule has taken.
        groups: `(kept rows,)` integers; what has the same one stays together.
        pictures: The same for identical pictures alone. A published split is kept but for these: by
            people, one who is in two of its parts would empty the first.
        by_identity: Whether `groups` keeps people together.
        listed: The photos of val and test, by a list of this project.
        settings: What else decides.

    Returns:
        The name of each row's split, `(kept rows,)`.

    Raises:
        NothingLeftError: A split would be empty.
    """
    if listed is not None:
        wanted, reason = list(SPLIT_NAMES), f"of those that {settings.split_file} lists"
        split = listed_splits(groups, kept["source"], listed)
    elif is_as_published(listed, settings):
        wanted = [name for name in SPLIT_NAMES if (table["official_split"] == name).any()]
        reason = "as the data set deals its photos"
        split = official_splits(pictures, kept["official_split"], wanted)
        if settings.split_file and "val" not in wanted:
            wanted, split = list(SPLIT_NAMES), split * 2  # 0 train, 2 test
            split[split == 0] = _val_of_train(kept[split == 0], groups[split == 0], settings)
    else:
        shares = split_shares(settings.split_ratio, settings.test_ratio)
        wanted = list(shares)
        reason = f"split ratio {settings.split_ratio:g}, test ratio {settings.test_ratio:g}"
        photos = file_names(kept["source"])
        names = kept["identity"].where(kept["identity"] != "", photos) if by_identity else photos
        split = split_groups(groups, names, tuple(shares.values()), settings.seed)
    for number, name in enumerate(wanted):
        if not (split == number).any():
            left_out = rejected_text(table)
            raise NothingLeftError(
                f"{settings.output_dir}: {len(kept):,} images leave none for {name} ({reason})"
                + (f"; left out: {left_out}" if left_out else "")
            )
    return np.array(wanted)[split]
