"""Reports, their answers, cautions, groups and looks."""

import dataclasses
import json
import math

import numpy as np
import pytest

from core import answers, breakdown, cautions, curves, data, evaluation, looks, workspace
from core.data.prepare import prepare
from core.errors import UserError
from core.images import ImageSpec
from core.metrics import Judged

DATA = "phantoms:60"
CARD = {
    "operating_point": {"threshold": 0.5, "rule": "even odds"},
    "image_spec": {"size": 64, "framing": "stretch", "equalise": "none"},
    "data": {
        "name": "elsewhere",
        "synthetic": True,
        "sha256": {"films": "other"},
        "counts": [
            {"part": "train", "class": "NORMAL", "films": 50},
            {"part": "train", "class": "PNEUMONIA", "films": 50},
        ],
    },
}


@pytest.fixture
def prepared():
    return prepare(data.load(DATA), ImageSpec(64))


def report_of(prepared, probabilities, part="all", split=None, card=CARD):
    table = answers.table_of(prepared, np.arange(len(prepared.labels)), np.asarray(probabilities, float))
    return evaluation.report_of("model", card, prepared, part, table, split or {})


def good(prepared):
    random = np.random.default_rng(0)
    return np.clip(0.5 + 0.4 * (2 * prepared.labels - 1) + random.normal(0, 0.15, len(prepared.labels)), 0, 1)


def titles(report):
    return [caution.title for caution in report.cautions]


def test_a_report_and_its_answers_are_read_as_they_were_written(prepared, tmp_path):
    report = report_of(prepared, good(prepared))
    evaluation.save(report, tmp_path)
    again = evaluation.stored(tmp_path)["all"]
    assert json.dumps(again.to_json()) == json.dumps(report.to_json())
    table = evaluation.answers_of(tmp_path, again)
    assert table.equals(report.answers)
    assert table["probability"].tolist() == report.answers["probability"].tolist()


def test_answers_that_are_not_those_of_the_report_are_not_shown_with_it(prepared, tmp_path):
    evaluation.save(report_of(prepared, good(prepared)), tmp_path)
    report = evaluation.stored(tmp_path)["all"]
    answers.write(report_of(prepared, 1 - good(prepared)).answers, answers.file_of(tmp_path, "all"))
    assert evaluation.answers_of(tmp_path, report) is None
    answers.file_of(tmp_path, "all").write_text("film,label\n1,2\n")
    assert evaluation.answers_of(tmp_path, report) is None


def test_a_report_of_an_earlier_version_is_outdated_not_wrong(tmp_path):
    workspace.write_json(tmp_path / "report.json", {"test": {"model": "m", "roc": {}}})
    assert evaluation.stored(tmp_path) == {}
    assert evaluation.outdated(tmp_path, "test")
    assert not evaluation.outdated(tmp_path, "validation")


def test_nan_answers_are_refused_with_their_number(prepared):
    probabilities = good(prepared)
    probabilities[:3] = math.nan
    with pytest.raises(UserError, match=r"NaN.* for 3 of"):
        report_of(prepared, probabilities)


def test_constant_answers_make_a_report_that_says_so(prepared):
    report = report_of(prepared, np.full(len(prepared.labels), 0.9))
    assert titles(report)[0] == "This model says pneumonia for every film"
    assert report.cautions[0].severity == cautions.SERIOUS
    assert report.metrics["roc_auc"].value == 0.5
    assert len(report.curves.reliability) == 1
    assert "This model says normal for every film" in titles(report_of(prepared, np.full(len(prepared.labels), 0.1)))


def test_one_class_only_is_refused_by_name(prepared):
    with pytest.raises(UserError, match="holds no PNEUMONIA film"):
        evaluation.check_classes(prepared, np.flatnonzero(prepared.labels == 0), "test")


