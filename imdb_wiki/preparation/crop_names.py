"""What a photo's crop is called, and whether a photo's path can be followed at all."""

import pandas as pd

from imdb_wiki.images.names import file_names

# Names that every file system holds: the longest that is safe under any suffix added later.
_LONGEST_STEM = 120


def crop_names(sources: pd.Series) -> pd.Series:
    """A file name for each photo that every system can hold, none twice.

    Args:
        sources: `(rows,)` the photos' paths in the data set.

    Returns:
        `(rows,)` names: the photo's own, where possible, with the row's number where another row
        has the same name in another folder (or one that differs in upper and lower case only).
    """
    base = file_names(sources.str.replace("\\", "/", regex=False))
    stems = base.str.replace(r"\.[A-Za-z]{1,5}$", "", regex=True)
    # Windows holds no colon and nine more; dots and spaces at the end neither; nor does it
    # hold a file called con or nul.
    stems = stems.str.replace(r"[^A-Za-z0-9._-]|\.+$", "_", regex=True).str[:_LONGEST_STEM]
    stems = stems.str.replace(r"(?i)^(|con|prn|aux|nul|com\d|lpt\d)(?=$|\.)", r"_\1", regex=True)
    while (again := stems.str.lower().duplicated()).any():
        stems = stems.where(~again, stems + "-" + stems.index.astype(str))
    return stems + ".jpg"


def leads_outside(sources: pd.Series) -> pd.Series:
    """Which photos' paths lead out of the data set's folder, `(rows,)` of `(rows,)` texts."""
    paths = sources.str.replace("\\", "/", regex=False)
    return paths.str.contains(r"^/|^[A-Za-z]:|(?:^|/)\.\.(?:/|$)|\x00", regex=True)
