import io
import os
import struct
import subprocess
import sys
import zlib
from functools import partial

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from imdb_wiki.images.headers import UnreadableImageError, checked
from imdb_wiki.images.pixels import decode, encode, scaled, square
from imdb_wiki.parallel import in_chunks, run_parallel
from imdb_wiki.preparation.crops import Job, Outcome, carried_bytes, make_crops
from imdb_wiki.preparation.hashes import perceptual_hashes
from tests.conftest import REPOSITORY
from tests.preparation.originals import photo
from tests.shared import files_of_at_most


def encoded(image: Image.Image, image_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


@pytest.fixture
def picture() -> Image.Image:
    """90 wide, 120 high: red above, blue below."""
    image = Image.new("RGB", (90, 120), (250, 10, 10))
    image.paste((10, 10, 250), (0, 60, 90, 120))
    return image


def is_red_above_blue(bgr: np.ndarray) -> bool:
    above, below = bgr[5, bgr.shape[1] // 2].astype(int), bgr[-6, bgr.shape[1] // 2].astype(int)
    return above[2] > 200 > 60 > above[0] and below[0] > 200 > 60 > below[2]


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "BMP", "WEBP", "GIF"])
def test_every_format_is_read_whatever_its_name_says(picture, image_format):
    image = decode(encoded(picture, image_format), 200)
    assert image.shape == (120, 90, 3)
    assert is_red_above_blue(image)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_mark_is_turned_upright(image_format, orientation):
    corners = Image.fromarray(
        np.array([[[250, 0, 0], [0, 250, 0]], [[0, 0, 250], [9, 9, 9]]], "u1")
    )
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(corners.resize((90, 120), Image.Resampling.NEAREST), image_format, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    image = decode(data, 200)[..., ::-1]
    assert image.shape == (upright.height, upright.width, 3)
    assert np.abs(image.astype(int) - np.asarray(upright)).mean() < 5


def test_exif_orientation_is_turned_upright(picture):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    sideways = picture.rotate(90, expand=True)
    image = decode(encoded(sideways, "JPEG", exif=exif), 200)
    assert image.shape == (120, 90, 3)
    assert is_red_above_blue(image)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "P", "1", "I;16"])
def test_other_pixel_types_become_colour(picture, mode):
    if mode == "I;16":
        image = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    else:
        image = picture.convert(mode)
    decoded = decode(encoded(image, "JPEG" if mode in ("L", "CMYK") else "PNG"), 200)
    assert decoded.shape == (120, 90, 3)
    assert decoded.dtype == np.uint8
    if mode in ("CMYK", "RGBA", "P"):
        assert is_red_above_blue(decoded)


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


@pytest.mark.parametrize("padding", [b"", b"\0" * 5, b"trailing bytes" * 9])
def test_bytes_behind_a_jpegs_pixels_do_no_harm(picture, padding):
    data = encoded(picture, "JPEG")
    for padded in (data[:-2] + padding + data[-2:], data + padding):
        assert is_red_above_blue(decode(padded, 200))


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


