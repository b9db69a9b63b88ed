import numpy as np
import pytest

from core.calibration import calibrate, fit_temperature


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_distorted_the_scores_is_found_again(temperature):
    random = np.random.default_rng(0)
    true_probability = random.beta(1, 1, 40_000)
    labels = (random.random(40_000) < true_probability).astype(int)
    overconfident = calibrate(true_probability, 1 / temperature)
    assert fit_temperature(labels, overconfident) == pytest.approx(temperature, rel=0.05)
    assert np.allclose(calibrate(overconfident, temperature), true_probability, atol=0.005)


def test_calibration_keeps_the_order_and_the_even_odds():
    scores = np.linspace(0, 1, 101)
    probabilities = calibrate(scores, 2.5)
    assert (np.diff(probabilities) >= 0).all()
    assert probabilities[50] == pytest.approx(0.5)


def test_perfect_scores_on_few_films_do_not_become_certainty():
    labels = np.array([0] * 5 + [1] * 5)
    scores = np.where(labels == 1, 0.999, 0.001)
    probabilities = calibrate(scores, fit_temperature(labels, scores))
    assert probabilities[-1] == pytest.approx(6 / 7, abs=0.01)
