"""Judges a model on a part of a data set that it was not trained on."""

import contextlib
import dataclasses
import math
from pathlib import Path
from typing import Any, Self

import numpy as np

from core import data, metrics, model_store, workspace
from core.data import splits
from core.data.prepare import Prepared, Progress, prepare
from core.data.sample import CLASS_NAMES
from core.errors import UserError
from core.metrics import Confusion, Interval, Judged, RocCurve
from core.prediction import BATCH, Predictor

PARTS = ("test", "validation", "all")


@dataclasses.dataclass(frozen=True)
class EvaluationReport:
    """Figures of one model on one part of one data set.

    metrics: by name, see METRICS. films, patients: how many were judged. seen_patients: judged
    patients by whose films the model was trained (only ever above 0 where part is "all").
    """

    model: str
    data: str
    synthetic: bool
    part: str
    films: int
    patients: int
    seen_patients: int
    threshold: float
    rule: str
    metrics: dict[str, Interval]
    confusion: Confusion
    roc: RocCurve

    def to_json(self) -> dict[str, Any]:
        """Plain values; a figure that cannot be told is null."""
        return workspace.without_nan(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The report that `to_json` wrote."""
        figures = {
            name: Interval(*(math.nan if value[key] is None else value[key] for key in ("value", "low", "high")))
            for name, value in values["metrics"].items()
        }
        rest = {"metrics": figures, "confusion": Confusion(**values["confusion"]), "roc": RocCurve(**values["roc"])}
        return cls(**(values | rest))


def evaluate(
    predictor: Predictor, split: dict[str, str], data_key: str, part: str, progress: Progress = lambda done, total: None
) -> EvaluationReport:
    """The report of a model on a part of the data set that the key names.

    split: {patient: part} of the model's own films; patients it knows keep their part, others are
    split with the model's own settings. part: one of PARTS. progress: called with films judged and
    films in all. Raises UserError if the part lacks a class.
    """
    prepared = prepare(data.load(data_key), predictor.spec)
    parts = splits.split_as(prepared.table, model_store.settings_of(predictor.card, data_key), split)
    known = np.array([split.get(patient, "") for patient in prepared.table["patient"]])
    # Another folder may call films a test part whose patients this model was trained on.
    wanted = ~np.asarray(prepared.table["excluded"]) if part == "all" else (parts == part) & (known != "train")
    chosen = np.flatnonzero(wanted)
    labels = prepared.labels[chosen]
    for label, name in enumerate(CLASS_NAMES):
        if not (labels == label).any():
            raise UserError(
                f"The {part} part of {prepared.name} holds no {name} film: nothing can be judged on it.",
                fix="Use a data set with films of both classes, or judge on another part.",
            )
    scores = np.empty(len(chosen))
    for begin in range(0, len(chosen), BATCH):
        scores[begin : begin + BATCH] = predictor.probabilities(prepared.films[chosen[begin : begin + BATCH]])
        progress(min(begin + BATCH, len(chosen)), len(chosen))
    patients = [prepared.table["patient"][film] for film in chosen]
    judged = Judged(labels, scores, patients, predictor.threshold)
    seen = sum(split.get(patient) == "train" for patient in set(patients))
    return report_of(predictor.name, prepared, part, judged, predictor.card["operating_point"]["rule"], seen)


def report_of(
    model: str, prepared: Prepared, part: str, judged: Judged, rule: str, seen_patients: int = 0
) -> EvaluationReport:
    """The report of a model's answers to films of a prepared set. rule: that of the threshold."""
    return EvaluationReport(
        model=model,
        data=prepared.name,
        synthetic=prepared.synthetic,
        part=part,
        films=len(judged.labels),
        patients=len(set(judged.patients)),
        seen_patients=seen_patients,
        threshold=judged.threshold,
        rule=rule,
        metrics=metrics.measure(judged),
        confusion=judged.confusion,
        roc=metrics.roc(judged),
    )


def save(report: EvaluationReport, run_folder: Path) -> None:
    """Adds the report to the run's report.json, which holds one for each part."""
    reports = stored(run_folder) | {report.part: report}
    workspace.write_json(run_folder / "report.json", {part: found.to_json() for part, found in reports.items()})


def stored(run_folder: Path) -> dict[str, EvaluationReport]:
    """The run's reports by part; one that cannot be read is left out."""
    found = {}
    written = workspace.read_json(run_folder / "report.json")
    for part, values in written.items() if isinstance(written, dict) else ():
        with contextlib.suppress(AttributeError, KeyError, TypeError):
            found[part] = EvaluationReport.from_json(values)
    return found
