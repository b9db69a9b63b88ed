"""Trains one run: from its settings to a model with a card, live on disk all the way."""

import csv
import os
from pathlib import Path
from typing import Any

# TensorFlow's start-up chatter would fill every run's log.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from core import (
    architectures,
    calibration,
    checkpoint,
    data,
    jobs,
    model_store,
    precision,
    provenance,
    run_log,
    starting,
    workspace,
)
from core.data import card as data_card
from core.data import splits
from core.data.batches import Shuffle, Source
from core.data.film_file import FilmFile
from core.data.prepare import Prepared, Progress, prepare
from core.errors import UserError
from core.learner import Learner
from core.recorder import MONITORED, LearningRate, Recorder, Stopped, obey_stop
from core.runs import Run
from core.settings import TrainSettings

EVAL_BATCH = 64
PLATEAU_EPOCHS, PLATEAU_FACTOR = 3, 0.5


def train(run: Run) -> None:
    """Trains the run, from its checkpoint where there is one; leaves best.keras, last.keras and card.json.

    Returns when the last epoch is done or a stop was obeyed; a stop before the first batch leaves no
    model. Raises UserError for settings or data that cannot be trained on, and for weights that run
    away; the best model until then is kept.
    """
    settings, folder = run.settings, run.folder
    architectures.options_of(settings)
    starting.check(settings)
    jobs.update(folder, details={"stage": ""})
    try:
        prepared = prepare(data.load(settings.data), settings.image_spec, _stoppable(folder))
    except Stopped:
        return
    stored = checkpoint.read(folder)
    parts = _split(folder, prepared, settings)
    card = data_card.describe(prepared, settings, parts)
    _refuse_changed_films(folder, card, stored)
    data_card.write(card, folder)
    chosen = _precision_of(folder, settings, stored)
    made_with = provenance.gather(chosen, card["sha256"]["films"])
    workspace.write_json(folder / provenance.FILE, made_with)
    jobs.update(folder, details={"stage": "Building the network"})
    place, labels, subtypes = prepared.folder, prepared.labels, _subtypes(prepared, settings)
    # Its tables are as long as the data set, and nobody needs them from here on.
    del prepared
    with FilmFile(place, settings.image_size) as films:
        source = Source(labels, films, subtypes)
        problem = _fit(run, source, parts, stored, chosen)
        if (folder / "best.keras").is_file():
            _write_card(run, source, parts, card, made_with)
    if problem:
        raise problem


def _precision_of(folder: Path, settings: TrainSettings, stored: dict[str, Any]) -> str:
    """What the run began with; a machine measured anew must not change it half way."""
    before = workspace.read_json(folder / provenance.FILE)
    if stored["epochs_done"] and isinstance(before, dict) and before.get("precision") in precision.POLICIES:
        return before["precision"]
    return precision.choose(settings)


def _stoppable(folder: Path) -> Progress:
    """Shows how far the preparing is, and leaves it when a stop is asked for."""
    meter = jobs.Meter(folder, "preparing")

    def progress(done: int, total: int) -> None:
        meter(done, total)
        if done == total:
            jobs.update(folder, details={"stage": "Comparing the films"})
        obey_stop(folder)

    return progress


def _refuse_changed_films(folder: Path, card: dict[str, Any], stored: dict[str, Any]) -> None:
    """Half a run on some films and half on others would be neither."""
    before = workspace.read_json(folder / data_card.FILES[0])
    if not stored["epochs_done"] or not isinstance(before, dict):
        return
    if any(before.get(name) != card[name] for name in ("sha256", "exclusions", "films")):
        raise UserError(
            f"The films of {card['name']} have changed since this run began: it cannot be resumed.",
            fix="Start a new run with the same settings: `train --like RUN`, or Duplicate on the Runs page.",
        )


def _split(folder: Path, prepared: Prepared, settings: TrainSettings) -> np.ndarray:
    """The part of every film; kept in the run, so that films that come later change nothing."""
    recorded = workspace.read_json(folder / "split.json")
    if recorded is None and settings.start:
        # Whom the model to start from was trained on must not validate what comes of it.
        recorded = model_store.find(settings.start).split
    parts = splits.split_as(prepared.table, settings, recorded)
    splits.check_trainable(parts, prepared.labels)
    drawn = splits.by_patient(prepared.table, parts)
    workspace.write_json(folder / "split.json", drawn | (recorded or {}))
    return parts


def _callbacks(settings: TrainSettings) -> list[keras.callbacks.Callback]:
    """Keras's own, as the settings ask for them; averaged weights are swapped in before anyone judges or saves."""
    found: list[keras.callbacks.Callback] = [keras.callbacks.TerminateOnNaN()]
    if settings.weight_averaging != "none":
        found.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    if settings.schedule == "plateau":
        found.append(keras.callbacks.ReduceLROnPlateau(factor=PLATEAU_FACTOR, patience=PLATEAU_EPOCHS))
    if settings.early_stopping:
        found.append(keras.callbacks.EarlyStopping(MONITORED, mode="max", patience=settings.early_stopping))
    return found


