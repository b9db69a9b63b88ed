"""What a model said of each film: a table with one line a film, kept as CSV beside the report made from it."""

from pathlib import Path

import numpy as np
import pandas as pd

from core import workspace
from core.data.prepare import Prepared
from core.metrics import Judged

# What is known of a film besides its name, patient and label: to break the figures down by.
KNOWN = ("subtype", "split", "view", "format", "colour", "width", "height")
COLUMNS = ("film", "patient", "label", "probability", *KNOWN)
NUMBERS = {"label": int, "probability": float, "width": int, "height": int}


def table_of(prepared: Prepared, rows: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """Those films of a prepared set with a model's calibrated probabilities: (n,) in [0, 1]. Columns: COLUMNS."""
    names = {"film": "id", "patient": "patient", "label": "label"} | {name: name for name in KNOWN}
    columns = {name: [prepared.table[of][row] for row in rows] for name, of in names.items()}
    columns["colour"] = ["colour" if coloured else "grey" for coloured in columns["colour"]]
    return pd.DataFrame(columns | {"probability": probabilities})[list(COLUMNS)]


def judged(table: pd.DataFrame, threshold: float) -> Judged:
    """The answers, held against a threshold."""
    return Judged(table["label"].to_numpy(), table["probability"].to_numpy(), table["patient"].to_list(), threshold)


def file_of(folder: Path, part: str) -> Path:
    """Where the answers for a part lie."""
    return folder / f"answers-{part}.csv"


def write(table: pd.DataFrame, path: Path) -> None:
    """Writes the table whole or not at all. Raises UserError if the disk refuses."""
    # With every digit: the threshold may be the very probability of a film.
    workspace.write_bytes(path, table.to_csv(index=False, lineterminator="\n").encode())


def read(path: Path) -> pd.DataFrame | None:
    """The table that `write` wrote, or None where there is none or it is damaged."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)[list(COLUMNS)]
        # Python's own reading of a number loses no digit.
        return table.assign(**{name: list(map(kind, table[name])) for name, kind in NUMBERS.items()})
    except (OSError, ValueError, KeyError):
        return None
