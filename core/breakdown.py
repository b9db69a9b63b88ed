"""The figures again for groups of films: a new way to group is one function and one line in WAYS."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd

from core import answers, metrics
from core.data.sample import PNEUMONIA
from core.metrics import Interval

FIGURES = ("sensitivity", "specificity", "accuracy", "roc_auc")


@dataclasses.dataclass(frozen=True)
class Group:
    """Films that have something in common.

    way: one of WAYS. films, pneumonia: counts. metrics: FIGURES; for a subtype of pneumonia the ROC AUC is
    against all normal films. NaN where a class is missing.
    """

    way: str
    name: str
    films: int
    pneumonia: int
    metrics: dict[str, Interval]


def _subtype(table: pd.DataFrame) -> pd.Series:
    return table["subtype"].where(table["label"] == PNEUMONIA, "")


def _source(table: pd.DataFrame) -> pd.Series:
    return table["format"] + ", " + table["colour"]


def _size(table: pd.DataFrame) -> pd.Series:
    """Thirds by number of pixels."""
    pixels = table["width"] * table["height"] / 1e6
    low, high = (float(f"{edge:.2g}") for edge in np.quantile(pixels, [1 / 3, 2 / 3]))
    names = [f"up to {low:g} megapixels", f"{low:g} to {high:g} megapixels", f"above {high:g} megapixels"]
    return pd.Series(np.array(names)[np.digitize(pixels, [low, high], right=True)], index=table.index)


WAYS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "Kind of pneumonia": _subtype,
    "Official part": lambda table: table["split"],
    "File": _source,
    "Size of the file": _size,
    "View": lambda table: table["view"],
}


def of(table: pd.DataFrame, threshold: float) -> list[Group]:
    """Every group of every way that tells at least two apart; films without that knowledge are in none."""
    found = []
    for way, group_of in WAYS.items():
        groups = group_of(table)
        names = sorted(name for name in groups.unique() if name)
        if len(names) > 1:
            found += [_group(way, name, table, groups == name, threshold) for name in names]
    return found


def _group(way: str, name: str, table: pd.DataFrame, inside: pd.Series, threshold: float) -> Group:
    judged = answers.judged(table[inside], threshold)
    is_subtype = WAYS[way] is _subtype
    against = answers.judged(table[inside | (table["label"] != PNEUMONIA)], threshold) if is_subtype else judged
    figures = metrics.measure(judged, FIGURES[:-1]) | metrics.measure(against, FIGURES[-1:])
    return Group(way, name, int(inside.sum()), int(judged.labels.sum()), figures)
