"""The figures again with the films damaged, family by family and level by level. A new level is a line.

Damage is done to the square before it is equalised, as it would be done before our own processing.
"""

import dataclasses
import datetime
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from core import data, evaluation, images, looks, metrics, workspace
from core.data import card as data_card
from core.data.prepare import Progress, prepare
from core.data.sample import CLASS_NAMES
from core.metrics import Interval, Judged, intervals_from_json
from core.prediction import BATCH, Predictor
from core.shifts import exposed, placed

FIGURES = ("accuracy", "sensitivity", "specificity", "roc_auc")
# Films of each class: every level judges all of them again.
LIMIT = 300
# Of the file's form: raise it when a reader of the new one could not read the old.
VERSION = 1

# A square in, its damaged copy out: (size, size) uint8.
Damage = Callable[[np.ndarray], np.ndarray]


def _random_of(film: np.ndarray) -> np.random.Generator:
    """The same for the same film, whichever others are judged with it and at whichever level."""
    return np.random.default_rng(zlib.crc32(film.tobytes()))


def _noisy(film: np.ndarray, share: float) -> np.ndarray:
    """With Gaussian noise of that standard deviation, as a share of white."""
    noise = _random_of(film).normal(0, share * 255, film.shape)
    return np.rint(film + noise).clip(0, 255).astype(np.uint8)


def _blurred(film: np.ndarray, share: float) -> np.ndarray:
    """Gaussian blur of that standard deviation, as a share of the side: alike for small and large squares."""
    return cv2.GaussianBlur(film, (0, 0), share * len(film))


def _compressed(film: np.ndarray, quality: int) -> np.ndarray:
    """Through a JPEG file of that quality, from 1 to 100."""
    content = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)


def _turned(film: np.ndarray, degrees: float) -> np.ndarray:
    """About its middle, to the one side or the other as the film's own chance has it; black comes in."""
    return placed(film, float(_random_of(film).choice((-degrees, degrees))), 1)


def _cropped(film: np.ndarray, share: float) -> np.ndarray:
    """Loses so much of each side's length, half at either end, and is enlarged again."""
    return placed(film, 0, 1 / (1 - share))


UNTOUCHED = "as they are"
# From mild to strong; what has two sides goes from strong on the one over mild to strong on the other.
TWO_SIDED = ("brightness", "contrast")
FAMILIES: dict[str, tuple[tuple[str, Damage], ...]] = {
    "noise": tuple((f"{share:.0%} of white", partial(_noisy, share=share)) for share in (0.02, 0.05, 0.1)),
    "blur": tuple((f"{share:.0%} of the side", partial(_blurred, share=share)) for share in (0.01, 0.02, 0.03)),
    "JPEG quality": tuple((f"{quality}", partial(_compressed, quality=quality)) for quality in (50, 20, 8)),
    "brightness": (
        ("20% darker", partial(exposed, brightness=-0.2)),
        ("10% darker", partial(exposed, brightness=-0.1)),
        ("10% brighter", partial(exposed, brightness=0.1)),
        ("20% brighter", partial(exposed, brightness=0.2)),
    ),
    "contrast": (
        ("50% less", partial(exposed, contrast=0.5)),
        ("25% less", partial(exposed, contrast=0.75)),
        ("25% more", partial(exposed, contrast=1.25)),
        ("50% more", partial(exposed, contrast=1.5)),
    ),
    "rotation": tuple((f"{degrees}°", partial(_turned, degrees=degrees)) for degrees in (5, 10, 20)),
    "cropping": tuple((f"{share:.0%} of the side", partial(_cropped, share=share)) for share in (0.05, 0.1, 0.2)),
}


@dataclasses.dataclass(frozen=True)
class Level:
    """family: one of FAMILIES. label: of the level in it. metrics: FIGURES of the films so damaged."""

    family: str
    label: str
    metrics: dict[str, Interval]


