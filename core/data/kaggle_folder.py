"""The Kaggle folder tree (train/val/test × NORMAL/PNEUMONIA), or bare class folders."""

import os
import re
from pathlib import Path

from core.data.sample import CLASS_NAMES, DataSet, Sample
from core.errors import UserError

SPLITS = ("train", "val", "test")
# person1_bacteria_2.jpeg, IM-0115-0001.jpeg, NORMAL2-IM-0030-0001.jpeg
PNEUMONIA_NAME = re.compile(r"person(\d+)_(bacteria|virus)_\d+")
NORMAL_NAME = re.compile(r"((?:NORMAL2-)?IM-\d+)-\d+")
LAYOUT = "Choose the folder that holds NORMAL and PNEUMONIA, or train, val and test with those two inside."


def recognises(key: str) -> bool:
    """Every key that no earlier source wanted is taken for a folder."""
    return True


def load(key: str) -> DataSet:
    """Reads names, sizes and times; opens no film. Raises UserError if the layout is another."""
    folder = _existing_folder(key)
    try:
        tree = _find_tree(folder)
        samples = [
            sample
            for split, class_folders in tree.items()
            for label, name in enumerate(CLASS_NAMES)
            for class_folder in class_folders.get(name, [])
            for sample in _read_class(class_folder, folder, split, label)
        ]
    except PermissionError as error:
        raise UserError(f"{_safe(str(error.filename))} may not be read.", fix="Change its permissions.") from error
    _check_classes(folder, samples)
    samples.sort(key=lambda sample: sample.id)
    return DataSet(
        key=str(folder),
        name=_safe(folder.name),
        synthetic=False,
        samples=tuple(samples),
        read=lambda sample: sample.path.read_bytes(),
        notes=_notes(samples),
    )


def _existing_folder(key: str) -> Path:
    try:
        folder = Path(key).expanduser().resolve()
        if key.strip() and folder.is_dir():
            return folder
    except (OSError, RuntimeError, ValueError):
        # An unknown ~user, a name too long, a parent that may not be entered, a NUL byte.
        pass
    raise UserError(f"There is no folder {_safe(key[:200])!r} that can be read.", fix=LAYOUT)


def _find_tree(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """{split: {class name: folders}}; the split is "" where class folders lie bare."""
    inside = _subfolders(folder)
    splits = {path.name.lower(): path for path in inside if path.name.lower() in SPLITS}
    if splits:
        return {split: _class_folders(splits[split]) for split in SPLITS if split in splits}
    if any(path.name.upper() in CLASS_NAMES for path in inside):
        return {"": _class_folders(folder)}
    # The Kaggle archive unpacks to chest_xray/chest_xray/train.
    if len(inside) == 1:
        return _find_tree(inside[0])
    if not inside and not any(folder.iterdir()):
        raise UserError(f"The folder {_safe(str(folder))} is empty.", fix=LAYOUT)
    raise UserError(f"{_safe(str(folder))} has no folders NORMAL and PNEUMONIA.", fix=LAYOUT)


def _subfolders(folder: Path) -> list[Path]:
    # Archives made on a Mac bring a __MACOSX folder of shadows.
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX")))


def _class_folders(folder: Path) -> dict[str, list[Path]]:
    inside = _subfolders(folder)
    strangers = [path.name for path in inside if path.name.upper() not in CLASS_NAMES]
    if strangers:
        raise UserError(
            f"{_safe(str(folder))} holds {len(inside)} class folders: "
            f"{_safe(', '.join(path.name for path in inside))}.",
            fix="Keep exactly two, NORMAL and PNEUMONIA, and move every other folder out.",
        )
    found: dict[str, list[Path]] = {}
    for path in inside:
        found.setdefault(path.name.upper(), []).append(path)
    return found


def _read_class(class_folder: Path, root: Path, split: str, label: int) -> list[Sample]:
    samples = []
    for place, folders, files in os.walk(class_folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(place, name)
            if name.startswith(".") or not path.is_file():
                continue
            film = _safe(path.relative_to(root).as_posix())
            patient, subtype = patient_of(path.stem)
            status = path.stat()
            samples.append(
                Sample(
                    id=film,
                    patient=patient or film,
                    label=label,
                    split=split,
                    subtype=subtype,
                    stamp=f"{status.st_size}-{status.st_mtime_ns}",
                    path=path,
                )
            )
    return samples


def patient_of(stem: str) -> tuple[str, str]:
    """(patient, subtype) from a file's name without its ending.

    The number in personN restarts for each subtype, so both make the patient. A name of another
    kind tells neither: ("", "").
    """
    if match := PNEUMONIA_NAME.match(stem):
        number, subtype = match.groups()
        return f"{subtype}:{number}", subtype
    if match := NORMAL_NAME.match(stem):
        return match.group(1), ""
    return "", ""


def _check_classes(folder: Path, samples: list[Sample]) -> None:
    if not samples:
        raise UserError(f"No films in {_safe(str(folder))}: its class folders are empty.", fix=LAYOUT)
    for label, name in enumerate(CLASS_NAMES):
        if not any(sample.label == label for sample in samples):
            raise UserError(
                f"{_safe(str(folder))} holds one class only: there is no film in a {name} folder.",
                fix=f"Add a folder {name} with films: a classifier learns by comparing.",
            )


def _notes(samples: list[Sample]) -> tuple[str, ...]:
    unnamed = sum(sample.patient == sample.id for sample in samples)
    if not unnamed:
        return ()
    return (
        f"{unnamed:,} of {len(samples):,} file names carry no patient number: each of those films counts "
        "as a patient of its own, so a patient with several such films may land on both sides of a split.",
    )


def _safe(text: str) -> str:
    """File names may hold bytes that are no text; a screen and JSON need text."""
    return text.encode("utf-8", "replace").decode()
