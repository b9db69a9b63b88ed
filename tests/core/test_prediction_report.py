"""The answer to one film, to hand over."""

import dataclasses
import math

import numpy as np
import pytest

from core import reports, wording
from core.metrics import Interval
from core.model_card import NOTICE
from core.prediction import Prediction
from tests.core.test_reports import FULL_CARD, ODD, Parser, pages

FILM = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
FOUND = Prediction("suggests_pneumonia", 0.934, 0.8, None, 5.0, FILM)
OVERLAY = np.stack([FILM] * 3, axis=-1)


def asked(**changed) -> reports.Asked:
    found = dataclasses.replace(FOUND, **changed)
    return reports.Asked(found, OVERLAY, "e" * 64, (0.2, Interval(0.91, 0.89, 0.93)))


@pytest.mark.parametrize("verdict", wording.VERDICTS)
def test_the_report_says_verdict_reason_and_notice_on_one_page(verdict):
    one = asked(verdict=verdict, reasons=(ODD,), warnings=("Its modality is CT.",))
    text = Parser(reports.prediction_html(one, "small", FULL_CARD)).text
    for said in (wording.VERDICTS[verdict], wording.of_prediction(one.prediction), ODD, "Its modality is CT.", NOTICE):
        assert said in text
    assert pages(reports.prediction_pdf(one, "small", FULL_CARD)) == 1


def test_what_the_answer_is_worth_is_said_of_a_verdict_alone():
    said = "Where 20 of 100 children have pneumonia, 91 of 100 films that it calls pneumonia show it"
    assert said in Parser(reports.prediction_html(asked(), "small", FULL_CARD)).text
    refused = asked(verdict="not_a_chest_film")
    assert "of 100 children" not in Parser(reports.prediction_html(refused, "small", FULL_CARD)).text


def test_the_page_loads_nothing_and_shows_film_and_overlay():
    loaded = Parser(reports.prediction_html(asked(), "small", FULL_CARD)).loaded
    assert len(loaded) == 2
    assert all(source.startswith("data:image/png;base64,") for source in loaded)
    bare = dataclasses.replace(asked(), overlay=None, worth=None)
    assert len(Parser(reports.prediction_html(bare, "small", FULL_CARD)).loaded) == 1


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "more than 99.9%"), (0.0, "less than 0.1%"), (0.9341, "93.4%"), (0.0011, "0.1%")]
)
def test_no_film_is_certain(share, text):
    assert wording.probability(share) == text


def test_worth_is_told_in_films():
    assert wording.of_worth(0.2, False, Interval(0.97, 0.96, 0.98)) == (
        "Where 20 of 100 children have pneumonia, 97 of 100 films that it calls normal are "
        "(95 % interval 96.0 to 98.0)."
    )
    assert "cannot be told" in wording.of_worth(0.2, True, Interval(math.nan, math.nan, math.nan))
