"""What several tests need: pictures, folders of films, patience."""

import contextlib
import dataclasses
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import psutil

from core import jobs
from core.data import phantoms
from core.metrics import Judged

if TYPE_CHECKING:
    from core.evaluation import EvaluationReport
    from core.metrics import Interval
    from core.robustness import Robustness


def film(seed: int = 0, subtype: str = "") -> np.ndarray:
    """A phantom: (224, 224) uint8."""
    return phantoms.draw(np.random.default_rng(seed), np.random.default_rng([seed, 1]), subtype)


def encode(picture: np.ndarray, ending: str = ".png") -> bytes:
    """The picture as the bytes of a file."""
    done, content = cv2.imencode(ending, picture)
    assert done
    return content.tobytes()


def write_tree(root: Path, films: dict[str, int], patients: int = 1000) -> Path:
    """Folders of phantoms: {"train/NORMAL": 8}; names follow the Kaggle set's."""
    for folder, count in films.items():
        (root / folder).mkdir(parents=True)
        ill = folder.endswith("PNEUMONIA")
        for number in range(count):
            offset = sum(ord(letter) for letter in folder) * 100
            patient = offset + number % patients
            name = f"person{patient}_bacteria_{number}.jpeg" if ill else f"IM-{patient:06d}-{number:04d}.jpeg"
            picture = film(offset + number, "lobar" if ill else "")
            (root / folder / name).write_bytes(encode(picture, ".jpeg"))
    return root


def trained_here(settings):
    """A run trained by this process, without a worker."""
    from core import runs, training

    run = runs.create(settings)
    training.train(run)
    return run


def wait_until_ended(run, seconds: float = 120) -> jobs.Status:
    """The run's status once it had its turn and its worker is gone."""
    return wait_for(lambda: run.status, lambda status: status.state not in (jobs.QUEUED, *jobs.OPEN_STATES), seconds)


def crew(place) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """The processes of a run's folder, or of all folders below: those that watch, and those that work."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            if "core.worker" in line and any(word.startswith(str(place)) for word in line):
                found[process.pid] = (process, line, process.ppid())
    watching, working = [], []
    for process, line, parent in found.values():
        # The one that watched a run starts the one that watches the next: a child with other arguments.
        is_child = parent in found and found[parent][1] == line
        (working if is_child else watching).append(process)
    return watching, working


def kill(place) -> None:
    """Ends the processes of a run's folder, or of all folders below; the watching ones first: nothing follows."""
    for processes in crew(place):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def wait_for(look, good, seconds: float = 60):
    """What `look` returns once `good` likes it."""
    deadline = time.monotonic() + seconds
    while not good(found := look()):
        assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
        time.sleep(0.05)
    return found


def write_dicom(path: Path, picture: np.ndarray, patient: str = "", **attributes) -> Path:
    """A chest film as an uncompressed DICOM file: (height, width) uint8 or uint16."""
    import pydicom
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = generate_uid()
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "DX", "CHEST", "PA"
    dataset.PatientID, dataset.PatientName = patient, f"Doe^{patient}"
    dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "MONOCHROME2", 1
    bits = picture.dtype.itemsize * 8
    dataset.Rows, dataset.Columns = picture.shape
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    dataset.PixelData = picture.tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def damaged(level: "Interval | None" = None) -> "Robustness":
    """Made-up figures of damaged films: .9 as they are, .8 at every level, the last level's as given."""
    from core.metrics import Interval
    from core.robustness import FAMILIES, FIGURES, Level, Robustness

    before, after = (dict.fromkeys(FIGURES, Interval(value, value - 0.05, value + 0.05)) for value in (0.9, 0.8))
    levels = [Level(family, label, after) for family, graded in FAMILIES.items() for label, _ in graded]
    if level:
        levels[-1] = dataclasses.replace(levels[-1], metrics=after | {"specificity": level})
    return Robustness("small", "Drawings", "f" * 64, "test", "2026-11-23 08:19:33", 8, 0.5, before, levels)


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    """An archive with these members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def scored(films: int = 200, seed: int = 0) -> Judged:
    """Films of both classes with scores that overlap, two films a patient."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, films)
    scores = 1 / (1 + np.exp(-random.normal(1.5 * (labels * 2 - 1), 1)))
    return Judged(labels, np.round(scores, 2), [f"p{number // 2}" for number in range(films)], 0.5)


def report_on(judged: Judged, **rest) -> "EvaluationReport":
    """A report of these answers, without a data set behind them."""
    from core import curves, metrics
    from core.evaluation import EvaluationReport

    values = {
        "model": "small",
        "data": "Drawings",
        "films_hash": "f" * 64,
        "synthetic": True,
        "part": "test",
        "made": "2026-11-23 08:19:33",
        "films": len(judged.labels),
        "patients": len(set(judged.patients)),
        "seen_patients": 0,
        "prevalence": float(judged.labels.mean()),
        "external": False,
        "looks": 1,
        "findings": [],
        "threshold": judged.threshold,
        "rule": "the highest sensitivity + specificity",
        "metrics": metrics.measure(judged),
        "confusion": judged.confusion,
        "curves": curves.of(judged),
        "breakdown": [],
    }
    return EvaluationReport(**values | rest)
