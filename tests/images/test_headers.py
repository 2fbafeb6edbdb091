"""Broken and cut files, and headers that claim too much: refused before anything is decoded."""

import struct
import subprocess
import sys
import zlib

import pytest
from PIL import Image

from imdb_wiki.images.headers import UnreadableImageError, checked
from imdb_wiki.images.pixels import decode
from tests.conftest import REPOSITORY
from tests.images.encoded import encoded
from tests.preparation.originals import photo


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"not a jpeg" * 50, "not an image"),
        (encoded(Image.new("RGB", (90, 90)), "JPEG")[:40], "not an image"),
        (encoded(Image.effect_noise((90, 90), 50), "JPEG")[:1500], "cut"),
        (encoded(Image.effect_noise((90, 90), 50), "JPEG", progressive=True)[:1500], "cut"),
        (encoded(Image.effect_noise((90, 90), 50), "PNG")[:1500], "cut"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC is not read here"),
    ],
)
def test_broken_bytes_are_unreadable(data, said):
    with pytest.raises(UnreadableImageError, match=said):
        decode(data, 64)


CUT_JPEGS = {
    "plain": {},
    "progressive": {"progressive": True},
    "with EXIF": {"exif": Image.Exif()},
    "with restarts": {"restart_marker_blocks": 4},
    "CMYK": {"mode": "CMYK"},
    "grey": {"mode": "L"},
}


@pytest.mark.parametrize("kind", CUT_JPEGS)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_cut_jpeg_is_refused_though_a_tool_has_put_its_end_mark_back(kind, share):
    options = {"mode": "RGB"} | CUT_JPEGS[kind]
    if "exif" in options:
        options["exif"][0x0112] = 6
    image = Image.fromarray(photo(0, 300, 300)[..., ::-1]).convert(options.pop("mode"))
    data = encoded(image, "JPEG", quality=90, **options)
    assert max(decode(data, 200).shape) == 300
    with pytest.raises(UnreadableImageError, match="cut"):
        decode(data[: int(share * len(data))] + b"\xff\xd9", 200)


def png_chunk(kind: bytes, content: bytes, length: int | None = None) -> bytes:
    length = len(content) if length is None else length
    return (
        struct.pack(">I", length) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    )


PNG_HEAD = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
PIXELS = zlib.compress(bytes(8 * 25))
PNG = PNG_HEAD + png_chunk(b"IDAT", PIXELS) + png_chunk(b"IEND", b"")


def test_of_an_animated_png_the_decoder_gets_the_first_picture_alone():
    animated = PNG_HEAD + png_chunk(b"acTL", struct.pack(">II", 200, 0))
    frame = struct.pack(">IIIIHHBB", 8, 8, 0, 0, 1, 10, 0, 1)
    animated += png_chunk(b"fcTL", struct.pack(">I", 0) + frame) + png_chunk(b"IDAT", PIXELS)
    for number in range(1, 200):
        animated += png_chunk(b"fcTL", struct.pack(">I", 2 * number - 1) + frame)
        animated += png_chunk(b"fdAT", struct.pack(">I", 2 * number) + PIXELS)
    assert checked(animated + png_chunk(b"IEND", b"")) == (PNG, 1)
    assert checked(PNG) == (PNG, 1)


def jpeg_2000(width: int, height: int, tile_side: int) -> bytes:
    """A code stream whose header is true of another image."""
    data = bytearray(encoded(Image.new("RGB", (64, 64)), "JPEG2000", no_jp2=True))
    sizes = (width, height, 0, 0, tile_side, tile_side, 0, 0)
    struct.pack_into(">8I", data, data.index(b"\xff\x51") + 6, *sizes)
    return bytes(data)


def avif(width: int, height: int) -> bytes:
    data = bytearray(encoded(Image.new("RGB", (64, 64)), "AVIF"))
    struct.pack_into(">II", data, data.index(b"ispe") + 8, width, height)
    return bytes(data)


CLAIMS = {
    "a chunk of 4 GB": (PNG_HEAD + png_chunk(b"IDAT", b"12345678", 0xFFFFFFF0), "claims more"),
    "a text of 2 GB": (PNG_HEAD + png_chunk(b"tEXt", b"12345678", 0x7FFFFFF0), "claims more"),
    "no end": (PNG[:-12], "claims more"),
    "many chunks": (PNG_HEAD + png_chunk(b"tEXt", b"a") * 100_001, "more chunks"),
    "many tiles": (jpeg_2000(9_999, 3_000, 16), "tiles are too many"),
    "a large JPEG 2000": (jpeg_2000(9_999, 9_999, 9_999), "pixels are too many"),
    "a large AVIF": (avif(9_999, 9_999), "pixels are too many"),
    "many scans": (
        encoded(Image.new("RGB", (64, 64)), "JPEG", progressive=True) + b"\xff\xda" * 501,
        "more scans",
    ),
    "a JPEG of 100 megapixels": (
        encoded(Image.new("RGB", (64, 64)), "JPEG").replace(
            b"\x08\0\x40\0\x40", b"\x08\x27\x0f\x27\x0f"
        ),
        "cut",
    ),
}


def test_what_a_file_claims_takes_no_memory(tmp_path):
    for number, (data, _) in enumerate(CLAIMS.values()):
        (tmp_path / f"{number:02}").write_bytes(data)
    code = (
        "import pathlib, resource, sys\n"
        "from imdb_wiki.images.headers import UnreadableImageError\n"
        "from imdb_wiki.images.pixels import decode\n"
        "import PIL.AvifImagePlugin\n"
        "used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    before = used()\n"
        "    try: decode(path.read_bytes(), 200)\n"
        "    except UnreadableImageError as error: print(used() - before, error)"
    )
    command = [sys.executable, "-c", code, tmp_path]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for line, (claim, (_, said)) in zip(done.stdout.splitlines(), CLAIMS.items(), strict=True):
        kilobytes, _, error = line.partition(" ")
        assert said in error, claim
        assert int(kilobytes) * (1 if sys.platform == "darwin" else 1024) < 150e6, claim


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "GIF"])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(image_format):
    bomb = encoded(Image.new("L", (10_001, 10_000)), image_format)
    with pytest.raises(UnreadableImageError):
        decode(bomb, 200)


def test_a_header_that_claims_too_many_pixels_is_refused():
    bmp = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
    bmp += struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
    for data in (bmp, b"P6 60000 60000 255\n", b"#?RADIANCE\n\n-Y 60000 +X 60000\n"):
        with pytest.raises(UnreadableImageError):
            decode(data, 200)


def test_what_the_decoder_says_of_an_image_is_passed_on():
    bmp = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
    bmp += struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
    with pytest.raises(UnreadableImageError, match=r"^the decoder refuses it \(.*pixels.*\)$"):
        decode(bmp, 200)
