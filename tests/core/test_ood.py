"""The gate: what it refuses, what it says, and what it costs a stored model."""

import dataclasses
import json
import shutil

import cv2
import numpy as np
import pytest

from core import cli, contradictions, data, gating, model_card, model_store, ood
from core.data.prepare import prepare
from core.errors import UserError
from core.prediction import Predictor
from tests.conftest import PROJECT
from tests.helpers import encode, film, write_dicom

SIZE = 112
VERDICTS = {"suggests_pneumonia", "suggests_normal", "uncertain", "not_a_chest_film"}


@pytest.fixture
def phantoms(tmp_path, monkeypatch):
    """A copy of the shipped model of phantoms, to be changed."""
    monkeypatch.setenv("PNEUMOSCOPE_MODELS", str(tmp_path / "models"))
    shutil.copytree(PROJECT / "models/phantoms", tmp_path / "models/phantoms")
    return tmp_path / "models/phantoms"


@pytest.fixture(scope="module")
def predictor():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PNEUMOSCOPE_MODELS", str(PROJECT / "models"))
        return Predictor.load("phantoms")


def drawings() -> dict[str, np.ndarray]:
    """Pictures that are no chest films, (224, 224) uint8."""
    random = np.random.default_rng(0)
    slope = np.linspace(0, 255, 224).astype(np.uint8)
    chart = np.full((224, 224), 255, np.uint8)
    cv2.polylines(chart, [np.stack([np.arange(20, 200, 6), random.integers(30, 190, 30)], 1)], False, 0, 2)
    ring = cv2.circle(np.zeros((224, 224), np.uint8), (112, 112), 80, 220, 9)
    return {
        "noise": random.integers(0, 256, (224, 224)).astype(np.uint8),
        "black": np.zeros((224, 224), np.uint8),
        "white": np.full((224, 224), 255, np.uint8),
        "slope": np.tile(slope, (224, 1)),
        "chart": chart,
        "ring": ring,
    }


@pytest.mark.parametrize("name", drawings())
def test_what_is_no_film_is_refused_with_reasons_and_its_probability(predictor, name):
    found = predictor.predict(encode(drawings()[name]))
    assert (found.verdict, found.chest_film) == ("not_a_chest_film", False)
    assert found.reasons
    assert 0 <= found.probability <= 1


def test_films_of_other_patients_pass(predictor):
    found = [predictor.predict(encode(film(9_000 + seed, "lobar" if seed % 2 else ""))) for seed in range(30)]
    assert sum(answer.chest_film for answer in found) >= 29
    assert {answer.verdict for answer in found} <= VERDICTS


def test_a_film_that_was_turned_or_exchanged_is_refused_by_what_was_done(predictor):
    for done, picture in (
        (ood.UPSIDE_DOWN, np.rot90(film(), 2)),
        (ood.ON_ITS_SIDE, np.rot90(film())),
        (ood.EXCHANGED, 255 - film()),
    ):
        assert ood.TELL[done] in predictor.predict(encode(np.ascontiguousarray(picture))).reasons


def test_colours_and_odd_shapes_are_told(predictor):
    coloured = cv2.applyColorMap(film(), cv2.COLORMAP_JET)
    assert "It is a picture in colour." in predictor.predict(encode(coloured)).reasons
    grey = cv2.cvtColor(film(), cv2.COLOR_GRAY2BGR)
    assert "It is a picture in colour." not in predictor.predict(encode(grey)).reasons
    long = predictor.predict(encode(cv2.resize(film(), (1000, 200))))
    assert "It is 5.0 times as long as it is wide." in long.reasons


def test_a_film_is_judged_alike_alone_among_others_and_from_prepared_pixels(predictor):
    files = [encode(film(seed, "patchy" if seed % 3 else "")) for seed in range(70)]
    files[5] = b"no picture"
    many = list(predictor.predict_many(iter(files)))
    assert isinstance(many.pop(5), UserError)
    del files[5]
    films = np.stack([answer.film for answer in many])
    np.testing.assert_allclose([answer.probability for answer in many], predictor.probabilities(films), atol=1e-6)
    for one, other in zip(map(predictor.predict, files), many, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-6)
        assert (one.verdict, one.reasons, one.warnings) == (other.verdict, other.reasons, other.warnings)


