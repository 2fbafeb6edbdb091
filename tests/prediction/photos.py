"""Photos as files, and what a line of the command says of them."""

import io

from PIL import Image


def saved(image: Image.Image, image_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def edges(line: str) -> list[int]:
    return [int(part) for part in line.split()[1:5]]
