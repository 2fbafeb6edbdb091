"""From `.keras` to LiteRT and ONNX, checked; from a training to `models/`."""

from imdb_wiki.lazy import lazy_names

__getattr__ = lazy_names(
    __name__,
    {"export.convert": "default_output export", "export.check": "float_check quantized_check"},
)
