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

import numpy as np
from filelock import FileLock

from core import images, workspace
from core.data.sample import CLASS_NAMES, DataSet, Sample
from core.errors import UserError
from core.images import ImageSpec

# Part of the key: raise it when the layout of a prepared set changes.
LAYOUT = 1
COLUMNS = ("id", "patient", "label", "split", "subtype", "width", "height")
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A data set ready for a network.

    films: (n, size, size) uint8, a read-only memory map. labels: (n,) of 0 and 1. table: one list
    for each of COLUMNS, in the order of the films. unreadable: {"file", "error", "fix"} for every
    film that was left out. mean_films: (2, size, size) uint8, by class. histograms: (2, 256) share
    of the pixels at each grey level, by class.
    """

    key: str
    name: str
    synthetic: bool
    notes: tuple[str, ...]
    spec: ImageSpec
    films: np.ndarray
    table: dict[str, list]
    unreadable: list[dict[str, str]]
    mean_films: np.ndarray
    histograms: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        return np.asarray(self.table["label"], dtype=np.int64)


def find(data: DataSet, spec: ImageSpec) -> Prepared | None:
    """The prepared set if these very films were prepared before, else None."""
    try:
        return _open(data, spec, _folder(data, spec))
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def prepare(data: DataSet, spec: ImageSpec, progress: Progress = lambda done, total: None) -> Prepared:
    """The prepared set, decoding whatever is not prepared yet.

    progress: called with films done and films in all. A film that cannot be read is listed, not
    fatal. Raises UserError if a class has no readable film, or if the disk refuses.
    """
    folder = _folder(data, spec)
    workspace.make_folder(folder.parent)
    with workspace.writing(folder), FileLock(folder.with_suffix(".lock")):
        if find(data, spec) is None:
            shutil.rmtree(folder, ignore_errors=True)
            unfinished = folder.with_suffix(".part")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            try:
                _decode_all(data, spec, unfinished, progress)
                # The folder appears under its name only when it is whole.
                unfinished.replace(folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return _open(data, spec, folder)


def _folder(data: DataSet, spec: ImageSpec) -> Path:
    digest = hashlib.sha256(json.dumps([LAYOUT, data.key, dataclasses.astuple(spec)]).encode())
    for sample in data.samples:
        fields = (sample.id, sample.patient, sample.label, sample.split, sample.subtype, sample.stamp)
        digest.update(json.dumps(fields).encode())
    return workspace.root() / "prepared" / digest.hexdigest()[:24]


def _decode_all(data: DataSet, spec: ImageSpec, folder: Path, progress: Progress) -> None:
    table: dict[str, list] = {column: [] for column in COLUMNS}
    unreadable = []
    sums = np.zeros((2, spec.size, spec.size))
    counts = np.zeros((2, 256), dtype=np.int64)
    # Written in order, not through a memory map: a full disk is an error there, a crash here.
    with (folder / "films.u8").open("wb") as out:
        for done, (sample, outcome) in enumerate(_in_order(data, spec), start=1):
            if isinstance(outcome, UserError):
                unreadable.append({"file": sample.id, "error": outcome.what, "fix": outcome.fix})
            else:
                header, film = outcome
                out.write(film.tobytes())
                sums[sample.label] += film
                counts[sample.label] += np.bincount(film.ravel(), minlength=256)
                row = dataclasses.asdict(sample) | {"width": header.width, "height": header.height}
                for column in COLUMNS:
                    table[column].append(row[column])
            progress(done, len(data.samples))
    _check_classes(data, table["label"], unreadable)
    films_of = np.bincount(table["label"], minlength=2)
    np.savez(
        folder / "statistics.npz",
        mean_films=np.rint(sums / films_of[:, None, None]).astype(np.uint8),
        histograms=counts / counts.sum(axis=1, keepdims=True),
    )
    workspace.write_json(folder / "index.json", {"table": table, "unreadable": unreadable})


def _in_order(data: DataSet, spec: ImageSpec) -> Iterator[tuple[Sample, Any]]:
    """Each sample with its header and film, or with the UserError, decoded a little ahead in threads."""

    def decode(sample: Sample) -> Any:
        try:
            content = data.read(sample)
            return images.read_header(content), images.standardise(content, spec)
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
    shape = (len(index["table"]["id"]), spec.size, spec.size)
    with np.load(folder / "statistics.npz") as statistics:
        return Prepared(
            key=data.key,
            name=data.name,
            synthetic=data.synthetic,
            notes=data.notes,
            spec=spec,
            films=np.memmap(folder / "films.u8", dtype=np.uint8, mode="r", shape=shape),
            table=index["table"],
            unreadable=index["unreadable"],
            mean_films=statistics["mean_films"],
            histograms=statistics["histograms"],
        )
