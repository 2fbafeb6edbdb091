"""Strong but sane augmentation: what old, small, badly framed photos look like.

Every change is drawn from the seed, the epoch and the step alone, so a training that was stopped
sees the same images when it continues.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from imdb_wiki.processes import WHOLE, Share
from imdb_wiki.training.compact.recipe import Augmentation

# Light as the eye weighs it (ITU-R BT.601), of red, green, blue.
_LUMA = (0.299, 0.587, 0.114)


@dataclasses.dataclass(frozen=True)
class Chance:
    """What is drawn for images that are a share of a batch: as much as if all of it were there."""

    seed: tf.Tensor  # (2,) int32
    count: tf.Tensor  # of the images
    share: Share

    def part(self, number: int) -> "Chance":
        """One of three independent parts."""
        return dataclasses.replace(self, seed=tf.random.split(self.seed, 3)[number])

    def uniform(self, number: int, low=0.0, high=1.0) -> tf.Tensor:
        """One number an image, (count,); `number` tells the draws of one seed apart."""
        seed = tf.random.experimental.stateless_fold_in(self.seed, number)
        return self.own(tf.random.stateless_uniform((self.of_batch,), seed, low, high))

    def factor(self, number: int, distance: float) -> tf.Tensor:
        """Factors around 1, as often below as above: 1.25 at the most means 0.8 at the least."""
        largest = tf.math.log(1.0 + distance)
        return tf.exp(self.uniform(number, -largest, largest))

    @property
    def of_batch(self) -> tf.Tensor:
        """How many images the whole batch has."""
        return self.count * self.share.count

    def own(self, drawn: tf.Tensor) -> tf.Tensor:
        """The share's rows of what was drawn for a batch."""
        return drawn[self.share.index * self.count :][: self.count]


@tf.function(autograph=False)  # traced once, not in each epoch anew
def augment(
    images: tf.Tensor,
    size: int,
    seed: tf.Tensor,
    amounts: Augmentation,
    share: Share = WHOLE,
) -> tf.Tensor:
    """Changes a batch of images, each in its own way, and brings them to the network's size.

    Args:
        images: (batch, height, width, 3) uint8, RGB; somewhat larger than `size`, for detail.
        size: Side of the square images that come out, in pixels.
        seed: (2,) int32, e.g. (seed, step); the same seed changes in the same way.
        amounts: How much.
        share: Which part of a batch the images are: they change as they would inside of it.

    Returns:
        (batch, size, size, 3) uint8, RGB.
    """
    chance = Chance(seed, tf.shape(images)[0], share)
    images = tf.cast(images, tf.float32)
    images = _framing(images, size, chance.part(0), amounts)
    images = _light(images, chance.part(1), amounts)
    images = _loss_of_detail(images, size, chance.part(2), amounts)
    return tf.cast(tf.round(tf.clip_by_value(images, 0, 255)), tf.uint8)


def _framing(images: tf.Tensor, size: int, chance: Chance, amounts: Augmentation) -> tf.Tensor:
    """Flip, scale, stretch, rotation and shift in one resampling; edges go on outside."""
    side = tf.cast(tf.shape(images)[1], tf.float32)
    scale = side / size * chance.factor(0, amounts.zoom)
    stretch = chance.factor(1, amounts.aspect)
    radians = amounts.rotation_degrees / 180 * 3.141592653589793
    angle = chance.uniform(2, -radians, radians)
    shift_x = chance.uniform(3, -amounts.shift, amounts.shift) * side
    shift_y = chance.uniform(4, -amounts.shift, amounts.shift) * side
    mirror = tf.where(chance.uniform(5) < 0.5 * amounts.flip, -1.0, 1.0)
    across, along = scale * stretch, scale / stretch
    cosine, sine = tf.cos(angle), tf.sin(angle)
    # Output pixel (x, y) comes from input (a x + b y + c, d x + e y + f); centre maps to centre.
    a, b = mirror * across * cosine, -mirror * across * sine
    d, e = along * sine, along * cosine
    middle_in, middle_out = (side - 1) / 2, (size - 1) / 2
    c = middle_in + shift_x - (a + b) * middle_out
    f = middle_in + shift_y - (d + e) * middle_out
    zero = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, c, d, e, f, zero, zero], axis=1),  # (batch, 8)
        output_shape=(size, size),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


def _light(images: tf.Tensor, chance: Chance, amounts: Augmentation) -> tf.Tensor:
    """Saturation, contrast and brightness, one after the other, as one sum of the three colours."""
    kept = tf.where(
        chance.uniform(0) < amounts.grey_share,
        0.0,
        chance.factor(1, amounts.saturation),
    )
    contrast = chance.factor(2, amounts.contrast)
    largest = 255 * amounts.brightness
    lift = chance.uniform(3, -largest, largest)
    # Saturation mixes a colour with the pixel's grey; contrast moves it from the image's mean grey.
    grey = tf.constant([_LUMA] * 3)  # (3, 3), a row for each colour that comes out
    own, mixed = (each[:, tf.newaxis, tf.newaxis] for each in (kept, 1 - kept))  # (batch, 1, 1)
    colours = contrast[:, tf.newaxis, tf.newaxis] * (own * tf.eye(3) + mixed * grey)
    pixels = tf.reshape(images, (chance.count, -1, 3))
    mean = tf.tensordot(tf.reduce_mean(pixels, axis=1), tf.constant(_LUMA), 1)  # (batch,)
    shift = (1 - contrast) * mean + lift
    changed = tf.matmul(pixels, colours, transpose_b=True) + shift[:, tf.newaxis, tf.newaxis]
    return tf.reshape(changed, tf.shape(images))


def _loss_of_detail(
    images: tf.Tensor, size: int, chance: Chance, amounts: Augmentation
) -> tf.Tensor:
    """Blur, as of a photo enlarged from half its side, and a rectangle of one plain colour."""

    def changed(images: tf.Tensor, which: tf.Tensor, change: Callable) -> tf.Tensor:
        """Changes some images, and leaves the others where they are."""
        places = tf.where(which)  # (some, 1)
        return tf.tensor_scatter_nd_update(images, places, change(places[:, 0]))

    def blurred(places: tf.Tensor) -> tf.Tensor:
        half = tf.nn.avg_pool2d(tf.gather(images, places), 2, 2, "SAME")
        return tf.image.resize(half, (size, size))

    images = changed(images, chance.uniform(0) < amounts.blur_share, blurred)

    def outside(number: int) -> tf.Tensor:
        """Whether a row or column is outside of the rectangle's, (batch, size)."""
        length = chance.uniform(number, 0.0, amounts.erase_area) * size
        start = chance.uniform(number + 1) * (size - length)
        place = tf.range(size, dtype=tf.float32)[tf.newaxis]
        return (place < start[:, tf.newaxis]) | (place >= (start + length)[:, tf.newaxis])

    kept = outside(1)[:, :, tf.newaxis] | outside(3)[:, tf.newaxis, :]  # (batch, size, size)
    drawn = (chance.of_batch, 1, 1, 3)
    colour = chance.own(tf.random.stateless_uniform(drawn, chance.seed, 0.0, 255.0))

    def erased(places: tf.Tensor) -> tf.Tensor:
        of_some, of_others = tf.gather(images, places), tf.gather(colour, places)
        return tf.where(tf.gather(kept, places)[..., tf.newaxis], of_some, of_others)

    return changed(images, chance.uniform(5) < amounts.erase_share, erased)
