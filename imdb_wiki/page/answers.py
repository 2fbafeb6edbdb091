"""What the page shows of a photo, as HTML that needs no file and nothing from elsewhere."""

import base64
import html

import numpy as np

from imdb_wiki.images.pixels import encode, scaled
from imdb_wiki.labels import AGES_YEARS
from imdb_wiki.plots.style import GENDER_COLOURS
from imdb_wiki.prediction.annotation import draw_faces
from imdb_wiki.prediction.faces import Face, percent

SHOWN_SIDE = 1400  # pixels of the longer side on the page, at most
SHOWN_FACES = 24  # with their curves; the photo shows all
JPEG_QUALITY = 88
FACE_SIDE = 112  # of the face beside its curve, in pixels

# Of the curve's drawing, in its own units: one a year across.
CURVE_HEIGHT, AXIS_HEIGHT = 40, 12


def sentence(text: str) -> str:
    """A sentence in place of a result."""
    return f'<p class="sentence" role="status">{html.escape(text)}</p>'


def photo_html(image: np.ndarray, faces: list[Face]) -> str:
    """The photo (height, width, 3) uint8, RGB, with boxes and labels."""
    count = f"{len(faces)} face{'s' if len(faces) != 1 else ''}" if faces else "no face"
    return _picture(draw_faces(image, faces), SHOWN_SIDE, "photo", f"the photo with {count} marked")


def faces_html(image: np.ndarray, faces: list[Face], coverage: float | None) -> str:
    """A card a face: its picture, age, interval, gender and the distribution of its age.

    Args:
        image: The photo (height, width, 3) uint8, RGB.
        faces: Its faces.
        coverage: Share of ages that the intervals hold; None without intervals.
    """
    if not faces:
        return sentence("No face was found in this photo.")
    cards = [_card(image, face, coverage) for face in faces[:SHOWN_FACES]]
    more = len(faces) - SHOWN_FACES
    rest = sentence(f"{more} more faces are marked in the photo.") if more > 0 else ""
    return f'<div class="faces" role="status">{"".join(cards)}</div>{rest}'


def _card(image: np.ndarray, face: Face, coverage: float | None) -> str:
    interval = ""
    low, high = face.age_low_years, face.age_high_years
    if low is not None and high is not None:
        ends = f"{round(low)}–{round(high)}"
        interval = f'<span class="interval">{coverage:.0%} interval: {ends}</span>'
    gender = ""
    if face.gender is not None and face.gender_probability is not None:
        gender = (
            f'<span class="gender"><i style="background:{GENDER_COLOURS[face.gender]}"></i>'
            f"{face.gender}, {percent(face.gender_probability)}</span>"
        )
    left, top, right, bottom = (max(0, round(edge)) for edge in face.box)
    picture = _picture(image[top:bottom, left:right], FACE_SIDE, "", "a face")
    age = "" if face.age_years is None else f"<b>{face.age_years:.0f} years</b>"
    words = f'<div class="words">{age}{interval}{gender}</div>'
    curve = curve_svg(face)
    return f'<article class="face"><div class="top">{picture}{words}</div>{curve}</article>'


