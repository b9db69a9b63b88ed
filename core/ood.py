"""The gate before the verdict: is this a frontal chest film of the kind that the model knows?

The network's own features, averaged over the film at one layer half way up, are held against those of chest films: the
Mahalanobis distance (Lee et al. 2018, arXiv:1807.03888), with the axes of least variance taken together (probabilistic
PCA, Tipping and Bishop 1999). Half way up, for the last features have forgotten all that does not tell pneumonia
from normal. Besides, a few checks that a person could make. NumPy alone; `core.gating` fits it.
"""

import dataclasses
import hashlib
import io
import zipfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import cv2
import numpy as np

from core import images, workspace
from core.errors import UserError
from core.headers import Header

if TYPE_CHECKING:
    import keras

FILE = "gate.npz"
METHOD = "Mahalanobis distance of the network's own features, and simple checks of the picture"
# The map whose side is nearest to this share of the film's: the last features' is often half as fine.
SHARE_OF_SIDE = 1 / 16
AXES, NEIGHBOUR_AXES = 128, 64
# Added to each feature's spread, as a share of the mean one: one that hardly varies must not decide alone.
LEAST_SPREAD = 0.1
LOOK = 16
# Standard deviation in grey levels: chest films of even the lowest contrast have 20.
FLAT = 8.0
# How much better a turned or exchanged picture must correlate with the mean film, and how well at least.
BETTER, GOOD = 0.1, 0.35
# Mean difference of the colour channels in grey levels; a grey film saved in colour has about 0.
COLOUR = 15.0
# Films of children taken lying reach 3.2.
LONGEST = 4.0
ON_ITS_SIDE, UPSIDE_DOWN, EXCHANGED = "side", "upside down", "exchanged"
TELL = {
    ON_ITS_SIDE: "The film seems to lie on its side: turn it and try again.",
    UPSIDE_DOWN: "The film seems to stand on its head: turn it and try again.",
    EXCHANGED: "Black and white seem to be exchanged: bones must be bright, air dark.",
}


def layer_of(model: "keras.Model") -> str:
    """The layer whose features the gate looks at: the last of those with a map of about a sixteenth of the side."""
    sides = {layer.name: layer.output.shape[1] for layer in model.layers if len(layer.output.shape) == 4}
    wanted = model.input_shape[1] * SHARE_OF_SIDE
    nearest = min(sides.values(), key=lambda side: abs(np.log(side / wanted)))
    return [name for name, side in sides.items() if side == nearest][-1]