def test_patients_that_were_trained_on_are_counted_and_told(prepared):
    patients = list(dict.fromkeys(prepared.table["patient"]))
    report = report_of(prepared, good(prepared), split=dict.fromkeys(patients[:5], "train"))
    assert report.seen_patients == 5
    assert f"Trained on films of 5 of these {len(patients)} patients" in titles(report)


def test_every_look_at_a_test_part_is_counted(prepared):
    first, second = (report_of(prepared, good(prepared), "test") for _ in range(2))
    assert (first.looks, second.looks) == (1, 2)
    assert "This test part has been evaluated 2 times" in titles(second)
    assert not any("evaluated" in title for title in titles(first))
    assert looks.count(second.films_hash) == 2
    assert report_of(prepared, good(prepared), "validation").looks == 0


def test_cautions_name_the_width_the_prevalence_the_calibration_and_the_strangers(prepared):
    guesses = np.random.default_rng(0).uniform(0.3, 0.7, len(prepared.labels))
    report = report_of(prepared, guesses)
    assert report.external
    said = " | ".join(titles(report))
    for words in ("the interval of the", "where the model was trained", "are off by", "made from elsewhere"):
        assert words in said
    real = CARD | {"data": CARD["data"] | {"synthetic": False}}
    assert "Made from real films, judged on drawn phantoms" in titles(report_of(prepared, good(prepared), card=real))


def test_groups_are_told_apart_by_what_is_known(prepared):
    report = report_of(prepared, good(prepared))
    kinds = [group for group in report.breakdown if group.way == "Kind of pneumonia"]
    ill = prepared.labels == 1
    assert sum(group.films for group in kinds) <= ill.sum()
    for group in kinds:
        inside = np.array(prepared.table["subtype"]) == group.name
        called = report.answers["probability"].to_numpy() >= 0.5
        assert group.metrics["sensitivity"].value == pytest.approx(called[inside & ill].mean())
        assert math.isnan(group.metrics["specificity"].value)
        assert 0 <= group.metrics["roc_auc"].value <= 1


def test_sizes_are_told_in_thirds_and_only_where_they_differ(prepared):
    table = report_of(prepared, good(prepared)).answers
    assert "Size of the file" not in {group.way for group in breakdown.of(table, 0.5)}
    mixed = table.assign(width=np.linspace(500, 2000, len(table)).astype(int), height=1000)
    sizes = [group for group in breakdown.of(mixed, 0.5) if group.way == "Size of the file"]
    assert len(sizes) == 3
    assert sum(group.films for group in sizes) == len(table)


def judged(films=400):
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, films)
    scores = 1 / (1 + np.exp(-random.normal(labels * 2 - 1, 1)))
    return Judged(labels, scores, [f"p{number // 2}" for number in range(films)], 0.5)


def test_curves_lie_within_their_bands_and_agree_with_the_figures():
    films = judged()
    found = curves.of(films)
    roc = np.interp(found.roc.band.x, found.roc.false_positive_rate, found.roc.sensitivity)
    inside = (roc >= np.array(found.roc.band.low) - 1e-9) & (roc <= np.array(found.roc.band.high) + 1e-9)
    assert inside.mean() > 0.95
    assert np.all(np.array(found.pr.band.low) <= np.array(found.pr.band.high))
    assert np.trapezoid(found.roc.sensitivity, found.roc.false_positive_rate) == pytest.approx(0.9, abs=0.1)
    assert sum(one.films for one in found.reliability) == len(films.labels)
    assert sum(found.histogram.normal) + sum(found.histogram.pneumonia) == len(films.labels)


def test_net_benefit_is_that_of_the_counts():
    films = judged()
    found = curves.decision(films)
    place = found.threshold.index(0.2)
    c = dataclasses.replace(films, threshold=0.2).confusion
    assert found.model[place] == pytest.approx((c.tp - c.fp * 0.25) / len(films.labels))
    share = films.labels.mean()
    assert found.treat_all[place] == pytest.approx(share - (1 - share) * 0.25)