def curve_svg(face: Face) -> str:
    """Draws how probable each age from 0 to 100 is, the interval shaded, the answer as a line.

    Returns:
        The drawing; "" if the model answers no distribution.
    """
    if face.age_distribution is None or face.age_years is None:
        return ""
    youngest, oldest = AGES_YEARS[0], AGES_YEARS[-1]
    shares = face.age_distribution / max(face.age_distribution.max(), 1e-9)
    heights = CURVE_HEIGHT * (1 - 0.92 * shares)  # a little room above
    points = " ".join(f"{age},{y:.2f}" for age, y in zip(AGES_YEARS, heights, strict=True))
    band = ""
    low, high = face.age_low_years, face.age_high_years
    if low is not None and high is not None:
        band = (
            f'<rect class="band" x="{low:.1f}" y="0" '
            f'width="{high - low:.1f}" height="{CURVE_HEIGHT}"/>'
        )
    ticks = "".join(
        f'<line class="tick" x1="{age}" x2="{age}" y1="{CURVE_HEIGHT}" y2="{CURVE_HEIGHT + 1.5}"/>'
        f'<text x="{age}" y="{CURVE_HEIGHT + 7}">{age}</text>'
        for age in AGES_YEARS[::20]
    )
    return (
        # One unit a year, and some to each side for the letters of the first and last number.
        f'<svg class="curve" viewBox="{youngest - 5} -1 {oldest - youngest + 11} '
        f'{CURVE_HEIGHT + AXIS_HEIGHT}" role="img" '
        f'aria-label="probability of each age">{band}'
        f'<polygon class="area" '
        f'points="{youngest},{CURVE_HEIGHT} {points} {oldest},{CURVE_HEIGHT}"/>'
        f'<polyline class="line" points="{points}"/>'
        f'<line class="axis" x1="{youngest}" x2="{oldest}" '
        f'y1="{CURVE_HEIGHT}" y2="{CURVE_HEIGHT}"/>'
        f'<line class="answer" x1="{face.age_years:.1f}" x2="{face.age_years:.1f}" '
        f'y1="0" y2="{CURVE_HEIGHT}"/>{ticks}</svg>'
    )


def _picture(image: np.ndarray, longer_side: int, name: str, description: str) -> str:
    """An image (height, width, 3), RGB, inside the page itself."""
    image = scaled(image, min(1, longer_side / max(image.shape[:2])))
    data = base64.b64encode(encode(image[..., ::-1], JPEG_QUALITY).tobytes()).decode()
    return f'<img class="{name}" alt="{description}" src="data:image/jpeg;base64,{data}">'


CSS = """
.warning { border-left: 4px solid #D55E00; padding: .5rem .9rem; margin: 0; font-size: .92rem;
  background: color-mix(in srgb, #D55E00 8%, transparent); border-radius: 4px; }
.sentence { padding: .6rem 0; font-size: 1.05rem; margin: 0; }
.note { margin: 0; font-size: .85rem; opacity: .75; }
img.photo { width: 100%; max-height: 84vh; object-fit: contain; border-radius: 6px; margin: 0; }
#drawn { position: sticky; top: 1rem; }
/* While a photo waits: its place in the queue, once. */
#drawn [data-testid="status-tracker"] { display: none; }
#said .progress-text { font: 1.05rem system-ui, sans-serif; right: auto; left: 0; }
.faces { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }
.face { border: 1px solid var(--border-color-primary); border-radius: 8px; padding: .9rem;
  background: var(--background-fill-primary); }
.face .top { display: flex; gap: .9rem; align-items: center; margin-bottom: .6rem; }
.face img { width: 76px; height: 88px; object-fit: cover; border-radius: 6px; margin: 0; }
.face .words { display: flex; flex-direction: column; gap: .15rem; }
.face b { font-size: 1.5rem; line-height: 1.2; }
.face .gender i { display: inline-block; width: .7em; height: .7em; border-radius: 50%;
  margin-right: .4em; }
.curve { width: 100%; display: block; }
/* Several faces: each in a row. */
.faces:has(.face + .face) { gap: .5rem; }
.face + .face, .face:has(+ .face) { display: flex; align-items: center; padding: .5rem .8rem; }
.face + .face .top, .face:has(+ .face) .top { flex: 0 0 56%; margin: 0; }
.face + .face .curve, .face:has(+ .face) .curve { flex: 0 0 44%; width: 44%; }
.face + .face img, .face:has(+ .face) img { width: 52px; height: 60px; }
.face + .face b, .face:has(+ .face) b { font-size: 1.15rem; }
.curve .band { fill: #009E73; opacity: .16; }
.curve .area { fill: #0072B2; opacity: .18; }
.curve .line { fill: none; stroke: #0072B2; stroke-width: .9; stroke-linejoin: round; }
.curve .axis, .curve .tick { stroke: currentColor; stroke-width: .3; opacity: .6; }
.curve .answer { stroke: #D55E00; stroke-width: .8; stroke-dasharray: 2 1.2; }
.curve text { font-size: 4.5px; text-anchor: middle; fill: currentColor; opacity: .75; }
footer { display: none !important; }
"""
