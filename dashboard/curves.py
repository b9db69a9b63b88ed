"""A run's curves as Vega-Lite: a table and what to draw of it; nothing here touches the screen.

Written out, not built with Altair: that takes 20 ms a chart, and these are drawn anew every second.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.data.sample import CLASS_NAMES
from core.metrics import Confusion
from dashboard.charts import TITLES

HEIGHT = 260
PARTS = {"train": "", "validation": "val_"}
Curve = tuple[pd.DataFrame, dict[str, Any]]


def by_batch(thinned: Mapping[str, np.ndarray]) -> Curve:
    """The training loss batch by batch: the mean as a line, within a band from the lowest to the highest."""
    names = {"step": "Batch", "low": "Lowest", "mean": "Mean", "high": "Highest"}
    table = pd.DataFrame({title: thinned[name] for name, title in names.items()})
    batch = {
        "field": "Batch",
        "type": "quantitative",
        "title": None,
        "axis": {"format": "~s", "tickMinStep": 1},
        "scale": {"zero": False, "nice": False},
    }
    scale = {"zero": False}
    tooltip: list[dict[str, Any]] = [{"field": "Batch", "type": "quantitative"}]
    tooltip += [{"field": name, "type": "quantitative", "format": ".4f"} for name in ("Mean", "Lowest", "Highest")]
    band = {
        "mark": {"type": "area", "opacity": 0.25},
        "encoding": {
            "x": batch,
            "y": {"field": "Lowest", "type": "quantitative", "title": None, "scale": scale},
            "y2": {"field": "Highest"},
        },
    }
    line = {
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {"x": batch, "y": {"field": "Mean", "type": "quantitative", "title": None}, "tooltip": tooltip},
    }
    return table, {"title": "Training loss by batch", "height": HEIGHT, "layer": [band, line]}


def by_epoch(metrics: Mapping[str, list[float]], name: str, best_epoch: int | None = None) -> Curve:
    """One figure by epoch, for the training and the validation part, with a line at the best epoch."""
    rows = [
        (int(epoch) + 1, part, value)
        for part, prefix in PARTS.items()
        for epoch, value in zip(metrics["epoch"], metrics[f"{prefix}{name}"], strict=True)
    ]
    table = pd.DataFrame(rows, columns=["Epoch", "Part", TITLES[name]])
    line = _line(TITLES[name], "Part", list(PARTS), name == "loss")
    return table, {"title": f"{TITLES[name]} by epoch", "height": HEIGHT, "layer": [line, *_rule(best_epoch)]}


def learning_rate(metrics: Mapping[str, list[float]]) -> Curve:
    """The learning rate by epoch."""
    table = pd.DataFrame({"Epoch": np.asarray(metrics["epoch"]) + 1, "Learning rate": metrics["learning_rate"]})
    line = _line("Learning rate", None, [], False)
    line["encoding"]["y"] |= {"scale": {"zero": True, "nice": True}, "axis": {"format": "~g"}}
    line["encoding"]["tooltip"][-1]["format"] = ".2~e"
    return table, {"title": "Learning rate by epoch", "height": HEIGHT, "layer": [line]}


def overlaid(tables: Mapping[str, Mapping[str, list[float]]], name: str, parts: Sequence[str]) -> Curve:
    """One figure of several runs over each other; tables: {run: its metrics}. parts: of PARTS."""
    rows = [
        (run, int(epoch) + 1, part, value)
        for run, metrics in tables.items()
        for part in parts
        for epoch, value in zip(metrics.get("epoch", []), metrics.get(f"{PARTS[part]}{name}", []), strict=False)
    ]
    table = pd.DataFrame(rows, columns=["Run", "Epoch", "Part", TITLES[name]])
    line = _line(TITLES[name], "Run", list(tables), name == "loss")
    line["encoding"]["color"]["legend"] |= {"columns": 2, "labelLimit": 400}
    line["encoding"]["tooltip"].insert(1, {"field": "Part", "type": "nominal"})
    if len(parts) > 1:
        line["encoding"]["strokeDash"] = {
            "field": "Part",
            "type": "nominal",
            "scale": {"domain": ["validation", "train"], "range": [[1, 0], [4, 4]]},
            "legend": {"orient": "bottom", "title": None},
        }
    return table, {"title": f"{TITLES[name]} by epoch", "height": 380, "layer": [line]}


def confusion(counts: Confusion, epoch: int) -> Curve:
    """The confusion matrix of an epoch, small: films counted, and their share of the true class."""
    answers = ((counts.tn, counts.fp), (counts.fn, counts.tp))
    rows = [
        (true, said, films, films / max(sum(row), 1))
        for true, row in zip(CLASS_NAMES, answers, strict=True)
        for said, films in zip(CLASS_NAMES, row, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["Truth", "Model says", "Films", "Share of the truth"])
    places = {
        "x": {
            "field": "Model says",
            "type": "nominal",
            "sort": CLASS_NAMES,
            "axis": {"orient": "top", "labelAngle": 0, "grid": False},
        },
        "y": {
            "field": "Truth",
            "type": "nominal",
            "sort": CLASS_NAMES,
            "axis": {"grid": False, "labelAngle": -90, "labelAlign": "center"},
        },
    }
    share = {"field": "Share of the truth", "type": "quantitative"}
    ink = {"condition": {"test": "datum['Share of the truth'] > 0.5", "value": "white"}, "value": "#16262b"}
    cells = {
        "mark": {"type": "rect", "cornerRadius": 6, "stroke": "white", "strokeWidth": 2},
        "encoding": {
            "color": share | {"scale": {"domain": [0, 1], "range": ["#e3eff1", "#0b6b75"]}, "legend": None},
            "tooltip": [{"field": name, "type": "nominal"} for name in ("Truth", "Model says", "Films")],
        },
    }
    count = {
        "mark": {"type": "text", "fontSize": 24, "fontWeight": "bold", "dy": -8},
        "encoding": {"text": {"field": "Films", "type": "quantitative", "format": ","}, "color": ink},
    }
    percent = {
        "mark": {"type": "text", "fontSize": 12, "dy": 14},
        "encoding": {"text": share | {"format": ".1%"}, "color": ink},
    }
    title = f"Confusion matrix, epoch {epoch}"
    return table, {"title": title, "height": HEIGHT, "encoding": places, "layer": [cells, count, percent]}


def _line(title: str, group: str | None, groups: list[str], free: bool) -> dict[str, Any]:
    """free: the figure may take any value; else it ends at 1."""
    encoding: dict[str, Any] = {
        "x": {
            "field": "Epoch",
            "type": "quantitative",
            "title": None,
            "axis": {"format": "d", "tickMinStep": 1},
            "scale": {"zero": False, "nice": False},
        },
        "y": {
            "field": title,
            "type": "quantitative",
            "title": None,
            "scale": {"zero": False} if free else {"zero": False, "domainMax": 1},
        },
        "tooltip": [
            {"field": "Epoch", "type": "quantitative"},
            {"field": title, "type": "quantitative", "format": ".4f"},
        ],
    }
    if group:
        encoding["color"] = {
            "field": group,
            "type": "nominal",
            "scale": {"domain": groups},
            "legend": {"orient": "bottom", "title": None},
        }
        encoding["tooltip"].insert(0, {"field": group, "type": "nominal"})
    return {"mark": {"type": "line", "point": {"size": 30}}, "encoding": encoding}


def _rule(epoch: int | None) -> list[dict[str, Any]]:
    if not epoch:
        return []
    return [
        {
            "data": {"values": [{"Epoch": epoch, "text": f"Best so far: epoch {epoch}"}]},
            "mark": {"type": "rule", "strokeDash": [3, 3], "color": "gray"},
            "encoding": {
                "x": {"field": "Epoch", "type": "quantitative"},
                "tooltip": {"field": "text", "type": "nominal", "title": "Epoch"},
            },
        }
    ]
