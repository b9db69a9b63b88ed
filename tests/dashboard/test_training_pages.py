"""Train and Runs: setting up, watching, comparing; on run folders written by hand."""

import dataclasses
import json
import tracemalloc

import pytest

from core import jobs, model_store, presets, run_log, runs, starting
from core.architectures import ARCHITECTURES
from core.data import prepare as preparing
from core.data.phantoms import load
from core.images import ImageSpec
from core.presets import PRESETS
from core.settings import TrainSettings
from dashboard import curves, run_tables, run_views, training_form
from tests.dashboard.fakes import at_work, fake_run
from tests.dashboard.opened import open_page, press, texts


def labels(app) -> set[str]:
    return {button.label for button in app.button}


def figures(app) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def charts(app) -> int:
    return len(app.get("vega_lite_chart"))


def test_every_setting_has_its_place_in_the_form():
    placed = [name for names in training_form.GROUPS.values() for name in names]
    known = [field.name for field in dataclasses.fields(TrainSettings) if "label" in field.metadata]
    assert sorted(placed) == sorted(known)


def test_the_form_shows_the_network_before_anything_starts():
    app = open_page("train")
    assert not app.exception
    options = ARCHITECTURES["simple_cnn"].Options()
    expected = ARCHITECTURES["simple_cnn"].layers(150, options)
    assert list(app.dataframe[0].value["Layer"]) == [layer.name for layer in expected]
    assert app.dataframe[0].value["Parameters"].sum() == sum(layer.parameters for layer in expected)
    app.number_input(key="train_image_size").set_value(64).run()
    assert app.dataframe[0].value["Output"][0] == "64 × 64 × 1"


def test_a_preset_fills_the_form_and_a_change_is_named_and_undone():
    name, preset = next(iter(PRESETS.items()))
    settings = presets.apply(name, "phantoms")
    app = open_page("train")
    app.button(key=f"preset_{name}").click().run()
    assert not app.exception
    assert app.number_input(key="train_epochs").value == settings.epochs
    assert app.number_input(key="train_image_size").value == settings.image_size
    app.number_input(key="train_epochs").set_value(77).run()
    assert f"Changed from {preset.title}: Epochs 77 (was {settings.epochs})" in texts(app)
    press(app, "Undo the changes")
    assert app.number_input(key="train_epochs").value == settings.epochs
    assert "Changed from" not in texts(app)


def test_choosing_a_model_to_start_from_fills_the_form_with_what_suits_it(with_run):
    model_store.promote(with_run.name, "teacher")
    app = open_page("train")
    app.session_state["train_view"] = "new"
    app.run()
    app.selectbox(key="train_start").set_value("teacher").run()
    assert not app.exception
    assert "Filled in from model teacher" in texts(app)
    assert app.number_input(key="train_image_size").value == with_run.settings.image_size
    assert app.number_input(key="train_head_epochs").value == starting.FINE_TUNING["head_epochs"]
    assert app.number_input(key="simple_cnn_dense_units").value == 32
    assert not app.button(key="start").disabled
    # Another network than the model's has no place for its weights.
    app.number_input(key="simple_cnn_dense_units").set_value(64).run()
    assert "another network" in app.error[0].title
    assert app.button(key="start").disabled
    app.selectbox(key="train_start").set_value("").run()
    assert not app.error


def test_what_is_unwise_is_said_and_what_is_impossible_cannot_be_started():
    app = open_page("train")
    app.number_input(key="train_learning_rate").set_value(0.5).run()
    assert any("learning rate" in box.title.lower() for box in (*app.warning, *app.info))
    app.selectbox(key="train_schedule").set_value("plateau")
    app.number_input(key="train_warmup_epochs").set_value(2).run()
    assert not app.exception
    assert app.error[0].value
    assert app.button(key="start").disabled


