"""Runs as a whole: real workers in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core import jobs, model_store, runs
from core.errors import UserError
from core.metrics import METRICS
from core.settings import TrainSettings
from tests.conftest import PROJECT
from tests.helpers import kill, wait_for, wait_until_ended

SMALL = TrainSettings(
    data="phantoms:60", epochs=3, batch_size=16, image_size=48, options={"filters": [8], "dense_units": 8}
)
LONG = TrainSettings(
    data="phantoms:200", epochs=500, batch_size=4, image_size=48, options={"filters": [8], "dense_units": 8}
)


@pytest.fixture
def long_run():
    """A run in its second epoch or later; whatever is left of it is killed."""
    run = runs.start(LONG)
    try:
        wait_for(lambda: runs.read_table(run.folder / "metrics.csv").get("epoch", []), bool, seconds=120)
        yield run
    finally:
        kill(run.folder)


def test_a_run_leaves_everything_its_format_promises():
    run = runs.start(SMALL)
    assert run.status.state in ("starting", "preparing", "training")
    assert wait_until_ended(run).state == "finished", (run.folder / "log.txt").read_text()
    metrics = runs.read_table(run.folder / "metrics.csv")
    assert metrics["epoch"] == [0, 1, 2]
    for name in ("loss", "accuracy", "roc_auc", "sensitivity", "specificity"):
        assert len(metrics[name]) == len(metrics[f"val_{name}"]) == 3
    card = json.loads((run.folder / "card.json").read_text())
    assert card["sha256"] == model_store.file_hash(run.folder / "best.keras")
    assert card["best_epoch"] == metrics["val_roc_auc"].index(max(metrics["val_roc_auc"])) + 1
    assert "data" not in card["settings"]
    report = json.loads((run.folder / "report.json").read_text())["validation"]
    assert set(report["metrics"]) == set(METRICS)
    # the report judges the very epoch that was best
    assert report["metrics"]["roc_auc"]["value"] == pytest.approx(max(metrics["val_roc_auc"]), abs=0.03)


def test_stopping_is_obeyed_and_leaves_a_valid_model(long_run):
    runs.stop(long_run.name)
    assert wait_until_ended(long_run, 60).state == "stopped"
    assert model_store.find(long_run.name).card["architecture"] == "simple_cnn"
    assert long_run.can_resume


def test_a_killed_worker_is_shown_as_interrupted_and_resumes_from_its_last_whole_epoch(long_run):
    wait_for(lambda: (long_run.folder / "checkpoint.json").exists(), bool)
    kill(long_run.folder)
    assert wait_for(lambda: long_run.status.state, lambda state: state != "training") == "interrupted"
    done = json.loads((long_run.folder / "checkpoint.json").read_text())["epochs_done"]
    runs.resume(long_run.name)
    wait_for(
        lambda: runs.read_table(long_run.folder / "metrics.csv")["epoch"], lambda epochs: len(epochs) > done, seconds=60
    )
    epochs = runs.read_table(long_run.folder / "metrics.csv")["epoch"]
    assert epochs == list(range(len(epochs)))
    runs.stop(long_run.name)
    assert wait_until_ended(long_run, 60).state == "stopped"


def test_the_worker_outlives_the_process_that_started_it():
    script = (
        "import sys, json; from core import runs; from core.settings import TrainSettings\n"
        "print(runs.start(TrainSettings.from_json(json.loads(sys.argv[1]))).name)"
    )
    started = subprocess.run(
        [sys.executable, "-c", script, json.dumps(SMALL.to_json())],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    run = runs.get(started.stdout.strip())
    assert jobs.is_open(run.status)
    assert wait_until_ended(run).state == "finished"


def test_a_second_run_waits_and_a_training_run_cannot_be_removed(long_run):
    second = runs.start(SMALL)
    assert second.status.state == "queued"
    with pytest.raises(UserError, match="is training"):
        runs.remove(long_run.name)
    with pytest.raises(UserError, match="cannot be resumed"):
        runs.resume(long_run.name)
    with pytest.raises(UserError, match="cannot be resumed"):
        runs.resume(second.name)
    runs.remove(second.name)
    assert runs.queued() == []


def test_a_run_that_cannot_train_fails_with_a_sentence_and_a_next_step():
    run = runs.start(TrainSettings(data="/nowhere"))
    status = wait_until_ended(run)
    assert status.state == "failed"
    assert "no folder" in status.error
    assert status.fix
    assert not status.ours


def test_weights_that_run_away_end_the_run_with_a_next_step(monkeypatch):
    from core import optimizers, training

    make = optimizers.make

    def make_badly(*arguments):
        optimizer = make(*arguments)
        optimizer.learning_rate = float("nan")
        return optimizer

    monkeypatch.setattr(optimizers, "make", make_badly)
    with pytest.raises(UserError, match="run away") as caught:
        training.train(runs.create(SMALL))
    assert "learning rate" in caught.value.fix


def test_removing_a_run_deletes_it_and_other_names_are_refused(with_run, tmp_path, monkeypatch):
    for name in ("../runs", "no-such-run", ""):
        with pytest.raises(UserError, match="no run"):
            runs.get(name)
    monkeypatch.setenv("PNEUMOSCOPE_WORKSPACE", str(tmp_path / "other"))
    run = runs.create(SMALL)
    runs.remove(run.name)
    assert runs.every() == []


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("settings.json", "{"),
        ("settings.json", "[]"),
        ("settings.json", '{"epochs": 0}'),
        ("settings.json", '{"epochs": NaN}'),
        ("settings.json", '{"colour": "blue"}'),
        ("settings.json", '{"options": 3}'),
    ],
)
def test_a_run_folder_spoilt_by_hand_is_named_can_be_removed_and_hides_no_other(file, content):
    run, spoilt = runs.create(SMALL), runs.create(SMALL)
    (spoilt.folder / file).write_text(content)
    assert [other.name for other in runs.every()] == [run.name]
    (error,) = [runs.unreadable()[spoilt.name]]
    assert list(runs.unreadable()) == [spoilt.name]
    assert spoilt.name in error.what
    assert "settings.json" in error.fix
    runs.remove(spoilt.name)
    assert runs.unreadable() == {}
    assert runs.get(run.name) == run


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "dancing"}', '{"state": ["queued"]}', '{"state": 3}'])
def test_a_status_spoilt_by_hand_reads_as_interrupted(content):
    run, other = runs.create(SMALL), runs.create(SMALL)
    jobs.write_status(other.folder, jobs.Status(state="finished"))
    (run.folder / "status.json").write_text(content)
    assert run.status.state == "interrupted"
    assert run.can_resume
    assert other.status.state == "finished"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../runs", "a/../../runs", "/tmp", "queue.json", "no\0name", "x" * 300]
)
def test_a_name_never_leads_out_of_the_runs_folder(name):
    run = runs.create(SMALL)
    (runs.runs_folder() / "queue.json").write_text("[]")
    for deed in (runs.get, runs.stop, runs.remove, runs.resume, lambda name: runs.annotate(name, (), "")):
        with pytest.raises(UserError, match="no run"):
            deed(name)
    assert run.folder.is_dir()
    assert runs.runs_folder().is_dir()


def test_tags_and_a_note_stay_with_the_run():
    run = runs.create(SMALL)
    assert (run.tags, run.note) == ((), "")
    runs.annotate(run.name, (" deep", "deep", "", "to keep"), "Trained on\ntwo films. ")
    assert (run.tags, run.note) == (("deep", "to keep"), "Trained on\ntwo films.")
    for tags, note in ((("a,b",), ""), (("x" * 41,), ""), (("a\nb",), ""), ((), "x" * 5000)):
        with pytest.raises(UserError):
            runs.annotate(run.name, tags, note)
    assert run.tags == ("deep", "to keep")
    for spoilt in ("{", '{"tags": 3, "note": []}', "[1]"):
        (run.folder / "notes.json").write_text(spoilt)
        assert (run.tags, run.note) == ((), "")


def test_a_half_written_last_line_is_left_out(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,loss\n0,0.5\n1,")
    assert runs.read_table(tmp_path / "metrics.csv") == {"epoch": [0.0], "loss": [0.5]}


def test_the_data_card_travels_into_the_run_and_the_model(with_run):
    import json

    card = json.loads((with_run.folder / "dataset.json").read_text())
    assert card["synthetic"]
    assert card["split"]["seed"] == with_run.settings.seed
    assert set(card["sha256"]) == {"films", "decoded"}
    stored = model_store.promote(with_run.name, "carded")
    assert stored.card["data"] == card
    assert (stored.file.parent / "dataset.md").read_text() == (with_run.folder / "dataset.md").read_text()


def test_a_promoted_model_answers_like_its_run(with_run):
    from core.prediction import Predictor
    from tests.helpers import encode, film

    model_store.promote(with_run.name, "first")
    with pytest.raises(UserError, match="already"):
        model_store.promote(with_run.name, "first")
    content = encode(film())
    answers = [Predictor.load(name).predict(content).probability for name in (with_run.name, "first")]
    assert answers[0] == answers[1]
    assert "Research demonstration" in (model_store.models_folder() / "first/card.md").read_text()


def test_a_model_file_that_was_changed_is_refused(with_run):
    stored = model_store.promote(with_run.name, "second")
    with stored.file.open("ab") as file:
        file.write(b"!")
    with pytest.raises(UserError, match="not the one its card"):
        model_store.find("second")


@pytest.mark.parametrize("name", ["", "../evil", "Name With Blanks", "a" * 61])
def test_an_odd_model_name_is_refused(with_run, name):
    with pytest.raises(UserError, match="no name for a model"):
        model_store.promote(with_run.name, name)


def test_a_trained_model_gives_calibrated_answers_one_by_one_and_in_batches(with_run):
    import numpy as np

    from core.prediction import Predictor
    from tests.helpers import encode, film

    predictor = Predictor.load(with_run.name)
    single = [predictor.predict(encode(film(seed))) for seed in range(5)]
    batch = predictor.probabilities(np.stack([prediction.film for prediction in single]))
    assert batch == pytest.approx([prediction.probability for prediction in single], abs=1e-5)
    for prediction in single:
        assert (prediction.verdict == "suggests_pneumonia") == (prediction.probability >= prediction.threshold)
        assert prediction.chest_film is None


def test_many_viewers_do_not_take_each_other_for_the_worker(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    (tmp_path / "lock").touch()
    with ThreadPoolExecutor(4) as pool:
        assert not any(pool.map(lambda _: jobs.is_alive(tmp_path), range(2000)))
    with jobs.working(tmp_path), ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: jobs.is_alive(tmp_path), range(200)))


def test_threads_of_one_server_do_not_spoil_each_others_writes(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    from core import workspace

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: workspace.write_json(tmp_path / "one.json", number), range(500)))
    assert workspace.read_json(tmp_path / "one.json") in range(500)
    assert [path.name for path in tmp_path.iterdir()] == ["one.json"]


def test_a_stop_before_the_first_batch_leaves_no_model_and_says_stopped():
    run = runs.create(TrainSettings(data="phantoms:2000", image_size=64))
    (run.folder / "stop").touch()
    jobs.launch(run.folder, ["train", "--run", run.name])
    assert wait_until_ended(run).state == "stopped"
    assert not run.has_model


def test_a_model_may_not_take_the_name_of_a_run(with_run):
    with pytest.raises(UserError, match="name of a run"):
        model_store.promote(with_run.name, with_run.name)


def test_films_of_patients_the_model_knows_are_never_judged_as_test_films(with_run):
    from core import evaluation

    split = dict.fromkeys(model_store.find(with_run.name).split, "train")
    some = dict(list(split.items())[:30])
    predictor = evaluation.Predictor.load(with_run.name)
    report = evaluation.evaluate(predictor, some, "phantoms:60", "all")
    assert report.seen_patients == 30
    report = evaluation.evaluate(predictor, some, "phantoms:60", "test")
    assert report.seen_patients == 0


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads have priorities of their own on Linux only")
def test_every_thread_of_a_worker_gives_way():
    program = """
import os, threading
from core import jobs
wait = threading.Event()
threading.Thread(target=wait.wait).start()
jobs.lower_priority()
print(*{os.getpriority(os.PRIO_PROCESS, int(task)) for task in os.listdir("/proc/self/task")})
wait.set()
"""
    said = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["19"]


def test_a_command_starts_without_what_only_figures_need():
    """SciPy and scikit-learn take longer to import than all the rest of a worker's start."""
    program = "import sys, core.cli; print(*sorted({'scipy', 'sklearn', 'pandas', 'tensorflow'} & sys.modules.keys()))"
    said = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == ""
