"""How far an export's answers may be from the model's."""

import numpy as np
import pytest

from imdb_wiki.export.check import float_check, quantized_check


def answers(ages, female=(0.9, 0.2)):
    female = np.array(female)
    return {
        "age_years": np.array(ages, "float64")[:, np.newaxis],
        "gender": np.stack([female, 1 - female], axis=1),
    }


def test_the_float_check_is_relative_and_takes_the_worst():
    wanted = answers([40, 0.5])
    assert float_check(wanted, answers([40.03, 0.5])).passed  # 7.5e-4
    bad = float_check(wanted, answers([40.06, 0.5]))  # 1.5e-3
    assert not bad.passed and "age_years differs by up to 1.5e-03" in bad.text
    assert float_check(wanted, answers([40, 0.5009])).passed  # of a year, not of its half
    bad = float_check(wanted, answers([40, 0.5], (0.9, 0.2004)))  # 0.0004 / 0.2
    assert not bad.passed and "gender differs by up to 2.0e-03" in bad.text
    assert not float_check(wanted, answers([40, np.nan])).passed


def faces(count, right, age=40.0):
    """True ages and genders of some faces, and answers of which as many are right; ages by 4."""
    gender = np.arange(count) % 2
    female = np.where(gender == 0, 0.6, 0.4)
    female[right:] = 1 - female[right:]
    return np.full(count, age), gender, answers(np.full(count, age + 4), female)


def test_a_quantized_export_may_lose_a_tolerance():
    age, gender, wanted = faces(10_000, 9_000)
    for shift, passes in ((0.14, True), (0.16, False)):  # the same for each: no chance in it
        check = quantized_check(
            wanted, answers(age + 4 + shift, wanted["gender"][:, 0]), age, gender
        )
        assert check.passed == passes
        assert (
            f"age error {4 + shift:.2f} years, +{shift} ± 0.00 against the float model"
            in check.text
        )
    # 40 genders of 10,000 lost are 0.4 ± 0.12 points, 70 are 0.7 ± 0.16: more than 0.5 by 0.04.
    for lost, passes, said in ((40, True, "-0.4 ± 0.1 points"), (70, False, "-0.7 ± 0.2 points")):
        check = quantized_check(wanted, faces(10_000, 9_000 - lost)[2], age, gender)
        assert check.passed == passes
        assert said in check.text and "on 10,000 crops" in check.text


@pytest.mark.parametrize("count", [1, 2, 40, 143])
def test_one_face_of_few_does_not_refuse_an_export(count):
    age, gender, wanted = faces(count, count)
    one_lost = faces(count, count - 1)[2]
    one_lost["gender"] = 0.5 + 0.01 * (one_lost["gender"] - 0.5)  # from 0.501 to 0.499
    wanted["gender"] = 0.5 + 0.01 * (wanted["gender"] - 0.5)
    one_lost["age_years"][0] += 0.5
    assert quantized_check(wanted, one_lost, age, gender).passed


@pytest.mark.parametrize("count", [1, 2, 40, 143, 10_000])
def test_a_better_export_is_kept_and_a_broken_one_never(count):
    age, gender, wanted = faces(count, count // 2)
    better = answers(age + 1.0, np.where(gender == 0, 0.9, 0.1))
    assert quantized_check(wanted, better, age, gender).passed
    broken = {
        "ages of all lost": answers(np.full(count, 90.0), wanted["gender"][:, 0]),
        "genders swapped": better | {"gender": 1 - better["gender"]},
        "nothing": better | {"age_years": np.full((count, 1), np.nan)},
        "one infinite": better | {"gender": np.full((count, 2), np.inf)},
    }
    for name, given in broken.items():
        assert not quantized_check(better, given, age, gender).passed, name
