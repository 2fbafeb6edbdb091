"""What the page says of a face, in plain words; a column that is not there is not mentioned."""

from imdb_wiki.labels import FEMALE, GENDER_NAMES, MALE


def face_words(face: dict[str, str]) -> dict:
    """Says a row of the suspects.

    Args:
        face: Its cells by column; numbers may be written as 34 or 34.0.

    Returns:
        `label`, also as `short`; `network`, its answer, or ""; `wrong`, how probably the label is,
        `parts`, the same for age and gender apart, or ""; `about`, pairs of what else is known.
    """
    age, gender = _age(face), _gender(face["gender"])
    return {
        "label": f"{f'{age} years' if age else 'no age'}, {gender or 'no gender'}",
        "short": f"{age or '?'} · {gender or '?'}",
        "network": _answer(face),
        "wrong": percent(face["wrong_probability"]) or "unknown",
        "parts": " · ".join(
            f"{part}: {share}"
            for part in ("age", "gender")
            if (share := percent(face.get(f"wrong_{part}_probability", "")))
        ),
        "about": [
            [name, face[column]]
            for name, column in (
                *(("source", "source"), ("split", "split")),
                *(("folder", "folder"), ("file", "filename")),
            )
            if face.get(column)
        ],
    }


def percent(text: str) -> str:
    """A probability for reading; "" for what is none. Never 0% or 100%, which would be certain."""
    share = _number(text)
    if share is None or not 0 <= share <= 1:
        return ""
    if share > 0.99:
        return "above 99%"
    return "below 1%" if share < 0.01 else f"{share:.0%}"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _plain(text: str) -> str:
    """`34.0` as `34`; what is no number as it is."""
    value = _number(text)
    return text.strip() if value is None or value != value else f"{value:g}"


def _age(face: dict[str, str]) -> str:
    """The label: a number, a range, or "" for none."""
    if face["age"].strip():
        return _plain(face["age"])
    low, high = (_plain(face.get(name, "")) for name in ("age_low", "age_high"))
    return f"{low}–{high}" if low and high and low != high else low or high


def _gender(text: str) -> str:
    names = {str(gender): GENDER_NAMES[gender] for gender in (FEMALE, MALE)}
    return names.get(_plain(text), text.strip())


def _answer(face: dict[str, str]) -> str:
    said = []
    age = _number(face.get("predicted_age_years", ""))
    if age is not None and age == age:
        ends = [_number(face.get(f"age_{end}_years", "")) for end in ("low", "high")]
        low, high = (None if end is None or end != end else round(end) for end in ends)
        interval = f" (interval {low}–{high})" if low is not None and high is not None else ""
        said.append(f"{age:.0f} years{interval}")
    male = _number(face.get("male_probability", ""))
    if male is not None and 0 <= male <= 1:
        gender = MALE if male >= 0.5 else FEMALE
        share = male if gender == MALE else 1 - male
        said.append(f"{GENDER_NAMES[gender]} {percent(str(share))}")
    return ", ".join(said)
