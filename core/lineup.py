"""Several models side by side, on the films that all of them have judged."""

import dataclasses
from collections.abc import Mapping

import pandas as pd

from core import answers, comparison, curves
from core.comparison import Comparison
from core.curves import PrCurve, RocCurve
from core.metrics import Judged


@dataclasses.dataclass(frozen=True)
class Entry:
    """A model's answers, as from `core.answers`, and the threshold in [0, 1] from which on it says pneumonia."""

    table: pd.DataFrame
    threshold: float


@dataclasses.dataclass(frozen=True)
class Side:
    """One model on the films in common. left_out: films that it has judged and another has not."""

    judged: Judged
    roc: RocCurve
    pr: PrCurve
    left_out: int


@dataclasses.dataclass(frozen=True)
class Lineup:
    """Models by name; comparisons: of each but the first with the first."""

    films: int
    patients: int
    sides: dict[str, Side]
    comparisons: dict[str, Comparison]

    @property
    def first(self) -> str:
        """The one that the others are compared with."""
        return next(iter(self.sides))


def of(entries: Mapping[str, Entry]) -> Lineup:
    """The models, two or more, on the films in common. Raises UserError where `comparison.compare` does."""
    common = set.intersection(*(set(entry.table["film"]) for entry in entries.values()))
    tables = {name: entry.table[entry.table["film"].isin(common)] for name, entry in entries.items()}
    first, *others = entries
    found = {
        name: comparison.compare(tables[first], entries[first].threshold, tables[name], entries[name].threshold)
        for name in others
    }
    sides = {}
    for name, table in tables.items():
        judged = answers.judged(table, entries[name].threshold)
        drawn = curves.of(judged)
        sides[name] = Side(judged, drawn.roc, drawn.pr, len(entries[name].table) - len(table))
    compared = found[others[0]]
    return Lineup(compared.films, compared.patients, sides, found)
