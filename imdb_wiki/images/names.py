"""Which files are photos by their names."""

import pandas as pd

# What is taken for a photo by its name, to prepare and to predict. Not all can be read (HEIC, what
# cameras write); those get a line that says so rather than be passed over.
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".avif", ".avifs", ".jp2", ".j2k", ".jpf", ".jpx", ".jxl", ".heic", ".heif"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".psd", ".dng", ".cr2", ".cr3", ".nef", ".arw"),
    *(".orf", ".raf", ".rw2", ".svg", ".ico"),
)


def is_image_name(name: str) -> bool:
    """Whether a file is taken for a photo by its name."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def file_names(paths: pd.Series) -> pd.Series:
    """The last parts of paths with forward slashes."""
    return paths.str.rsplit("/", n=1).str[-1]
