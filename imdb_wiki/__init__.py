"""From the IMDB-WIKI faces to a trained age and gender network, one module a step."""

import os

# OpenCV reads this once, when it is first imported: a larger image is a decompression bomb and is
# refused from its header, before memory is taken for its pixels. Face crops have under 1 megapixel.
MAX_IMAGE_PIXELS = 100_000_000
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_IMAGE_PIXELS))
# Broken images are counted and listed by us; OpenCV need not talk about each in between.
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's word for nothing at all
# TensorFlow reads this when it is imported: oneDNN's convolutions take half the time of its others
# on a CPU, and are not the default on all of them.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Keras reads this when it is imported. TensorFlow is the backend here, whatever the shell or
# keras.json say for other projects; commands that can also compute with JAX take what the shell
# says (`tensorflow_start.start_tensorflow`).
OTHER_KERAS_BACKEND = os.environ.get("KERAS_BACKEND") or "tensorflow"
os.environ["KERAS_BACKEND"] = "tensorflow"
