"""Small things that tests of several rooms need."""

import json
import resource
from contextlib import contextmanager

# The least two-branch network: what tests wait for is TensorFlow tracing layers.
SMALL = {
    "image_size": 16,
    "age_filters": (4, 4, 4),
    "age_last_filters": (8, 8),
    "gender_filters": (4, 4),
    "dense_units": 8,
}

DESCRIPTION = {
    "name": "compact",
    "image_size": 32,
    "colour_order": "RGB",
    "value_range": [0, 255],
    "framing": {"box": "chip", "margin": 0.0, "padding": "edge", "resampling": "area"},
    "age_interval": {"coverage": 0.9, "factor": 2.0, "floor_years": 1.0, "count": 100},
}


def write_description(path, **changes):
    description = DESCRIPTION | changes
    path.write_text(
        json.dumps({name: value for name, value in description.items() if value is not ...})
    )
    return path


@contextmanager
def files_of_at_most(count: int):
    """Lets no file grow beyond so many bytes: writing more fails as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