@dataclasses.dataclass(frozen=True)
class Gate:
    """What chest films are like, and how unlike a picture may be.

    layer: whose features. middle, spread: (d,) of each feature. axes: (d, k), variances: (k,) along them, rest: the
    mean variance across them. threshold: the largest distance that passes. look: (LOOK, LOOK), the mean film, coarse.
    films: names of those it was fitted on, as they are; places: (films, at most NEIGHBOUR_AXES), where they lie.
    """

    layer: str
    middle: np.ndarray
    spread: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    rest: float
    threshold: float
    look: np.ndarray
    films: tuple[str, ...]
    places: np.ndarray

    def distances(self, features: np.ndarray) -> np.ndarray:
        """How unlike the fitted films these are: features (n, d) to (n,), 1 being usual."""
        away = (features - self.middle) / self.spread
        along = away @ self.axes
        across = np.maximum((away**2).sum(axis=1) - (along**2).sum(axis=1), 0) / self.rest
        return np.sqrt(((along**2 / self.variances).sum(axis=1) + across) / features.shape[1])

    def reasons(self, film: np.ndarray, features: np.ndarray) -> tuple[str, ...]:
        """Why this is no frontal chest film, in words; nothing if it is one.

        film: (size, size) uint8, as the network sees it. features: (d,), the network's.
        """
        if film.std() < FLAT:
            return ("The picture is flat: it holds next to no shades.",)
        turned = self.seems(film)
        found = [TELL[turned]] if turned else []
        ratio = float(self.distances(features[None])[0]) / self.threshold
        # Not "above": features that are no numbers pass nothing.
        if not ratio <= 1:
            found.append(
                f"It is unlike the chest films that the model knows: {ratio:.1f} times as far off as one may be."
            )
        return tuple(found)

    def seems(self, film: np.ndarray) -> str:
        """ON_ITS_SIDE, UPSIDE_DOWN or EXCHANGED where the film would be more like the mean film then; else ""."""
        coarse = _look(film)
        upright = float((coarse * self.look).sum())
        others = {
            UPSIDE_DOWN: float((np.rot90(coarse, 2) * self.look).sum()),
            ON_ITS_SIDE: max(float((np.rot90(coarse, turn) * self.look).sum()) for turn in (1, 3)),
            EXCHANGED: -upright,
        }
        best = max(others, key=others.__getitem__)
        return best if others[best] >= GOOD and others[best] - upright > BETTER else ""

    def nearest(self, features: np.ndarray, count: int) -> list[tuple[str, float]]:
        """The fitted films most alike, the nearest first: features (d,) to (name, distance), 1 being a usual one."""
        place = self.place(features[None])[0]
        distances = np.sqrt(((self._places - place) ** 2).mean(axis=1))
        return [(self.films[row], float(distances[row])) for row in np.argsort(distances, kind="stable")[:count]]

    def place(self, features: np.ndarray) -> np.ndarray:
        """Where films lie among the others: features (n, d) to (n, at most NEIGHBOUR_AXES)."""
        axes, variances = self.axes[:, :NEIGHBOUR_AXES], self.variances[:NEIGHBOUR_AXES]
        return ((features - self.middle) / self.spread) @ axes / np.sqrt(variances)

    @cached_property
    def _places(self) -> np.ndarray:
        return self.places.astype(np.float32)

    def save(self, folder: Path) -> str:
        """Writes gate.npz into the folder; returns its SHA-256. Raises UserError if the disk refuses."""
        content = io.BytesIO()
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        # Text without pickle, which could hold a program.
        names = np.frombuffer("\n".join(self.films).encode(), np.uint8)
        values |= {"films": names, "axes": self.axes.astype(np.float16)}
        np.savez_compressed(content, allow_pickle=False, **values)
        workspace.write_bytes(folder / FILE, content.getvalue())
        return hashlib.sha256(content.getvalue()).hexdigest()

    @classmethod
    def load(cls, folder: Path, sha256: str) -> Self:
        """The gate that lies in a model's folder. Raises UserError if it is missing, damaged or another model's."""
        try:
            content = (folder / FILE).read_bytes()
            if hashlib.sha256(content).hexdigest() != sha256:
                raise ValueError("not the gate of this card")
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                values: dict[str, Any] = {name: stored[name] for name in stored.files}
            values |= {name: values[name].item() for name in ("layer", "rest", "threshold")}
            values["films"] = tuple(values["films"].tobytes().decode().split("\n"))
            return cls(**values | {"axes": values["axes"].astype(np.float32)})
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            raise UserError(
                f"The gate of model {folder.name} is missing or is not the one its card was written for.",
                fix=f"Make it anew: `python -m core.cli gate --model {folder.name}`.",
            ) from None


def fit(layer: str, features: np.ndarray, films: np.ndarray, names: Sequence[str]) -> Gate:
    """A gate that lets nothing through yet: its threshold is 0.

    features: (n, d), n at least 2, of films as they are and then of films varied. films: (m, size, size) uint8, those
    as they are, with their names.
    """
    middle = features.mean(axis=0)
    spread = features.std(axis=0)
    spread += LEAST_SPREAD * spread.mean() + np.finfo(np.float32).tiny
    away = (features - middle) / spread
    variances, axes = np.linalg.eigh((away.T @ away).astype(np.float64) / len(away))
    # No more axes than films can tell.
    count = min(AXES, len(features) // 4, features.shape[1] // 2)
    least = 1e-6 * variances.mean() + np.finfo(np.float32).tiny
    gate = Gate(
        layer=layer,
        middle=middle.astype(np.float32),
        spread=spread.astype(np.float32),
        # As they will be stored, so that what is measured is what will answer.
        axes=axes[:, ::-1][:, :count].astype(np.float16).astype(np.float32),
        variances=np.maximum(variances[::-1][:count], least).astype(np.float32),
        rest=float(max(variances[::-1][count:].mean(), least)),
        threshold=0.0,
        look=_look(films.mean(axis=0).astype(np.float32)),
        films=tuple(names),
        places=np.zeros((0, 0), np.float16),
    )
    return dataclasses.replace(gate, places=gate.place(features[: len(films)]).astype(np.float16))


def _look(film: np.ndarray) -> np.ndarray:
    """The film so coarse that only its light and dark remain: (LOOK, LOOK), mean 0, length 1."""
    coarse = cv2.resize(film, (LOOK, LOOK), interpolation=cv2.INTER_AREA).astype(np.float32)
    coarse -= coarse.mean()
    return coarse / max(float(np.linalg.norm(coarse)), 1e-6)


def reasons_of_file(data: bytes, header: Header) -> tuple[str, ...]:
    """Why a file holds no chest film, from what is lost once it is a grey square: its colours and its shape."""
    found = []
    if header.colour and images.colourfulness(data, header) > COLOUR:
        found.append("It is a picture in colour.")
    long, short = max(header.width, header.height), min(header.width, header.height)
    if long > LONGEST * short:
        found.append(f"It is {long / short:.1f} times as long as it is wide.")
    return tuple(found)
