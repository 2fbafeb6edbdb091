"""Other packages' warnings that are known are silent; those of our own code end a test."""

import warnings

import pytest

KNOWN = "__array__ implementation doesn't accept a copy keyword, so passing copy=False failed"


def warn_from(module: str, text: str, category: type[Warning] = DeprecationWarning) -> None:
    """Warns as a line of that module does."""
    exec("warn(text, category)", {"__name__": module, "warn": warnings.warn} | locals())


@pytest.mark.parametrize("text", ["a word of our own", KNOWN])
@pytest.mark.parametrize(
    "module",
    [
        *("imdb_wiki.labels", "imdb_wiki_predict", "imdb_wiki_preparation"),
        *("tests.page.process", "tests.conftest"),
    ],
)
def test_a_warning_of_our_own_code_is_an_error_whatever_it_says(module, text):
    for category in (DeprecationWarning, UserWarning, RuntimeWarning):
        with pytest.raises(category, match=text[:10]):
            warn_from(module, text, category)


def test_of_another_package_what_is_known_is_silent_and_all_else_is_heard():
    with warnings.catch_warnings(record=True) as heard:
        warn_from("keras.src.backend.tensorflow.core", KNOWN)
        warn_from("keras.src.backend.tensorflow.core", "something new")
        warn_from("another_package", KNOWN)
    assert [str(warning.message) for warning in heard] == ["something new", KNOWN]
