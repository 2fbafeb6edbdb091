"""Any image file to upright colour pixels, at a scale that leaves enough, and to a square."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from imdb_wiki.images.pixels import decode, encode, scaled, square
from tests.images.encoded import encoded, is_red_above_blue
from tests.preparation.originals import photo


@pytest.fixture
def picture() -> Image.Image:
    """90 wide, 120 high: red above, blue below."""
    image = Image.new("RGB", (90, 120), (250, 10, 10))
    image.paste((10, 10, 250), (0, 60, 90, 120))
    return image


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


@pytest.mark.parametrize("padding", [b"", b"\0" * 5, b"trailing bytes" * 9])
def test_bytes_behind_a_jpegs_pixels_do_no_harm(picture, padding):
    data = encoded(picture, "JPEG")
    for padded in (data[:-2] + padding + data[-2:], data + padding):
        assert is_red_above_blue(decode(padded, 200))


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
