"""Training in this process: what is learnt, kept, repeated and resumed."""

import dataclasses
import importlib
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from core import checkpoint, provenance, run_log, runs, training
from core.errors import UserError
from core.settings import TrainSettings
from tests.conftest import PROJECT
from tests.helpers import trained_here as trained

SMALL = TrainSettings(
    data="phantoms:60",
    epochs=4,
    batch_size=16,
    image_size=48,
    precision="float32",
    options={"filters": [8], "dense_units": 8},
)
# Whatever keeps something in mind between two epochs.
EVERYTHING = dataclasses.replace(
    SMALL,
    options={"filters": [8], "dense_units": 8, "dropout": 0.3},
    schedule="plateau",
    weight_averaging="moving average",
    early_stopping=50,
    class_weighting="sampling",
    label_smoothing=0.05,
    rotation=10.0,
    zoom=0.1,
    shift=0.1,
    mirror=True,
    brightness=0.1,
    contrast=0.1,
    noise=0.02,
)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A workspace for runs that several tests look at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PNEUMOSCOPE_WORKSPACE", str(tmp_path_factory.mktemp("shared")))
        yield patch


@pytest.fixture(scope="module")
def small_run(elsewhere):
    """A whole run; not to be changed."""
    return trained(SMALL)


@pytest.fixture(scope="module")
def left_run(elsewhere):
    """A run that was left in its third epoch; not to be changed."""
    return interrupted(SMALL, 10, elsewhere)


@pytest.fixture
def halved(left_run, workspace):
    """A copy of it, to be damaged and resumed."""
    shutil.copytree(left_run.folder, runs.runs_folder() / left_run.name)
    return runs.get(left_run.name)


def weights(run, name: str) -> list[np.ndarray]:
    import keras

    return keras.models.load_model(run.folder / name, compile=False).get_weights()


def interrupted(settings, batches: int, monkeypatch):
    """A run that was left in the middle of an epoch, after so many looks for a stop."""
    looks = iter(range(batches))

    def obey(folder):
        if next(looks, None) is None:
            raise training.Stopped

    run = runs.create(settings)
    with monkeypatch.context() as patch:
        patch.setattr("core.recorder.obey_stop", obey)
        training.train(run)
    return run


