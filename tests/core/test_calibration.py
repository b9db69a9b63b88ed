import numpy as np
import pytest

from core.calibration import (
    EVEN_ODDS,
    RULES,
    Calibration,
    calibrate,
    expected_calibration_error,
    fit,
    operating_point,
)


@pytest.mark.parametrize(("temperature", "bias"), [(0.5, 0.0), (1.0, -1.0), (3.0, 0.7)])
def test_what_distorted_the_scores_is_found_again(temperature, bias):
    random = np.random.default_rng(0)
    true_probability = random.beta(1, 1, 40_000)
    labels = (random.random(40_000) < true_probability).astype(int)
    # The other way round: first the bias off, then the temperature.
    distorted = calibrate(calibrate(true_probability, Calibration(1.0, -bias)), Calibration(1 / temperature))
    found = fit(labels, distorted)
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.bias == pytest.approx(bias, abs=0.05)
    assert np.allclose(calibrate(distorted, found), true_probability, atol=0.01)


def test_calibration_keeps_the_order_and_without_bias_the_even_odds():
    scores = np.linspace(0, 1, 101)
    probabilities = calibrate(scores, Calibration(2.5))
    assert (np.diff(probabilities) >= 0).all()
    assert probabilities[50] == pytest.approx(0.5)


def test_perfect_scores_on_few_films_do_not_become_certainty():
    labels = np.array([0] * 5 + [1] * 5)
    scores = np.where(labels == 1, 0.999, 0.001)
    probabilities = calibrate(scores, fit(labels, scores))
    assert probabilities[-1] == pytest.approx(6 / 7, abs=0.01)
    assert probabilities[0] == pytest.approx(1 / 7, abs=0.01)


def separated(films: int = 400, seed: int = 0):
    """Films whose classes overlap a little: labels and probabilities."""
    random = np.random.default_rng(seed)
    labels = (random.random(films) < 0.7).astype(int)
    return labels, 1 / (1 + np.exp(-random.normal(np.where(labels, 3.0, -3.0), 1.5)))


def rates(labels, probabilities, threshold):
    called = probabilities >= threshold
    return called[labels == 1].mean(), (~called[labels == 0]).mean()


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_names_a_threshold_between_the_classes(rule):
    labels, probabilities = separated()
    found = operating_point(rule, 0.95, labels, probabilities)
    assert 0.001 < found.threshold < 0.999
    assert found.rule


def test_youden_finds_the_highest_sum_of_sensitivity_and_specificity():
    labels, probabilities = separated()
    found = sum(rates(labels, probabilities, operating_point("youden", 0, labels, probabilities).threshold))
    assert found == max(sum(rates(labels, probabilities, threshold)) for threshold in probabilities)


@pytest.mark.parametrize("target", [0.8, 0.95, 1.0])
def test_a_wanted_sensitivity_is_reached_and_no_specificity_given_away(target):
    labels, probabilities = separated()
    threshold = operating_point("sensitivity", target, labels, probabilities).threshold
    assert rates(labels, probabilities, threshold)[0] >= target
    above = probabilities[probabilities > threshold].min()
    assert rates(labels, probabilities, above)[0] < target


@pytest.mark.parametrize("target", [0.8, 0.95, 1.0])
def test_a_wanted_specificity_is_reached_and_no_sensitivity_given_away(target):
    labels, probabilities = separated()
    threshold = operating_point("specificity", target, labels, probabilities).threshold
    assert rates(labels, probabilities, threshold)[1] >= target
    below = probabilities[probabilities < threshold].max()
    assert rates(labels, probabilities, below)[1] < target


def test_a_miss_that_costs_nine_false_alarms_calls_for_a_tenth():
    labels, probabilities = separated()
    assert operating_point("cost", 9, labels, probabilities).threshold == pytest.approx(0.1)
    assert operating_point("even odds", 9, labels, probabilities) == EVEN_ODDS


def test_the_middle_of_the_gap_does_not_hang_on_single_films_where_youden_does():
    """Two clouds with nothing between: any threshold there is best, and Youden takes its edge."""
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 300)
    probabilities = np.concatenate([random.uniform(0.01, 0.1, 300), random.uniform(0.9, 0.99, 300)])
    middle = operating_point("middle", 0, labels, probabilities).threshold
    assert middle == pytest.approx(0.5, abs=0.15)
    # One normal film astray at 0.6 moves the middle little and Youden's threshold across the gap.
    probabilities[0] = 0.6
    assert operating_point("middle", 0, labels, probabilities).threshold == pytest.approx(middle, abs=0.2)
    assert operating_point("youden", 0, labels, probabilities).threshold > 0.85


def test_the_calibration_error_of_true_probabilities_is_small_and_of_bold_ones_is_told():
    random = np.random.default_rng(0)
    true_probability = random.beta(0.5, 0.5, 50_000)
    labels = (random.random(50_000) < true_probability).astype(int)
    assert expected_calibration_error(labels, true_probability) < 0.006
    assert expected_calibration_error(labels, calibrate(true_probability, Calibration(0.3))) > 0.08
    assert expected_calibration_error(np.array([0, 1]), np.array([0.1, 0.9])) == pytest.approx(0.1)
