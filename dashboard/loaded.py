"""The loaded models: one cache for the pages and REST, and how far the default model's warm-up is."""

import contextlib
import dataclasses
import gc
import logging
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np

from core import model_store
from core.errors import UserError
from core.model_store import StoredModel

if TYPE_CHECKING:
    from core.prediction import Predictor

MOST = 2
STATES = IDLE, STARTING, READY, FAILED = ("idle", "starting", "ready", "failed")
# Keras imports these where it finds them, and answers without them: two seconds of the warm-up.
NOT_NEEDED = ("sklearn", "matplotlib", "pandas")
# Long enough a side for any decoder; what it shows does not matter.
BLANK = 256


@dataclasses.dataclass(frozen=True)
class Status:
    """How far the warm-up is: idle (nobody asked for it), starting, ready or failed.

    model: name of the model it was asked for. error and fix: what a failed one says to a person.
    """

    state: str = IDLE
    model: str | None = None
    error: str = ""
    fix: str = ""


class Models:
    """The models used last, loaded. Threads may share it."""

    def __init__(self, most: int = MOST):
        self.status = Status()
        self._most = most
        self._stopping = False
        self._kept: OrderedDict[tuple[str, str], Predictor] = OrderedDict()
        self._changing = threading.Lock()
        self._loading = threading.Lock()

    def has(self, name: str, sha256: str) -> bool:
        """True where that very model needs no loading."""
        return (name, sha256) in self._kept

    def predictor(self, name: str, sha256: str) -> "Predictor":
        """The loaded model; sha256 tells a changed one from the one kept. Raises UserError if it is gone or changed."""
        key = (name, sha256)
        if found := self._find(key):
            return found
        # One after another: two at once would only wait for each other, and for memory.
        with self._loading:
            return self._find(key) or self._load(key)

    def warm_up(self) -> None:
        """Begins, in a thread, to load the default model and to have it answer once; `status` tells how far it is."""
        self.status = Status(STARTING, _default_name())
        # No daemon: a process that ends while a thread of its own loads TensorFlow hangs.
        threading.Thread(target=self._warm, name="warm-up").start()

    def stop(self) -> None:
        """A warm-up under way goes no further than it must: the server ends."""
        self._stopping = True

    def keep_warm(self) -> Status:
        """As `status`; where the default is another model than the one warmed up, begins with that one."""
        if self.status.state in (READY, FAILED) and self.status.model != _default_name():
            self.warm_up()
        return self.status

    def _find(self, key: tuple[str, str]) -> "Predictor | None":
        with self._changing:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _load(self, key: tuple[str, str]) -> "Predictor":
        from core.prediction import Predictor

        try:
            found = Predictor.load(key[0])
        except UserError:
            raise
        except Exception:
            # Removed between the look at its card and the reading of its file: that is said in a sentence.
            model_store.find(key[0])
            raise
        with self._changing:
            self._kept[key] = found
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        if self.status.state == FAILED and self.status.model == found.name:
            self.status = Status(READY, found.name)
        return found

    def _warm(self) -> None:
        name = self.status.model
        try:
            model = default()
            name = model.name
            _import_keras()
            if self._stopping:
                return
            predictor = self.predictor(name, model.card["sha256"])
            prediction = predictor.predict(cv2.imencode(".png", np.zeros((BLANK, BLANK), np.uint8))[1].tobytes())
            self.status = Status(READY, name)
            # Nobody waits for this one: the first heat map would take half a second longer.
            predictor.heatmaps(prediction.film[None], np.array([prediction.probability]))
        except UserError as error:
            if self.status.state != READY:
                self.status = Status(FAILED, name, error.what, error.fix)
        except Exception:
            logging.getLogger(__name__).exception("The model could not be warmed up.")
            if self.status.state != READY:
                self.status = Status(FAILED, name, "The model could not be loaded.", "Look into the server's log.")


def _import_keras() -> None:
    from core import prediction  # noqa: F401, for it needs what is kept from Keras

    # Looking for garbage while TensorFlow is loaded finds none and takes its time; nor will it become any later.
    gc.disable()
    try:
        with unseen(*NOT_NEEDED):
            import keras  # noqa: F401
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def unseen(*names: str) -> Iterator[None]:
    """This thread does not find these modules meanwhile; pages, in threads of their own, do."""
    finder = _Unseen(names, threading.get_ident())
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@dataclasses.dataclass(frozen=True)
class _Unseen:
    names: tuple[str, ...]
    thread: int

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in self.names and threading.get_ident() == self.thread:
            raise ModuleNotFoundError(f"{name} is not needed here", name=name)


def default() -> StoredModel:
    """The promoted model that answers when none is named, whole. Raises UserError where there is none."""
    if name := _default_name():
        return model_store.find(name)
    raise UserError("There is no promoted model yet.", fix="Promote a run on the Runs page, or put a model in place.")


def _default_name() -> str | None:
    return next((model.name for model in model_store.promoted()), None)


MODELS = Models()
