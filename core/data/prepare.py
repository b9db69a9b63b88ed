"""Decode every film once, in parallel, into one uint8 memory map with an index beside it."""

import dataclasses
import hashlib
import json
import os
import shutil
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filelock import FileLock

from core import images, workspace
from core.data import card, duplicates, splits
from core.data.film_file import FilmFile
from core.data.likeness import likeness
from core.data.manifest import EXCLUDE, REGROUP
from core.data.sample import CLASS_NAMES, DataSet, Sample
from core.errors import UserError
from core.images import ImageSpec
from core.settings import TrainSettings

# Part of the key: raise it when the layout of a prepared set changes.
LAYOUT = 2
FROM_SAMPLE = ("id", "patient", "label", "split", "subtype", "view")
FROM_HEADER = ("format", "width", "height", "colour", "bits")
# bytes: of the file. brightness, contrast: mean and standard deviation of the prepared film's grey
# levels. colourfulness: see images. sha256: of the file's bytes. fingerprint: see duplicates, hexadecimal.
MEASURED = ("bytes", "brightness", "contrast", "colourfulness", "sha256", "fingerprint")
COLUMNS = (*FROM_SAMPLE, *FROM_HEADER, *MEASURED)
# How a film fits in with the others, see likeness; known once all are decoded.
COMPARED = ("correlation", "strangeness")
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A data set ready for a network.

    source: where the films come from, with name, notes and fixes. films: (n, size, size) uint8, a
    read-only memory map. labels: (n,) of 0 and 1. table: one list for each of COLUMNS and COMPARED, in the
    order of the films, and "excluded", true for a film that a fix leaves out; after a regrouping no film has an
    official split. near_pairs: (m, 2), films with the same picture. unreadable: {"file", "error",
    "fix"} for every film that could not be read, unless a fix excludes it. mean_films: (2, size, size)
    uint8 and histograms: (2, 256) share of the pixels at each grey level, both by class and without the
    excluded films. folder: where all this lies.
    """

    source: DataSet
    spec: ImageSpec
    films: np.ndarray
    table: dict[str, list]
    near_pairs: np.ndarray
    unreadable: list[dict[str, str]]
    mean_films: np.ndarray
    histograms: np.ndarray
    folder: Path

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def synthetic(self) -> bool:
        return self.source.synthetic

    def film(self, row: int) -> np.ndarray:
        """One film, (size, size) uint8, read from its file: looking at all of them maps none into memory."""
        try:
            opened = FilmFile(self.folder, self.spec.size)
        except UserError:
            # Forgotten in another tab a moment ago: the map still has it.
            return np.array(self.films[row])
        with opened as films:
            return films.read(np.array([row]))[0]

    @property
    def labels(self) -> np.ndarray:
        return np.asarray(self.table["label"], dtype=np.int64)


def find(data: DataSet, spec: ImageSpec) -> Prepared | None:
    """The prepared set if these very films were prepared before, else None."""
    try:
        return _open(data, spec, folder_of(data, spec))
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def prepare(data: DataSet, spec: ImageSpec, progress: Progress = lambda done, total: None) -> Prepared:
    """The prepared set, decoding whatever is not prepared yet.

    progress: called with films done and films in all. A film that cannot be read is listed, not
    fatal. Raises UserError if a class has no readable film, or if the disk refuses.
    """
    folder = folder_of(data, spec)
    workspace.make_folder(folder.parent)
    with workspace.writing(folder), FileLock(folder.with_suffix(".lock")):
        if find(data, spec) is None:
            shutil.rmtree(folder, ignore_errors=True)
            unfinished = folder.with_suffix(".part")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            try:
                _decode_all(data, spec, unfinished, progress)
                # An earlier state of these films is of no use to anyone; whoever reads it now keeps it open.
                remove_prepared(data.key, spec)
                workspace.write_json(unfinished / "made_from.json", _origin(data.key, spec))
                # The folder appears under its name only when it is whole.
                unfinished.replace(folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    prepared = _open(data, spec, folder)
    parts = splits.split_by_default(prepared.table)
    card.write(card.describe(prepared, TrainSettings(), parts), folder)
    return prepared


def remove_prepared(key: str, spec: ImageSpec | None = None) -> None:
    """Deletes what was prepared of the data set, at one spec or at all."""
    for made_from in (workspace.root() / "prepared").glob("*/made_from.json"):
        origin = workspace.read_json(made_from, {})
        if origin == _origin(key, spec) if spec else origin.get("key") == key:
            shutil.rmtree(made_from.parent, ignore_errors=True)


def _origin(key: str, spec: ImageSpec) -> dict[str, Any]:
    return {"key": key, "spec": dataclasses.asdict(spec)}


def folder_of(data: DataSet, spec: ImageSpec) -> Path:
    """Where these very films lie once they are prepared."""
    digest = hashlib.sha256(json.dumps([LAYOUT, data.digest, dataclasses.astuple(spec)]).encode())
    return workspace.root() / "prepared" / digest.hexdigest()[:24]


def _decode_all(data: DataSet, spec: ImageSpec, folder: Path, progress: Progress) -> None:
    table: dict[str, list] = {column: [] for column in COLUMNS}
    unreadable = []
    sums = np.zeros((2, spec.size, spec.size), dtype=np.uint32)
    counts = np.zeros((2, 256), dtype=np.int64)
    # Written in order, not through a memory map: a full disk is an error there, a crash here.
    with (folder / "films.u8").open("wb") as out:
        for done, (sample, outcome) in enumerate(_in_order(data, spec), start=1):
            if isinstance(outcome, UserError):
                unreadable.append({"file": sample.id, "error": outcome.what, "fix": outcome.fix})
            else:
                film, row = outcome
                out.write(film.tobytes())
                sums[sample.label] += film
                counts[sample.label] += np.bincount(film.ravel(), minlength=256)
                for column in COLUMNS:
                    table[column].append(row[column])
            progress(done, len(data.samples))
    _check_classes(data, table["label"], unreadable)
    films = _map(folder, len(table["id"]), spec)
    fingerprints = np.array([int(fingerprint, 16) for fingerprint in table["fingerprint"]], np.uint64)
    pairs = duplicates.near_pairs(fingerprints)
    pairs = pairs[duplicates.confirm(films, pairs)]
    correlation, strangeness = likeness(films)
    table |= {"correlation": _listed(correlation), "strangeness": _listed(strangeness)}
    np.savez(folder / "statistics.npz", sums=sums, counts=counts, near_pairs=pairs)
    workspace.write_json(folder / "index.json", {"table": table, "unreadable": unreadable})


def _listed(figures: np.ndarray) -> list[float | None]:
    return [None if np.isnan(figure) else round(float(figure), 3) for figure in figures]


def _map(folder: Path, films: int, spec: ImageSpec) -> np.ndarray:
    return np.memmap(folder / "films.u8", dtype=np.uint8, mode="r", shape=(films, spec.size, spec.size))


def _in_order(data: DataSet, spec: ImageSpec) -> Iterator[tuple[Sample, Any]]:
    """Each sample with its film and row, or with the UserError, decoded a little ahead in threads."""

    def decode(sample: Sample) -> Any:
        try:
            return _decode(sample, data.read(sample), spec)
        except UserError as error:
            return error
        except OSError as error:
            return UserError(f"The file cannot be read: {error.strerror}.", fix="Check that it exists and is yours.")

    threads = os.cpu_count() or 1
    ahead: deque[tuple[Sample, Future]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for sample in data.samples:
            ahead.append((sample, pool.submit(decode, sample)))
            # Bounded: only so many films wait in memory, however large the set.
            if len(ahead) == 8 * threads:
                first, future = ahead.popleft()
                yield first, future.result()
        for first, future in ahead:
            yield first, future.result()


def _decode(sample: Sample, content: bytes, spec: ImageSpec) -> tuple[np.ndarray, dict[str, Any]]:
    header = images.read_header(content)
    film = images.standardise(content, spec)
    mean, deviation = cv2.meanStdDev(film)
    row = {column: getattr(sample, column) for column in FROM_SAMPLE}
    row |= {column: getattr(header, column) for column in FROM_HEADER}
    row |= {
        "bytes": len(content),
        "brightness": round(float(mean[0, 0]), 2),
        "contrast": round(float(deviation[0, 0]), 2),
        "colourfulness": round(images.colourfulness(content, header), 2),
        "sha256": hashlib.sha256(content).hexdigest(),
        "fingerprint": f"{duplicates.fingerprint(film):016x}",
    }
    return film, row


def _check_classes(data: DataSet, labels: list[int], unreadable: list[dict[str, str]]) -> None:
    for label, name in enumerate(CLASS_NAMES):
        if label not in labels:
            ids = {sample.id for sample in data.samples if sample.label == label}
            why = next((f"; {item['file']}: {item['error']}" for item in unreadable if item["file"] in ids), ".")
            raise UserError(
                f"No {name} film of {data.name} can be read{why}",
                fix="Check that the folder holds chest films as JPEG or PNG.",
            )


def _open(data: DataSet, spec: ImageSpec, folder: Path) -> Prepared:
    index = workspace.read_json(folder / "index.json")
    table = index["table"]
    films = _map(folder, len(table["id"]), spec)
    excluded = {film for fix in data.fixes if fix.kind == EXCLUDE for film in fix.films}
    table["excluded"] = [film in excluded for film in table["id"]]
    if any(fix.kind == REGROUP for fix in data.fixes):
        table["split"] = [""] * len(films)
    with np.load(folder / "statistics.npz") as statistics:
        sums, counts, near_pairs = statistics["sums"], statistics["counts"], statistics["near_pairs"]
    for film in np.flatnonzero(table["excluded"]):
        sums[table["label"][film]] -= films[film]
        counts[table["label"][film]] -= np.bincount(films[film].ravel(), minlength=256)
    films_of = np.bincount(np.asarray(table["label"])[~np.asarray(table["excluded"])], minlength=2)
    return Prepared(
        source=data,
        spec=spec,
        films=films,
        table=table,
        near_pairs=near_pairs,
        unreadable=[item for item in index["unreadable"] if item["file"] not in excluded],
        mean_films=np.rint(sums / np.maximum(films_of, 1)[:, None, None]).astype(np.uint8),
        histograms=counts / np.maximum(counts.sum(axis=1, keepdims=True), 1),
        folder=folder,
    )
