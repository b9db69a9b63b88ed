"""What a run writes down while it trains: progress, curves, its best model and its checkpoint."""

import gc
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil

from core import checkpoint, jobs, run_log, runs
from core.data.batches import Shuffle, Source
from core.run_log import Watched
from core.settings import TrainSettings

MONITORED = "val_roc_auc"
WRITE_SECONDS = 0.5
WATCHED_OF_A_CLASS = 3


class Stopped(Exception):
    """A stop was asked for; leaves keras's fit from within a batch."""


def obey_stop(folder: Path) -> None:
    """Raises Stopped once a stop was asked for."""
    if runs.stop_requested(folder):
        raise Stopped


def _rate(model: keras.Model) -> float:
    """The present learning rate: a variable, or what a schedule makes of the step."""
    return float(keras.ops.convert_to_tensor(model.optimizer.learning_rate))


class LearningRate(keras.callbacks.Callback):
    """Puts the learning rate among an epoch's figures; stands before the callbacks that write them."""

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = _rate(self.model)


class Recorder(keras.callbacks.Callback):
    """Writes a run's progress to disk, keeps the best model and a checkpoint, and obeys a stop.

    others: the callbacks whose memory belongs to the checkpoint; they stand before this one.
    save_best: called with the path and a snapshot when an epoch was the best so far, in a thread.
    `finish` waits until all is on disk.
    Example: `model.fit(..., callbacks=[*others, Recorder(folder, settings, ...)])`.
    """

    def __init__(
        self,
        folder: Path,
        settings: TrainSettings,
        source: Source,
        shuffle: Shuffle,
        validation: np.ndarray,
        others: list,
        stored: dict[str, Any],
        save_best,
        facts: dict[str, Any],
    ):
        super().__init__()
        self.folder = folder
        self.settings = settings
        self.source = source
        self.shuffle = shuffle
        self.others = others
        self.stored = stored
        self.save_best = save_best
        # Half a second of writing an epoch, beside which the next one trains.
        self.writer = ThreadPoolExecutor(1)
        self.writing: Future | None = None
        self.weights: list[np.ndarray] | None = None
        # What does not change while the run goes on, for the status.
        self.facts = facts
        self.steps = settings.batches(len(shuffle.films))
        self.first_epoch = self.epoch = stored["epochs_done"]
        self.lost = False
        self.written = self.films_per_second = self.between_epochs = 0.0
        self.pending: list[tuple[int, float, float]] = []
        self.process = psutil.Process(os.getpid())
        self._watch(validation)

    def _watch(self, validation: np.ndarray) -> None:
        """Picks the films to be watched, or finds those that the run watched before."""
        known = run_log.watched(self.folder)
        if known and self.first_epoch:
            self.watched = Watched(known.films, known.labels, known.scores[: self.first_epoch])
            return
        labels = self.source.labels
        random = np.random.default_rng(self.settings.seed)
        shuffled = [random.permutation(validation[labels[validation] == label]) for label in (0, 1)]
        chosen = np.concatenate([films[:WATCHED_OF_A_CLASS] for films in shuffled])
        films = self.source.films.read(chosen)
        self.watched = Watched(films, labels[chosen], np.empty((0, len(chosen))))

    def on_train_begin(self, logs=None):
        checkpoint.restore_callbacks(self.others, self.stored)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = self.shuffle.epoch = epoch
        self.films_seen = self.loss_sum = 0.0
        self.epoch_started = time.monotonic()
        self.source.busy = 0.0

    def on_train_batch_end(self, batch, logs=None):
        loss = logs["loss"]
        now = self.last_batch = time.monotonic()
        self._log_step(batch, loss, logs["accuracy"])
        if not np.isfinite(loss):
            self.lost = True
        if batch == 0 and self.epoch == self.first_epoch:
            # The first step of a process also builds the graph: it would spoil the speed.
            self.epoch_started, self.source.busy = now, 0.0
            self._write(1)
            # Only now: the start competes with the very page that waits for it.
            jobs.lower_priority()
            gc.enable()
        elif now - self.written >= WRITE_SECONDS:
            self._write(batch + 1)
        obey_stop(self.folder)

    def on_test_batch_end(self, batch, logs=None):
        obey_stop(self.folder)

    def on_epoch_end(self, epoch, logs=None):
        if self.lost:
            return
        self._score_watched()
        best = self.stored["best"]
        is_best = best is None or self.settings.keep == "last" or logs[MONITORED] > best
        if is_best:
            self.stored |= {"best": float(logs[MONITORED]), "best_epoch": epoch + 1}
        self.stored |= {"epochs_done": epoch + 1, "callbacks": checkpoint.memory_of(self.others)}
        self._wait_for_writer()
        self.weights = checkpoint.snapshot(self.model, self.weights)
        self.writing = self.writer.submit(self._keep, dict(self.stored), is_best)
        self._write(self.steps)
        self.between_epochs = self.written - self.last_batch

    def _log_step(self, batch: int, mean_loss: float, mean_accuracy: float) -> None:
        """Keras tells the mean since the epoch began; the loss of this very batch follows from two of them."""
        films = self.settings.batch_size
        if batch == self.steps - 1:
            films = len(self.shuffle.films) - batch * self.settings.batch_size
        self.films_seen += films
        loss_sum = float(mean_loss) * self.films_seen
        self.pending.append((self.epoch * self.steps + batch + 1, (loss_sum - self.loss_sum) / films, mean_accuracy))
        self.loss_sum = loss_sum

    def _score_watched(self) -> None:
        scores = self.model(self.watched.films[..., None], training=False).numpy()[:, 0]
        known = np.vstack([self.watched.scores, scores.astype(float)])
        self.watched = Watched(self.watched.films, self.watched.labels, known)
        run_log.write_watched(self.folder, self.watched)

    def _keep(self, state: dict[str, Any], is_best: bool) -> None:
        """The best model first: a checkpoint must not speak of one that is not there."""
        if is_best:
            # A resumed run has a card and reports already, and they speak of another model.
            for name in ("card.json", "report.json"):
                (self.folder / name).unlink(missing_ok=True)
            self.save_best(self.folder / "best.keras", self.weights)
        checkpoint.write(self.folder, self.weights, state)

    def _wait_for_writer(self) -> None:
        if self.writing:
            self.writing.result()

    def finish(self) -> None:
        """Returns when everything is on disk. Raises UserError if the disk refused."""
        self._flush()
        self._wait_for_writer()

    def _flush(self) -> None:
        """Writes the batches that were trained since the last writing."""
        if self.pending:
            run_log.append_steps(self.folder, self.pending)
            self.pending = []

    def _write(self, done: int) -> None:
        """done: batches of this epoch."""
        self._flush()
        self.written = time.monotonic()
        elapsed = self.last_batch - self.epoch_started
        timed = self.films_seen - (self.settings.batch_size if self.epoch == self.first_epoch else 0)
        if timed > 0 and elapsed > 0:
            self.films_per_second = timed / elapsed
        jobs.update(
            self.folder,
            state="training",
            done=self.epoch * self.steps + done,
            total=self.steps * self.settings.epochs,
            details=self.facts
            | {
                "epoch": self.epoch + 1,
                "epochs": self.settings.epochs,
                "batch": done,
                "batches": self.steps,
                "films_per_second": self.films_per_second,
                "seconds_left": self._seconds_left(done),
                "best_epoch": self.stored["best_epoch"],
                "learning_rate": _rate(self.model),
                "memory": self.process.memory_info().rss,
                "data_share": min(self.source.busy / elapsed, 1.0) if elapsed else 0.0,
            },
        )

    def _seconds_left(self, done: int) -> float | None:
        if not self.films_per_second:
            return None
        epochs_left = self.settings.epochs - self.epoch
        batches_left = self.steps * epochs_left - done
        return batches_left * self.settings.batch_size / self.films_per_second + epochs_left * self.between_epochs