def test_the_preview_shows_films_as_prepared_and_as_varied():
    preparing.prepare(load("phantoms:60"), ImageSpec(32))
    app = open_page("train")
    app.session_state["data"] = "phantoms:60"
    app.session_state["augmentation"] = True
    app.run()
    app.number_input(key="train_image_size").set_value(32).run()
    assert not app.exception
    assert len(app.get("image")) == 8
    app.number_input(key="train_rotation").set_value(20.0).run()
    assert len(app.get("image")) == 16
    before = [image.proto.SerializeToString() for image in app.get("image")]
    press(app, "Other examples")
    assert [image.proto.SerializeToString() for image in app.get("image")] != before


def test_a_run_at_work_is_watched():
    run = fake_run("training")
    with at_work(run):
        app = open_page("train")
        assert not app.exception
        assert f"Run {run.name}" in {heading.value for heading in app.subheader}
        shown = figures(app)
        assert (shown["Films a second"], shown["Best epoch so far"], shown["Time left"]) == ("321", "2", "1 min 30 s")
        assert "1.5 GB" in texts(app)
        assert "bfloat16" in texts(app)
        # By batch, five figures, the learning rate and the confusion matrix.
        assert charts(app) == 8
        assert len(app.get("image")) == 2
        assert app.progress[0].text == "Epoch 3 of 20"
        press(app, "Stop")
        assert runs.stop_requested(run.folder)
        assert app.run().button(key="stop").disabled


def test_before_the_first_batch_the_page_says_what_happens():
    run = fake_run("preparing", epochs=0)
    jobs.update(run.folder, details={"stage": "Building the network"})
    with at_work(run):
        app = open_page("train")
        assert not app.exception
        assert app.progress[0].text == "Building the network …"
        assert charts(app) == 0


def test_a_second_run_is_queued_and_the_queue_is_in_the_visitors_hands():
    run = fake_run("training")
    with at_work(run):
        app = open_page("train")
        for epochs in (2, 3):
            app.session_state["train_view"] = "new"
            app.run()
            app.number_input(key="train_epochs").set_value(epochs)
            press(app, "Add to the queue")
            assert not app.exception
            assert any("Waiting in the queue" in box.title for box in app.info)
        first, second = runs.queued()
        assert (first.settings.epochs, second.settings.epochs) == (2, 3)
        assert app.button(key=f"down_{second.name}").disabled
        app.button(key=f"up_{second.name}").click().run()
        assert [waiting.name for waiting in runs.queued()] == [second.name, first.name]
        app.button(key=f"out_{first.name}").click().run()
        assert [waiting.name for waiting in runs.queued()] == [second.name]
        app.button(key=f"watch_{run.name}").click().run()
        assert f"Run {run.name}" in {heading.value for heading in app.subheader}
        runs.stop(second.name)


def test_an_ended_run_shows_its_curves_and_is_repeated_with_changes():
    run = fake_run("stopped", learning_rate=0.01, rotation=10.0, options={"filters": [4, 8], "dense_units": 16})
    app = open_page("train")
    app.session_state["watched_run"] = run.name
    app.run()
    assert not app.exception
    assert charts(app) == 8
    assert labels(app) >= {"Resume", "Duplicate with changes"}
    press(app, "Duplicate with changes")
    assert not app.exception
    assert app.session_state["data"] == "phantoms:60"
    assert app.number_input(key="train_learning_rate").value == 0.01
    assert app.text_input(key="simple_cnn_filters").value == "4, 8"
    assert f"Filled in from run {run.name}" in texts(app)


@pytest.mark.parametrize("state", ["queued", "stopped", "failed", "finished"])
def test_a_run_that_never_began_breaks_nothing(state):
    run = fake_run(state, epochs=0)
    # Nothing is at work: a queued run would be started.
    with at_work(run):
        for name in ("train", "runs"):
            app = open_page(name)
            app.session_state["watched_run"] = run.name
            app.session_state["selected_runs"] = [run.name]
            assert not app.run().exception


