"""What a run leaves behind: its folder, and its row in the results table."""

from imdb_wiki.lazy import lazy_names

__getattr__ = lazy_names(
    __name__,
    {
        "results.runs": "constants_of new_run_dir read_history run_row",
        "results.table": "append_result count_test_reading",
    },
)
