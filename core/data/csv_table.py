"""A folder of films with a CSV table of file, label and, where known, patient, split and view."""

import dataclasses
import functools
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from core.data import manifest, tree
from core.data.identity import Headers, patient_of, pseudonym
from core.data.sample import NORMAL, PNEUMONIA, DataSet, Sample
from core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Table (.csv) beside films"
ENDINGS = (".csv", ".tsv")
LARGEST_FILE = 200_000_000
NORMAL_WORDS = {"normal", "0", "false", "no", "no finding", "negative", "healthy"}
PNEUMONIA_WORDS = {"pneumonia", "1", "true", "yes", "positive"}
SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
# Rows looked at to learn what a column holds.
GLANCE = 500


@dataclasses.dataclass(frozen=True)
class Columns:
    """Which column of the table says what; "" where none does. normal, pneumonia: values of the label
    column; films with any other value are left out."""

    file: str
    label: str
    patient: str = ""
    split: str = ""
    view: str = ""
    normal: tuple[str, ...] = ()
    pneumonia: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for the manifest."""
        return dataclasses.asdict(self)


def recognises(key: str) -> bool:
    """A .csv or .tsv file, or a folder with one such file and no folders of classes."""
    return key.lower().endswith(ENDINGS) or _only_table(key) is not None


def _only_table(key: str) -> Path | None:
    try:
        folder = tree.existing_folder(key)
        tables = [path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.is_file()]
    except (OSError, UserError):
        return None
    if len(tables) != 1:
        return None
    try:
        tree.find(folder)
    except UserError:
        return tables[0]
    return None


def load(key: str) -> DataSet:
    """The films the table names, by the remembered columns or else by those that can be guessed.

    Raises UserError if the table cannot be read, if columns cannot be told, or if a class has no film.
    """
    path = table_file(key)
    remembered = manifest.find(str(path))
    if remembered and remembered.columns:
        columns = columns_from(remembered.columns, list(read(path).columns))
    else:
        columns = guess(path)
    return _data_set(path, columns)


def table_file(key: str) -> Path:
    """The table that a key names: itself, or the only one in a folder. Raises UserError."""
    return (_only_table(key) or tree.existing_file(key)).resolve()


def read(path: Path) -> "pd.DataFrame":
    """The table, every value as text. Raises UserError if it is none."""
    status = path.stat()
    return _read(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _read(path: Path, size: int, changed: int) -> "pd.DataFrame":
    # A run starts sooner without it, and most have no table.
    import pandas as pd

    fix = "Save the table as CSV in UTF-8, with a first line that names the columns."
    if size > LARGEST_FILE:
        raise UserError(f"{tree.printable(path.name)} has {size / 1e6:,.0f} MB: too much for a table.", fix=fix)
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = file.readline()
        separator = max(",;\t", key=first.count)
        table = pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True
        )
    except (ValueError, OSError) as error:
        # Pandas' own errors and UnicodeDecodeError are ValueErrors.
        raise UserError(f"{tree.printable(path.name)} cannot be read as a table.", fix=fix) from error
    if table.empty or len(table.columns) < 2 or not table.columns.is_unique:
        raise UserError(f"{tree.printable(path.name)} needs two columns and one row at least.", fix=fix)
    return table.apply(lambda column: column.str.strip())


def guess(path: Path) -> Columns:
    """The columns as their names and values suggest. Raises UserError if file or label cannot be told."""
    table = read(path)
    files = _Files(path.parent)
    glance = table.head(GLANCE)
    hits = {column: sum(bool(files.find(value)) for value in glance[column].unique()) for column in table}
    file = max(hits, key=hits.get)
    known = NORMAL_WORDS | PNEUMONIA_WORDS
    shares = {
        column: glance[column].map(lambda value: word(value) in known).mean() for column in table if column != file
    }
    label = max(shares, key=shares.get)
    if not hits[file] or not shares[label]:
        missing = "names files beside it" if not hits[file] else "holds NORMAL and PNEUMONIA, or 0 and 1"
        raise UserError(
            f"No column of {tree.printable(path.name)} {missing}.",
            fix=f"Say which is which on the Data set page; there are: {', '.join(map(str, table.columns))}.",
        )
    rest = [column for column in table if column not in (file, label)]
    values = table[label].unique()
    if len({word(value) in NORMAL_WORDS for value in values if word(value) in known}) < 2:
        raise UserError(
            f"Column {label} of {tree.printable(path.name)} does not say plainly what is NORMAL and what PNEUMONIA.",
            fix=f"Say so on the Data set page; its values are: {', '.join(values[:8])}.",
        )
    return Columns(
        file=file,
        label=label,
        patient=_named(rest, "patient", "subject") or (file if "patient" in file.lower() else ""),
        split=next((column for column in rest if set(glance[column].str.lower()) <= SPLIT_WORDS.keys()), ""),
        view=_named(rest, "view"),
        normal=tuple(value for value in values if word(value) in NORMAL_WORDS),
        pneumonia=tuple(value for value in values if word(value) in PNEUMONIA_WORDS),
    )


def word(value: str) -> str:
    """A label as it is compared: small letters, and 1.0 as 1."""
    return value.lower().removesuffix(".0")


def _named(columns: list[str], *parts: str) -> str:
    return next((column for column in columns if any(part in str(column).lower() for part in parts)), "")


def columns_from(values: Mapping[str, Any], present: list[str]) -> Columns:
    """Columns from a manifest or the command line. Raises UserError if the table lacks one of them."""
    names = {field.name for field in dataclasses.fields(Columns)}
    for name in values:
        if name not in names:
            raise UserError(f"There is no kind of column {name!r}.", fix=f"Known: {', '.join(sorted(names))}.")
    listed = {name: tuple(values[name]) if name in ("normal", "pneumonia") else values[name] for name in values}
    columns = Columns(**({"file": "", "label": ""} | listed))
    for name in ("file", "label", "patient", "split", "view"):
        column = getattr(columns, name)
        if column not in present and (column or name in ("file", "label")):
            raise UserError(
                f"The table has no column {column!r} for {name}.", fix=f"Columns: {', '.join(map(str, present))}."
            )
    if not columns.normal or not columns.pneumonia:
        raise UserError(
            "It is not said which labels mean NORMAL and which PNEUMONIA.", fix="Name at least one value for each."
        )
    return columns


class _Files:
    """Every file around the table, found by path, by name or by name without ending."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.by_name: dict[str, list[str]] = {}
        for place, folders, names in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            inside = Path(place).relative_to(folder)
            for name in sorted(names):
                shown = (inside / name).as_posix()
                for called in {shown, name, PurePosixPath(name).stem}:
                    self.by_name.setdefault(called, []).append(shown)

    def find(self, value: str) -> list[str]:
        """Paths below the folder that the value may mean."""
        return self.by_name.get(value.replace("\\", "/").removeprefix("./"), [])


