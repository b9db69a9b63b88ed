"""How models hold out on films they were not trained on, as other departments would have taken them.

`python -m benchmarks.shifted RUN [RUN ...]`: each run is judged on its own validation part, once through every
shift of core.shifts; Markdown tables. Scores are the network's own, held against the threshold given.
"""

import argparse
import dataclasses

import numpy as np
from sklearn.metrics import roc_auc_score

from core import data, images, model_store, runs
from core.data import splits
from core.data.prepare import prepare
from core.prediction import Predictor
from core.shifts import SHIFTS, shifted


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--threshold", type=float, default=0.5)
    chosen = parser.parse_args()
    for name in chosen.runs:
        show(name, answers(name), chosen.threshold)


def answers(name: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Labels and scores of the run's validation part, by shift."""
    run, predictor = runs.get(name), Predictor.load(name)
    # The shift comes before the equalisation, as it would in another department.
    plain = prepare(data.load(run.settings.data), dataclasses.replace(predictor.spec, equalise="none"))
    parts = splits.split_as(plain.table, run.settings, model_store.find(name).split)
    chosen = np.flatnonzero(parts == "validation")
    films, labels = plain.films[chosen], plain.labels[chosen]
    found = {}
    for shift in SHIFTS:
        seen = np.stack([images.equalised(film, predictor.spec) for film in shifted(films, shift)])
        found[shift] = labels, predictor.scores(seen)
    return found


def show(name: str, found: dict[str, tuple[np.ndarray, np.ndarray]], threshold: float) -> None:
    labels = found["as they are"][0]
    print(f"\n{name}: {(labels == 0).sum()} normal films, {(labels == 1).sum()} with pneumonia, at {threshold:g}\n")
    print("| films | ROC AUC | sensitivity | specificity | their mean |\n| --- | --- | --- | --- | --- |")
    rows = [(shift, *figures(*judged, threshold)) for shift, judged in found.items()]
    for shift, *values in [*rows, ("median", *np.median([row[1:] for row in rows], axis=0))]:
        print(f"| {shift} | " + " | ".join(f"{value:.4f}" for value in values) + " |")


def figures(labels: np.ndarray, scores: np.ndarray, threshold: float) -> tuple[float, float, float, float]:
    called = scores >= threshold
    sensitivity, specificity = called[labels == 1].mean(), (~called[labels == 0]).mean()
    return roc_auc_score(labels, scores), sensitivity, specificity, (sensitivity + specificity) / 2


if __name__ == "__main__":
    main()