def _fit(run: Run, source: Source, parts: np.ndarray, stored: dict[str, Any], chosen: str) -> UserError | None:
    """Trains until the last epoch, a stop, or what it returns: the reason why it cannot go on."""
    settings, folder = run.settings, run.folder
    labels = source.labels
    films = {part: np.flatnonzero(parts == part) for part in ("train", "validation")}
    shuffle = Shuffle(films["train"], labels, settings.seed, settings.class_weighting == "sampling")
    learner = Learner(
        settings,
        chosen,
        source.targets.shape[1] - 1,
        settings.batches(len(films["train"])),
        _class_weights(labels[shuffle.films], settings),
    )
    model = learner.model
    if stored["epochs_done"]:
        checkpoint.restore(folder, model, stored)
    _forget_unfinished_epochs(folder, stored["epochs_done"], shuffle, settings)
    others = _callbacks(settings)
    twin = learner.twin()
    facts = {
        "precision": chosen,
        "train_films": len(films["train"]),
        "validation": _counts(labels[films["validation"]]),
    }
    recorder = Recorder(
        folder,
        settings,
        source,
        shuffle,
        films["validation"],
        others,
        stored,
        lambda path, weights: _save(twin(weights), path),
        facts,
    )
    jobs.update(folder, details=facts | {"stage": "First batch"})
    ends_early = stored["callbacks"].get("EarlyStopping", {}).get("stopped_epoch")
    table = keras.callbacks.CSVLogger(folder / "metrics.csv", append=stored["epochs_done"] > 0)
    problem = None
    try:
        with workspace.writing(folder):
            model.fit(
                source.train_batches(shuffle, settings),
                validation_data=source.eval_batches(films["validation"], EVAL_BATCH),
                initial_epoch=stored["epochs_done"],
                epochs=stored["epochs_done"] if ends_early else settings.epochs,
                callbacks=[LearningRate(), *others, table, recorder],
                # The batches come shuffled.
                shuffle=False,
                verbose=0,
            )
    except Stopped:
        pass
    except (tf.errors.OpError, MemoryError) as error:
        problem = _explained(error, source)
    finally:
        recorder.writer.shutdown()
        # Keras closes it only where fit comes to its end.
        if table.csv_file:
            table.csv_file.close()
    recorder.finish()
    if recorder.lost:
        return UserError(
            "The loss is no longer a number: the weights have run away.",
            fix="Start again with a lower learning rate, a tenth of this one. The best model so far was kept.",
        )
    last = twin(checkpoint.snapshot(model, recorder.weights))
    _save(last, folder / "last.keras")
    if not (folder / "best.keras").is_file():
        _save(last, folder / "best.keras")
    return problem


def _explained(error: Exception, source: Source) -> UserError:
    """What ended the training, for people. Raises the error on if it is our fault."""
    if isinstance(source.error, UserError):
        return source.error
    if isinstance(error, tf.errors.ResourceExhaustedError | MemoryError):
        return UserError(
            "The memory of this machine does not suffice for this network and batch.",
            fix="Use a smaller batch, smaller images or fewer filters.",
        )
    raise error


def _counts(labels: np.ndarray) -> dict[str, int]:
    return {"normal": int((labels == 0).sum()), "pneumonia": int((labels == 1).sum())}


def _class_weights(labels: np.ndarray, settings: TrainSettings) -> tuple[float, float]:
    """How much a normal film counts in the loss, and one with pneumonia."""
    if settings.class_weighting != "balanced":
        return 1.0, 1.0
    normal, pneumonia = (len(labels) / (2 * int((labels == label).sum())) for label in (0, 1))
    return normal, pneumonia


def _subtypes(prepared: Prepared, settings: TrainSettings) -> np.ndarray | None:
    """(films, subtypes), 1 where a film is of that subtype; None where they are not to be learnt."""
    if not settings.subtypes:
        return None
    column = np.asarray(prepared.table["subtype"], dtype=str)
    known = sorted(set(column[prepared.labels == 1]) - {""})
    if len(known) < 2:
        print(f"{prepared.name} does not tell subtypes of pneumonia apart: none are learnt.", flush=True)
        return None
    return column[:, None] == np.array(known)


def _forget_unfinished_epochs(folder: Path, epochs_done: int, shuffle: Shuffle, settings: TrainSettings) -> None:
    """Drops log lines behind the checkpoint: those epochs are trained anew."""
    run_log.keep_steps(folder, epochs_done * settings.batches(len(shuffle.films)))
    path = folder / "metrics.csv"
    if path.is_file():
        with path.open(newline="", errors="replace") as file:
            header, *lines = list(csv.reader(file)) or [[]]
        kept = [line for line in lines if line and line[0].isdecimal() and int(line[0]) < epochs_done]
        rows = "".join(",".join(row) + "\n" for row in [header, *kept])
        workspace.write_bytes(path, rows.encode())


def _save(model: keras.Model, path: Path) -> None:
    # Keras wants its own ending.
    beside = path.with_name(f"{path.stem}.part.keras")
    with workspace.replacing(path, beside):
        model.save(beside)


def _write_card(
    run: Run, source: Source, parts: np.ndarray, data_description: dict[str, Any], made_with: dict[str, Any]
) -> None:
    """What one must know to use the model: calibrated on the validation part, hash and all."""
    model = keras.models.load_model(run.folder / "best.keras", compile=False)
    films = np.flatnonzero(parts == "validation")
    scores = model.predict(source.eval_batches(films, EVAL_BATCH), verbose=0)[:, 0]
    calibrated = calibration.fit(source.labels[films], scores)
    card = model_store.new_card(
        run.settings,
        model.count_params(),
        checkpoint.read(run.folder)["best_epoch"],
        data_description,
        calibrated,
        len(films),
        calibration.EVEN_ODDS,
        made_with,
    )
    card |= {"name": run.name, "sha256": model_store.file_hash(run.folder / "best.keras")}
    workspace.write_json(run.folder / "card.json", card)
