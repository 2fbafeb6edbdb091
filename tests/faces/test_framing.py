"""How a face is cut out of a photo: pixel by pixel, on photos whose pixels say where they are."""

import numpy as np
import pytest

from imdb_wiki.faces.framing import Chip, Framing


def numbered(height, width):
    """Each pixel says its row and its column."""
    image = np.zeros((height, width, 3), "uint8")
    image[..., 0] = np.arange(height)[:, np.newaxis]
    image[..., 1] = np.arange(width)
    return image


def test_a_crop_at_its_own_size_keeps_every_pixel():
    image = numbered(50, 60)
    crop = Framing().crop(image, Chip(5, 10, 20), 20)
    assert np.array_equal(crop, image[10:30, 5:25])


def test_the_margin_is_a_share_of_the_side_on_each_side():
    image = numbered(50, 60)
    crop = Framing(margin=0.5).crop(image, Chip(20, 20, 10), 20)
    assert np.array_equal(crop, image[15:35, 15:35])


def test_a_turned_chip_is_cut_upright():
    image = numbered(50, 60)
    # A quarter clockwise: its upper edge runs down from (30, 10), its left edge to the left.
    crop = Framing().crop(image, Chip(30, 10, 20, np.pi / 2), 20)
    assert np.array_equal(crop, np.rot90(image[10:30, 10:30]))
    # With a margin it grows on all four sides.
    wider = Framing(margin=0.25).crop(image, Chip(30, 10, 20, np.pi / 2), 30)
    assert np.array_equal(wider, np.rot90(image[5:35, 5:35]))


def test_what_lies_outside_is_filled_by_the_edge_or_black():
    image = numbered(50, 60)
    crop = Framing().crop(image, Chip(-4, 45, 10), 10)
    assert crop[0, :, 1].tolist() == [0, 0, 0, 0, 0, 1, 2, 3, 4, 5]
    assert crop[:, 9, 0].tolist() == [45, 46, 47, 48, 49, 49, 49, 49, 49, 49]
    black = Framing(padding="black").crop(image, Chip(-4, 45, 10), 10)
    assert black[5:].sum() == black[:, :4].sum() == 0
    assert np.array_equal(black[:5, 4:], crop[:5, 4:])


@pytest.mark.parametrize("corner", [(-50, -50), (100, 20), (20, 100), (-13, 20), (20, -13)])
def test_a_chip_beyond_the_photo_shows_its_nearest_edge(corner):
    crop = Framing().crop(numbered(50, 60), Chip(*corner, 10), 10)
    columns, rows = (range(at, at + 10) for at in corner)
    assert crop[0, :, 1].tolist() == [min(max(at, 0), 59) for at in columns]
    assert crop[:, 0, 0].tolist() == [min(max(at, 0), 49) for at in rows]


def test_the_widest_photo_that_is_read_can_be_cut():
    image = np.zeros((20, 60_000, 3), "uint8")
    image[5:15, 59_000:59_010] = 200
    assert Framing().crop(image, Chip(59_000, 5, 10), 10).min() == 200


def test_the_colour_order_is_the_models():
    image = np.full((20, 20, 3), (200, 100, 0), "uint8")
    assert Framing().crop(image, Chip(5, 5, 10), 8)[0, 0].tolist() == [200, 100, 0]
    crop = Framing(colour_order="BGR").crop(image, Chip(5, 5, 10), 8)
    assert crop[0, 0].tolist() == [0, 100, 200]


def test_a_large_face_is_averaged_down_and_not_picked_from():
    checkers = np.indices((64, 64)).sum(axis=0) % 2 * 255
    image = np.repeat(checkers[..., np.newaxis], 3, axis=2).astype("uint8")
    assert np.abs(Framing().fit(image, 16).astype(int) - 127).max() <= 1


def test_a_chip_on_its_corner_keeps_all_four_of_them():
    image = numbered(100, 120)
    # An eighth of a turn: from its upper corner at (60, 20) the right one is at (80, 40), the lower
    # one at (60, 60), the left one at (40, 40).
    crop = Framing().crop(image, Chip(60, 20, 20 * 2**0.5, np.pi / 4), 40)
    rows_columns = crop[..., :2].astype(int)
    assert rows_columns[0, 0].tolist() == pytest.approx([20, 60], abs=1)
    assert rows_columns[0, -1].tolist() == pytest.approx([40, 80], abs=1)
    assert rows_columns[-1, -1].tolist() == pytest.approx([60, 60], abs=1)
    assert rows_columns[-1, 0].tolist() == pytest.approx([40, 40], abs=1)


def test_the_least_photo_is_one_pixel_in_the_middle_of_black():
    image = np.full((1, 1, 3), 200, "uint8")
    crop = Framing(padding="black").crop(image, Chip(-1, -1, 3), 3)
    assert crop[..., 0].tolist() == [[0, 0, 0], [0, 200, 0], [0, 0, 0]]


def test_a_chip_larger_than_its_crop_is_cut_whole_and_averaged():
    image = np.zeros((40, 40, 3), "uint8")
    image[10:30, 10:20] = 100  # the left half of the chip
    crop = Framing().crop(image, Chip(10, 10, 20), 4)
    assert crop[..., 0].tolist() == [[100, 100, 0, 0]] * 4
    enlarged = Framing().crop(image, Chip(10, 10, 20), 60)
    assert enlarged.shape == (60, 60, 3)
    assert (enlarged[6:-6, 6:24] == 100).all() and (enlarged[6:-6, 36:-6] == 0).all()
