"""Photos in, faces with ages and genders out."""

from imdb_wiki.lazy import lazy_names

__getattr__ = lazy_names(
    __name__, {"prediction.faces": "Face Predictor load_predictor percent predict_faces"}
)
