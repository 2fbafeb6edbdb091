"""How good a model is, beside what needs no model: the training median and the majority gender."""

from imdb_wiki.lazy import lazy_names

__getattr__ = lazy_names(
    __name__,
    {
        "models.answers": "predict",
        "models.files": "load_model",
        "evaluation.comparison": "change_table changes",
        "evaluation.evaluate": "interval_constants_of write_evaluation",
        "evaluation.metrics": "age_mae_years median_age_error_years score",
        "evaluation.text": "beside_constant_answers group_table summary",
    },
)
