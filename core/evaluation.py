"""Judges a model on a part of a data set that it was not trained on."""

import contextlib
import dataclasses
import datetime
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from core import answers, breakdown, cautions, curves, data, looks, metrics, model_store, workspace
from core.breakdown import Group
from core.cautions import Caution
from core.curves import Band, Curves, DecisionCurve, Histogram, PrCurve, ReliabilityBin, RocCurve
from core.data import card as data_card
from core.data import splits
from core.data.checks.finding import NOTE
from core.data.prepare import Prepared, Progress, prepare
from core.data.sample import CLASS_NAMES
from core.errors import UserError
from core.metrics import Confusion, Interval, intervals_from_json
from core.prediction import BATCH, Predictor

PARTS = ("test", "validation", "all")
# Of the report's form: raise it when a reader of the new one could not read the old.
VERSION = 2


@dataclasses.dataclass(frozen=True)
class EvaluationReport:
    """Figures of one model on one part of one data set.

    films, patients: how many were judged. films_hash: of the data set, see
    `core.data.card`. seen_patients: judged patients by whose films the model was trained. prevalence: share of
    pneumonia. external: the films are not of the data set that the model was made from. looks: how often this
    test part was judged by then. findings: what the audit warns of. metrics: by name, see METRICS. answers: what
    was said of each film, see `core.answers`; lies beside the report.
    """

    model: str
    data: str
    films_hash: str
    synthetic: bool
    part: str
    made: str
    films: int
    patients: int
    seen_patients: int
    prevalence: float
    external: bool
    looks: int
    findings: list[dict[str, str]]
    threshold: float
    rule: str
    metrics: dict[str, Interval]
    confusion: Confusion
    curves: Curves
    breakdown: list[Group]
    cautions: list[Caution] = dataclasses.field(default_factory=list)
    version: int = VERSION
    answers: pd.DataFrame | None = dataclasses.field(default=None, compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the answers; a figure that cannot be told is null."""
        values = dataclasses.asdict(dataclasses.replace(self, answers=None))
        del values["answers"]
        return workspace.without_nan(values)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The report that `to_json` wrote. Raises TypeError or KeyError for any other."""
        drawn = values["curves"]
        rest = {
            "metrics": intervals_from_json(values["metrics"]),
            "confusion": Confusion(**values["confusion"]),
            "curves": Curves(
                roc=RocCurve(**drawn["roc"] | {"band": _band(drawn["roc"])}),
                pr=PrCurve(**drawn["pr"] | {"band": _band(drawn["pr"])}),
                reliability=[
                    ReliabilityBin(**found | {"share": Interval.from_json(found["share"])})
                    for found in drawn["reliability"]
                ],
                histogram=Histogram(**drawn["histogram"]),
                decision=DecisionCurve(**drawn["decision"]),
            ),
            "breakdown": [
                Group(**group | {"metrics": intervals_from_json(group["metrics"])}) for group in values["breakdown"]
            ],
            "cautions": [Caution(**caution) for caution in values["cautions"]],
        }
        return cls(**values | rest)


def _band(curve: dict[str, Any]) -> Band:
    return Band(**{name: [math.nan if one is None else one for one in line] for name, line in curve["band"].items()})


def evaluate(
    predictor: Predictor, split: dict[str, str], data_key: str, part: str, progress: Progress = lambda done, total: None
) -> EvaluationReport:
    """The report of a model on a part of the data set that the key names.

    split: {patient: part} of the model's own films; patients it knows keep their part, others are
    split with the model's own settings. part: one of PARTS. progress: called with films judged and
    films in all. Raises UserError if the part lacks a class or the model answers NaN.
    """
    prepared = prepare(data.load(data_key), predictor.spec)
    chosen = rows_of(prepared, predictor.card, split, data_key, part)
    probabilities = np.empty(len(chosen))
    for begin in range(0, len(chosen), BATCH):
        probabilities[begin : begin + BATCH] = predictor.probabilities(prepared.films[chosen[begin : begin + BATCH]])
        progress(min(begin + BATCH, len(chosen)), len(chosen))
    table = answers.table_of(prepared, chosen, probabilities)
    return report_of(predictor.name, predictor.card, prepared, part, table, split)


def rows_of(prepared: Prepared, card: dict[str, Any], split: Mapping[str, str], data_key: str, part: str) -> np.ndarray:
    """The rows of a prepared set that are judged on that part.

    split, part: as for `evaluate`. Raises UserError if the part lacks a class.
    """
    if part == "all":
        chosen = np.flatnonzero(~np.asarray(prepared.table["excluded"]))
    else:
        parts = splits.split_as(prepared.table, model_store.settings_of(card, data_key), split)
        known = np.array([split.get(patient, "") for patient in prepared.table["patient"]])
        # Another folder may call films a test part whose patients this model was trained on.
        chosen = np.flatnonzero((parts == part) & (known != "train"))
    check_classes(prepared, chosen, part)
    return chosen


def check_classes(prepared: Prepared, chosen: np.ndarray, part: str) -> None:
    """Raises UserError unless the chosen rows hold films of both classes."""
    for label, name in enumerate(CLASS_NAMES):
        if not (prepared.labels[chosen] == label).any():
            raise UserError(
                f"The {part} part of {prepared.name} holds no {name} film: nothing can be judged on it.",
                fix="Use a data set with films of both classes, or judge on another part.",
            )


def check_answers(model: str, probabilities: np.ndarray) -> None:
    """Raises UserError if one of a model's answers, (n,), is NaN."""
    if unknown := int(np.isnan(probabilities).sum()):
        raise UserError(
            f"Model {model} answers nothing (NaN) for {unknown:,} of {len(probabilities):,} films: its weights are "
            "damaged.",
            fix="Train it again, with a lower learning rate if the loss was NaN, or choose another model.",
        )


def report_of(
    model: str, card: dict[str, Any], prepared: Prepared, part: str, table: pd.DataFrame, split: Mapping[str, str]
) -> EvaluationReport:
    """The report of a model's answers to films of a prepared set.

    card: the model's. table: see `core.answers`. split: as for `evaluate`. Raises UserError if an answer is NaN.
    """
    from core.data.audit import audit

    check_answers(model, table["probability"].to_numpy())
    judged = answers.judged(table, card["operating_point"]["threshold"])
    patients = set(judged.patients)
    films_hash = data_card.hash_of(prepared.table)
    report = EvaluationReport(
        model=model,
        data=prepared.name,
        films_hash=films_hash,
        synthetic=prepared.synthetic,
        part=part,
        made=f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}",
        films=len(table),
        patients=len(patients),
        seen_patients=0 if part == "cross-validation" else sum(split.get(patient) == "train" for patient in patients),
        prevalence=float(judged.labels.mean()),
        external=films_hash != card["data"]["sha256"]["films"],
        looks=looks.record(films_hash, model) if part == "test" else 0,
        findings=[
            {"severity": finding.severity, "title": finding.title, "meaning": finding.meaning}
            for finding in audit(prepared).findings
            if finding.severity != NOTE
        ],
        threshold=judged.threshold,
        rule=card["operating_point"]["rule"],
        metrics=metrics.measure(judged),
        confusion=judged.confusion,
        curves=curves.of(judged),
        breakdown=breakdown.of(table, judged.threshold),
        answers=table,
    )
    return dataclasses.replace(report, cautions=cautions.of(report, card))


