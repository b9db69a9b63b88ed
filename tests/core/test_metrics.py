import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_score, recall_score, roc_auc_score

from core import metrics
from core.metrics import METRICS, Confusion, Judged, wilson


def judged(films: int = 400, seed: int = 0, shift: float = 1.0) -> Judged:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, films)
    scores = np.round(1 / (1 + np.exp(-random.normal(shift * (labels * 2 - 1), 1))), 2)
    return Judged(labels, scores, [f"p{number // 2}" for number in range(films)], 0.5)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_lies_inside_its_interval(name):
    figure = METRICS[name](judged())
    assert 0 <= figure.low < figure.value < figure.high <= 1


def test_metrics_agree_with_scikit_learn():
    films = judged()
    said = films.scores >= 0.5
    expected = {
        "accuracy": accuracy_score(films.labels, said),
        "sensitivity": recall_score(films.labels, said),
        "specificity": recall_score(1 - films.labels, ~said),
        "ppv": precision_score(films.labels, said),
        "npv": precision_score(1 - films.labels, ~said),
        "roc_auc": roc_auc_score(films.labels, films.scores),
    }
    assert {name: figure.value for name, figure in metrics.measure(films).items()} == pytest.approx(expected)


def test_the_wilson_interval_matches_a_published_example():
    # Newcombe 1998, table I: 81 of 263 gives .2553 to .3662.
    figure = wilson(81, 263)
    assert (figure.low, figure.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_a_figure_that_cannot_be_told_is_nan_not_wrong():
    films = Judged(np.ones(5, int), np.full(5, 0.9), list("abcde"), 0.5)
    assert math.isnan(metrics.specificity(films).value)
    assert math.isnan(metrics.roc_auc(films).value)
    assert films.confusion == Confusion(tn=0, fp=0, fn=0, tp=5)


def test_resampled_roc_aucs_match_scikit_learn_on_drawn_patients():
    films = judged(60)
    random = np.random.default_rng(0)
    draws = random.multinomial(30, np.full(30, 1 / 30), size=50)
    # np.unique sorts names, so patient number k of the draw is the k-th name in that order.
    names = np.unique(films.patients)
    own = metrics._resampled_roc_aucs(films)[:50]
    for draw, auc in zip(draws, own, strict=True):
        weight = draw[np.searchsorted(names, films.patients)]
        assert auc == pytest.approx(roc_auc_score(films.labels, films.scores, sample_weight=weight))


def test_the_bootstrap_interval_is_wider_when_films_of_a_patient_are_alike():
    films = judged(200)
    twice = Judged(np.tile(films.labels, 4), np.tile(films.scores, 4), [str(i) for i in range(800)], 0.5)
    grouped = Judged(twice.labels, twice.scores, [str(i % 200) for i in range(800)], 0.5)
    loose, honest = metrics.roc_auc(twice), metrics.roc_auc(grouped)
    assert honest.high - honest.low > 1.5 * (loose.high - loose.low)
