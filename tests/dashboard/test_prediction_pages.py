"""The Predict page: one film, many films, and what is no film."""

import io
import zipfile

import numpy as np
import pytest

from core import wording
from core.data.phantoms import load
from core.prediction import Predictor
from tests.conftest import PROJECT
from tests.dashboard.opened import open_page, texts
from tests.helpers import encode, film, write_dicom


def hand_in(*files: tuple[str, bytes]):
    app = open_page("predict")
    app.file_uploader[0].set_value([(name, content, "application/octet-stream") for name, content in files])
    return app.run(timeout=60)


def table(app):
    """The answers to many films, once all have one."""
    for _ in range(20):
        if len(app.dataframe):
            return app.dataframe[0].value
        app.run(timeout=60)
    raise AssertionError("no table")


def test_an_upload_is_answered_as_by_the_library(with_run):
    content = encode(film(4, "lobar"), ".jpeg")
    expected = Predictor.load(with_run.name).predict(content)
    app = hand_in(("film.jpeg", content))
    assert not app.exception
    assert wording.VERDICTS[expected.verdict] in app.header[0].value
    assert wording.of_prediction(expected) in texts(app)
    assert any("SYNTHETIC" in warning.value for warning in app.warning)
    app.segmented_control(key="predict_view").set_value("For experts").run(timeout=60)
    assert not app.exception
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Probability"] == f"{expected.probability:.4f}"


def test_a_dicom_film_is_answered_as_the_same_film_as_png_and_without_its_patient(with_run, tmp_path):
    expected = Predictor.load(with_run.name).predict(encode(film(4, "lobar")))
    content = write_dicom(tmp_path / "film.dcm", film(4, "lobar"), "4711").read_bytes()
    app = hand_in(("film.dcm", content))
    assert not app.exception
    assert wording.of_prediction(expected) in texts(app)
    assert "4711" not in texts(app)


@pytest.mark.parametrize(
    "content",
    [b"", b"no film", encode(film(), ".jpeg")[:900], encode(film()[:1, :1]), b"PK\x03\x04 no archive"],
    ids=["empty", "text", "cut", "1x1", "zip"],
)
def test_a_file_that_is_no_film_is_explained(with_run, content):
    app = hand_in(("film.png", content))
    assert not app.exception
    assert app.error[0].value


def test_what_the_answer_is_worth_moves_with_the_prevalence(with_run):
    app = hand_in(("film.png", encode(film(4, "lobar"))))
    app.slider(key="predict_prevalence").set_value(5).run(timeout=60)
    assert "Where 5 of 100 children have pneumonia" in texts(app)
    app.slider(key="predict_prevalence").set_value(60).run(timeout=60)
    assert "Where 60 of 100 children have pneumonia" in texts(app)


def test_many_films_and_an_archive_of_them_make_a_table(with_run):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number in range(3):
            archive.writestr(f"inside/{number}.png", encode(film(number)))
    app = hand_in(("films.zip", content.getvalue()), ("text.png", b"no film"), ("one.jpeg", encode(film(9), ".jpeg")))
    found = table(app)
    assert not app.exception
    assert list(found["Name"]) == ["inside/0.png", "inside/1.png", "inside/2.png", "text.png", "one.jpeg"]
    assert list(found["Answer"] == "Unreadable") == [False, False, False, True, False]
    predictor = Predictor.load(with_run.name)
    assert found["Probability"][0] == predictor.predict(encode(film(0))).probability
    app.pills(key="predict_shown").set_value(["Unreadable"]).run(timeout=60)
    assert list(app.dataframe[0].value["Name"]) == ["text.png"]


def test_a_film_of_the_data_set_can_be_asked_about_and_says_whether_it_was_trained_on(with_run):
    app = open_page("predict")
    app.session_state["data"] = with_run.settings.data
    app.run(timeout=60)
    app.segmented_control(key="predict_way").set_value("From the data set").run(timeout=60)
    assert not app.exception
    said = {}
    for sample in load(with_run.settings.data).samples[:30]:
        app.selectbox(key="predict_sample").set_value(sample).run(timeout=60)
        trained = any("know the answer by heart" in warning.value for warning in app.warning)
        said[with_run.folder, trained] = sample
        if len(said) == 2:
            break
    assert len(said) == 2
    assert not app.exception


def test_what_is_no_chest_film_is_refused_with_the_reason_and_without_a_probability(monkeypatch):
    monkeypatch.setenv("PNEUMOSCOPE_MODELS", str(PROJECT / "models"))
    noise = np.random.default_rng(0).integers(0, 256, (224, 224)).astype(np.uint8)
    app = open_page("predict")
    app.selectbox(key="predict_model").set_value("phantoms").run(timeout=60)
    app.file_uploader[0].set_value([("noise.png", encode(noise), "image/png")]).run(timeout=60)
    assert not app.exception
    assert "Not a chest X-ray" in app.header[0].value
    assert "unlike the chest films that the model knows" in texts(app)
    assert "probability of pneumonia" not in texts(app)
    assert "The model was made from drawings of a computer" in texts(app)
    app.segmented_control(key="predict_view").set_value("For experts").run(timeout=60)
    assert not app.exception
    assert {metric.label: metric.value for metric in app.metric}["Chest film"] == "no"
