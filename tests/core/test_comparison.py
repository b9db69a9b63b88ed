"""Two models on the same films: differences, their intervals and p values, and what is refused."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from core import bootstrap, metrics
from core.comparison import compare, delong, mcnemar
from core.errors import UserError
from core.metrics import Judged

FIGURES = ("accuracy", "sensitivity", "specificity", "roc_auc")


def table(labels, probabilities, patients=None, films=None):
    count = len(labels)
    return pd.DataFrame(
        {
            "film": films or [f"film{number:04}" for number in range(count)],
            "patient": patients or [f"p{number // 2}" for number in range(count)],
            "label": labels,
            "probability": probabilities,
        }
    )


def answers_of(strength, noise=1.0, films=400, seed=0):
    """Answers of a model that shares most of what it errs by with others of the same seed."""
    shared = np.random.default_rng(seed)
    labels = shared.integers(0, 2, films)
    common = shared.normal(0, 1, films)
    own = np.random.default_rng([seed, int(strength * 100)]).normal(0, noise, films)
    return table(labels, 1 / (1 + np.exp(-(strength * (labels * 2 - 1) + common + own))))


def placement_variance(labels, first, second):
    """DeLong's variance as the paper writes it, every pair of films compared."""
    components = []
    for scores in (first, second):
        positives, negatives = scores[labels == 1][:, None], scores[labels == 0][None]
        kernel = (positives > negatives) + 0.5 * (positives == negatives)
        components.append((kernel.mean(axis=1), kernel.mean(axis=0)))
    (ten_of_first, one_of_first), (ten_of_second, one_of_second) = components
    contrast = np.array([-1, 1])
    ten, one = np.cov(ten_of_first, ten_of_second), np.cov(one_of_first, one_of_second)
    return contrast @ (ten / len(ten_of_first) + one / len(one_of_first)) @ contrast


@pytest.mark.parametrize("digits", [9, 1], ids=["no ties", "many ties"])
def test_delongs_variance_is_that_of_all_pairs_compared(digits):
    first, second = answers_of(0.6, films=150), answers_of(1.1, films=150)
    labels = first["label"].to_numpy()
    scores = [np.round(answers["probability"].to_numpy(), digits) for answers in (first, second)]
    found = delong(labels, *scores)
    assert found.variance == pytest.approx(placement_variance(labels, *scores), rel=1e-12)
    assert found.difference == pytest.approx(roc_auc_score(labels, scores[1]) - roc_auc_score(labels, scores[0]))
    z = abs(found.difference) / math.sqrt(found.variance)
    assert found.p == pytest.approx(math.erfc(z / math.sqrt(2)))


def test_delongs_p_value_matches_an_example_worked_by_hand():
    # Shares of normal films below: 1, 1/2 and 1, 1; above: 1, 1/2 and 1, 1. Of the differences, 0 and 1/2, the
    # variance is 1/8, so it is 1/8 · 1/2 · 2 in all; z = 1/4 : √(1/8) = 1/√2.
    found = delong(np.array([1, 1, 0, 0]), np.array([0.9, 0.4, 0.1, 0.6]), np.array([0.9, 0.8, 0.1, 0.2]))
    assert (found.difference, found.variance) == pytest.approx((0.25, 0.125))
    assert found.p == pytest.approx(math.erfc(0.5))


def test_one_film_of_a_class_gives_a_difference_but_no_p_value():
    found = delong(np.array([1, 0, 0]), np.array([0.5, 0.1, 0.9]), np.array([0.9, 0.1, 0.2]))
    assert found.difference == 0.5
    assert math.isnan(found.variance)
    assert math.isnan(found.p)


def test_a_perfect_model_against_its_opposite_leaves_nothing_to_chance():
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    assert (delong(labels, 1 - scores, scores).difference, delong(labels, 1 - scores, scores).p) == (1.0, 0.0)


def test_under_chance_alone_p_values_are_spread_evenly():
    found = []
    for seed in range(300):
        random = np.random.default_rng(seed)
        labels = np.repeat([0, 1], 60)
        common = labels + random.normal(0, 1, 120)
        found.append(delong(labels, *(common + random.normal(0, 1, 120) for _ in range(2))).p)
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_mcnemars_p_value_matches_numbers_worked_by_hand():
    # Of 7 films one or none for the first: (1 + 7) / 2⁷ on either side.
    assert mcnemar(1, 6) == mcnemar(6, 1) == pytest.approx(0.125)
    # None of 10: 1 / 2¹⁰ on either side.
    assert mcnemar(0, 10) == pytest.approx(2 / 1024)
    assert mcnemar(5, 5) == mcnemar(0, 0) == 1.0


def test_identical_models_do_not_differ():
    answers = answers_of(1.0)
    found = compare(answers, 0.5, answers.copy(), 0.5)
    assert tuple(found.differences) == FIGURES
    for difference in found.differences.values():
        assert difference.value == 0
        assert difference.low <= 0 <= difference.high
    assert (found.p_auc, found.p_accuracy) == (1.0, 1.0)
    assert found.discordant == (0, 0)
    assert found.disagree.empty