def test_large_jpegs_are_decoded_small_and_stay_as_sharp():
    large = cv2.resize(photo(0), (1000, 1000), interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode(".jpg", large)[1].tobytes()
    reduced = decode(data, 200)
    assert reduced.shape == (250, 250, 3)
    whole_path = cv2.resize(cv2.imdecode(np.frombuffer(data, np.uint8), 1), (200, 200), 0, 0, 0, 3)
    assert cv2.PSNR(square(reduced, 200), whole_path) > 40


@pytest.mark.parametrize(("height", "width"), [(300, 200), (31, 64), (1, 1), (1, 5000), (64, 64)])
def test_crops_are_square_padded_by_their_edge_and_never_squashed(height, width):
    image = np.zeros((height, width, 3), np.uint8)
    image[: max(1, height // 10)] = 255  # a white line along the top edge
    crop = square(image, 64)
    assert crop.shape == (64, 64, 3)
    if height < width and height > 1:
        scaled_height = round(height * 64 / width)
        above = (64 - scaled_height) // 2
        assert (crop[:above] == 255).all()  # the edge goes on into the padding
        assert (crop[above + scaled_height :] == 0).all()


def test_a_circle_stays_a_circle():
    image = np.zeros((300, 200, 3), np.uint8)
    cv2.circle(image, (100, 150), 60, (255, 255, 255), -1)
    rows, columns = np.nonzero(square(image, 100)[..., 0] > 127)
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=1)


def test_shrinking_averages_areas():
    checkerboard = np.indices((400, 400)).sum(axis=0) % 2 * 255
    image = np.repeat(checkerboard[..., None], 3, axis=2).astype(np.uint8)
    assert np.abs(square(image, 100).astype(int) - 127).max() <= 1


@pytest.mark.parametrize("side", [205, 240, 280, 310, 330, 360, 395, 400, 500, 640, 700, 900])
def test_fast_shrinking_differs_from_area_interpolation_by_less_than_the_encoding(side):
    rng = np.random.default_rng(side)
    detail = rng.integers(0, 256, (side // 4, side // 4, 3), dtype=np.uint8)
    data = encode(cv2.resize(detail, (side, side), interpolation=cv2.INTER_CUBIC), 95).tobytes()
    full = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    area = cv2.resize(full, (200, 200), interpolation=cv2.INTER_AREA)
    stored = cv2.imdecode(encode(area, 95), cv2.IMREAD_COLOR)
    assert cv2.PSNR(square(decode(data, 200), 200), area) > cv2.PSNR(stored, area)


@pytest.mark.parametrize(
    ("side", "decoded"),
    [
        (150, 150),  # smaller than its crop
        (310, 310),  # 1.55 times: bilinear interpolation will do
        (360, 225),  # 5/8
        (450, 225),  # 1/2 leaves 1.1 times
        (600, 300),  # 1/2 leaves 1.5 times
        (700, 262),  # 1/2 would leave 1.75 times: 3/8
        (1000, 250),  # 1/4
        (4000, 500),  # 1/8, there is no smaller scale
    ],
)
def test_jpegs_are_decoded_at_the_scale_that_leaves_enough(side, decoded):
    tall = encode(np.zeros((side, side // 2, 3), np.uint8), 95).tobytes()
    wide = encode(np.zeros((side // 2, side, 3), np.uint8), 95).tobytes()
    assert decode(tall, 200).shape[0] == decoded
    assert decode(wide, 200).shape[1] == decoded


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
@pytest.mark.parametrize("sides", [(10_000, 1), (1, 10_000), (1, 1)])
def test_extreme_sides_become_a_square(sides, image_format):
    data = encoded(Image.new("RGB", sides, (250, 10, 10)), image_format)
    crop = square(decode(data, 64), 64)
    assert crop.shape == (64, 64, 3)
    assert np.abs(crop - np.array([10, 10, 250])).max() < 8  # one colour all over, BGR


def test_a_large_photo_on_its_side_is_turned_upright(picture):
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = picture.resize((900, 1200)).rotate(90, expand=True)
    assert is_red_above_blue(square(decode(encoded(sideways, "JPEG", exif=exif), 64), 64))


def test_a_header_that_claims_too_many_pixels_is_refused():
    bmp = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
    bmp += struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
    for data in (bmp, b"P6 60000 60000 255\n", b"#?RADIANCE\n\n-Y 60000 +X 60000\n"):
        with pytest.raises(UnreadableImageError):
            decode(data, 200)


def test_outcomes_say_what_became_of_each_photo(tmp_path):
    (tmp_path / "good.jpg").write_bytes(encoded(Image.new("RGB", (50, 40)), "JPEG"))
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    names = ["good", "text", "folder", "pipe", "absent", "\ud800"]  # that is no character
    jobs = [Job(n, str(tmp_path / f"{name}.jpg"), f"{n}.jpg") for n, name in enumerate(names)]
    (tmp_path / "out").mkdir()
    outcomes = make_crops(jobs, tmp_path / "out", 32, 95)
    assert [outcome.rule for outcome in outcomes] == [
        *("", "unreadable_image", "missing_file", "missing_file", "missing_file", "missing_file")
    ]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0.jpg"]
    assert cv2.imread(str(tmp_path / "out/0.jpg")).shape == (32, 32, 3)


def test_workers_give_the_same_crops_as_this_process(tmp_path):
    for name in ("photos", "here", "there"):
        (tmp_path / name).mkdir()
    jobs = []
    for n in range(12):
        cv2.imwrite(str(tmp_path / f"photos/{n}.jpg"), photo(n))
        jobs.append(Job(n, str(tmp_path / f"photos/{n}.jpg"), f"{n}.jpg"))
    here = make_crops(jobs, tmp_path / "here", 32, 95)
    work = partial(make_crops, folder=tmp_path / "there", size=32, jpeg_quality=95)
    chunks = run_parallel(work, in_chunks(jobs, 5), 2)
    assert sorted(outcome for chunk in chunks for outcome in chunk) == here
    for n in range(12):
        name = f"{n}.jpg"
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_an_image_of_the_crops_size_is_kept_and_padded_on_both_sides_alike():
    image = np.arange(5 * 10 * 3, dtype=np.uint8).reshape(5, 10, 3)
    wide, tall = square(image, 10), square(image.transpose(1, 0, 2), 10)
    for crop in (wide, tall.transpose(1, 0, 2)):
        assert np.array_equal(crop[2:7], image)
        assert (crop[:2] == image[0]).all()
        assert (crop[7:] == image[4]).all()  # an odd row goes below


@pytest.mark.parametrize("scale", [1, 1.0])
def test_an_image_at_its_own_scale_is_returned_as_it_is(scale):
    image = photo(0)
    assert scaled(image, scale) is image


def test_a_scaled_image_is_the_mean_of_what_it_covers():
    image = np.zeros((4, 8, 3), np.uint8)
    image[:2, :2] = [[[10] * 3, [30] * 3], [[50] * 3, [70] * 3]]
    image[2:, 6:] = 80
    assert scaled(image, 0.5)[..., 1].tolist() == [[40, 0, 0, 0], [0, 0, 0, 80]]
    assert scaled(image, 0.25).shape == (1, 2, 3)
    assert scaled(image, 0.01).shape == (1, 1, 3)  # at least one pixel
    assert scaled(image, 3).shape == (12, 24, 3)


def columns(values) -> np.ndarray:
    """An image of 20 rows whose columns have these values."""
    return np.tile(np.array(values, np.uint8)[None, :, None], (20, 1, 3))


def test_a_ramp_stays_a_ramp_when_it_is_enlarged_and_a_step_stays_sharp():
    ramp, step = columns(range(0, 200, 10)), columns([50] * 10 + [150] * 10)
    expected = np.arange(40) * 5 - 2.5
    for enlarged in (scaled(ramp, 2), square(ramp, 40)):
        assert np.abs(enlarged[20, 4:-4, 0] - expected[4:-4]).max() <= 1
    for enlarged in (scaled(step, 2), square(step, 40)):
        assert enlarged.min() < 50 and enlarged.max() > 150  # as a cubic curve does it


@pytest.mark.parametrize(
    ("side", "decoded"),
    [(319, 319), (320, 200), (400, 200), (639, 320), (640, 240), (800, 200), (1600, 200)],
)
def test_a_jpeg_on_a_border_is_decoded_at_the_scale_that_leaves_enough(side, decoded):
    data = encode(np.zeros((side, side, 3), np.uint8), 95).tobytes()
    assert decode(data, 200).shape == (decoded, decoded, 3)


def test_the_quality_is_that_of_the_jpeg():
    image = photo(0, 200, 200)
    sizes = [len(encode(image, quality)) for quality in (10, 50, 95)]
    assert sizes == sorted(sizes) and sizes[2] > 2 * sizes[0]
    data = encode(image, 95).tobytes()
    assert data[:3] == b"\xff\xd8\xff"
    assert cv2.PSNR(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), image) > 35


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    return tmp_path / "in", tmp_path / "out"


def test_an_outcome_names_its_row_and_what_is_wrong(folders):
    (folders[0] / "text.jpg").write_text("hello")
    (folders[0] / "loop.jpg").symlink_to("loop.jpg")
    photos = [str(folders[0] / f"{name}.jpg") for name in ("text", "absent", "loop", "\ud800")]
    jobs = [Job(row, path, "a.jpg") for row, path in zip((9, 7, 5, 3), photos, strict=True)]
    assert make_crops(jobs, folders[1], 32, 95) == [
        Outcome(9, "unreadable_image", "not an image", "", None),
        Outcome(7, "missing_file", "", "", None),
        Outcome(5, "missing_file", "Too many levels of symbolic links", "", None),
        Outcome(3, "missing_file", "no file can have this name", "", None),
    ]


def test_files_have_a_digest_and_crops_a_hash(folders):
    photos = [encode(photo(number), 90).tobytes() for number in (0, 1, 0)]
    photos.append(photos[0] + b"\0")  # another file, the same picture
    photos.insert(2, b"no photo")
    names = [f"{number}.jpg" for number in range(5)]
    jobs = [Job(row, data, names[row]) for row, data in enumerate(photos)]
    outcomes = make_crops(jobs, folders[1], 32, 90)
    assert [outcome.row for outcome in outcomes] == [0, 1, 2, 3, 4]
    assert [(outcome.rule, outcome.detail) for outcome in outcomes] == [
        *(("", ""), ("", ""), ("unreadable_image", "not an image"), ("", ""), ("", ""))
    ]
    digests = [outcome.digest for outcome in outcomes]
    assert digests[0] == digests[3] and len({*digests[:2], digests[4], ""}) == 4
    crops = [(folders[1] / name).read_bytes() for name in names if name != "2.jpg"]
    hashes = [outcome.picture_hash for outcome in outcomes if outcome.rule == ""]
    assert hashes == perceptual_hashes(crops).tolist()
    assert hashes[0] == hashes[2] == hashes[3] != hashes[1]


def test_crops_have_the_quality_that_is_asked_for_and_the_mode_of_any_file(folders):
    data = encode(photo(0, 64, 64), 100).tobytes()
    before = os.umask(0o022)
    try:
        for quality in (20, 90):
            make_crops([Job(0, data, f"{quality}.jpg")], folders[1], 64, quality)
            written = (folders[1] / f"{quality}.jpg").read_bytes()
            assert written == encode(square(decode(data, 64), 64), quality).tobytes()
            assert (folders[1] / f"{quality}.jpg").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_a_crop_is_whole_though_the_system_writes_it_in_parts(folders, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, content: write(file, bytes(content[:100])))
    data = encode(photo(0, 64, 64), 100).tobytes()
    make_crops([Job(0, data, "a.jpg")], folders[1], 64, 90)
    expected = encode(square(decode(data, 64), 64), 90).tobytes()
    assert len(expected) > 300
    assert (folders[1] / "a.jpg").read_bytes() == expected


def test_a_full_disk_is_said_with_the_crops_name(folders):
    data = encode(photo(0, 64, 64), 100).tobytes()
    with files_of_at_most(100), pytest.raises(OSError, match="too large") as error:
        make_crops([Job(0, data, "a.jpg")], folders[1], 64, 90)
    assert str(error.value.filename) == str(folders[1] / "a.jpg")


def test_a_job_carries_the_bytes_of_its_photo_if_it_has_them():
    assert carried_bytes(Job(0, b"12345", "a.jpg")) == 5
    assert carried_bytes(Job(0, "12345.jpg", "a.jpg")) == carried_bytes(Job(0, None, "a.jpg")) == 0


@pytest.mark.parametrize("side", [26, 36])
def test_a_shrunken_step_has_no_bright_edge(side):
    step = np.full((side, side, 3), 50, np.uint8)
    step[:, side // 2 :] = 150
    crop = square(step, 20)
    assert (crop.min(), crop.max()) == (50, 150)


def test_narrow_stripes_lighten_a_shrunken_picture_by_their_share():
    stripes = np.zeros((80, 80, 3), np.uint8)
    stripes[:, ::4] = 200
    assert (square(stripes, 20) == 50).all()


def test_what_the_decoder_says_of_an_image_is_passed_on():
    bmp = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
    bmp += struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
    with pytest.raises(UnreadableImageError, match=r"^the decoder refuses it \(.*pixels.*\)$"):
        decode(bmp, 200)