@dataclasses.dataclass(frozen=True)
class Robustness:
    """What becomes of a model's figures as the films get worse.

    films: how many were judged at every level, at most LIMIT of each class. untouched: FIGURES of the same films
    as they are; accuracy is at the share of pneumonia among these films, which the limit may have changed.
    films_hash: of all films of the data set, see `core.data.card`.
    """

    model: str
    data: str
    films_hash: str
    part: str
    made: str
    films: int
    threshold: float
    untouched: dict[str, Interval]
    levels: list[Level]
    version: int = VERSION

    def steps(self, family: str) -> list[Level]:
        """A family's levels in order, with the untouched films where they belong."""
        found = [level for level in self.levels if level.family == family]
        found.insert(len(found) // 2 if family in TWO_SIDED else 0, Level(family, UNTOUCHED, self.untouched))
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain values; a figure that cannot be told is null."""
        return workspace.without_nan(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """What `to_json` wrote. Raises AttributeError, KeyError or TypeError for anything else."""
        levels = [Level(**level | {"metrics": intervals_from_json(level["metrics"])}) for level in values["levels"]]
        return cls(**values | {"untouched": intervals_from_json(values["untouched"]), "levels": levels})


def test(predictor: Predictor, split: dict[str, str], data_key: str, part: str, progress: Progress) -> Robustness:
    """The figures of a model on a part of the data set that the key names, untouched and at every level.

    split, part: as for `evaluation.evaluate`, and a look at a test part is noted as there. progress: called with films
    judged and films to judge, each counted once untouched and once for every level. Raises UserError if the part lacks
    a class or the model answers NaN.
    """
    plain = prepare(data.load(data_key), dataclasses.replace(predictor.spec, equalise="none"))
    chosen = evaluation.rows_of(plain, predictor.card, split, data_key, part)
    rows = _thinned(chosen, plain.labels)
    labels, patients = plain.labels[rows], [plain.table["patient"][row] for row in rows]
    levels = [(family, label, damage) for family, graded in FAMILIES.items() for label, damage in graded]
    damages = [_untouched, *(damage for _, _, damage in levels)]
    films_hash = data_card.hash_of(plain.table)
    untouched, *damaged = (
        metrics.measure(Judged(labels, answers, patients, predictor.threshold), FIGURES)
        for answers in _answers(predictor, np.array(plain.films[rows]), damages, progress)
    )
    if part == "test":
        looks.record(films_hash, predictor.name)
    return Robustness(
        model=predictor.name,
        data=plain.name,
        films_hash=films_hash,
        part=part,
        made=f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}",
        films=len(rows),
        threshold=predictor.threshold,
        untouched=untouched,
        levels=[Level(family, label, found) for (family, label, _), found in zip(levels, damaged, strict=True)],
    )


def _untouched(film: np.ndarray) -> np.ndarray:
    return film


def _thinned(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """At most LIMIT rows of each class, in order."""
    found = []
    for label in range(len(CLASS_NAMES)):
        own = rows[labels[rows] == label]
        # Evenly spaced: a patient's films lie together, and so as many patients as can be are kept.
        found.append(own[np.arange(LIMIT) * len(own) // LIMIT] if len(own) > LIMIT else own)
    return np.sort(np.concatenate(found))


def _answers(
    predictor: Predictor, films: np.ndarray, damages: Sequence[Damage], progress: Progress
) -> Iterator[np.ndarray]:
    """Probabilities of the films, (n,), under one damage after the other. Raises UserError if one is NaN."""
    done, total = 0, len(films) * len(damages)
    for damage in damages:
        found = np.empty(len(films))
        for begin in range(0, len(films), BATCH):
            batch = [images.equalised(damage(film), predictor.spec) for film in films[begin : begin + BATCH]]
            found[begin : begin + BATCH] = predictor.probabilities(np.stack(batch))
            done += len(batch)
            progress(done, total)
        evaluation.check_answers(predictor.name, found)
        yield found


def file_of(folder: Path, part: str) -> Path:
    """Where the figures on a part lie."""
    return folder / f"robustness-{part}.json"


def save(found: Robustness, folder: Path) -> None:
    """Writes the figures, in place of earlier ones on that part. Raises UserError if the disk refuses."""
    workspace.write_json(file_of(folder, found.part), found.to_json())


def stored(folder: Path, part: str) -> Robustness | None:
    """The figures that `save` wrote, or None where there are none or another version wrote them."""
    values = workspace.read_json(file_of(folder, part))
    if not isinstance(values, dict) or values.get("version") != VERSION:
        return None
    try:
        return Robustness.from_json(values)
    except (AttributeError, KeyError, TypeError):
        return None