def test_features_and_answer_come_from_one_pass(predictor, monkeypatch):
    calls, call = [], predictor._call
    monkeypatch.setattr(predictor, "_call", lambda films: calls.append(len(films)) or call(films))
    predictor.predict(encode(film()))
    assert calls == [1]


def test_a_fitted_film_is_its_own_nearest(predictor):
    prepared = prepare(data.load("phantoms"), predictor.spec)
    row = prepared.table["id"].index(predictor.gate.films[7])
    _, features = predictor.scores_and_features(prepared.films[[row]])
    found = predictor.nearest(features[0], 3)
    assert found[0] == (predictor.gate.films[7], pytest.approx(0, abs=0.02))
    assert [distance for _, distance in found] == sorted(distance for _, distance in found)
    assert len({name for name, _ in found}) == 3


def test_the_command_says_all_that_a_prediction_says(phantoms, tmp_path, capsys):
    (tmp_path / "noise.png").write_bytes(encode(drawings()["noise"]))
    assert cli.main(["predict", "--model", "phantoms", str(tmp_path / "noise.png"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["chest_film"]) == ("not_a_chest_film", False)
    assert found["reasons"]
    assert found["warnings"] == [
        "The model was made from drawings of a computer, not of patients; what it says of others is not known to hold."
    ]


def test_probabilities_in_the_band_are_uncertain_and_say_why(predictor, monkeypatch):
    answer = predictor.predict(encode(film()))
    near = {"low": answer.probability, "high": answer.probability + 1e-3, "right_enough": 0.8}
    monkeypatch.setitem(predictor.card, "uncertain", near)
    found = predictor.predict(encode(film()))
    assert found.verdict == "uncertain"
    assert len(found.reasons) == 1
    assert found.chest_film
    monkeypatch.setitem(predictor.card, "uncertain", near | {"low": 0.0, "high": answer.probability})
    assert predictor.predict(encode(film())).verdict in ("suggests_pneumonia", "suggests_normal")


def test_a_model_without_a_gate_refuses_nothing(with_run):
    found = Predictor.load(with_run.name).predict(encode(drawings()["noise"]))
    assert found.chest_film is None
    assert found.verdict in ("suggests_pneumonia", "suggests_normal")


def test_a_gate_that_is_missing_damaged_or_of_another_model_is_told_with_the_remedy(phantoms):
    file = phantoms / ood.FILE
    for spoil in (file.unlink, lambda: file.write_bytes(b"spoilt"), lambda: np.savez(file, other=np.zeros(3))):
        spoil()
        with pytest.raises(UserError, match="gate of model phantoms") as caught:
            Predictor.load("phantoms")
        assert "core.cli gate --model phantoms" in caught.value.fix


def test_the_command_renews_a_gate_without_touching_the_model(phantoms, capsys):
    before, weights = json.loads((phantoms / "card.json").read_text()), (phantoms / "model.keras").read_bytes()
    (phantoms / ood.FILE).write_bytes(b"spoilt")
    assert cli.main(["gate", "--model", "phantoms"]) == 2
    assert "--data" in capsys.readouterr().err
    assert cli.main(["gate", "--model", "phantoms", "--data", "phantoms", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    after = json.loads((phantoms / "card.json").read_text())
    assert found == {"model": "phantoms", "gate": after["gate"], "uncertain": after["uncertain"]}
    assert after["gate"]["threshold"] == pytest.approx(before["gate"]["threshold"], rel=1e-3)
    assert {key for key in after if after[key] != before[key]} <= {"gate", "uncertain"}
    assert (phantoms / "model.keras").read_bytes() == weights
    assert (phantoms / "card.md").read_text() == model_card.text(after)
    assert "- Gate: " in (phantoms / "card.md").read_text()
    assert Predictor.load("phantoms").gate


def test_fitted_and_measured_films_are_of_different_patients(phantoms):
    card = json.loads((phantoms / "card.json").read_text())["gate"]
    gate = Predictor.load("phantoms").gate
    split = model_store.find("phantoms").split
    fitted = {name.rsplit("-", 1)[0] for name in gate.films}
    assert len(fitted) == card["fitted"]["patients"]
    assert {split[patient] for patient in fitted} == {"validation"}
    assert gating._is_first(sorted(fitted)).all()
    assert card["measured"]["refused"] <= 0.03


def test_a_run_of_few_films_gets_no_gate_and_says_so(with_run, tmp_path, monkeypatch, capsys):
    shutil.copytree(with_run.folder.parent.parent, tmp_path / "copy")
    monkeypatch.setenv("PNEUMOSCOPE_WORKSPACE", str(tmp_path / "copy"))
    assert cli.main(["gate", "--model", with_run.name]) == 0
    assert "too few" in capsys.readouterr().out
    assert Predictor.load(with_run.name).gate is None


def test_a_gate_travels_with_a_promoted_run(with_run, tmp_path, monkeypatch):
    shutil.copytree(with_run.folder.parent.parent, tmp_path / "copy")
    monkeypatch.setenv("PNEUMOSCOPE_WORKSPACE", str(tmp_path / "copy"))
    monkeypatch.setattr(gating, "FEWEST", 5)
    assert gating.add(with_run.name, with_run.settings.data)["gate"]["trained_on"] is False
    model_store.promote(with_run.name, "gated")
    assert Predictor.load("gated").gate.films == Predictor.load(with_run.name).gate.films


def test_the_band_holds_the_answers_that_are_right_too_seldom():
    from core.calibration import uncertain_band

    random = np.random.default_rng(0)
    probabilities = random.uniform(0, 1, 20_000)
    band = uncertain_band((random.uniform(0, 1, 20_000) < probabilities).astype(int), probabilities, 0.5)
    assert band["low"] == pytest.approx(0.2, abs=0.05)
    assert band["high"] == pytest.approx(0.8, abs=0.05)
    assert band["right_inside"] < 0.8 < band["right_outside"]
    sure = uncertain_band((probabilities > 0.5).astype(int), probabilities, 0.5)
    assert sure["high"] - sure["low"] < 0.01


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"ViewPosition": "LL"}, "left lateral"),
        ({"Modality": "OT"}, "OT (other)"),
        ({"PatientAge": "058Y"}, "grown up"),
        ({"BurnedInAnnotation": "YES"}, "burned into"),
    ],
)
def test_what_a_header_says_against_its_film_is_told_without_its_values(predictor, tmp_path, attributes, said):
    content = write_dicom(tmp_path / "a.dcm", film(), "Miller", **attributes).read_bytes()
    told = " ".join(predictor.predict(content).warnings)
    assert said in told
    for secret in ("Miller", "Doe", "058", "58"):
        assert secret not in told
    plain = write_dicom(tmp_path / "b.dcm", film(), PatientAge="004Y").read_bytes()
    assert contradictions.claims(plain) == contradictions.Claims()


def test_a_film_that_only_claims_to_be_inverted_is_judged_as_it_is(predictor, tmp_path):
    expected = predictor.predict(write_dicom(tmp_path / "a.dcm", film()).read_bytes())
    false = write_dicom(tmp_path / "b.dcm", film(), PhotometricInterpretation="MONOCHROME1").read_bytes()
    true = write_dicom(tmp_path / "c.dcm", 255 - film(), PhotometricInterpretation="MONOCHROME1").read_bytes()
    assert contradictions.NOT_INVERTED in predictor.predict(false).warnings
    assert contradictions.NOT_INVERTED not in predictor.predict(true).warnings
    for content in (false, true):
        found = predictor.predict(content)
        assert found.chest_film
        assert found.probability == pytest.approx(expected.probability, abs=0.01)


def test_features_that_are_no_numbers_pass_nothing(predictor):
    gate = predictor.gate
    assert gate.reasons(cv2.resize(film(), (SIZE, SIZE)), np.full(gate.middle.shape, np.nan))
    assert not dataclasses.replace(gate, threshold=np.inf).reasons(cv2.resize(film(), (SIZE, SIZE)), gate.middle)
