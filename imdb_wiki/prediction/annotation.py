"""Draws boxes, ages and genders on photos, readable at any size of photo and face."""

import io
from collections.abc import Iterable, Sequence
from functools import lru_cache
from os.path import realpath  # unlike Path.resolve it takes links that lead to themselves
from pathlib import Path, PurePath

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imdb_wiki.errors import InputError
from imdb_wiki.faces.detection import Box
from imdb_wiki.files import Kind, is_of_kind, write_whole
from imdb_wiki.images.pixels import scaled
from imdb_wiki.plots.style import GENDER_COLOURS, GREY, TEXT_ON
from imdb_wiki.prediction.faces import Face, gender_text

# Longer side in pixels to which smaller photos are enlarged: 100 pixels have no room for a word.
LEAST_SIDE = 640
# Height of the letters as a share of the photo's longer side. A screen shows a photo with about
# 1,000 pixels, whatever its size: the letters then have 14 to 24 pixels, depending on the face.
LEAST_TEXT, MOST_TEXT = 0.014, 0.024
JPEG_QUALITY = 92
TEXT_OF_FACE = 0.13  # height of the letters as a share of the box's width: two words fill it

# A comment in each drawn JPEG, by which a later run knows that it may replace it.
_MARK = b"drawn by imdb_wiki_predict.py"
DRAWN_PHOTO = Kind("drawn photo", (_MARK,))

_FONT = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")


def label_of(face: Face) -> list[str]:
    """The lines of a face's label, `34 years (25–43)` and `female 98%`, or the one there is."""
    lines = []
    if face.age_years is not None:
        lines.append(f"{face.age_years:.0f} years")
        if face.age_low_years is not None:
            lines[0] += f" ({face.age_low_years:.0f}–{face.age_high_years:.0f})"
    return [*lines, *filter(None, [gender_text(face)])]


def colours_of(face: Face) -> tuple[str, str]:
    """The colour of a face's box and label, and of the text on it."""
    if face.gender is None:
        return GREY, "white"
    return GENDER_COLOURS[face.gender], TEXT_ON[face.gender]


def draw_faces(
    image: np.ndarray, faces: list[Face], labels: Sequence[Sequence[str]] | None = None
) -> np.ndarray:
    """Draws each face's box, and its label where it hides least: above, below or beside the box.

    Args:
        image: (height, width, 3) uint8, RGB.
        faces: Of `predict_faces` for this image.
        labels: The lines of each face's label; None for those of `label_of`.

    Returns:
        A new image, RGB; enlarged where its longer side is below `LEAST_SIDE`.
    """
    longer_side = max(image.shape[:2])
    scale = max(1.0, LEAST_SIDE / longer_side)
    picture = Image.fromarray(scaled(image, scale))  # a copy
    draw = ImageDraw.Draw(picture)
    boxes = [Box(*(scale * edge for edge in face.box)) for face in faces]
    text_sizes = [_text_size(box, picture.size) for box in boxes]
    for face, box, text_size in zip(faces, boxes, text_sizes, strict=True):
        _draw_box(draw, box, colours_of(face)[0], _line_width(text_size))
    taken = []
    texts = [label_of(face) for face in faces] if labels is None else labels
    for face, box, text_size, lines in zip(faces, boxes, text_sizes, texts, strict=True):
        text = "\n".join(lines)
        font = _font(text_size)
        padding = text_size // 3
        _, _, right, bottom = draw.multiline_textbbox((0, 0), text, font, spacing=padding)
        label_size = round(right) + 2 * padding, round(bottom) + 2 * padding
        place = _free_place(label_size, box, picture.size, [*taken, *boxes], _line_width(text_size))
        taken.append(place)
        background, ink = colours_of(face)
        draw.rectangle(place, fill=background)
        draw.multiline_text(
            (place.left + padding, place.top + padding),
            text,
            ink,
            font,
            spacing=padding,
        )
    return np.asarray(picture)


