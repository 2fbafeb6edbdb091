"""Figures that more than one stage shows; each function returns one and shows nothing by itself."""

from imdb_wiki.lazy import lazy_names

__getattr__ = lazy_names(
    __name__,
    {
        "plots.style": "png_bytes save",
        "plots.faces": "answered_face augmented_faces face_grid label_texts read_image",
        "plots.counts": "age_histogram gender_balance rows_by_rule",
        "plots.training": "training_curves",
        "plots.diagrams": "network_diagram process_diagram",
    },
)