@pytest.mark.parametrize("settings", [SMALL, dataclasses.replace(EVERYTHING, precision="bfloat16")])
def test_an_interrupted_and_resumed_run_equals_an_uninterrupted_one(settings, monkeypatch):
    """Tolerance: 1e-6 of each figure and weight; the order in which threads add up may differ."""
    whole = trained(settings)
    halved = interrupted(settings, 10, monkeypatch)
    done = checkpoint.read(halved.folder)["epochs_done"]
    assert 0 < done < settings.epochs
    training.train(runs.get(halved.name))
    one, other = (runs.read_table(run.folder / "metrics.csv") for run in (whole, halved))
    assert one.keys() == other.keys()
    for name in one:
        assert other[name] == pytest.approx(one[name], rel=1e-6), name
    for file in ("best.keras", "last.keras"):
        for left, right in zip(weights(whole, file), weights(halved, file), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(run_log.steps(whole.folder)["loss"], run_log.steps(halved.folder)["loss"], atol=1e-5)
    np.testing.assert_allclose(run_log.watched(whole.folder).scores, run_log.watched(halved.folder).scores, atol=1e-6)


def test_two_runs_of_the_same_settings_are_the_same_and_another_seed_is_another_run():
    short = dataclasses.replace(EVERYTHING, epochs=2)
    first, second = trained(short), trained(short)
    assert runs.read_table(first.folder / "metrics.csv") == runs.read_table(second.folder / "metrics.csv")
    other = trained(dataclasses.replace(short, seed=1))
    assert runs.read_table(first.folder / "metrics.csv") != runs.read_table(other.folder / "metrics.csv")


def test_every_batch_is_logged_with_its_own_loss(small_run):
    run = small_run
    steps, metrics = run_log.steps(run.folder), runs.read_table(run.folder / "metrics.csv")
    films = json.loads((run.folder / "dataset.json").read_text())["films"]["train"]
    batches = -(-films // SMALL.batch_size)
    assert steps["step"].tolist() == list(range(1, SMALL.epochs * batches + 1))
    sizes = np.full(batches, SMALL.batch_size)
    sizes[-1] = films - (batches - 1) * SMALL.batch_size
    losses = steps["loss"].reshape(SMALL.epochs, batches)
    assert (losses * sizes).sum(axis=1) / films == pytest.approx(metrics["loss"], abs=1e-4)
    assert losses.std(axis=1).min() > 0


@pytest.mark.parametrize("averaged", [False, True])
def test_the_best_model_is_the_one_that_was_judged(averaged, small_run):
    """With averaged weights, too: the figures, the watched films and the stored model must be of the same weights."""
    import keras

    run = small_run
    if averaged:
        run = trained(dataclasses.replace(SMALL, weight_averaging="moving average", precision="bfloat16"))
    stored = checkpoint.read(run.folder)
    watched = run_log.watched(run.folder)
    assert watched.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert watched.scores.shape == (SMALL.epochs, 6)
    model = keras.models.load_model(run.folder / "best.keras", compile=False)
    # Trained in bfloat16, stored in float32: elsewhere it must not answer with short numbers.
    assert {layer.compute_dtype for layer in model.layers} <= {"float32", "uint8"}
    scores = model.predict(watched.films[..., None], verbose=0)[:, 0]
    assert scores == pytest.approx(watched.scores[stored["best_epoch"] - 1], abs=0.02)


def test_the_learning_rate_follows_its_schedule(small_run):
    cosine = trained(dataclasses.replace(SMALL, schedule="cosine", warmup_epochs=1, learning_rate=0.01))
    rates = runs.read_table(cosine.folder / "metrics.csv")["learning_rate"]
    assert rates[0] == pytest.approx(0.01, rel=0.3)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.001
    assert runs.read_table(small_run.folder / "metrics.csv")["learning_rate"] == pytest.approx([0.001] * 4)


@pytest.mark.parametrize("epochs", [1, 3, 200])
def test_of_averaged_weights_less_than_a_hundredth_is_the_beginning(epochs):
    from core import optimizers

    settings = dataclasses.replace(SMALL, weight_averaging="moving average", epochs=epochs)
    momentum = optimizers.make(settings, 10).ema_momentum
    assert momentum ** (10 * epochs) < 0.01
    assert momentum <= 0.99


def test_early_stopping_ends_the_run_and_a_resume_does_not_go_on():
    run = trained(dataclasses.replace(SMALL, epochs=60, early_stopping=1, learning_rate=1e-7))
    epochs = len(runs.read_table(run.folder / "metrics.csv")["epoch"])
    assert epochs < 60
    training.train(runs.get(run.name))
    assert len(runs.read_table(run.folder / "metrics.csv")["epoch"]) == epochs


def test_balanced_sampling_shows_both_classes_alike():
    from core.data.batches import Shuffle

    labels = np.array([0] * 10 + [1] * 41)
    shuffle = Shuffle(np.arange(51), labels, seed=0, balanced=True)
    order = shuffle.order()
    assert len(order) == 51
    assert np.bincount(labels[order]).tolist() == [26, 25]
    # every normal film two or three times, no ill one twice
    assert set(np.bincount(order)[:10]) <= {2, 3}
    assert np.bincount(order, minlength=51)[10:].max() == 1
    shuffle.epoch = 1
    assert not np.array_equal(order, shuffle.order())


def test_fused_adam_equals_keras_adam():
    import keras

    from core.architectures import simple_cnn
    from core.optimizers import FusedAdam, FusedAdamW

    films = np.random.default_rng(0).integers(0, 255, (64, 32, 32, 1), dtype=np.uint8)
    labels = (np.arange(64) % 2)[:, None]

    def losses(optimizer) -> list[float]:
        keras.utils.set_random_seed(1)
        model = simple_cnn.build(32, simple_cnn.Options(filters=(8, 8), dense_units=16))
        model.compile(optimizer=optimizer, loss="binary_crossentropy", jit_compile=False)
        return model.fit(films, labels, batch_size=16, epochs=4, verbose=0, shuffle=False).history["loss"]

    for fused, plain in ((FusedAdam, keras.optimizers.Adam), (FusedAdamW, keras.optimizers.AdamW)):
        assert losses(fused(1e-3)) == pytest.approx(losses(plain(1e-3)), abs=1e-5)


def test_weights_that_run_away_end_the_run_and_leave_the_last_good_model(monkeypatch):
    class Sabotage(training.LearningRate):
        """Good for two epochs."""

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.optimizer.learning_rate = float("nan")

    monkeypatch.setattr(training, "LearningRate", Sabotage)
    run = runs.create(SMALL)
    with pytest.raises(UserError, match="run away") as caught:
        training.train(run)
    assert "learning rate" in caught.value.fix
    assert run.has_model
    assert checkpoint.read(run.folder)["epochs_done"] == 2
    assert all(np.isfinite(array).all() for array in weights(run, "best.keras"))


def test_films_that_changed_since_end_a_resume_in_words(halved):
    run = halved
    card = json.loads((run.folder / "dataset.json").read_text())
    (run.folder / "dataset.json").write_text(json.dumps(card | {"sha256": {"films": "another"}}))
    with pytest.raises(UserError, match="have changed since this run began"):
        training.train(runs.get(run.name))


@pytest.mark.parametrize("damage", ["json", "short", "other shape", "gone"])
def test_a_damaged_checkpoint_ends_a_resume_in_words(damage, halved):
    run = halved
    file = run.folder / checkpoint.read(run.folder)["file"]
    if damage == "json":
        (run.folder / "checkpoint.json").write_text('{"epochs_done": 1}')
    elif damage == "short":
        file.write_bytes(file.read_bytes()[:-1000])
    elif damage == "gone":
        file.unlink()
    else:
        with file.open("wb") as out:
            np.save(out, np.zeros(3))
    with pytest.raises(UserError, match="cannot be resumed"):
        training.train(runs.get(run.name))


def test_a_disk_that_fills_up_in_mid_run_ends_it_in_words_and_nothing_is_lost(workspace):
    """A real limit on the size of files, in a process of its own: the second epoch's log breaks through it."""
    run = runs.create(dataclasses.replace(SMALL, epochs=400))
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from core import jobs, runs, training\n"
        "run = runs.get(sys.argv[1])\n"
        "real = training.Recorder.on_epoch_end\n"
        "def end(self, epoch, logs=None):\n"
        "    real(self, epoch, logs)\n"
        "    if epoch == 1:\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "training.Recorder.on_epoch_end = end\n"
        "with jobs.working(run.folder):\n"
        "    training.train(run)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, run.name],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert ended.returncode != 0
    status = run.status
    assert status.state == "failed", ended.stderr
    assert "cannot be written" in status.error
    assert "Free some space" in status.fix
    assert checkpoint.read(run.folder)["epochs_done"] >= 1
    (run.folder / "stop").touch()
    training.train(runs.get(run.name))
    assert run.has_model


def test_a_run_says_what_it_was_made_with(small_run):
    run = small_run
    made_with = json.loads((run.folder / provenance.FILE).read_text())
    assert made_with["versions"].keys() >= {"keras", "numpy", "streamlit"}
    assert made_with["precision"] == "float32"
    assert made_with["processor"]
    assert made_with["memory_bytes"] > 1e8
    assert made_with["data_sha256"] == json.loads((run.folder / "dataset.json").read_text())["sha256"]["films"]
    assert json.loads((run.folder / "card.json").read_text())["made_with"] == made_with
    assert provenance.differences(made_with, made_with) == []
    older = made_with | {"cores": 1024, "versions": made_with["versions"] | {"keras": "1.0"}}
    told = provenance.differences(older, made_with)
    assert told[0] == "the number of cores"
    assert told[1].startswith("keras (1.0, now ")


def test_films_are_read_and_not_mapped(workspace):
    from core import data
    from core.data.film_file import FilmFile
    from core.data.prepare import prepare
    from core.images import ImageSpec

    prepared = prepare(data.load("phantoms:20"), ImageSpec(48))
    rows = np.array([5, 0, 19])
    with FilmFile(prepared.folder, 48) as films:
        np.testing.assert_array_equal(films.read(rows), prepared.films[rows])
        with pytest.raises(UserError, match="shorter"):
            films.read(np.array([len(prepared.films)]))


def test_a_curve_is_thinned_for_the_eye_and_keeps_its_extremes():
    records = np.zeros(100_000, run_log.STEP)
    records["step"] = np.arange(1, 100_001)
    records["loss"] = 1
    records["loss"][[777, 50_000]] = [9, -9]
    thin = run_log.thinned(records)
    assert len(thin["step"]) == 600
    assert thin["step"][-1] == 100_000
    assert thin["high"].max() == 9
    assert thin["low"].min() == -9
    assert thin["mean"] == pytest.approx(1, abs=0.1)
    few = run_log.thinned(records[:3])
    assert few["mean"].tolist() == [1, 1, 1]
    assert len(run_log.thinned(records[:0])["step"]) == 0


def test_libraries_hidden_from_keras_are_afterwards_what_they_were():
    import matplotlib

    from core.commands.training import hidden

    with hidden("matplotlib", "none_such"), pytest.raises(ImportError):
        importlib.import_module("matplotlib")
    assert sys.modules["matplotlib"] is matplotlib
    assert "none_such" not in sys.modules
