"""Adds a gate and the band of uncertain answers to a stored model and its card, without training.

The gate is fitted on one half of the patients and measured on the other: those that validated the model or, where it
has none such, those it was made from. It must let pass what another department would have taken: so films varied as in
`core.shifts`, and softer and grainier ones, help to fit it and to set its threshold.
"""

import csv
import dataclasses
import hashlib
from typing import Any

import cv2
import numpy as np

from core import calibration, data, images, model_store, ood
from core.data.prepare import Prepared, Progress, prepare
from core.model_store import StoredModel
from core.ood import Gate
from core.prediction import BATCH, Predictor
from core.release import SCORES
from core.shifts import SHIFTS, UNSHIFTED, Shift

# Of a half with fewer films no gate is made: it would refuse by chance.
FEWEST = 50
# Every so many films of each variation.
VARIED = 8
# What passes at least of the measured films: as they are, and of each variation.
PASSING, PASSING_VARIED = 0.99, 0.95
# How much farther away films lie that a network was not trained on: see docs/decisions/0008-gate.md.
MARGIN = 1.03


def _softer(film: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(film, (0, 0), 0.7)


def _grainier(film: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Fine grain: at full size most films have it, brought down and compressed they have lost it."""
    return np.clip(film + random.normal(0, 4, film.shape), 0, 255).astype(np.uint8)


VARIATIONS: dict[str, Shift] = {
    **SHIFTS,
    "softer": _softer,
    "grainier": _grainier,
    "softer, then grainier": lambda film, random: _grainier(_softer(film, random), random),
}


@dataclasses.dataclass(frozen=True)
class _Half:
    """Films of one half of the patients: rows, places in the prepared set, of those as they are."""

    rows: np.ndarray
    patients: int
    features: np.ndarray
    varied: dict[str, tuple[np.ndarray, np.ndarray]]


def add(
    name: str, data_key: str, population: str = "", progress: Progress = lambda done, total: None
) -> dict[str, Any]:
    """Gives the promoted model or run of that name a gate from the data set it was made from; renews what it had.

    population: whose films it was made from, where the data set does not say. progress: called with films seen and
    films in all. Returns what the card says of it: "gate" and "uncertain", each None where the films are too few.
    Raises UserError if the model or its films cannot be read.
    """
    predictor, stored = Predictor.load_without_gate(name), model_store.find(name)
    prepared = prepare(data.load(data_key), predictor.spec)
    rows, trained_on = _rows(prepared, stored)
    first = _is_first([prepared.table["patient"][row] for row in rows])
    card = {key: value for key, value in stored.card.items() if key not in ("gate", "uncertain")}
    if band := _band(stored, predictor, prepared, rows, trained_on):
        card["uncertain"] = band
    if known := population or prepared.source.population:
        card["population"] = known
    if min(first.sum(), (~first).sum()) >= FEWEST:
        plain = prepare(prepared.source, dataclasses.replace(predictor.spec, equalise="none"))
        meter = _Meter(progress, len(rows) + len(VARIATIONS) * -(-len(rows) // VARIED))
        halves = [_half(predictor, prepared, plain, chosen, meter) for chosen in (rows[first], rows[~first])]
        gate = _gate(predictor.layer, prepared, *halves, margin=MARGIN if trained_on else 1.0)
        card["gate"] = _described(gate, prepared, *halves, trained_on) | {"sha256": gate.save(stored.file.parent)}
    model_store.write_card(stored, card)
    return {key: card.get(key) for key in ("gate", "uncertain")}


def _rows(prepared: Prepared, stored: StoredModel) -> tuple[np.ndarray, bool]:
    """The films to make it from, and whether the model was trained on them."""
    split = stored.split
    parts = np.array([split.get(patient, "") for patient in prepared.table["patient"]])
    parts[np.asarray(prepared.table["excluded"], bool)] = ""
    validated = np.flatnonzero(parts == "validation")
    return (validated, False) if len(validated) else (np.flatnonzero(parts == "train"), True)


def _is_first(patients: list[str]) -> np.ndarray:
    """Whether each film is of the first half: by a hash of its patient, so that films to come move nobody."""
    return np.array([hashlib.sha256(patient.encode()).digest()[0] % 2 == 0 for patient in patients], bool)


class _Meter:
    def __init__(self, progress: Progress, total: int):
        self.progress, self.done, self.total = progress, 0, total

    def add(self, films: int) -> None:
        self.done += films
        self.progress(min(self.done, self.total), self.total)


def _half(predictor: Predictor, prepared: Prepared, plain: Prepared, rows: np.ndarray, meter: _Meter) -> _Half:
    def seen(films: np.ndarray) -> np.ndarray:
        features = []
        for begin in range(0, len(films), BATCH):
            features.append(predictor.scores_and_features(films[begin : begin + BATCH])[1])
            meter.add(len(features[-1]))
        return np.concatenate(features)

    varied = {}
    for name, vary in VARIATIONS.items():
        if name != UNSHIFTED:
            random = np.random.default_rng(0)
            # As in `core.release`: in another department it would come before the contrast is evened out.
            films = [images.equalised(vary(film, random), predictor.spec) for film in plain.films[rows[::VARIED]]]
            varied[name] = np.stack(films), seen(np.stack(films))
    patients = len({prepared.table["patient"][row] for row in rows})
    return _Half(rows, patients, seen(prepared.films[rows]), varied)


def _gate(layer: str, prepared: Prepared, fitted: _Half, measured: _Half, margin: float) -> Gate:
    features = np.concatenate([fitted.features, *(features for _, features in fitted.varied.values())])
    names = [prepared.table["id"][row] for row in fitted.rows]
    gate = ood.fit(layer, features, prepared.films[fitted.rows], names)
    limits = [np.quantile(gate.distances(measured.features), PASSING)]
    limits += [np.quantile(gate.distances(features), PASSING_VARIED) for name, (_, features) in measured.varied.items()]
    return dataclasses.replace(gate, threshold=float(max(limits) * margin))


def _described(gate: Gate, prepared: Prepared, fitted: _Half, measured: _Half, trained_on: bool) -> dict[str, Any]:
    """What the card says of it."""

    def refused(films: np.ndarray, features: np.ndarray) -> float:
        return float(np.mean([bool(gate.reasons(*film)) for film in zip(films, features, strict=True)]))

    rule = (
        f"the smallest distance at which {PASSING:.0%} of the measured films pass as they are and "
        f"{PASSING_VARIED:.0%} of each variation of them"
    )
    if trained_on:
        rule += f", times {MARGIN:g} because the model was trained on all of them"
    return {
        "method": ood.METHOD,
        "layer": gate.layer,
        "threshold": gate.threshold,
        "rule": rule,
        "trained_on": trained_on,
        "fitted": {"films": len(fitted.rows), "patients": fitted.patients},
        "measured": {
            "films": len(measured.rows),
            "patients": measured.patients,
            "refused": refused(prepared.films[measured.rows], measured.features),
        },
        "refused_by_variation": {name: refused(*varied) for name, varied in measured.varied.items()},
    }


def _band(
    stored: StoredModel, predictor: Predictor, prepared: Prepared, rows: np.ndarray, trained_on: bool
) -> dict[str, Any] | None:
    """The uncertain band, from answers to films that were not trained on; None where they are too few."""
    if not trained_on and len(rows) < 2 * FEWEST:
        return None
    if not trained_on:
        return calibration.uncertain_band(
            prepared.labels[rows], predictor.probabilities(prepared.films[rows]), predictor.threshold
        )
    file = stored.file.parent / SCORES
    if not file.is_file():
        return None
    with file.open(encoding="utf-8", newline="") as lines:
        answers = [(int(row["label"]), float(row["probability"])) for row in csv.DictReader(lines)]
    labels, probabilities = (np.array(column) for column in zip(*answers, strict=True))
    return calibration.uncertain_band(labels, probabilities, predictor.threshold)
