"""A folder of films with a CSV table of file, label and, where known, patient, split and view."""

import dataclasses
import functools
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from core.data import manifest, tree
from core.data.identity import Headers, patient_of, pseudonym
from core.data.sample import NORMAL, PNEUMONIA, DataSet, Sample
from core.errors import UserError
from core.headers import FILM_ENDINGS

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Table (.csv) beside films"
ENDINGS = (".csv", ".tsv")
LARGEST_FILE = 200_000_000
NORMAL_WORDS = {"normal", "0", "false", "no", "no finding", "negative", "healthy"}
PNEUMONIA_WORDS = {"pneumonia", "1", "true", "yes", "positive"}
# Rows looked at to learn what a column holds.
GLANCE = 500
LABEL = re.compile(r"label|target|finding|class|diagnos|pneumonia", re.IGNORECASE)
PATIENT = re.compile(r"(patient|subject)[ _-]?(id|number|no|name)?", re.IGNORECASE)


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
            path,
            sep=separator,
            dtype=str,
            keep_default_na=False,
            index_col=False,
            encoding="utf-8-sig",
            skipinitialspace=True,
        )
    except (ValueError, OSError) as error:
        # Pandas' own errors and UnicodeDecodeError are ValueErrors.
        raise UserError(f"{tree.printable(path.name)} cannot be read as a table.", fix=fix) from error
    if table.empty or len(table.columns) < 2:
        raise UserError(f"{tree.printable(path.name)} needs two columns and one row at least.", fix=fix)
    return table.apply(lambda column: column.str.strip())


def guess(path: Path) -> Columns:
    """The columns as their names and values suggest. Raises UserError where file or label cannot be told."""
    status = path.stat()
    return _guess(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _guess(path: Path, size: int, changed: int) -> Columns:
    table = read(path)
    files = _Files(path.parent)
    glance = table.head(GLANCE)
    hits = {column: sum(bool(files.find(value)) for value in glance[column].unique()) for column in table}
    file = max(hits, key=hits.get)
    if not hits[file]:
        raise _cannot_tell(path, table, "No column names files beside it")
    label = _guess_label(path, table, file)
    rest = [column for column in table if column not in (file, label)]
    values = table[label].unique()
    return Columns(
        file=file,
        label=label,
        patient=next((column for column in rest if PATIENT.fullmatch(column)), file if PATIENT.fullmatch(file) else ""),
        split=next((column for column in rest if set(glance[column].str.lower()) <= tree.SPLIT_WORDS.keys()), ""),
        view=next((column for column in rest if "view" in column.lower()), ""),
        normal=tuple(value for value in values if word(value) in NORMAL_WORDS),
        pneumonia=tuple(value for value in values if word(value) in PNEUMONIA_WORDS),
    )


def _guess_label(path: Path, table: "pd.DataFrame", file: str) -> str:
    """The column that is called like a label and has both classes; without such a name, the only one that has them."""
    both = [column for column in table if column != file and _tells_both(table[column])]
    named = [column for column in both if LABEL.search(column)]
    candidates = named or both
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise _cannot_tell(path, table, f"Several columns could be the label: {', '.join(candidates)}")
    raise _cannot_tell(path, table, "No column says plainly what is NORMAL and what PNEUMONIA, or 0 and 1")


def _tells_both(column: "pd.Series") -> bool:
    words = {word(value) for value in column.unique()}
    return bool(words & NORMAL_WORDS and words & PNEUMONIA_WORDS)


def _cannot_tell(path: Path, table: "pd.DataFrame", what: str) -> UserError:
    return UserError(
        f"{what} in {tree.printable(path.name)}.",
        fix="Say which column is which on the Data set page, or with `data add --column`; there are: "
        f"{', '.join(table.columns)}.",
    )


def word(value: str) -> str:
    """A label as it is compared: small letters, and 1.0 as 1."""
    return value.lower().removesuffix(".0")


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
        self.by_name: dict[str, list[str]] = {}
        for place, folders, names in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            inside = Path(place).relative_to(folder)
            for name in sorted(names):
                # A .txt beside each film is none.
                if PurePosixPath(name).suffix.lower() not in FILM_ENDINGS:
                    continue
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
        part = row.get(columns.split, "").lower()
        if part and part not in tree.SPLIT_WORDS:
            lost[f"a {columns.split} other than train, val and test"] += 1
        elif row[columns.label] not in labels:
            lost[f"a {columns.label} that is neither class"] += 1
        elif len(places) != 1:
            lost["no file of that name" if not places else "several files of that name"] += 1
        else:
            sample = _sample(path.parent / places[0], places[0], row, columns, labels[row[columns.label]], headers)
            # One film may have several rows, one for each box drawn on it, say.
            first = found.setdefault(sample.id, sample)
            if (first.label, first.split) != (sample.label, sample.split):
                unclear.add(sample.id)
    for film in unclear:
        del found[film]
        lost["two labels or two parts for one film"] += 1
    headers.save()
    samples = sorted(found.values(), key=lambda sample: sample.id)
    if not samples:
        why = ", ".join(f"{count:,} with {reason}" for reason, count in lost.most_common())
        raise UserError(
            f"{tree.printable(path.name)} names no film that can be used: {why or 'no rows'}.",
            fix="Choose other columns, or put the table into the folder that holds the films.",
        )
    tree.check_classes(tree.printable(path.name), samples, "Name labels for both classes, or add rows.")
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
        split=tree.SPLIT_WORDS.get(row.get(columns.split, "").lower(), ""),
        subtype=subtype,
        view=row.get(columns.view, "") or view,
        stamp=stamp,
        place=file,
    )