def test_a_clearly_better_model_has_intervals_above_zero_and_the_worse_one_below():
    worse, better = answers_of(0.3), answers_of(2.0)
    found, turned = compare(worse, 0.5, better, 0.5), compare(better, 0.5, worse, 0.5)
    for name in FIGURES:
        assert 0 < found.differences[name].low < found.differences[name].value < found.differences[name].high
        assert turned.differences[name].high < 0
        assert turned.differences[name].value == pytest.approx(-found.differences[name].value)
    assert found.p_auc == pytest.approx(turned.p_auc)
    assert found.p_auc < 0.001
    assert found.p_accuracy == turned.p_accuracy < 0.001
    assert found.discordant == turned.discordant[::-1]


def test_differences_are_those_of_the_figures_on_the_films_in_common():
    first, second = answers_of(0.5), answers_of(1.0)
    found = compare(first, 0.4, second.iloc[100:300], 0.6)
    before, after = (
        metrics.measure(Judged(part["label"].to_numpy(), part["probability"].to_numpy(), list(part["patient"]), at))
        for part, at in ((first.iloc[100:300], 0.4), (second.iloc[100:300], 0.6))
    )
    for name in FIGURES:
        assert found.differences[name].value == pytest.approx(after[name].value - before[name].value)


def test_pairing_makes_the_interval_narrower_where_models_err_alike():
    first, second = answers_of(0.6, noise=0.3), answers_of(0.8, noise=0.3)
    paired = compare(first, 0.5, second, 0.5).differences["roc_auc"]
    replicates = [
        metrics.resampled_roc_aucs(Judged(a["label"].to_numpy(), a["probability"].to_numpy(), list(a["patient"]), 0.5))
        for a in (first, second)
    ]
    low, high = bootstrap.interval(np.random.default_rng(0).permutation(replicates[1]) - replicates[0])
    assert paired.high - paired.low < 0.7 * (high - low)


def test_patients_are_drawn_not_films():
    first, second = answers_of(0.6), answers_of(0.9)
    alone = [f"p{number}" for number in range(1600)]
    together = [f"p{number % 400}" for number in range(1600)]
    names = [f"film{number}" for number in range(1600)]
    widths = []
    for patients in (alone, together):
        four = [
            table(np.tile(answers["label"], 4), np.tile(answers["probability"], 4), patients, names)
            for answers in (first, second)
        ]
        found = compare(four[0], 0.5, four[1], 0.5)
        assert found.patients == len(set(patients))
        widths.append(found.differences["accuracy"].high - found.differences["accuracy"].low)
    assert widths[1] > 1.5 * widths[0]


def test_films_are_joined_by_name_and_those_of_one_model_alone_are_counted():
    first, second = answers_of(0.5, films=100), answers_of(1.0, films=100)
    found = compare(first.iloc[10:], 0.5, second.iloc[:70].sample(frac=1, random_state=0), 0.5)
    assert (found.films, found.only_first, found.only_second, found.patients) == (60, 30, 10, 30)
    same = compare(first.iloc[10:70], 0.5, second.iloc[10:70], 0.5)
    assert found == dataclasses.replace(same, only_first=30, only_second=10)


def test_films_the_two_call_differently_come_the_farthest_apart_first():
    first = table([1, 0, 1, 0, 1], [0.9, 0.6, 0.3, 0.2, 0.45], films=list("abcde"))
    second = table([1, 0, 1, 0, 1], [0.8, 0.5, 0.7, 0.9, 0.5], films=list("abcde"))
    found = compare(first, 0.5, second, 0.6)
    assert found.discordant == (1, 2)
    assert found.disagree.to_dict("list") == {
        "film": ["d", "c", "b"],
        "patient": ["p1", "p1", "p0"],
        "label": [0, 1, 0],
        "first": [0.2, 0.3, 0.6],
        "second": [0.9, 0.7, 0.5],
        "right": ["first", "second", "second"],
    }
    # Right: the first on d, the second on b and c.
    assert found.p_accuracy == 1.0


def test_films_that_only_one_has_seen_are_refused():
    first = answers_of(1.0, films=20)
    with pytest.raises(UserError, match="no film in common"):
        compare(first.iloc[:10], 0.5, first.iloc[10:], 0.5)


def test_films_of_one_class_are_refused_by_name():
    first = answers_of(1.0)
    normal = first[first["label"] == 0]
    with pytest.raises(UserError, match="hold no PNEUMONIA film"):
        compare(first, 0.5, normal, 0.5)


def test_two_labels_for_one_film_are_refused_with_its_name():
    first = table([0, 1, 1], [0.1, 0.8, 0.9])
    second = table([0, 1, 0], [0.1, 0.8, 0.9])
    with pytest.raises(UserError, match=r"film0002 is PNEUMONIA for the first .* NORMAL for the second: 1 of 3"):
        compare(first, 0.5, second, 0.5)


def test_a_film_named_twice_is_refused():
    first = table([0, 1, 1], [0.1, 0.8, 0.9], films=["a", "b", "b"])
    with pytest.raises(UserError, match="film b twice"):
        compare(first, 0.5, first, 0.5)
