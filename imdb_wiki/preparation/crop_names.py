"""What a photo's crop is called, and whether a photo's path can be followed at all."""

import pandas as pd

from imdb_wiki.images.names import file_names

# Names that every file system holds: the longest that is safe under any suffix added later.
_LONGEST_STEM = 120
# Windows holds no file called con or nul, whatever its ending.
_RESERVED = r"con|prn|aux|nul|com\d|lpt\d"
_USUAL = rf"(?!(?i:{_RESERVED})\.)[A-Za-z0-9_-]{{1,{_LONGEST_STEM}}}\.(?i:jpg)"


def crop_names(sources: pd.Series) -> pd.Series:
    """A file name for each photo that every system can hold, none twice.

    Args:
        sources: `(rows,)` the photos' paths in the data set.

    Returns:
        `(rows,)` names: the photo's own, where possible, with the row's number where another row
        has the same name in another folder (or one that differs in upper and lower case only).
    """
    base = file_names(sources.str.replace("\\", "/", regex=False))
    # Nearly all names are usual, and stay: four regular expressions for each take long.
    unusual = ~base.str.fullmatch(_USUAL)
    stems = base.str[: -len(".jpg")]
    stems[unusual] = _safe_stems(base[unusual])
    while (again := stems.str.lower().duplicated()).any():
        stems = stems.where(~again, stems + "-" + stems.index.astype(str))
    return stems + ".jpg"


def _safe_stems(names: pd.Series) -> pd.Series:
    stems = names.str.replace(r"\.[A-Za-z]{1,5}$", "", regex=True)
    # Windows holds no colon and nine more; dots and spaces at the end neither.
    stems = stems.str.replace(r"[^A-Za-z0-9._-]|\.+$", "_", regex=True).str[:_LONGEST_STEM]
    return stems.str.replace(rf"(?i)^(|{_RESERVED})(?=$|\.)", r"_\1", regex=True)


def leads_outside(sources: pd.Series) -> pd.Series:
    """Which photos' paths lead out of the data set's folder, `(rows,)` of `(rows,)` texts."""
    paths = sources.str.replace("\\", "/", regex=False)
    # All together first: hardly any set has one, and half a million searches take a second.
    together = "\n" + "\n".join(paths)
    if not any(sign in together for sign in ("\n/", ":", "..", "\0")):
        return pd.Series(False, index=sources.index)
    return paths.str.contains(r"^/|^[A-Za-z]:|(?:^|/)\.\.(?:/|$)|\x00", regex=True)
