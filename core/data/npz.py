"""MedMNIST archives: train_images, train_labels and so on in one .npz of any size (Yang et al. 2023)."""

import functools
import zipfile
from pathlib import Path

import cv2
import numpy as np

from core.data import tree
from core.data.archive import check_archive, check_unpacked
from core.data.sample import DataSet, Sample
from core.errors import UserError

TITLE = "MedMNIST archive (.npz)"
SPLITS = ("train", "val", "test")
EXPECTED = "Choose a binary MedMNIST archive such as pneumoniamnist.npz, with 0 for normal and 1 for pneumonia."


def recognises(key: str) -> bool:
    """A path that ends in .npz."""
    return key.lower().endswith(".npz")


def load(key: str) -> DataSet:
    """Every part the archive holds. Raises UserError if it is no binary set of grey or RGB images."""
    path = tree.existing_file(key)
    stamp = tree.file_stamp(path)
    arrays = _arrays(path, stamp)
    samples = [
        Sample(id=film, patient=film, label=int(label), split=split, stamp=stamp, place=(path, split, number))
        for split in SPLITS
        if f"{split}_images" in arrays
        for number, label in enumerate(arrays[f"{split}_labels"])
        for film in [f"{split}-{number:06d}.png"]
    ]
    tree.check_classes(tree.printable(path.name), samples, EXPECTED)
    return DataSet(
        key=str(path),
        name=tree.printable(path.stem),
        synthetic=False,
        samples=tuple(samples),
        read=_read,
        notes=tree.notes(samples),
    )


def _read(sample: Sample) -> bytes:
    path, split, number = sample.place
    picture = _arrays(path, sample.stamp)[f"{split}_images"][number]
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


@functools.lru_cache(maxsize=2)
def _arrays(path: Path, stamp: str) -> dict[str, np.ndarray]:
    """The arrays of one state of the file; read once, for the parts are not laid out to be read film by film."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive)
            check_unpacked(archive, "NPZ_GIGABYTES")
        with np.load(path, allow_pickle=False) as archive:
            names = [f"{split}_{kind}" for split in SPLITS for kind in ("images", "labels")]
            arrays = {name: archive[name] for name in names if name in archive.files}
    except UserError:
        raise
    except Exception as error:
        # NumPy answers damaged headers with many kinds of exception.
        raise UserError(f"{tree.printable(path.name)} is no readable .npz archive.", fix=EXPECTED) from error
    _check(path.name, arrays)
    return {name: array.ravel() if name.endswith("labels") else array for name, array in arrays.items()}


def _check(name: str, arrays: dict[str, np.ndarray]) -> None:
    if not arrays:
        raise UserError(f"{tree.printable(name)} holds no train_images, val_images or test_images.", fix=EXPECTED)
    for split in SPLITS:
        images, labels = arrays.get(f"{split}_images"), arrays.get(f"{split}_labels")
        if images is None and labels is None:
            continue
        if images is None or labels is None or not labels.ndim or labels.shape[0] != labels.size or not images.ndim:
            raise UserError(f"{split}_images and {split}_labels of {tree.printable(name)} do not match.", fix=EXPECTED)
        if len(labels) != len(images):
            raise UserError(f"{split}_images and {split}_labels of {tree.printable(name)} do not match.", fix=EXPECTED)
        if (
            images.dtype != np.uint8
            or images.ndim not in (3, 4)
            or not images.size
            or images.shape[3:] not in ((), (3,))
        ):
            raise UserError(
                f"{split}_images of {tree.printable(name)} is {images.dtype} of shape {images.shape}.", fix=EXPECTED
            )
        if labels.dtype.kind not in "biuf" or not np.isin(labels, (0, 1)).all():
            kinds = ", ".join(map(str, np.unique(labels)[:8].tolist()))
            raise UserError(f"{split}_labels of {tree.printable(name)} hold {kinds}, not 0 and 1 only.", fix=EXPECTED)
