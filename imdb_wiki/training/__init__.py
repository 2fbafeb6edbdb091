"""The trainings: of the notebook's two-branch network, and of networks with a distribution."""

from imdb_wiki.lazy import lazy_names

__getattr__ = lazy_names(
    __name__,
    {
        "models.files": "save_model",
        "results.table": "append_result",
        "training.devices": "device_sentence seed_everything set_mixed_precision strategy",
        "training.two_branch.augmentation": "augmented with_augmentation",
        "training.two_branch.train": "callbacks compile_two_branch train",
        "training.compact.recipe": "Augmentation Recipe",
        "training.compact.train": "train_compact",
    },
)
