"""The Evaluate page, view by view."""

import dataclasses
import shutil

import pytest

from core import answers, cli, evaluation, jobs, metrics, model_store, robustness, wording, workspace
from core.robustness import FAMILIES
from dashboard import state
from tests.dashboard.opened import open_page, press, texts
from tests.helpers import damaged, wait_for


def test_the_evaluate_page_shows_the_stored_report(with_run):
    report = evaluation.stored(with_run.folder)["validation"]
    app = open_page("evaluate")
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["ROC AUC"] == f"{report.metrics['roc_auc'].value:.3f}"
    assert shown["Sensitivity"] == f"{report.metrics['sensitivity'].value:.3f}"


def test_the_evaluate_page_shows_what_came_with_a_promoted_model_and_judges_it_on_the_test_part(with_run):
    model = model_store.promote(with_run.name, "brought")
    report = evaluation.stored(model.file.parent)["validation"]
    app = open_page("evaluate")
    app.selectbox(key="evaluate_model").set_value("brought").run()
    assert not app.exception
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["ROC AUC"] == f"{report.metrics['roc_auc'].value:.3f}"
    app.session_state["data"] = with_run.settings.data
    app.run()
    app.selectbox(key="evaluate_films_brought").set_value(with_run.settings.data).run()
    app.segmented_control(key="evaluate_part_all").set_value("test").run()
    press(app, "Evaluate on the test part")
    folder = state.evaluation_folder(model.card["sha256"], with_run.settings.data, "test")
    wait_for(lambda: jobs.status(folder).state, lambda found: found == "finished", 90)
    app.run()
    assert not app.exception
    judged = evaluation.stored(folder)["test"]
    assert judged.part == "test"
    assert judged.looks >= 1
    assert f"{judged.films:,} films of {judged.patients:,} patients" in texts(app)


def threshold_of(app):
    return next(slider for slider in app.slider if slider.label == "Threshold")


def test_another_threshold_on_the_evaluate_page_is_called_an_exploration_and_changes_the_figures(with_run):
    report = evaluation.stored(with_run.folder)["validation"]
    app = open_page("evaluate")
    threshold_of(app).set_value(0.0).run()
    assert not app.exception
    assert any("Exploration" in badge.value for badge in app.markdown)
    shown = {metric.label: metric.value for metric in app.metric}
    judged = answers.judged(evaluation.answers_of(with_run.folder, report), 0.0)
    assert shown["Sensitivity"] == "1.000"
    assert shown["Accuracy"] == f"{metrics.accuracy(judged).value:.3f}"
    assert shown["ROC AUC"] == f"{report.metrics['roc_auc'].value:.3f}"
    app.button[0].click().run()
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Sensitivity"] == f"{report.metrics['sensitivity'].value:.3f}"


def test_a_cell_of_the_confusion_matrix_shows_its_films_with_where_the_network_looked(with_run):
    counts = evaluation.stored(with_run.folder)["validation"].confusion
    app = open_page("evaluate")
    app.pills(key="evaluate_cell").set_value(["Found"]).run()
    assert not app.exception
    assert f"{counts.tp:,} films" in texts(app)
    app.toggle(key="evaluate_heat").set_value(True).run(timeout=60)
    assert not app.exception
    assert "Attention, not localisation" in " ".join(caption.value for caption in app.caption)


@pytest.mark.parametrize("view", ["Curves", "Groups", "Robustness", "Compare", "Report"])
def test_every_view_of_a_judgement_opens(with_run, view):
    app = open_page("evaluate")
    app.segmented_control(key="evaluate_view").set_value(view).run()
    assert not app.exception
    assert not app.error


def test_a_report_of_an_earlier_version_is_said_to_be_one(with_run, tmp_path, monkeypatch):
    folder = shutil.copytree(with_run.folder, tmp_path / "workspace" / "runs" / with_run.name)
    monkeypatch.setenv("PNEUMOSCOPE_WORKSPACE", str(tmp_path / "workspace"))
    workspace.write_json(folder / "report.json", {"validation": {"metrics": {}}})
    app = open_page("evaluate")
    assert not app.exception
    assert any("earlier version" in caption.value for caption in app.caption)


def open_view(name: str, model: str = ""):
    app = open_page("evaluate")
    if model:
        app.selectbox(key="evaluate_model").set_value(model).run()
    return app.segmented_control(key="evaluate_view").set_value(name).run()


@pytest.fixture
def own_run(with_run, tmp_path, monkeypatch):
    """A copy of the finished run: what is written into it is gone with the test."""
    shutil.copytree(with_run.folder.parent.parent, tmp_path / "own")
    monkeypatch.setenv("PNEUMOSCOPE_WORKSPACE", str(tmp_path / "own"))
    return dataclasses.replace(with_run, folder=tmp_path / "own" / "runs" / with_run.name)


def test_films_are_damaged_by_a_job_and_told_family_by_family(own_run, monkeypatch):
    started = []
    monkeypatch.setattr(jobs, "launch", lambda folder, command: started.append((folder, cli.main(command))))
    robustness.file_of(own_run.folder, "validation").unlink(missing_ok=True)
    app = open_view("Robustness")
    press(app, "Damage the films")
    assert not app.exception
    assert [done for _, done in started] == [0]
    found = robustness.stored(own_run.folder, "validation")
    for family in FAMILIES:
        assert wording.of_robustness(found, family) in texts(app)


def test_figures_of_other_films_or_another_threshold_are_not_shown(own_run):
    report = evaluation.stored(own_run.folder)["validation"]
    own = dataclasses.replace(damaged(), part="validation", films_hash=report.films_hash, threshold=report.threshold)
    for odd, shown in (({}, True), ({"films_hash": "e" * 64}, False), ({"threshold": 0.123}, False)):
        robustness.save(dataclasses.replace(own, **odd), own_run.folder)
        assert ("Accuracy falls from 90.0% to 80.0%" in texts(open_view("Robustness"))) is shown


def test_models_are_held_against_each_other_with_the_films_on_which_they_disagree(own_run):
    other = model_store.promote(own_run.name, "other").file.parent
    report = evaluation.stored(other)["validation"]
    table = evaluation.answers_of(other, report)
    # A model that calls no film pneumonia.
    shy = dataclasses.replace(report, threshold=1.0, confusion=answers.judged(table, 1.0).confusion, made="later")
    evaluation.save(shy, other)
    app = open_view("Compare", own_run.name)
    app.multiselect[0].set_value(["other"]).run()
    assert not app.exception
    called = report.confusion.tp + report.confusion.fp
    assert f"the two call {called:,} differently" in texts(app)
    app.pills(key="compare_right").set_value("first").run()
    assert not app.exception
    app.segmented_control(key="evaluate_view").set_value("Report").run()
    assert "Beside other." in texts(app)
    app.toggle(key="evaluate_examples").set_value(True).run(timeout=60)
    assert not app.exception


def test_a_model_that_saw_these_patients_in_training_is_said_to_have_when_it_is_compared(own_run):
    other = model_store.promote(own_run.name, "other").file.parent
    report = evaluation.stored(other)["validation"]
    told = [*report.cautions, evaluation.Caution("serious", "Trained on these", "Its figures flatter it.")]
    evaluation.save(dataclasses.replace(report, cautions=told), other)
    app = open_view("Compare", own_run.name)
    app.multiselect[0].set_value(["other"]).run()
    assert "Its figures flatter it." in [warning.value for warning in app.warning]
