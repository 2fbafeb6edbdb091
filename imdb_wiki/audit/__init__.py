"""Which labels are probably wrong."""

from imdb_wiki.lazy import lazy_names

__getattr__ = lazy_names(
    __name__,
    {
        "audit.figures": "contact_sheet",
        "audit.worst": "suspects_in",
    },
)