def _data_set(path: Path, columns: Columns) -> DataSet:
    table = read(path)
    files, headers, lost = _Files(path.parent), Headers(str(path)), Counter()
    labels = dict.fromkeys(columns.normal, NORMAL) | dict.fromkeys(columns.pneumonia, PNEUMONIA)
    found: dict[str, Sample] = {}
    unclear = set()
    for row in table.to_dict("records"):
        places = files.find(row[columns.file])
        if row[columns.label] not in labels:
            lost[f"a {columns.label} that is neither class"] += 1
        elif len(places) != 1:
            lost["no file of that name" if not places else "several files of that name"] += 1
        else:
            sample = _sample(path.parent / places[0], places[0], row, columns, labels[row[columns.label]], headers)
            # One film may have several rows, one for each box drawn on it, say.
            if found.setdefault(sample.id, sample).label != sample.label:
                unclear.add(sample.id)
    for film in unclear:
        del found[film]
        lost["two labels for one film"] += 1
    headers.save()
    samples = sorted(found.values(), key=lambda sample: sample.id)
    if not samples:
        why = ", ".join(f"{count:,} with {reason}" for reason, count in lost.most_common())
        raise UserError(
            f"{tree.printable(path.name)} names no film that can be used: {why or 'no rows'}.",
            fix="Choose other columns, or put the table into the folder that holds the films.",
        )
    tree.check_classes(tree.printable(path.name), samples)
    left_out = tuple(f"{count:,} rows of the table are left out: {reason}." for reason, count in lost.most_common())
    return DataSet(
        key=str(path),
        name=tree.printable(path.stem),
        synthetic=False,
        samples=tuple(samples),
        read=tree.read_file,
        notes=(*left_out, *tree.notes(samples)),
    )


def _sample(file: Path, shown: str, row: dict[str, str], columns: Columns, label: int, headers: Headers) -> Sample:
    stamp, film = tree.file_stamp(file), tree.printable(shown)
    from_header, view = headers.of(film, stamp, lambda: file.open("rb"))
    from_name, subtype = patient_of(file.stem)
    named = row.get(columns.patient, "")
    return Sample(
        id=film,
        patient=(pseudonym(named) if named else "") or from_header or from_name or film,
        label=label,
        split=SPLIT_WORDS.get(row.get(columns.split, "").lower(), ""),
        subtype=subtype,
        view=row.get(columns.view, "") or view,
        stamp=stamp,
        place=file,
    )
