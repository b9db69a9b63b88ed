"""Runs as tables and files; nothing here touches the screen."""

import dataclasses
import datetime
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from core import architectures, provenance, workspace
from core.errors import UserError
from core.runs import Run
from core.settings import TrainSettings
from dashboard import caches

DIFFERS = "Differs"


def overview(found: Sequence[Run], data_names: dict[str, str], states: dict[str, str]) -> pd.DataFrame:
    """A row a run. states: the word for each state."""
    rows = []
    for run in found:
        status, settings = run.status, run.settings
        rows.append(
            {
                "Run": run.name,
                "State": states[status.state],
                "Epochs": f"{status.details.get('epoch', 0)} of {settings.epochs}",
                "Validation ROC AUC": best_roc_auc(run),
                "Tags": list(run.tags),
                "Note": run.note,
                "Data set": data_names[settings.data],
                "Started": datetime.datetime.fromtimestamp(status.started) if status.started else None,
                "Image size": settings.image_size,
                "Batch size": settings.batch_size,
                "Learning rate": settings.learning_rate,
                "Films a second": status.details.get("films_per_second") or None,
            }
        )
    return pd.DataFrame(rows)


def best_roc_auc(run: Run) -> float | None:
    """Of the best model on the validation part: as judged, or while the run goes on as the epochs say."""
    if report := caches.report(run.folder, "validation"):
        return report.metrics["roc_auc"].value
    known = run.metrics.get("val_roc_auc", [])
    return max((value for value in known if not math.isnan(value)), default=None)


def matches(run: Run, data_name: str, words: str) -> bool:
    """Whether every word occurs in the run's name, tags, note, network or data set."""
    text = " ".join((run.name, *run.tags, run.note, run.settings.architecture, data_name)).lower()
    return all(word in text for word in words.lower().split())


def labelled(settings: TrainSettings) -> dict[str, Any]:
    """Every setting by its label, the network's own among them."""
    found: dict[str, Any] = {"Data set": settings.data, "Architecture": settings.architecture}
    found |= _by_label(settings)
    try:
        return found | _by_label(architectures.options_of(settings))
    except UserError:
        return found | settings.options


def _by_label(values: Any) -> dict[str, Any]:
    fields = [field for field in dataclasses.fields(values) if "label" in field.metadata]
    return {field.metadata["label"]: as_text(getattr(values, field.name)) for field in fields}


def as_text(value: Any) -> str:
    """A setting's value for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def changes(before: TrainSettings, now: TrainSettings) -> list[str]:
    """In words, which settings are not what they were; the data set apart."""
    was, found = labelled(before), labelled(now)
    return [
        f"{name} {value} (was {was.get(name, '–')})"
        for name, value in found.items()
        if name != "Data set" and was.get(name) != value
    ]


def comparison(chosen: Sequence[Run]) -> pd.DataFrame:
    """A row a setting, a column a run; DIFFERS says whether they differ, and those come first."""
    table = pd.DataFrame({run.name: labelled(run.settings) for run in chosen}).fillna("–").astype(str)
    table[DIFFERS] = table.nunique(axis=1) > 1
    return table.sort_values(DIFFERS, ascending=False, kind="stable").rename_axis("Setting")


def curves_csv(chosen: Sequence[Run]) -> str:
    """The figures of every epoch in long form: run, epoch, part, figure, value."""
    rows = []
    for run in chosen:
        metrics = run.metrics
        epochs = metrics.pop("epoch", [])
        for name, values in metrics.items():
            part = "validation" if name.startswith("val_") else "train"
            figure = name.removeprefix("val_")
            rows += [
                (run.name, int(epoch) + 1, part, figure, value) for epoch, value in zip(epochs, values, strict=True)
            ]
    return pd.DataFrame(rows, columns=["run", "epoch", "part", "figure", "value"]).to_csv(index=False)


def as_json(run: Run) -> dict[str, Any]:
    """All that is known of a run, as JSON can hold it."""
    found = {
        "name": run.name,
        "settings": run.settings.to_json(),
        "status": dataclasses.asdict(run.status),
        "tags": list(run.tags),
        "note": run.note,
        "provenance": workspace.read_json(run.folder / provenance.FILE),
        "metrics": run.metrics,
    }
    return workspace.without_nan(found)
