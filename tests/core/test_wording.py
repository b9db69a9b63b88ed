import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from core import curves, metrics, wording
from core.comparison import compare
from core.metrics import METRICS, Confusion, Interval, Judged
from tests.helpers import damaged, report_on, scored

NAN = math.nan
UNKNOWN = Interval(NAN, NAN, NAN)


def hand_made(**figures: Interval):
    """A report of four films, told rightly, with these figures instead of its own."""
    report = report_on(Judged(np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.7, 0.9]), list("abcd"), 0.5))
    return dataclasses.replace(report, metrics=report.metrics | figures)


def test_every_metric_has_a_title():
    assert wording.TITLES.keys() == METRICS.keys()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9514, ".951"),
        (1.0, "1.000"),
        (0.9996, "1.000"),
        (0.0, ".000"),
        (-0.0001, ".000"),
        (-0.25, "−.250"),
        (NAN, "–"),
    ],
)
def test_a_figure_has_three_digits_and_no_leading_zero(value, text):
    assert wording.figure(value) == text


def test_an_interval_is_two_figures_or_cannot_be_told():
    assert wording.interval(Interval(0.8, 0.767, 0.881)) == ".767–.881"
    assert wording.interval(Interval(0.0, -0.1, 0.1)) == "−.100 to .100"
    assert wording.interval(UNKNOWN) == "cannot be told"
    assert wording.with_interval(Interval(0.8, 0.767, 0.881)) == ".800 (.767–.881)"
    assert wording.with_interval(Interval(0.8, NAN, NAN)) == ".800 (interval cannot be told)"
    assert wording.with_interval(UNKNOWN) == "cannot be told"


def test_the_confusion_matrix_is_told_by_class():
    assert wording.of_confusion(Confusion(tn=1316, fp=33, fn=219, tp=3664)) == (
        "Of 3,883 pneumonia films the model found 3,664 and missed 219. "
        "Of 1,349 normal films it left 1,316 in peace and called 33 pneumonia."
    )
    assert wording.of_confusion(Confusion(tn=0, fp=0, fn=1, tp=0)) == (
        "Of 1 pneumonia film the model found none and missed 1. There were no normal films."
    )


def test_the_roc_curve_is_told_in_pairs():
    assert wording.of_roc(hand_made(roc_auc=Interval(0.992, 0.988, 0.995))).startswith(
        "A pneumonia film scores higher than a normal one in 99.2% of all pairs (95 % interval 98.8 to 99.5)."
    )


def test_what_is_not_quite_all_is_not_called_so():
    assert "in more than 99.9% of all" in wording.of_roc(hand_made(roc_auc=Interval(0.9999, 0.999, 1.0)))
    assert "in 100% of all" in wording.of_roc(hand_made(roc_auc=Interval(1.0, 1.0, 1.0)))


def test_the_precision_recall_curve_is_told_beside_what_guessing_gives():
    text = wording.of_pr(hand_made(pr_auc=Interval(0.75, 0.7, 0.8)))
    assert "75.0% of the films called pneumonia show it (95 % interval 70.0 to 80.0)" in text
    assert "Guessing would give 50.0%" in text


def test_reliability_names_the_group_where_most_is_amiss():
    report = hand_made(calibration_error=Interval(0.031, 0.02, 0.04))
    bins = [
        # By the width of the gap the last; by the films that are called wrongly the second.
        curves.ReliabilityBin(0.0, 0.1, 1000, 0.05, Interval(0.05, 0.04, 0.06)),
        curves.ReliabilityBin(0.3, 0.4, 400, 0.35, Interval(0.52, 0.47, 0.57)),
        curves.ReliabilityBin(0.5, 0.6, 10, 0.55, Interval(0.0, 0.0, 0.28)),
    ]
    report = dataclasses.replace(report, curves=dataclasses.replace(report.curves, reliability=bins))
    assert wording.of_reliability(report) == (
        "On average the probabilities are off by 3.1 points (95 % interval 2.0 to 4.0). Most is amiss among the 400 "
        "films to which the model gives about 35%: 52.0% of them show pneumonia."
    )


def test_reliability_says_so_where_chance_explains_all():
    assert "by more than chance allows" in wording.of_reliability(hand_made())


def test_the_histogram_is_told_by_how_clear_the_answers_are():
    # 0.3 and 0.7 are no clear answers, 0.1 and 0.9 are.
    assert wording.of_histogram(hand_made().curves.histogram) == (
        "The model gives 50.0% of the pneumonia films a probability of 80% or more and 50.0% of the normal films one "
        "below 20%. In between lie 2 of 4 films."
    )


