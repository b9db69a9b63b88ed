"""Trains one run: from its settings to a model with a card, live on disk all the way."""

import csv
import dataclasses
import datetime
import gc
import os
import platform
import time
from pathlib import Path
from typing import Any

# TensorFlow's start-up chatter would fill every run's log.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from core import architectures, calibration, data, jobs, model_store, runs, workspace
from core.architectures import ARCHITECTURES
from core.data import card as data_card
from core.data import splits
from core.data.batches import Shuffle, eval_batches, train_batches
from core.data.prepare import Prepared, Progress, prepare
from core.errors import UserError
from core.images import ImageSpec
from core.runs import Run
from core.settings import TrainSettings

EVAL_BATCH = 64
MONITORED = "val_roc_auc"


class Stopped(Exception):
    """A stop was asked for; leaves keras's fit from within a batch."""


@keras.saving.register_keras_serializable("pneumoscope")
class Specificity(keras.metrics.Recall):
    """Share of the normal films that stay below 0.5: recall of the other class."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        return super().update_state(1 - y_true, 1 - y_pred, sample_weight)


def train(run: Run) -> None:
    """Trains the run, from its checkpoint where there is one, and writes best.keras and card.json.

    Returns when the last epoch is done or a stop was obeyed; a stop before the first batch leaves no
    model. Raises UserError for settings or data that cannot be trained on.
    """
    settings, folder = run.settings, run.folder
    options = architectures.options_of(settings)
    try:
        prepared = prepare(
            data.load(settings.data), ImageSpec(settings.image_size, settings.framing), _stoppable(folder)
        )
    except Stopped:
        return
    parts = _split(folder, prepared, settings)
    data_card.write(data_card.describe(prepared, settings, parts), folder)
    keras.utils.set_random_seed(settings.seed)
    checkpoint = workspace.read_json(folder / "checkpoint.json", {"epochs_done": 0, "best": None, "best_epoch": 0})
    _forget_unfinished_epochs(folder, checkpoint["epochs_done"])
    if checkpoint["epochs_done"]:
        model = keras.models.load_model(folder / checkpoint["file"])
    else:
        model = ARCHITECTURES[settings.architecture].build(settings.image_size, options)
        _compile(model, settings)
    _fit(model, run, prepared, parts, checkpoint)
    _write_card(run, prepared, parts)


def _stoppable(folder: Path) -> Progress:
    """Shows how far the preparing is, and leaves it when a stop is asked for."""
    meter = jobs.Meter(folder, "preparing")

    def progress(done: int, total: int) -> None:
        meter(done, total)
        _obey_stop(folder)

    return progress


def _obey_stop(folder: Path) -> None:
    if runs.stop_requested(folder):
        raise Stopped


def _split(folder: Path, prepared: Prepared, settings: TrainSettings) -> np.ndarray:
    """The part of every film; kept in the run, so that films that come later change nothing."""
    recorded = workspace.read_json(folder / "split.json")
    parts = splits.split(prepared.table, settings.validation_fraction, settings.test_fraction, settings.seed, recorded)
    splits.check_trainable(parts, prepared.labels)
    drawn = splits.by_patient(prepared.table, parts)
    workspace.write_json(folder / "split.json", drawn | (recorded or {}))
    return parts


def _compile(model: keras.Model, settings: TrainSettings) -> None:
    model.compile(
        optimizer=keras.optimizers.get(
            {"class_name": settings.optimizer, "config": {"learning_rate": settings.learning_rate}}
        ),
        loss="binary_crossentropy",
        metrics=[
            keras.metrics.BinaryAccuracy(name="accuracy"),
            keras.metrics.AUC(name="roc_auc"),
            keras.metrics.Recall(name="sensitivity"),
            Specificity(name="specificity"),
        ],
    )


def _fit(model: keras.Model, run: Run, prepared: Prepared, parts: np.ndarray, checkpoint: dict[str, Any]) -> None:
    settings = run.settings
    shuffle = Shuffle(np.flatnonzero(parts == "train"), settings.seed)
    recorder = Recorder(run, shuffle, checkpoint)
    try:
        with workspace.writing(run.folder):
            model.fit(
                train_batches(prepared, shuffle, settings.batch_size),
                validation_data=eval_batches(prepared, np.flatnonzero(parts == "validation"), EVAL_BATCH),
                initial_epoch=checkpoint["epochs_done"],
                epochs=settings.epochs,
                class_weight=_class_weight(prepared.labels[shuffle.films], settings),
                callbacks=[
                    keras.callbacks.TerminateOnNaN(),
                    keras.callbacks.CSVLogger(run.folder / "metrics.csv", append=checkpoint["epochs_done"] > 0),
                    recorder,
                ],
                # The batches come shuffled.
                shuffle=False,
                verbose=0,
            )
    except Stopped:
        if not (run.folder / "best.keras").is_file():
            _save(_without_optimizer(model), run.folder / "best.keras")
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise UserError(
            "The memory of this machine does not suffice for this network and batch.",
            fix="Use a smaller batch, smaller images or fewer filters.",
        ) from error
    if recorder.lost:
        raise UserError(
            "The loss is no longer a number: the weights have run away.",
            fix="Start again with a lower learning rate, a tenth of this one.",
        )


def _class_weight(labels: np.ndarray, settings: TrainSettings) -> dict[int, float] | None:
    if settings.class_weighting == "none":
        return None
    return {label: len(labels) / (2 * int((labels == label).sum())) for label in (0, 1)}


def _forget_unfinished_epochs(folder: Path, epochs_done: int) -> None:
    """Drops log lines behind the checkpoint: those epochs are trained anew."""
    for name in ("metrics.csv", "steps.csv"):
        path = folder / name
        if path.is_file():
            with path.open(newline="") as file:
                header, *lines = list(csv.reader(file)) or [[]]
            column = header.index("epoch") if "epoch" in header else None
            kept = [line for line in lines if column is not None and line and float(line[column]) < epochs_done]
            rows = "".join(",".join(row) + "\n" for row in [header, *kept])
            workspace.write_bytes(path, rows.encode())


def _without_optimizer(model: keras.Model) -> keras.Model:
    """The same layers, uncompiled: a third of the size on disk."""
    return keras.Model(model.inputs, model.outputs, name=model.name)


def _save(model: keras.Model, path: Path) -> None:
    beside = path.with_name(f"{path.stem}.part.keras")
    with workspace.writing(path):
        try:
            model.save(beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


class Recorder(keras.callbacks.Callback):
    """Writes a run's progress to disk, keeps the best model and a checkpoint, and obeys a stop.

    The checkpoint is the whole model with its optimiser at the end of an epoch, and beside it which
    epoch was best. Example: `model.fit(..., callbacks=[Recorder(run, shuffle, checkpoint)])`.
    """

    def __init__(self, run: Run, shuffle: Shuffle, checkpoint: dict[str, Any]):
        super().__init__()
        self.folder = run.folder
        self.settings = run.settings
        self.shuffle = shuffle
        self.checkpoint = dict(checkpoint)
        self.first_epoch = checkpoint["epochs_done"]
        self.lost = False
        self.written = 0.0
        self.films_per_second = 0.0
        self.epoch = 0
        self.validation_seconds = 0.0

    @property
    def steps(self) -> int:
        return -(-len(self.shuffle.films) // self.settings.batch_size)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = self.shuffle.epoch = epoch
        self.epoch_started = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if not np.isfinite((logs or {}).get("loss", 0.0)):
            self.lost = True
        now = time.monotonic()
        if batch == 0 and self.epoch == self.first_epoch:
            # The first step of a process also builds the graph: it would spoil the speed.
            self.epoch_started = now
            self._write(1, logs)
            # Only now: the start competes with the very page that waits for it.
            jobs.lower_priority()
            gc.enable()
        elif now - self.written >= 0.5:
            timed = batch if self.epoch == self.first_epoch else batch + 1
            self.films_per_second = timed * self.settings.batch_size / (now - self.epoch_started)
            self._write(batch + 1, logs)
        _obey_stop(self.folder)

    def on_test_batch_end(self, batch, logs=None):
        _obey_stop(self.folder)

    def on_test_begin(self, logs=None):
        self.validation_started = time.monotonic()

    def on_test_end(self, logs=None):
        self.validation_seconds = time.monotonic() - self.validation_started

    def on_epoch_end(self, epoch, logs=None):
        if self.lost:
            return
        best = self.checkpoint["best"]
        if best is None or logs[MONITORED] > best:
            self.checkpoint |= {"best": logs[MONITORED], "best_epoch": epoch + 1}
            # A resumed run has a card and reports already, and they speak of another model.
            for name in ("card.json", "report.json"):
                (self.folder / name).unlink(missing_ok=True)
            _save(_without_optimizer(self.model), self.folder / "best.keras")
        self._keep_checkpoint(epoch + 1)
        self._write(self.steps, logs)

    def _keep_checkpoint(self, epochs_done: int) -> None:
        """The JSON names its model, so that the two change in one step."""
        name = f"checkpoint-{epochs_done}.keras"
        _save(self.model, self.folder / name)
        self.checkpoint |= {"epochs_done": epochs_done, "file": name}
        workspace.write_json(self.folder / "checkpoint.json", self.checkpoint)
        for older in self.folder.glob("checkpoint-*.keras"):
            if older.name != name:
                older.unlink()

    def _write(self, done: int, logs: dict[str, float] | None) -> None:
        """done: batches of this epoch."""
        self.written = time.monotonic()
        logs = logs or {}
        steps_left = self.steps * (self.settings.epochs - self.epoch) - done
        seconds_left = None
        if self.films_per_second:
            seconds_left = steps_left * self.settings.batch_size / self.films_per_second
            seconds_left += (self.settings.epochs - self.epoch) * self.validation_seconds
        jobs.update(
            self.folder,
            state="training",
            done=self.epoch * self.steps + done,
            total=self.steps * self.settings.epochs,
            details={
                "epoch": self.epoch + 1,
                "epochs": self.settings.epochs,
                "batch": done,
                "batches": self.steps,
                "films_per_second": self.films_per_second,
                "seconds_left": seconds_left,
                "best_epoch": self.checkpoint["best_epoch"],
            },
        )
        path = self.folder / "steps.csv"
        with workspace.writing(path), path.open("a") as log:
            if log.tell() == 0:
                log.write("epoch,step,loss,accuracy\n")
            step = self.epoch * self.steps + done
            log.write(f"{self.epoch},{step},{logs.get('loss', 0):.6g},{logs.get('accuracy', 0):.6g}\n")


def _write_card(run: Run, prepared: Prepared, parts: np.ndarray) -> None:
    """What one must know to use the model: calibrated on the validation part, hash and all."""
    model = keras.models.load_model(run.folder / "best.keras", compile=False)
    films = np.flatnonzero(parts == "validation")
    scores = model.predict(eval_batches(prepared, films, EVAL_BATCH), verbose=0)[:, 0]
    temperature = calibration.fit_temperature(prepared.labels[films], scores)
    settings = run.settings.to_json()
    del settings["data"]
    checkpoint = workspace.read_json(run.folder / "checkpoint.json", {"best_epoch": 0})
    card = {
        "name": run.name,
        "created": f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}",
        "architecture": run.settings.architecture,
        "parameters": model.count_params(),
        "image_spec": dataclasses.asdict(prepared.spec),
        "settings": settings,
        "best_epoch": checkpoint["best_epoch"],
        "data": data_card.describe(prepared, run.settings, parts),
        "calibration": {"method": "temperature", "temperature": temperature, "films": len(films)},
        "operating_point": dataclasses.asdict(calibration.EVEN_ODDS),
        "sha256": model_store.file_hash(run.folder / "best.keras"),
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
    }
    workspace.write_json(run.folder / "card.json", card)