def test_the_runs_page_lists_and_filters():
    fake_run("finished")
    runs.annotate(fake_run("stopped", epochs=5).name, ("slow",), "A second try")
    app = open_page("runs")
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["State"]) == ["Stopped", "Finished"]
    assert list(table["Epochs"]) == ["5 of 20", "3 of 20"]
    assert list(table["Validation ROC AUC"]) == [0.75, 0.75]
    app.text_input(key="runs_search").set_value("SLOW second").run()
    assert list(app.dataframe[0].value["State"]) == ["Stopped"]
    app.text_input(key="runs_search").set_value("nowhere").run()
    assert "No run is like that." in texts(app)


def test_a_run_is_tagged_and_noted_on_the_runs_page():
    run = fake_run("stopped")
    app = open_runs(run)
    assert not app.exception
    assert labels(app) >= {"Open the run", "Resume", "Duplicate with changes", "Delete"}
    app.text_input(key=f"tags_{run.name}").set_value("good, small")
    app.text_input(key=f"note_{run.name}").set_value("To be repeated")
    press(app, "Save")
    assert (run.tags, run.note) == (("good", "small"), "To be repeated")
    assert list(app.dataframe[0].value["Tags"][0]) == ["good", "small"]


def open_runs(*chosen):
    """The Runs page with these rows selected; a table takes its selection when it is drawn first."""
    app = open_page("overview")
    app.session_state["selected_runs"] = [run.name for run in chosen]
    return app.switch_page("app_pages/runs.py").run()


def test_several_runs_are_compared_and_what_differs_comes_first():
    one, other = fake_run("finished"), fake_run("failed", learning_rate=0.5, options={"filters": (8, 8)})
    table = run_tables.comparison([one, other])
    assert list(table.index[table[run_tables.DIFFERS]]) == ["Learning rate", "Filters"]
    assert list(table.index[:2]) == ["Learning rate", "Filters"]
    app = open_runs(one, other)
    assert not app.exception
    assert "2 runs compared" in {heading.value for heading in app.subheader}
    assert list(app.dataframe[1].value.index) == ["Learning rate", "Filters"]
    app.checkbox(key="compare_only").uncheck().run()
    assert not app.exception
    assert len(app.dataframe[1].value) == len(table)


def test_exports_hold_every_figure_of_every_epoch():
    run, empty = fake_run("finished"), fake_run("failed", epochs=0)
    lines = run_tables.curves_csv([run, empty]).splitlines()
    assert lines[0] == "run,epoch,part,figure,value"
    assert f"{run.name},3,validation,roc_auc,0.75" in lines
    assert len(lines) == 1 + 3 * 11
    (run.folder / "metrics.csv").write_text("epoch,loss\n0,nan\n")
    whole = json.loads(json.dumps(run_tables.as_json(run), allow_nan=False))
    assert whole["metrics"]["loss"] == [None]
    assert whole["provenance"] == {"processor": "a fast one"}
    assert whole["settings"] == json.loads(json.dumps(run.settings.to_json()))


def test_run_folders_that_cannot_be_read_are_listed_with_what_is_wrong():
    broken = fake_run("finished")
    (broken.folder / "settings.json").write_text('{"epochs": 0}')
    for _ in range(2):
        app = open_page("runs")
        assert not app.exception
        assert "1 run folder cannot be read" in app.expander[0].label
        assert "epochs is 0" in texts(app)
        fake_run("finished")


def test_only_the_end_of_a_log_is_read(tmp_path):
    log = tmp_path / "log.txt"
    assert run_views.log_tail(log) == ""
    log.write_text("".join(f"line {number}\n" for number in range(200_000)))
    tracemalloc.start()
    tail = run_views.log_tail(log)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < log.stat().st_size / 4
    assert tail.splitlines()[-1] == "line 199999"
    assert len(tail.splitlines()) == run_views.LOG_LINES


def test_a_run_of_100000_batches_is_drawn_with_600_points(monkeypatch):
    drawn = []
    whole = curves.by_batch

    def by_batch(thinned):
        drawn.append(len(thinned["step"]))
        return whole(thinned)

    monkeypatch.setattr(curves, "by_batch", by_batch)
    run = fake_run("training", epochs=20, batches=5000)
    with at_work(run):
        assert not open_page("train").exception
    assert len(run_log.steps(run.folder)) > 10_000
    assert set(drawn) == {600}