def save(report: EvaluationReport, folder: Path) -> None:
    """Adds the report to the folder's report.json, which holds one for each part, and its answers beside it."""
    if report.answers is not None:
        answers.write(report.answers, answers.file_of(folder, report.part))
    written = workspace.read_json(folder / "report.json")
    kept = written if isinstance(written, dict) else {}
    workspace.write_json(folder / "report.json", kept | {report.part: report.to_json()})


def stored(folder: Path) -> dict[str, EvaluationReport]:
    """The folder's reports by part, without their answers; one that cannot be read is left out."""
    found = {}
    for part, values in _written(folder).items():
        with contextlib.suppress(AttributeError, KeyError, TypeError):
            found[part] = EvaluationReport.from_json(values)
    return found


def outdated(folder: Path, part: str) -> bool:
    """True where the folder has a report on that part which an earlier version wrote, and this one cannot read."""
    return part in _written(folder) and part not in stored(folder)


def written_parts(folder: Path) -> list[str]:
    """The parts on which the folder has a report, of whichever version."""
    return list(_written(folder))


def _written(folder: Path) -> dict[str, Any]:
    written = workspace.read_json(folder / "report.json")
    return written if isinstance(written, dict) else {}


def answers_of(folder: Path, report: EvaluationReport) -> pd.DataFrame | None:
    """The answers that a stored report was made from; None where they are missing or are not those."""
    table = answers.read(answers.file_of(folder, report.part))
    if table is None or answers.judged(table, report.threshold).confusion != report.confusion:
        return None
    return table
