"""Who is drawn: a lasting appearance, and what of it shows at an age.

Age and gender show in several cues each. Every cue is noisy, on the person and again on the photo,
so that no single one decides, and all together tell nearly everything.
"""

from dataclasses import dataclass

import numpy as np

from imdb_wiki.labels import FEMALE, MALE
from imdb_wiki.sample.canvas import mix, palette

AGE_CUES = ("shape", "wrinkles", "folds", "grey", "hairline", "sagging", "lips", "growth", "skin")
GENDER_CUES = ("jaw", "brows", "hair", "lips", "lashes", "neck", "clothes", "trinkets")

_SKINS = palette("fbdcc4", "f3cba9", "e6b48a", "cf9a6b", "a9744d", "80553a", "60402e")
_HAIRS = palette("d9b779", "b8884c", "b0602f", "7d4f2e", "523424", "33241d", "1d1819")
_IRISES = palette("5f87a8", "6f8a5a", "7a5a34", "4f3623", "38271c")
_GREY = palette("d6d5d2")[0]


@dataclass(frozen=True)
class Person:
    """What all drawings of one person share.

    `leans` holds each cue of gender, around -1 for female and +1 for male, and `ageing` how early
    (+) or late (-) each cue of age comes, in standard deviations.
    """

    gender: int
    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    leans: dict[str, float]
    ageing: dict[str, float]
    width: float
    parting: float
    curls: float
    balding: float
    beard: str
    glasses_from_years: float
    freckles: int


@dataclass(frozen=True)
class Look:
    """One photo's numbers that several parts of the face share; lengths in head units.

    `years` holds how old each cue of age looks, which scatters around the true age.
    """

    person: Person
    years: dict[str, float]
    childhood: float
    half_width: float
    eye_x: float
    eye_y: float
    eye_size: float
    nose_y: float
    mouth_y: float
    skin: np.ndarray
    hair: np.ndarray
    hair_length: float

    def ramp(self, cue: str, start_years: float, end_years: float) -> float:
        """0 up to `start_years` of that cue, 1 from `end_years` on, straight between."""
        return _ramp(self.years[cue], start_years, end_years)


def draw_person(rng: np.random.Generator, gender: int) -> Person:
    """Draws somebody's lasting appearance by lot.

    Args:
        rng: source of all choices.
        gender: `labels.FEMALE` or `labels.MALE`.

    Raises:
        ValueError: `gender` is neither.
    """
    if gender not in (FEMALE, MALE):
        raise ValueError(f"gender must be {FEMALE} or {MALE}, not {gender!r}")
    tone = rng.beta(1.2, 1.8)
    hair_tone = min(rng.beta(2, 1.2) + max(0, tone - 0.5), 1)  # dark skin, dark hair
    return Person(
        gender=gender,
        skin=_between(_SKINS, tone) * rng.uniform(0.97, 1.02, 3),
        hair=_between(_HAIRS, hair_tone) * rng.uniform(0.85, 1.1),
        iris=_between(_IRISES, min(rng.uniform(0, 0.8) + tone / 2, 1)),
        # Means 2 apart and a scatter of 0.45: a cue seen exactly would be right 98 times in 100.
        leans={cue: rng.normal(1 if gender == MALE else -1, 0.45) for cue in GENDER_CUES},
        ageing={cue: rng.normal() for cue in AGE_CUES},
        width=rng.normal(0, 0.025),
        parting=rng.uniform(-0.6, 0.6),
        curls=rng.uniform(0, 1),
        balding=rng.uniform(0.2, 1.2) if gender == MALE else rng.uniform(0, 0.3),
        beard=str(rng.choice(["none", "stubble", "moustache", "full"], p=[0.2, 0.3, 0.2, 0.3])),
        glasses_from_years=rng.uniform(3, 200),
        freckles=int(rng.integers(10, 30)) if rng.random() < 0.15 else 0,
    )


def look_of(person: Person, age_years: int, rng: np.random.Generator) -> Look:
    """What of a person shows on one photo.

    Args:
        person: as `draw_person` draws one.
        age_years: the age on the photo, 0 or more.
        rng: source of what differs between photos of that age.
    """
    scatter_years = 1 + 0.08 * age_years  # a child's age is told more exactly than a grown-up's
    years = {
        cue: max(0.0, age_years + scatter_years * (0.7 * early + 0.5 * rng.normal()))
        for cue, early in person.ageing.items()
    }
    childhood = 1 - _ramp(years["shape"], 0, 20) ** 0.7  # the youngest grow fastest
    sagging, growth, thinning, yellowing = (
        _ramp(years[cue], 20, 90) for cue in ("sagging", "growth", "hairline", "skin")
    )
    yellowed = person.skin.mean() * np.array([0.93, 1.02, 1.06])
    hair_length = 0.4 - 0.8 * person.leans["hair"] - 0.1 * thinning + rng.normal(0, 0.12)
    return Look(
        person=person,
        years=years,
        childhood=childhood,
        half_width=0.7 + 0.2 * childhood + 0.04 * person.leans["jaw"] + person.width,
        eye_x=0.31 + 0.03 * childhood + person.width / 2,
        eye_y=-0.14 + 0.32 * childhood,  # a child's forehead is high, its eyes are low and large
        eye_size=0.135 + 0.085 * childhood - 0.025 * sagging,
        nose_y=0.29 + 0.16 * childhood + 0.1 * growth,
        mouth_y=0.57 + 0.12 * childhood + 0.06 * growth,
        skin=mix(person.skin, yellowed, 0.4 * yellowing),
        hair=mix(person.hair, _GREY, _ramp(years["grey"], 25, 85)) * rng.uniform(0.93, 1.07),
        hair_length=min(hair_length, 0.15 + 0.25 * years["hairline"]),  # it has to grow first
    )


def _ramp(value, start, end):
    return min(max((value - start) / (end - start), 0.0), 1.0)


def _between(colours, position):
    """The colour at `position`, 0 to 1, along a palette."""
    return np.array(
        [
            np.interp(position * (len(colours) - 1), range(len(colours)), channel)
            for channel in colours.T
        ]
    )
