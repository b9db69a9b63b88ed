import math

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    matthews_corrcoef,
    precision_score,
    recall_score,
    roc_auc_score,
)

from core import bootstrap, calibration, metrics
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
        "balanced_accuracy": balanced_accuracy_score(films.labels, said),
        "f1": f1_score(films.labels, said),
        "mcc": matthews_corrcoef(films.labels, said),
        "roc_auc": roc_auc_score(films.labels, films.scores),
        "pr_auc": average_precision_score(films.labels, films.scores),
        "brier": brier_score_loss(films.labels, films.scores),
        "calibration_error": calibration.expected_calibration_error(films.labels, films.scores),
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


def _of_resamples(films, figure, count=50):
    """The figure of the first resamples, each film repeated as often as its patient was drawn."""
    patient = np.unique(films.patients, return_inverse=True)[1]
    draws = bootstrap.drawn(patient.max() + 1)[:count]
    return [figure(np.repeat(films.labels, draw[patient]), np.repeat(films.scores, draw[patient])) for draw in draws]


RESAMPLED = {
    "balanced_accuracy": lambda labels, scores: balanced_accuracy_score(labels, scores >= 0.5),
    "f1": lambda labels, scores: f1_score(labels, scores >= 0.5),
    "mcc": lambda labels, scores: matthews_corrcoef(labels, scores >= 0.5),
    "roc_auc": roc_auc_score,
    "pr_auc": average_precision_score,
    "brier": brier_score_loss,
    "calibration_error": calibration.expected_calibration_error,
}


@pytest.mark.parametrize("name", RESAMPLED)
def test_a_resample_gives_what_its_films_give_written_out(name, monkeypatch):
    films = judged(60)
    found = []
    monkeypatch.setattr(metrics.bootstrap, "interval", lambda replicates: found.append(replicates) or (0.0, 1.0))
    METRICS[name](films)
    expected = np.array(_of_resamples(films, RESAMPLED[name]))
    own = found[0][:50]
    if name == "calibration_error":
        # These replicates are moved to where the figure is; what they differ by stays.
        expected, own = expected - expected.mean(), own - own.mean()
    assert own == pytest.approx(expected, abs=1e-6)


def test_every_resample_draws_as_many_patients_as_there_are():
    draws = bootstrap.drawn(37)
    assert draws.shape == (bootstrap.RESAMPLES, 37)
    assert (draws.sum(axis=1) == 37).all()
    assert draws.mean(axis=0) == pytest.approx(np.ones(37), abs=0.1)


def test_ppv_and_npv_at_another_prevalence_follow_bayes():
    # .9 · .25 / (.9 · .25 + .26 · .75) and .74 · .75 / (.74 · .75 + .1 · .25)
    labels = np.repeat([1, 1, 0, 0], [90, 10, 26, 74])
    scores = np.repeat([0.9, 0.1, 0.9, 0.1], [90, 10, 26, 74])
    films = Judged(labels, scores, [str(number) for number in range(200)], 0.5)
    ppv, npv = metrics.at_prevalence(films, 0.25)
    assert (ppv.value, npv.value) == pytest.approx((0.225 / 0.42, 0.555 / 0.58))
    own = labels.mean()
    assert metrics.at_prevalence(films, own)[0].value == pytest.approx(metrics.ppv(films).value)
    assert metrics.at_prevalence(films, own)[1].value == pytest.approx(metrics.npv(films).value)
    assert ppv.low < ppv.value < ppv.high
    assert npv.low < npv.value < npv.high


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(
    ("labels", "scores"),
    [([1, 1, 1], [0.9, 0.8, 0.2]), ([0, 0, 0], [0.1, 0.1, 0.9]), ([1], [0.9]), ([0, 1, 0, 1], [0.7] * 4)],
    ids=["pneumonia only", "normal only", "one film", "constant scores"],
)
def test_odd_films_give_a_figure_in_its_range_or_none(name, labels, scores):
    films = Judged(np.array(labels), np.array(scores), [str(number) for number in range(len(labels))], 0.5)
    figure = METRICS[name](films)
    known = [value for value in (figure.value, figure.low, figure.high) if not math.isnan(value)]
    assert all(-1 <= value <= 1 for value in known)
    assert not known or len(known) == 3


def test_the_bootstrap_interval_is_wider_when_films_of_a_patient_are_alike():
    films = judged(200)
    twice = Judged(np.tile(films.labels, 4), np.tile(films.scores, 4), [str(i) for i in range(800)], 0.5)
    grouped = Judged(twice.labels, twice.scores, [str(i % 200) for i in range(800)], 0.5)
    loose, honest = metrics.roc_auc(twice), metrics.roc_auc(grouped)
    assert honest.high - honest.low > 1.5 * (loose.high - loose.low)