def test_the_decision_curve_is_told_by_where_the_model_is_better_than_both():
    # Treating all is as good while no normal film scores below the threshold, treating none once no ill one reaches it.
    assert wording.of_decision(hand_made()).startswith("At thresholds of 11% to 90%, following the model")


@pytest.mark.parametrize(
    ("model", "where"),
    [
        ([0.4, 0.3, 0.2, 0.1], "At every threshold from 20% to 80%, following"),
        ([0.4, 0.1, 0.0, 0.1], "At thresholds of 20% and 80%, following"),
        ([0.4, 0.3, 0.0, 0.1], "At thresholds of 20% to 40% and 80%, following"),
        ([0.3, 0.1, 0.0, 0.0], "At no threshold from 20% to 80% has following"),
    ],
)
def test_every_stretch_of_the_decision_curve_is_named(model, where):
    decision = curves.DecisionCurve([0.2, 0.4, 0.6, 0.8], model, [0.3, 0.1, -0.2, -1.0])
    report = hand_made()
    report = dataclasses.replace(report, curves=dataclasses.replace(report.curves, decision=decision))
    assert wording.of_decision(report).startswith(where)


def test_a_model_that_gives_every_film_the_same_score_is_told_apart_from_one_that_guesses():
    films = scored()
    report = report_on(dataclasses.replace(films, scores=np.full(len(films.labels), 0.7)))
    assert wording.of_roc(report) == "The model gives every film the same score: it tells none apart."


@pytest.mark.parametrize("tell", [wording.of_roc, wording.of_pr, wording.of_reliability])
def test_what_cannot_be_told_is_said_so(tell):
    unknown = dict.fromkeys(METRICS, UNKNOWN)
    assert "cannot be told" in tell(hand_made(**unknown))
    assert "nan" not in tell(hand_made(**unknown))
    assert "interval cannot be told" in tell(hand_made(**dict.fromkeys(METRICS, Interval(0.5, NAN, NAN))))


def test_titles_stand_in_the_order_of_the_metrics():
    assert list(wording.TITLES) == list(metrics.METRICS)


def shaken(**worst: float):
    """Damage that leaves all as it is but for one level of blur, where the figures fall to these."""
    found = damaged()
    levels = [dataclasses.replace(level, metrics=found.untouched) for level in found.levels]
    place = [level.family for level in levels].index("blur") + 1
    fallen = {name: Interval(value, value, value) for name, value in worst.items()}
    levels[place] = dataclasses.replace(levels[place], metrics=found.untouched | fallen)
    return dataclasses.replace(found, levels=levels)


def test_damage_is_told_by_its_worst_level_and_by_what_fails():
    assert wording.of_robustness(shaken(accuracy=0.89), "blur") == (
        "Accuracy stays within 2 points of 90.0% at every level."
    )
    assert wording.of_robustness(shaken(accuracy=0.7), "blur") == (
        "Accuracy falls from 90.0% to 70.0% (2% of the side). The order of the films holds (ROC AUC .900): "
        "it is the threshold that fits no more."
    )
    assert wording.of_robustness(shaken(accuracy=0.7, roc_auc=0.8), "blur").endswith("ROC AUC falls from .900 to .800.")
    assert wording.of_robustness(shaken(accuracy=0.7), "noise").startswith("Accuracy stays")


def compared(scores):
    """Of twelve films, told rightly by the first model, with another's scores."""
    labels = np.repeat([0, 1], 6)
    tables = [
        pd.DataFrame({"film": list("abcdefghijkl"), "patient": list("abcdefghijkl"), "label": labels, "probability": p})
        for p in (np.linspace(0.1, 0.9, 12), np.array(scores))
    ]
    return wording.of_comparison("one", "two", compare(tables[0], 0.5, tables[1], 0.5))


def test_a_comparison_says_who_is_right_and_whether_that_may_be_chance():
    assert compared(np.linspace(0.1, 0.9, 12)) == ("one and two call all 12 films alike. Their ROC AUCs are the same.")
    text = compared([0.1] * 5 + [0.6] + [0.9] * 6)
    assert text.startswith("Of 12 films the two call 1 differently: one is right about 1 of them, two about none.")
    assert "may well be chance: were they equally good, it would come 100.0% of the times" in text
    # Six to none: 2 of 64.
    assert "in accuracy is hardly chance: were they equally good, it would come 3.1% of the times" in compared(
        [0.8] * 6 + [0.9] * 6
    )
    assert "The ROC AUC of two is 1.000 lower." in compared(np.linspace(0.9, 0.1, 12))
