"""What a check hands on: a fact about the data set, what it means, and what can be done."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from core.data import splits
from core.data.manifest import Fix
from core.data.prepare import Prepared

SERIOUS, WARNING, NOTE = "serious", "warning", "note"
SEVERITIES = (SERIOUS, WARNING, NOTE)


@dataclasses.dataclass(frozen=True)
class Group:
    """Films (ids) that belong together, or a single one. across_splits: they lie in different parts, be
    it the official ones or those that are drawn. across_labels: the data set gives them both labels."""

    films: tuple[str, ...]
    across_splits: bool = False
    across_labels: bool = False


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing the audit found.

    id: names the kind of finding. severity: one of SEVERITIES. title: what was found, with its figure.
    meaning, advice: one sentence each. groups: the films it is about. fix: what a click does about it,
    and fix_label its words; None where nothing can be done here.
    """

    id: str
    severity: str
    title: str
    meaning: str
    advice: str
    groups: tuple[Group, ...] = ()
    fix: Fix | None = None
    fix_label: str = ""

    @property
    def films(self) -> tuple[str, ...]:
        return tuple(film for group in self.groups for film in group.films)

    def to_json(self) -> dict[str, Any]:
        """Plain values for export."""
        return dataclasses.asdict(self)


class Films:
    """The films that count (no fix excludes them), with their columns as arrays of that length.

    rows: their places in the prepared set. drawn: the part that the default settings draw for each.
    """

    def __init__(self, prepared: Prepared):
        self.prepared = prepared
        self.rows = np.flatnonzero(~np.asarray(prepared.table["excluded"], dtype=bool))
        self.parts = splits.split_by_default(prepared.table)
        self.drawn = self.parts[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> np.ndarray:
        """A column of the prepared set, without the excluded films."""
        values = self.prepared.table[name]
        kind = object if values and isinstance(values[0], str) else None
        return np.asarray(values, dtype=kind)[self.rows]

    def one_a_patient(self) -> np.ndarray:
        """Places of one film of each patient: tests of chance must not count one child several times."""
        _, first = np.unique(self.column("patient").astype(str), return_index=True)
        return first

    def group(self, rows: Iterable[int]) -> Group:
        """The films at these places of the prepared set, marked where they cross parts or labels."""
        table, rows = self.prepared.table, list(rows)
        return Group(
            films=tuple(table["id"][row] for row in rows),
            across_splits=len({table["split"][row] for row in rows}) > 1
            or len({self.parts[row] for row in rows} - {splits.LEFT_OUT}) > 1,
            across_labels=len({table["label"][row] for row in rows}) > 1,
        )


def singles(films: Iterable[str]) -> tuple[Group, ...]:
    """A group for each film."""
    return tuple(Group((film,)) for film in films)


def leave_out(films: Iterable[str], why: str) -> Fix:
    """The fix that excludes these films."""
    return Fix("exclude", tuple(films), why)


def plural(count: int, word: str) -> str:
    """ "1 film", "2 films", "1,000 films"."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