def _text_size(box: Box, picture_size: tuple[int, int]) -> int:
    """Height of a face's letters in pixels."""
    longer_side = max(picture_size)
    wanted = TEXT_OF_FACE * (box.right - box.left)
    return round(min(max(wanted, LEAST_TEXT * longer_side), MOST_TEXT * longer_side))


def _line_width(text_size: int) -> int:
    return max(2, text_size // 7)


def _draw_box(draw: ImageDraw.ImageDraw, box: Box, colour: str, line_width: int) -> None:
    """Draws a coloured box between two thin dark lines, visible on any background."""
    for extra, fill in ((1, "#262626"), (0, colour)):
        edges = [box.left - extra, box.top - extra, box.right + extra, box.bottom + extra]
        draw.rectangle(edges, outline=fill, width=line_width + 2 * extra)


def _free_place(
    size: tuple[int, int], box: Box, picture_size: tuple[int, int], taken: list[Box], gap: int
) -> Box:
    """Finds the place around a box whose label hides least of other labels and boxes."""
    width, height = size
    places = []
    for left, top in (
        (box.left, box.top - height - gap),  # above
        (box.left, box.bottom + gap),  # below
        (box.right + gap, box.top),  # on the right
        (box.left - width - gap, box.top),  # on the left
        (box.right - width, box.top - height - gap),  # above, to the left
        (box.right - width, box.bottom + gap),
        (box.left, box.bottom - height),  # inside, over the chin
    ):
        left = min(max(left, 0), max(0, picture_size[0] - width))
        top = min(max(top, 0), max(0, picture_size[1] - height))
        places.append(Box(left, top, left + width, top + height))
    return min(places, key=lambda place: sum(_overlap(place, other) for other in taken))


def _overlap(one: Box, other: Box) -> float:
    """Pixels that two boxes share."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    return max(0.0, width) * max(0.0, height)


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FONT), size)


class DrawnPhotos:
    """Writes drawn photos into a folder as JPEGs, under the names of the photos.

    A drawn photo of an earlier run is replaced. Any other file stays, and the drawn photo gets a
    number in its name.
    """

    def __init__(self, folder: Path, photos: Iterable[Path]):
        """Makes the folder.

        Args:
            folder: Where they go.
            photos: The photos that are read: none of them is replaced.

        Raises:
            InputError: There is a file of the folder's name.
            OSError: The folder cannot be made; the error names it.
        """
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file: name a folder for what is drawn")
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.taken = {realpath(path) for path in photos}

    def write(self, name: str, image: np.ndarray, faces: list[Face]) -> Path:
        """Draws and writes one photo.

        Args:
            name: The photo's; folders in it are kept, unless they lead out.
            image: (height, width, 3) uint8, RGB.
            faces: Its faces.

        Returns:
            Where it was written: `a/b.png` to `a/b.jpg`, or to `a/b-2.jpg` if `a/b.jpg` is another
            photo.

        Raises:
            OSError: It cannot be written; the error names it, and no part of it is left.
        """
        path = self.free_path(name, ".jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        data = io.BytesIO()
        drawn = Image.fromarray(draw_faces(image, faces))
        drawn.save(data, "JPEG", quality=JPEG_QUALITY, comment=_MARK)
        write_whole(path, data.getvalue())
        self.taken.add(realpath(path))
        return path

    def free_path(self, name: str, suffix: str) -> Path:
        """Where something that is drawn goes, without replacing what this command did not write.

        Args:
            name: The photo's or video's; folders in it are kept, unless they lead out.
            suffix: The ending of what is drawn, e.g. `.jpg`.
        """
        inside = PurePath(name)
        if inside.is_absolute() or ".." in inside.parts:
            inside = PurePath(inside.name)
        return self._free(self.folder / inside.with_suffix(suffix))

    def _free(self, wanted: Path) -> Path:
        """Finds a name that is free, or that of a drawn photo of an earlier run."""
        path, number = wanted, 1
        while realpath(path) in self.taken or (
            path.exists() and not (path.is_file() and is_of_kind(path, DRAWN_PHOTO))
        ):
            number += 1
            path = wanted.with_stem(f"{wanted.stem}-{number}")
        return path
